#!/bin/sh
# mmdebstrap --extract-hook: $1 is a tree of unpacked packages with /proc mounted, $2 where the image goes. Builds inside
# the tree, so that the host needs none of the tools and their versions are always the same.
set -eu
root=$1 target=$2
cp -R "$(dirname "$0")" "$root/recipe"
chroot "$root" /bin/sh /recipe/build.sh
cp --sparse=always "$root/out/guest.raw" "$root/out/guest.qcow2" "$root/out/kernel" "$target/"
