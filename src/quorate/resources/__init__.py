"""What a node is made of: builders, one module a kind (``from quorate.resources.file import file``)."""
