#!/bin/sh
# mmdebstrap --setup-hook: $1 is the new root. Nothing may start while packages install (policy-rc.d: 101 = forbidden
# by policy, Debian's invoke-rc.d), and downloaded packages go to a cache that outlives an interrupted build.
set -eu
root=$1
mkdir -p "$root/usr/sbin" "$root/var/cache/apt/archives/partial"
printf '#!/bin/sh\nexit 101\n' > "$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
mount --bind "$QUORATE_APT_CACHE" "$root/var/cache/apt/archives"
