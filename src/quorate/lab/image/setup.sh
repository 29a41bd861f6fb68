#!/bin/sh
# mmdebstrap --setup-hook: $1 is the new root. Nothing may start while packages install (policy-rc.d: 101 = forbidden
# by policy, Debian's invoke-rc.d), and downloaded packages go to a cache that outlives an interrupted build.
set -eu
root=$1
mkdir -p "$root/usr/sbin" "$root/var/cache/apt/archives/partial"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
# 220 packages byte-compile their Python one after the other, each starting an interpreter: most of a build's time. This
# stands in front of Debian's py3compile in PATH and only takes notes; customize.sh compiles all of it at once.
mkdir -p "$root/usr/local/bin"
printf '#!/bin/sh\necho "$@" >> /usr/local/py3compile.notes\n' > "$root/usr/local/bin/py3compile"
chmod 755 "$root/usr/local/bin/py3compile"
mount --bind "$QUORATE_APT_CACHE" "$root/var/cache/apt/archives"
