"""Drills: break one thing on purpose, watch as a client would, heal, and judge what was recorded."""
