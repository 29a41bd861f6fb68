"""quorate: raise a highly available OpenStack control plane, keep it available, prove it."""

__version__ = "0.1.0"
