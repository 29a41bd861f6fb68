"""Machines on this host that behave like real ones: disk, networks, BMC, power. Only `cli` knows it."""
