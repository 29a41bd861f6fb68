#!/bin/sh
# mmdebstrap --essential-hook: $1 is the new root, dpkg works, everything else is still to come. 220 packages byte-compile
# their Python one after the other, each starting an interpreter: most of a build's time. This stands in for Debian's
# py3compile and only takes notes; customize.sh compiles all of it at once, on every core.
set -eu
root=$1
chroot "$root" dpkg-divert --quiet --local --rename --add /usr/bin/py3compile
printf '#!/bin/sh\necho "$@" >> /usr/local/py3compile.notes\n' > "$root/usr/bin/py3compile"
chmod 755 "$root/usr/bin/py3compile"
