# lxcfs: its hook and its file in common.conf.d; a container sees its own limit in /proc/meminfo.
packages='fuse3 busybox-static'
version() { sed -n 's/^Version: //p' "$CLIENTS_CACHE/lxcfs/control" 2>/dev/null; }

# Unpacked, not installed: its package starts a daemon on this host, and adds to every container's configuration.
prepare() {
    # shellcheck disable=SC2034
    [ -e /dev/fuse ] || { skipped='no /dev/fuse'; return; }
    unpacked lxcfs && WORLD_LAYER=$CLIENTS_CACHE/lxcfs/root/usr
}

client() {
    local limit=67108864 made=''
    [ -d /var/lib/lxcfs ] || { mkdir /var/lib/lxcfs && made=yes; }
    lxcfs /var/lib/lxcfs >"$RUN/lxcfs.log" 2>&1 &
    for _ in $(seq 50); do
        [ -e /var/lib/lxcfs/proc/meminfo ] && break
        sleep 0.1
    done
    small tc-lxcfs 'lxc.include = /usr/share/lxc/config/common.conf' "lxc.cgroup.memory.limit_in_bytes = $limit" \
        "lxc.cgroup2.memory.max = $limit"
    up tc-lxcfs
    same 'memory inside' $((limit / 1024)) "$(lxc-attach -n tc-lxcfs -- awk '/^MemTotal:/ { print $2 }' /proc/meminfo)"
    code 0 lxc-attach -n tc-lxcfs -- awk '$1 < 60 { exit 0 } { exit 1 }' /proc/uptime
    same 'what lxcfs gives' yes "$(lxc-attach -n tc-lxcfs -- sh -c 'grep -q "^lxcfs /proc/stat fuse.lxcfs" /proc/mounts && echo yes')"
    # The post-stop hook is told whether it is a reboot.
    code 0 lxc-stop -r -n tc-lxcfs -t 20
    same 'memory after a reboot' $((limit / 1024)) "$(lxc-attach -n tc-lxcfs -- awk '/^MemTotal:/ { print $2 }' /proc/meminfo)"
    code 0 lxc-stop -n tc-lxcfs
    code 0 lxc-destroy -n tc-lxcfs
    umount /var/lib/lxcfs
    [ -z "$made" ] || rmdir /var/lib/lxcfs
}
