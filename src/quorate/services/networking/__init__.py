"""What Neutron says and knows, in parts. It is no service itself."""
