"""What OpenStack services have in common: settings, units, proofs. It is no service itself."""
