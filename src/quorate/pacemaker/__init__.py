"""Pacemaker's configuration as one document, and its state as values."""
