# What Proxmox VE's pct does, which is not in Debian: the configuration it writes, its command lines, and the way
# it uses the command socket (tests/clients/proxmox.py).
packages='busybox-static iproute2 python3 uidmap util-linux'
version() { echo '(its command lines)'; }

proxmox_config() { # ID: an unprivileged container
    local common=/usr/share/lxc/config/debian.
    # Debian has these files in another package.
    [ -f ${common}common.conf ] || common=/usr/share/lxc/config/
    printf '%s\n' 'lxc.cgroup.relative = 0' "lxc.cgroup.dir.monitor = tc-pve.monitor/$1" "lxc.cgroup.dir.container = tc-pve/$1" \
        'lxc.cgroup.dir.container.inner = ns' 'lxc.arch = amd64' "lxc.include = ${common}common.conf" \
        "lxc.include = ${common}userns.conf" "lxc.seccomp.profile = /var/lib/lxc/$1/rules.seccomp" \
        'lxc.apparmor.profile = generated' 'lxc.apparmor.raw = deny mount -> /proc/,' 'lxc.mount.auto = sys:mixed' \
        'lxc.monitor.unshare = 1' 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' 'lxc.tty.max = 2' \
        'lxc.environment = TERM=linux' "lxc.uts.name = CT$1" 'lxc.cgroup2.pids.max = 200' 'lxc.cgroup2.cpu.weight = 25' \
        'lxc.cgroup2.cpu.max = 50000 100000' 'lxc.cgroup2.memory.max = 134217728' 'lxc.cgroup2.memory.high = 133000000' \
        'lxc.cgroup2.memory.swap.max = 0' 'lxc.cgroup2.cpuset.cpus = 0' 'lxc.cgroup2.devices.deny = a' \
        'lxc.cgroup2.devices.allow = c 1:* rwm' "lxc.rootfs.path = /var/lib/lxc/$1/rootfs" 'lxc.net.0.type = veth' \
        "lxc.net.0.veth.pair = veth$1i0" 'lxc.net.0.hwaddr = BC:24:11:00:00:01' 'lxc.net.0.name = eth0' 'lxc.net.0.mtu = 1400' \
        'lxc.net.0.script.up = /home/run/net-up' 'lxc.signal.halt = SIGUSR1' \
        'lxc.hook.pre-start = /home/run/hook' 'lxc.hook.autodev = /home/run/hook' 'lxc.hook.post-stop = /home/run/hook'
}

pct_pid() { lxc-info -n "$1" -p | sed -n 's/^PID:\s*//p'; } # ID

client() {
    local id=tc-300 starter pid shown tty
    rootfs /var/lib/lxc/$id/rootfs
    printf 2 >/var/lib/lxc/$id/rules.seccomp
    printf '\nblacklist\nkeyctl errno 38\n' >>/var/lib/lxc/$id/rules.seccomp
    proxmox_config $id >/var/lib/lxc/$id/config
    # Hooks take their kind from the third argument. What follows a stop takes its time.
    printf '#!/bin/sh\n[ "$3" != post-stop ] || sleep 1\necho "$1 $2 $3 $LXC_TARGET" >>/home/run/hooks\n' >"$RUN/hook"
    printf '#!/bin/sh\nip link set "$5" master lxcbr0 && echo "$@" >/home/run/net\n' >"$RUN/net-up"
    chmod 755 "$RUN/hook" "$RUN/net-up"
    # The autodev hook runs as the container's root.
    touch "$RUN/hooks"
    chmod 666 "$RUN/hooks"
    # What is unpacked belongs to the container's root.
    code 0 lxc-usernsexec -m u:0:100000:65536 -m g:0:100000:65536 -- id -u
    same 'usernsexec' 0 "$(cat "$RUN/out")"
    chown -R 100000:100000 /var/lib/lxc/$id/rootfs
    chmod 755 /var/lib/lxc/$id /var/lib/lxc/$id/rootfs

    # From pve-container@.service: in the foreground.
    lxc-start -F -n $id >"$RUN/start.log" 2>&1 </dev/null &
    starter=$!
    code 0 lxc-wait -n $id -s RUNNING -t 20
    pid=$(pct_pid $id)
    same 'init' init "$(cat "/proc/$pid/comm")"
    same 'its user' 100000 "$(stat -c %u "/proc/$pid")"
    same 'state' RUNNING "$(lxc-info -n $id -s | sed 's/^State: *//')"
    same 'network script' "$id net up veth lxcbr0 veth${id}i0" "$(sed 's/veth  *veth/veth lxcbr0 veth/' "$RUN/net")"
    grep -q "/tc-pve/$id/ns" "/proc/$pid/cgroup" || fail "init is in $(cat "/proc/$pid/cgroup")"
    code 0 /usr/bin/python3 tests/clients/proxmox.py asks $id
    # pct exec, pct enter, and what else it does by attaching
    same 'exec' CT$id "$(lxc-attach -n $id --clear-env -- hostname)"
    same 'environment' '/root TERM=linux' "$(lxc-attach -n $id --clear-env -- sh -c 'cd; echo /root; env' | grep -E '^(/root|TERM|HOME=/x)' | xargs)"
    code 3 lxc-attach -n $id --clear-env -- sh -c 'exit 3'
    same 'stdin' through "$(echo through | lxc-attach -n $id --clear-env -- cat)"
    shown=$({ sleep 1; echo 'echo $((40 + 2)); exit'; } | script -qec "lxc-attach --clear-env -n $id" /dev/null)
    grep -q 42 <<<"$shown" || fail "enter: $shown"
    # pct console, on a tty; and for a browser, where no key leaves: all is the container's.
    shown=$({ sleep 1; printf '\001q'; sleep 0.3; } | timeout --foreground 5 script -qec "lxc-console -n $id" /dev/null)
    grep -q 'Connected to tty' <<<"$shown" || fail "console: $shown"
    for tty in 0 1; do
        shown=$({ sleep 1; printf '\001q'; sleep 1; } | timeout --foreground 3 script -qec "lxc-console -n $id -t $tty -e -1" /dev/null)
        grep -q '\^Aq' <<<"$shown" || fail "no key is passed on to $tty: $shown"
        ! grep -q 'Type <Ctrl' <<<"$shown" || fail "a key is told: $shown"
    done
    # pct set: a limit, and a link that is plugged in
    code 0 lxc-cgroup -n $id pids.max 150
    same 'limit' 150 "$(lxc-cgroup -n $id pids.max)"
    ip link add tc-veth type veth peer name tc-vethp
    code 0 lxc-device -n $id add tc-vethp eth1
    code 0 lxc-attach -n $id -s NETWORK -- /bin/ip link set eth1 up
    code 0 lxc-attach -n $id -s NETWORK -- /bin/ip addr add 10.9.9.9/24 dev eth1
    same 'addresses' '10.9.9.9' "$(lxc-info -n $id -iH | grep '^10.9')"

    # pct shutdown, pct reboot from inside, pct stop: each waits for the end of its connection.
    : >"$RUN/hooks"
    code 0 /usr/bin/python3 tests/clients/proxmox.py ends $id lxc-stop -n $id --timeout 30
    wait $starter
    same 'lxc-start -F ends with' 0 $?
    same 'hooks of a shutdown' "$id lxc post-stop stop" "$(cat "$RUN/hooks")"
    lxc-start -F -n $id >"$RUN/start.log" 2>&1 </dev/null &
    starter=$!
    code 0 lxc-wait -n $id -s RUNNING -t 20
    code 0 lxc-attach -n $id --clear-env -- reboot
    for _ in $(seq 100); do
        [ "$(grep -c post-stop "$RUN/hooks")" = 2 ] && [ "$(state $id)" = RUNNING ] && break
        sleep 0.1
    done
    grep -q "^$id lxc post-stop reboot" "$RUN/hooks" || fail "hooks of a reboot: $(cat "$RUN/hooks")"
    code 0 /usr/bin/python3 tests/clients/proxmox.py ends $id lxc-stop -n $id --kill
    wait $starter
    lxc-start -n $id
    code 0 /usr/bin/python3 tests/clients/proxmox.py stops $id
    # pct destroy removes the directory itself.
    same 'left' "$id" "$(lxc-ls -1)"
    rm -rf /var/lib/lxc/$id
    find /sys/fs/cgroup -maxdepth 2 -name 'tc-pve*' -exec find {} -depth -type d -exec rmdir {} + \; 2>/dev/null
}
