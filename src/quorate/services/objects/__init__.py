"""Parts of the object store: where its replicas are, what runs for it, how its health is judged."""
