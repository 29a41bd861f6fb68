"""Faults: one file each. A module here has ``FAULT``, a `Fault` class."""
