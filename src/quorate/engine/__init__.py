"""Looks at what is, says what would change, changes it, and looks again. Knows no service by name."""
