"""Reports: what a drill found out, for people."""
