#!/bin/sh
# mmdebstrap --customize-hook: $1 is the new root, packages are installed. Makes it a machine that starts nothing but
# itself: no daemon, no timer, no identity.
set -eu
root=$1
files=$(dirname "$0")/files
umount "$root/var/cache/apt/archives"

# What essential.sh postponed: the common folder, and every one that a package named. Exit 1 means that some file is
# not Python 3 (a template, say), which py3compile passes over as well.
rm "$root/usr/bin/py3compile"
chroot "$root" dpkg-divert --quiet --local --rename --remove /usr/bin/py3compile
notes=$root/usr/local/py3compile.notes
# shellcheck disable=SC2046 # one word a folder
chroot "$root" python3 -m compileall -q -j "$(nproc)" /usr/lib/python3/dist-packages \
    $(tr ' ' '\n' < "$notes" | grep '^/' | sort -u) > /dev/null 2>&1 || [ $? -eq 1 ]
rm "$notes"

cp -a "$files/." "$root/"
chown -R 0:0 "$root/etc/systemd" "$root/etc/ssh/sshd_config.d"

# What packages enabled is taken back; 00-quorate.preset says what may start.
chroot "$root" systemctl preset-all >/dev/null 2>&1
rm -f "$root"/etc/rc?.d/S*
for unit in console-getty.service getty-static.service systemd-logind.service sshd-keygen.service \
    systemd-modules-load.service systemd-firstboot.service systemd-pstore.service systemd-udev-settle.service \
    systemd-homed.service e2scrub_reap.service; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
rm -rf "$root/etc/systemd/system/getty.target.wants" "$root/etc/systemd/system/timers.target.wants"

# Identity is a machine's own: it comes with its disk.
rm -f "$root"/etc/ssh/ssh_host_* "$root/etc/hostname" "$root/var/lib/rabbitmq/.erlang.cookie" \
    "$root/var/lib/dbus/machine-id" "$root/etc/resolv.conf"
: > "$root/etc/machine-id"
: > "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n' > "$root/etc/hosts"
rm -rf "$root/usr/sbin/policy-rc.d" "$root"/var/log/apt "$root/var/cache/debconf"/*-old
mkdir -p "$root/var/log/journal"
# Otherwise ldconfig and friends run again at each machine's first boot (systemd.unit(5), ConditionNeedsUpdate=).
touch -r "$root/usr" "$root/etc/.updated" "$root/var/.updated"
