"""Stands in for bcrypt in Ceph's manager alone (PYTHONPATH of ceph-mgr@.service). Written by quorate.

The manager runs each of its modules in a Python sub-interpreter of its own; bcrypt 4 is made with PyO3, which
cannot be loaded there, and every module imports it through mgr_util. Only the dashboard would call it.
"""

from typing import NoReturn


def _absent(*_: object) -> NoReturn:
    raise NotImplementedError("bcrypt cannot be used inside ceph-mgr on this release")


gensalt = hashpw = checkpw = _absent
