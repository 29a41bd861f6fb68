"""The command line: the only package that prints or exits. `main` finds every module with ``commands``."""
