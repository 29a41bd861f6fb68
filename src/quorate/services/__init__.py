"""One file a service: what it needs on the nodes, how it is healthy, how it is proved."""
