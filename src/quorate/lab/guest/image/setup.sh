#!/bin/sh
# mmdebstrap --setup-hook: $1 is the new root. Downloaded packages go to a cache that outlives an interrupted build.
set -eu
mkdir -p "$1/var/cache/apt/archives/partial"
mount --bind "$QUORATE_APT_CACHE" "$1/var/cache/apt/archives"
