#!/bin/sh
# Becomes a machine: $1 node folder, $2 image, $3 control group, $4 machine name, $5 host name; the rest are nspawn's
# further arguments. Runs in mount and network namespaces of its own (unshare -m -n), so that whatever happens to it,
# mounts, loop device and links end with it. Says "ready PID" on standard output once the disk is mounted, waits for a
# line on standard input (the links are plugged in meanwhile), then is systemd-nspawn.
set -eu
folder=$1 image=$2 group=$3 name=$4 host=$5
shift 5
# Out of whatever cgroup v1 limits the caller is under (a memory limit, no real-time budget), into the machine's groups.
while read -r _ point type _; do
    if [ "$type" != cgroup ]; then continue; fi
    if [ -d "$point/$name" ]; then point=$point/$name; fi
    echo $$ > "$point/cgroup.procs" || true
done < /proc/mounts
echo $$ > "$group/cgroup.procs"
exec 3>&1 4<&0 >> "$folder/console.log" 2>&1 < /dev/null
date -u '+---- power on, %Y-%m-%dT%H:%M:%SZ'
options=loop,noatime,barrier=0
if ! mount -t ext4 -o "$options" "$folder/disk.img" "$folder/fs"; then
    e2fsck -p "$folder/disk.img" || [ $? -le 1 ]
    mount -t ext4 -o "$options" "$folder/disk.img" "$folder/fs"
fi
mkdir -p "$folder/fs/upper" "$folder/fs/work"
mount -t overlay -o "lowerdir=$image,upperdir=$folder/fs/upper,workdir=$folder/fs/work" overlay "$folder/root"
echo "ready $$" >&3
read -r go <&4
exec 3>&- 4<&-
export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_NSPAWN_API_VFS_WRITABLE=network SYSTEMD_NSPAWN_LOCK=0
exec systemd-nspawn --quiet --register=no --keep-unit --boot --capability=all --link-journal=no --resolv-conf=off \
    --timezone=off --console=read-only --kill-signal=SIGRTMIN+3 --machine="$name" --hostname="$host" \
    --network-namespace-path=/proc/self/ns/net --directory="$folder/root" "$@"
