"""A small bootable image from Debian's kernel and busybox: what ``verify`` boots as a tenant's server."""
