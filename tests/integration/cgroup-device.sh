# lxc-device: nodes and links that come and go while a container runs.

inside() { # CONTAINER COMMAND...: whether it works in there
    local name=$1
    shift
    if tool attach -n "$name" -- "$@" >/dev/null 2>&1; then echo yes; else echo no; fi
}

test_cgroup_device_nodes_come_and_go() {
    local rules words
    for words in cgroup cgroup2; do
        rules=("lxc.$words.devices.deny = a" "lxc.$words.devices.allow = c 1:3 rwm"
            "lxc.$words.devices.allow = c 5:* rwm" "lxc.$words.devices.allow = c 136:* rwm")
        container t-node "${rules[@]}"
        code 0 tool start -n t-node
        same "$words: not there" no "$(inside t-node test -e /dev/kmsg)"
        code 0 tool device -n t-node add /dev/kmsg
        same "$words: a device" yes "$(inside t-node test -c /dev/kmsg)"
        code 0 tool device t-node a /dev/zero /dev/sub/nothing
        same "$words: elsewhere" yes "$(inside t-node head -c 1 /dev/sub/nothing)"
        code 0 tool device -n t-node del /dev/sub/nothing
        same "$words: gone" no "$(inside t-node test -e /dev/sub/nothing)"
        same "$words: and denied" no "$(inside t-node head -c 1 /dev/zero)"
        code 0 tool stop -k -n t-node
    done
}

test_cgroup_device_rules_outlive_a_reboot() {
    container t-again 'lxc.cgroup2.devices.allow = c 1:3 rwm' 'lxc.cgroup2.devices.allow = c 5:* rwm' \
        'lxc.cgroup2.devices.allow = c 136:* rwm'
    # Where the kernel keeps the list it is written behind the monitor's back, and ends with the cgroup.
    [ "$(layout)" = v2 ] || { skipped='on cgroup v1 the rules are the kernel'"'"'s'; return; }
    code 0 tool start -n t-again
    same 'denied' no "$(inside t-again head -c 1 /dev/zero)"
    code 0 tool cgroup -n t-again devices.allow 'c 1:5 r'
    code 0 tool cgroup -n t-again devices.deny 'c 1:3 w'
    same 'allowed' yes "$(inside t-again head -c 1 /dev/zero)"
    local life
    for life in second third; do
        code 0 tool stop -r -t 60 -n t-again
        same "$life life: allowed" yes "$(inside t-again head -c 1 /dev/zero)"
        same "$life life: denied" no "$(inside t-again sh -c 'echo >/dev/null')"
        same "$life life: as configured" no "$(inside t-again head -c 1 /dev/urandom)"
    done
    code 0 tool stop -k -n t-again
    code 0 tool start -n t-again
    same 'forgotten at the end' no "$(inside t-again head -c 1 /dev/zero)"
    code 0 tool stop -k -n t-again
}

test_cgroup_device_in_a_user_namespace() {
    container t-unode 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' \
        'lxc.rootfs.options = idmap=container'
    chmod 755 "$RUN" "$LXC" "$LXC/t-unode"
    code 0 tool start -n t-unode
    code 0 tool device -n t-unode add /dev/zero /dev/other
    same 'opened' yes "$(inside t-unode head -c 1 /dev/other)"
    code 0 tool device -n t-unode del /dev/other
    same 'gone' no "$(inside t-unode test -e /dev/other)"
    code 0 tool stop -k -n t-unode
}

test_cgroup_device_moves_links() {
    container t-link 'lxc.net.0.type = empty'
    code 0 tool start -n t-link
    ip -n "$NETNS" link add t-dummy type veth peer name t-peer
    code 0 tool device -n t-link add t-dummy eth7
    same 'moved' 0 "$(ip -n "$NETNS" -br link | grep -c t-dummy)"
    same 'renamed' yes "$(inside t-link ip link show eth7)"
    code 0 tool device -n t-link del eth7 t-back
    same 'back' 1 "$(ip -n "$NETNS" -br link | grep -c '^t-back@')"
    ip -n "$NETNS" link del t-back
    code 1 tool device -n t-link add t-none
    says 'Failed to add t-none to t-link: cannot find the link t-none: ENODEV'
    code 0 tool stop -k -n t-link
}

test_cgroup_device_refusals() {
    container t-refuse
    code 1 tool device -n t-refuse add /dev/zero
    says 'Container t-refuse is not running'
    code 1 tool device -n t-refuse
    says 'Error: no command given (Please see --help output)'
    code 0 tool start -n t-refuse
    code 1 tool device -n t-refuse put /dev/zero
    says 'Error: Please use add or del (Please see --help output)'
    code 1 tool device -n t-refuse add /etc/passwd
    says '/etc/passwd on the host is not a device'
    # The container's owner makes links; they lead nowhere.
    tool attach -n t-refuse -- ln -s /etc /dev/trap
    code 1 tool device -n t-refuse add /dev/zero /dev/trap/zero
    says 'ELOOP\|ENOTDIR'
    same 'nothing denied' yes "$(inside t-refuse head -c 1 /dev/full)"
    code 0 tool stop -k -n t-refuse
}
