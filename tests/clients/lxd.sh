# LXD, over Debian's liblxc.so.1 and over ours: the same commands with the same answers. Its daemon is not installed on
# this host: it is in /usr of the world only.
packages='busybox-static'
CLIENTS_SECONDS=600
WORLD_NAMES='@(tc-*)'
needed='lxd lxd-client liblxc-common libdqlite0 libraft2 libuv1 liblz4-1 libsqlite3-0 attr squashfs-tools rsync libpopt0'
version() { echo "$(version_of lxd), liblxc1 $(dpkg-query -W -f '${Version}' liblxc1)"; }

prepare() {
    our_library || return
    # shellcheck disable=SC2086
    layer $needed
}

# What a root filesystem and its description make an image.
lxd_image() {
    rootfs /home/run/image/rootfs
    printf 'architecture: x86_64\ncreation_date: 1700000000\nproperties: {os: busybox}\n' >/home/run/image/metadata.yaml
    tar -C /home/run/image -czf /home/run/image.tgz metadata.yaml rootfs
}

daemon() { # DIRECTORY [LIBRARIES]
    export LXD_DIR=$1
    mkdir -p "$LXD_DIR"
    LD_LIBRARY_PATH=${2:-} lxd --group root >"$LXD_DIR.out" 2>&1 &
    echo $! >"$LXD_DIR.pid"
    timeout 60 lxd waitready >/dev/null || { fail "lxd does not start: $(tail -3 "$LXD_DIR.out")"; return 1; }
}

answer() { # COMMAND [ARG]...: what it says and how it ends
    local code=0
    echo "\$ $*"
    timeout 90 "$@" </dev/null >/home/run/said 2>&1 || code=$?
    # Without what differs from run to run: progress, times, numbers of processes, addresses, identifiers.
    tr '\r' '\n' </home/run/said | grep -vE 'Retrieving image|Remapping container|^ *$|Transferring|Pushing|first time running|To start your first|virtual machine:|^(PID|Created|Last Used):' |
        sed -E 's/[0-9a-f]{64}/ID/g; s/\b[0-9a-f]{12}\b/ID/g; s/([0-9a-f]{2}:){5}[0-9a-f]{2}/MAC/g; s/\bveth[0-9a-f]+\b/VETH/g; s/(20[0-9]{2})[-\/][0-9]{2}.*(UTC|[+]0000)/TIME/; s/^( *)[0-9]+ root/\1N root/'
    [ $code = 0 ] || echo "exit code $code"
}

lxd_life() { # NAME [OPTION]...: a container from its launch to its end
    local name=$1
    shift
    answer lxc launch busybox "$name" "$@"
    answer lxc list -c ns --format csv
    answer lxc exec "$name" -- sh -c 'id -u; hostname; pwd; exit 5'
    answer sh -c "echo in | lxc exec $name -- cat"
    answer lxc exec "$name" --user 1000 --env A=b --cwd /tmp -- sh -c 'id -u; echo $A; pwd'
    echo pushed >/home/run/pushed
    answer lxc file push /home/run/pushed "$name/root/pushed"
    answer lxc file pull "$name/root/pushed" -
    answer lxc config set "$name" limits.memory=64MiB
    answer lxc config set "$name" limits.cpu=1
    answer lxc config set "$name" limits.processes=300
    answer sh -c "cat /sys/fs/cgroup/pids/lxc.payload.$name/pids.max /sys/fs/cgroup/lxc.payload.$name/pids.max 2>/dev/null"
    answer sh -c "find /sys/fs/cgroup -path '*lxc.payload.$name/memory.*' \( -name memory.limit_in_bytes -o -name memory.max \) | xargs cat"
    mkdir -p /home/run/shared
    echo shared >/home/run/shared/file
    answer lxc config device add "$name" shared disk source=/home/run/shared path=/mnt
    answer lxc exec "$name" -- cat /mnt/file
    answer lxc config device remove "$name" shared
    answer lxc exec "$name" -- ls /mnt
    answer lxc config device add "$name" null unix-char source=/dev/null path=/dev/other
    answer lxc exec "$name" -- test -c /dev/other
    answer lxc config device remove "$name" null
    answer lxc exec "$name" -- ls /dev/other
    answer lxc config device add "$name" eth1 nic network=lxdbr0 name=eth1
    answer lxc exec "$name" -- ls /sys/class/net
    answer lxc config device remove "$name" eth1
    answer lxc exec "$name" -- ls /sys/class/net
    answer lxc exec "$name" -- ip addr add 10.77.0.9/24 dev eth0
    answer sh -c "lxc info $name | grep -E '^(Name|Status|Type|Architecture)|inet:|Processes:' | sort"
    answer lxc pause "$name"
    answer lxc list -c ns --format csv
    answer lxc start "$name"
    answer lxc snapshot "$name" first
    answer lxc exec "$name" -- rm /root/pushed
    answer lxc restore "$name" first
    answer lxc exec "$name" -- cat /root/pushed
    answer sh -c "lxc console $name --show-log | head -3"
    answer lxc restart "$name" --force
    answer lxc exec "$name" -- true
    answer lxc stop "$name" --force
    answer lxc copy "$name" "$name-copy"
    answer lxc start "$name-copy"
    answer lxc exec "$name-copy" -- hostname
    answer lxc stop "$name-copy" --force
    answer lxc list -c ns --format csv
    answer lxc delete "$name-copy"
    answer lxc delete "$name"
}

life_of_lxd() { # [LIBRARIES]
    daemon /home/run/lxd "${1:-}" || return
    answer lxc storage create default dir
    answer lxc network create lxdbr0 ipv4.address=10.77.0.1/24 ipv4.nat=false ipv6.address=none
    answer lxc profile device add default root disk path=/ pool=default
    answer lxc profile device add default eth0 nic network=lxdbr0
    answer lxc image import /home/run/image.tgz --alias busybox
    lxd_life tc-plain
    lxd_life tc-priv -c security.privileged=true
    lxd_life tc-nest -c security.nesting=true
    answer lxc image delete busybox
    answer lxc profile device remove default root
    answer lxc profile device remove default eth0
    answer lxc network delete lxdbr0
    answer lxc storage delete default
    answer lxd shutdown
    for _ in $(seq 100); do kill -0 "$(cat /home/run/lxd.pid)" 2>/dev/null || break; sleep 0.1; done
    umount -l /home/run/lxd/* 2>/dev/null
    rm -rf /home/run/lxd
}

client() {
    mkdir -p /home/run/own
    cp "$LIBRARY" /home/run/own/liblxc.so.1
    lxd_image
    life_of_lxd >/home/run/debian
    life_of_lxd /home/run/own >/home/run/ours
    [ -z "${LXD_LOGS:-}" ] || cp /home/run/{debian,ours,lxd.out} "$LXD_LOGS"
    diff /home/run/debian /home/run/ours | grep '^[<>]' >/home/run/differences
    same 'what the commands say over Debian'"'"'s library (<) and over ours (>)' '' "$(cat /home/run/differences)"
    [ "$(wc -l </home/run/ours)" -gt 200 ] || fail "they say little: $(head -20 /home/run/ours)"
}
