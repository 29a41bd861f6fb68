"""What Nova's control half and its half on the computes both have to know. It is no service itself."""
