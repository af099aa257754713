# Errors of devices, links and mounts name the object, the side it is on, the line, and what to do.

# The start fails, says the pattern, and shows the part of the line.
fails_at() { # PART PATTERN CONFIG-LINE...
    local part=$1 pattern=$2
    shift 2
    container t-errors 'lxc.net.0.type = veth' "$@"
    code 1 tool start -n t-errors
    says "$pattern"
    grep -qF -- "$part" "$RUN/err" || fail "'$part' is not shown: $(cat "$RUN/err")"
    ! grep -q 'lib/lxc/rootfs\|/proc/[0-9]' "$RUN/err" || fail "a path that the reader does not have: $(cat "$RUN/err")"
    rm -rf "${LXC:?}/t-errors"
}

test_messages_of_links() {
    fails_at 'mtu = 10' EINVAL 'lxc.net.0.mtu = 10'
    says 'hint: .*68 to 65535'
    fails_at 'hwaddr = 01:' EADDRNOTAVAIL 'lxc.net.0.hwaddr = 01:00:00:00:00:01'
    says 'hint: .*must be even'
    fails_at 'link = lo' EINVAL 'lxc.net.0.link = lo'
    says 'hint: .*must be a bridge'
    fails_at 'address = 10.1.1.1/24' EEXIST 'lxc.net.0.ipv4.address = 10.1.1.1/24' 'lxc.net.0.ipv4.address = 10.1.1.1/24'
    says 'hint: the link has it already'
    fails_at 'route = 10.1.1.1/24' EINVAL "lxc.net.0.link = $BRIDGE" 'lxc.net.0.veth.ipv4.route = 10.1.1.1/24'
    says 'hint: .*must be 0'
}

test_messages_of_mounts() {
    fails_at 'mnt/none none' 'cannot use /mnt/none in the root filesystem: ENOENT' 'lxc.mount.entry = /etc mnt/none none bind'
    fails_at 'proc/x none' 'cannot make /proc/x in the root filesystem: ENOENT' \
        'lxc.mount.entry = /etc proc/x none bind,create=dir'
    says 'hint: its file system makes no files'
    fails_at '/etc/hosts mnt' 'cannot mount /etc/hosts on /mnt: E' 'lxc.mount.entry = /etc/hosts mnt none bind'
    says 'hint: /mnt is a directory, and'
    fails_at 'remount,ro' 'cannot remount /mnt: EINVAL' 'lxc.mount.entry = none mnt none remount,ro'
    says 'hint: nothing is mounted there'
    fails_at 'idmap=/etc/hosts' '/etc/hosts, which idmap= names, is not a namespace' \
        'lxc.mount.entry = /etc mnt none bind,idmap=/etc/hosts'
    fails_at 'newdir none' 'cannot use /newdir in the root filesystem: EROFS' 'lxc.rootfs.options = ro' \
        'lxc.mount.entry = /etc newdir none bind,create=dir'
    says 'hint: .*read-only'
    fails_at 'tty.dir = ' 'refusing the path' 'lxc.tty.dir = a/../../b'
    container t-errors
    rm -rf "$LXC/t-errors/rootfs/dev"
    echo >"$LXC/t-errors/rootfs/dev"
    code 1 tool start -n t-errors
    says 'cannot mount on /dev in the root filesystem: E'
    says 'hint: /dev is not a directory'
}

test_messages_of_devices() {
    container t-errors 'lxc.net.0.type = veth'
    code 0 tool start -n t-errors
    code 1 tool device -n t-errors add /dev/null
    says '/dev/null in the container: EEXIST'
    says 'hint: it is there already: lxc-device -n t-errors del /dev/null removes it'
    code 1 tool device -n t-errors add /dev/null /sys/x
    says '/sys/x in the container: EROFS'
    says 'hint: the place is read-only'
    code 1 tool device -n t-errors add /dev/null /etc/passwd/x
    says 'cannot use /etc/passwd in the root filesystem: ENOTDIR'
    code 1 tool device -n t-errors add /dev/no-such
    says '/dev/no-such on the host: ENOENT'
    code 1 tool device -n t-errors add /etc/hosts
    says '/etc/hosts on the host is not a device'
    code 1 tool device -n t-errors del /etc/passwd
    says '/etc/passwd in the container is not a device'
    code 1 tool device -n t-errors add nolink0
    says 'hint: no link on the host is called nolink0'
    code 1 tool device -n t-errors del nolink0
    says 'hint: no link in the container is called nolink0'
    code 1 tool device -n t-errors del eth0 "$BRIDGE"
    says "the link eth0 (in the container) to $BRIDGE (on the host): EEXIST"
    says "hint: on the host a link is called $BRIDGE already"
    code 1 tool device -n t-errors del eth0 'a b'
    says "hint: the name of a link has no blanks"
    same 'after both' 1 "$(tool attach -n t-errors -- ip -o link | grep -c ' eth0@')"
    code 1 tool device -n t-errors add lo x0
    says EINVAL
    says 'hint: a loopback, a bridge'
    code 1 tool device -n t-errors del eth0 a-name-that-is-too-long
    says 'hint: .*at most 15 bytes'
    code 0 tool stop -k -n t-errors
}
