"""What a person does with a running cluster: look at it, prove it, read its credentials."""
