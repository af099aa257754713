# Settings of which one would forbid the next if they were made in another order.

test_order_of_device_rules_and_the_inner_cgroup() {
    local devices dir idmap options
    devices=$(hierarchy devices)
    for idmap in no yes; do
        options=()
        [ $idmap = no ] || options=('lxc.idmap = u 0 200000 65536' 'lxc.idmap = g 0 200000 65536' \
            'lxc.rootfs.options = idmap=container')
        container t-inner 'lxc.cgroup.dir.container = lxc.payload.t-inner' 'lxc.cgroup.dir.monitor = lxc.monitor.t-inner' \
            'lxc.cgroup.dir.container.inner = ns' 'lxc.cgroup.devices.deny = a' \
            'lxc.cgroup.devices.allow = c 1:3 rwm' 'lxc.cgroup.devices.allow = c 5:* rwm' "${options[@]}"
        code 0 tool start -n t-inner
        dir=$devices/lxc.payload.t-inner
        # The rules of v2 are a program of the kernel's, which nothing prints.
        if [ -e "$devices/devices.list" ]; then
            same "rules of the limiting one, idmap: $idmap" 'c 1:3 rwm c 5:* rwm' "$(xargs <"$dir/devices.list")"
            same 'rules of the inner one' 'c 1:3 rwm c 5:* rwm' "$(xargs <"$dir/ns/devices.list")"
        fi
        same 'processes in the limiting one' '' "$(cat "$dir/cgroup.procs")"
        grep -qx "$(tool info -n t-inner -pH)" "$dir/ns/cgroup.procs" || fail 'init is not in the inner one'
        same 'an attached one' / "$(tool attach -n t-inner -- awk -F: '$2 == "devices" { path = $3; exit } $2 == "" { path = $3 } END { print path }' /proc/self/cgroup)"
        code 0 tool attach -n t-inner -- sh -c ': </dev/null'
        code 1 tool attach -n t-inner -- head -c 1 /dev/zero
        # What is allowed later reaches the inner one.
        code 0 tool cgroup -n t-inner devices.allow 'c 1:5 r'
        code 0 tool attach -n t-inner -- head -c 1 /dev/zero
        code 0 tool cgroup -n t-inner devices.deny 'c 1:5 r'
        code 1 tool attach -n t-inner -- head -c 1 /dev/zero
        same 'owner of the limiting one' 0 "$(stat -c %u "$dir")"
        [ $idmap = no ] || same 'owner of the inner one' 200000 "$(stat -c %u "$dir/ns")"
        code 0 tool stop -k -n t-inner
        rm -rf "${LXC:?}/t-inner"
    done
}

# A start takes files and descriptors; the limits are for the container's own.
test_order_of_resource_limits_and_the_set_up() {
    container t-limits 'lxc.prlimit.fsize = 0' 'lxc.prlimit.nofile = 6' 'lxc.tty.max = 4' \
        "lxc.mount.entry = $RUN mnt none bind 0 0"
    code 0 tool start -n t-limits
    local limits
    limits=/proc/$(tool info -n t-limits -pH)/limits
    same fsize '0 0' "$(awk '/^Max file size/ { print $4, $5 }' "$limits")"
    same nofile '6 6' "$(awk '/^Max open files/ { print $4, $5 }' "$limits")"
    code 0 tool stop -k -n t-limits
}

# As in a container that may not use all devices: there the cgroup's list is finite from the beginning.
test_order_of_device_rules_below_a_cgroup_that_denies() {
    local devices=/sys/fs/cgroup/devices rule
    [ -e $devices/devices.list ] || { skipped='no devices hierarchy of cgroup v1'; return; }
    mkdir $devices/lxc.payload.t-below
    echo a >$devices/lxc.payload.t-below/devices.deny
    for rule in 'c 1:* rwm' 'c 5:* rwm' 'c 136:* rwm'; do echo "$rule" >$devices/lxc.payload.t-below/devices.allow; done
    container t-below 'lxc.cgroup.dir.container = lxc.payload.t-below/limit' 'lxc.cgroup.dir.monitor = lxc.monitor.t-below' \
        'lxc.cgroup.dir.container.inner = ns' 'lxc.cgroup.devices.deny = a' 'lxc.cgroup.devices.allow = c 1:3 rwm'
    code 0 tool start -n t-below
    same 'rules of the limiting one' 'c 1:3 rwm' "$(xargs <$devices/lxc.payload.t-below/limit/devices.list)"
    same 'rules of the inner one' 'c 1:3 rwm' "$(xargs <$devices/lxc.payload.t-below/limit/ns/devices.list)"
    code 0 tool stop -k -n t-below
}
