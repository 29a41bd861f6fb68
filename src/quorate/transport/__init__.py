"""How a command reaches a node: SSH, and the contract that a fake fulfils in tests."""
