"""cluster.yaml: the one input. Typed, and every mistake in it reported at once with its line."""
