#!/bin/sh
# Read the journal of a machine that is off: $1 node folder, $2 image, the rest for journalctl. Runs in a mount
# namespace of its own. The disk is mounted read-only and its journal (ext4's) is not replayed: nothing changes on it.
set -eu
folder=$1 image=$2
shift 2
mkdir -p "$folder/fs"
mount -t ext4 -o loop,ro,noload "$folder/disk.img" "$folder/fs"
mount --bind "$folder/fs/upper/var/log/journal" "$image/mnt"
exec chroot "$image" journalctl --directory=/mnt "$@"
