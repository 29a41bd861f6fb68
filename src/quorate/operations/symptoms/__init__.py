"""Rules that read one observation and name what is wrong in it. Pure; one file an area, with its RULES."""
