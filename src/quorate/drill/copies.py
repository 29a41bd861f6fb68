"""Which objects a storage node of Swift holds. Runs on the node: its text is given to ``python3 -c``.

Standard input: a line a number, then the folder of that object below a device ("objects/83/a3f/<hash>").
Argument: the root of all devices. Standard output: the numbers whose newest file holds data.
"""

import sys
from pathlib import Path


def held(folder: Path) -> bool:
    """Whether the newest file of an object holds data; ``.ts``: it was deleted (Swift, diskfile.py)."""
    try:
        names = sorted(path.name for path in folder.iterdir() if path.suffix in (".data", ".ts"))
    except OSError:
        return False
    return bool(names) and names[-1].endswith(".data")


def main() -> None:
    """Look on every device."""
    devices = [path for path in Path(sys.argv[1]).iterdir() if path.is_dir()]
    for line in sys.stdin:
        number, folder = line.split()
        if any(held(device / folder) for device in devices):
            sys.stdout.write(number + "\n")


if __name__ == "__main__":
    main()
