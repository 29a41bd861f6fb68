"""What both halves of Cinder have to know, the control half and the one at the storage. No service itself."""
