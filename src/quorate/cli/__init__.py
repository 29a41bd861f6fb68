"""The command line: the only package that prints or exits. Every module with ``commands`` is found by `main`."""
