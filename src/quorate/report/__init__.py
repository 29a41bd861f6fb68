"""Drill histories in; text for people, JSON and JUnit for programs out."""
