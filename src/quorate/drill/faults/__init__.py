"""One file a fault: how it is injected, how it is healed, how the healing is proved."""
