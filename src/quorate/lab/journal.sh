#!/bin/sh
# Read the journal of a machine that is off: $1 node folder, $2 image, the rest for journalctl. Runs in a mount
# namespace of its own, while nobody can switch the machine on. Mounting replays the disk's own journal, as the next
# boot would.
set -eu
folder=$1 image=$2
shift 2
mkdir -p "$folder/fs"
mount -t ext4 -o loop,noatime,barrier=0 "$folder/disk.img" "$folder/fs"
mount --bind "$folder/fs/upper/var/log/journal" "$image/mnt"
exec chroot "$image" journalctl --directory=/mnt "$@"
