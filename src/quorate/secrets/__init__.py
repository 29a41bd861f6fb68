"""Passwords, keys and certificates of a cluster: made once, readable only by their owner."""
