"""Workloads: one file each, a kind of client each. A module here has ``WORKLOAD``, a `Workload` class."""
