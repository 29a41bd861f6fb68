"""``python -m quorate``."""

from __future__ import annotations

import signal
import sys

from quorate.cli.main import main

if __name__ == "__main__":
    # Like Ctrl-C: what runs is ended in order (a builder, a frozen disk), not just left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
