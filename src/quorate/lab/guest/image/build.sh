#!/bin/sh
# Runs in the tree of unpacked packages: kernel, busybox and the files beside this script become /out/guest.raw (an MBR,
# one FAT16 partition with syslinux, kernel and initramfs) and /out/guest.qcow2. The same packages give the same bytes.
set -eu
here=/recipe
export LC_ALL=C MTOOLS_SKIP_CHECK=1 TZ=UTC
mkdir -p /out /root.d

release=$(ls /usr/lib/modules)
case $release in *' '* | *'
'*) echo "E: expected one kernel, found: $release" >&2 && exit 1 ;; esac
kernel=/boot/vmlinuz-$release
SOURCE_DATE_EPOCH=$(stat -c %Y "$kernel")
export SOURCE_DATE_EPOCH

# --- initramfs: busybox, the modules in the order in which they have to be loaded, our files
mkdir -p /root.d/bin /root.d/lib/modules /root.d/dev /root.d/proc /root.d/sys /root.d/run /root.d/tmp /root.d/root
cp /usr/bin/busybox /root.d/bin/busybox
for applet in $(busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "/root.d/bin/$applet"
done
cp -R "$here/files/." /root.d/
chmod 755 /root.d/init /root.d/sbin/* /root.d/etc/dhcp /root.d/www/cgi-bin/*
depmod -a "$release"
ln -s /run/facts.json /root.d/www/facts.json
number=10
while read -r module; do
    modprobe -S "$release" --show-depends "$module" > /tmp/depends
    while read -r verb path _; do
        [ "$verb" = insmod ] || continue # built in
        name=$(basename "$path" .ko.xz)
        ls /root.d/lib/modules | grep -q "^[0-9]*-$name.ko$" && continue
        xz -dc "$path" > "/root.d/lib/modules/$number-$name.ko"
        number=$((number + 1))
    done < /tmp/depends
done < "$here/modules"
find /root.d -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
(cd /root.d && find . | sort | cpio --quiet --reproducible -R 0:0 -o -H newc) | gzip -9n > /out/initrd.gz

# --- disk: 2048 sectors for the MBR and alignment, then the partition that BIOS boots
image=/out/guest.raw
truncate -s 32M "$image"
printf 'label: dos\nlabel-id: 0x71756f72\n2048,,0xe,*\n' | sfdisk --quiet "$image"
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$image" conv=notrunc status=none
mkfs.vfat -F 16 --invariant -n QUORATE --offset 2048 -h 2048 "$image" > /tmp/mkfs
cp "$kernel" /out/vmlinuz
cp "$here/syslinux.cfg" /out/syslinux.cfg
touch -d "@$SOURCE_DATE_EPOCH" /out/vmlinuz /out/initrd.gz /out/syslinux.cfg
mcopy -m -i "$image@@1M" /out/vmlinuz /out/initrd.gz /out/syslinux.cfg ::/
syslinux --install --offset 1048576 "$image"
qemu-img convert -f raw -O qcow2 "$image" /out/guest.qcow2
printf '%s\n' "$release" > /out/kernel
