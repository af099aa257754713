# Hooks: their order, arguments, environment and namespaces, as under Debian's LXC.

# A hook that tells how it was called; the paths and numbers that differ from run to run are words.
telling_hook() { # FILE OUTPUT
    cat >"$1" <<HOOK
#!/bin/sh
{
echo "== \$(basename "\$0") \$*"
env | grep -e ^LXC_ -e ^CONFIGURED= -e ^container_ttys= | sort
for kind in mnt pid uts ipc net cgroup; do echo "\$kind \$(readlink /proc/self/ns/\$kind)"; done | xargs
} >>$2 2>&1
HOOK
    chmod 755 "$1"
}

# What the hooks of one life told.
told() { # tool|debian NAME
    rm -f "$RUN/told" "$LXC/$2/rootfs/told"
    code 0 "$1" start -F -n "$2" -- /bin/true </dev/null
    local host
    host=$(namespaces $$ | grep -v net | cut -d' ' -f2)
    host+=$'\n'$(ip netns exec "$NETNS" readlink /proc/self/ns/net)
    # Namespaces become host or own, the rest what it is about.
    cat "$RUN/told" "$LXC/$2/rootfs/told" | awk -v host="$host" '
        BEGIN { split(host, list, "\n"); for (i in list) is_host[list[i]] = 1 }
        /^mnt / { for (i = 2; i <= NF; i += 2) $i = is_host[$i] ? "host" : "own" }
        { gsub("/proc/[0-9]+/fd/[0-9]+", "FD"); gsub("LXC_PID=[0-9]+", "LXC_PID=N")
          gsub("LXC_ROOTFS_MOUNT=.*", "LXC_ROOTFS_MOUNT=DIR"); print }'
}

test_keys_of_hooks() {
    local stage version lines ours theirs
    for version in 0 1; do
        lines=()
        for stage in pre-start pre-mount mount autodev start-host stop post-stop; do
            telling_hook "$RUN/$stage" "$RUN/told"
            lines+=("lxc.hook.$stage = $RUN/$stage one")
        done
        lines+=("lxc.hook.pre-start = $RUN/pre-start 'the second'" 'lxc.hook.start = /start')
        container t-hook "lxc.hook.version = $version" 'lxc.environment = CONFIGURED=yes' "${lines[@]}"
        telling_hook "$LXC/t-hook/rootfs/start" /told
        ours=$(told tool t-hook)
        same "order of version $version" 'pre-start pre-start pre-mount mount autodev start-host stop post-stop start' \
            "$(awk '/^==/ { print $2 }' <<<"$ours" | xargs)"
        if [ $version = 0 ]; then
            grep -qx '== stop one t-hook lxc stop mnt:FD pid:FD uts:FD ipc:FD net:FD cgroup:FD' <<<"$ours" ||
                fail "the stop hook's words: $(grep '== stop' <<<"$ours")"
            grep -qx '== pre-start the second t-hook lxc pre-start' <<<"$ours" || fail 'quotes in a hook'
        else
            grep -qx '== start-host one' <<<"$ours" || fail "words in version 1: $(grep == <<<"$ours")"
            same 'types' 'autodev mount post-stop pre-mount pre-start pre-start start start-host stop' \
                "$(sed -n s/LXC_HOOK_TYPE=//p <<<"$ours" | sort | xargs)"
        fi
        same 'namespaces of hooks inside' 4 \
            "$(grep -c 'mnt own pid own uts own ipc own net own cgroup own' <<<"$ours")"
        same 'namespaces of hooks outside' 5 \
            "$(grep -c 'mnt host pid host uts host ipc host net host cgroup host' <<<"$ours")"
        same 'configured for hooks inside' 4 "$(grep -c CONFIGURED=yes <<<"$ours")"
        [ -x /usr/bin/lxc-start ] || continue
        theirs=$(told debian t-hook)
        # Debian's hands the caller's own variables on, such as these tests'.
        theirs=$(sed '/^LXC_RS_/d; /^LXC_LAYERS_PATH=/d' <<<"$theirs")
        ours=$(sed '/^LXC_RS_/d; /^LXC_LAYERS_PATH=/d' <<<"$ours")
        # Whether Debian's has the cgroup namespace at the end depends on the host's layout.
        ours=$(sed '/^LXC_CGROUP_NS=/d; s/ cgroup:FD//' <<<"$ours")
        theirs=$(sed '/^LXC_CGROUP_NS=/d; s/ cgroup:FD//' <<<"$theirs")
        [ "$ours" = "$theirs" ] ||
            fail "not as Debian's: $(diff <(echo "$theirs") <(echo "$ours") | grep '^[<>]' | head -20)"
    done
    remove_pivot
    rm -f "$RUN/told" "$RUN"/{pre-start,pre-mount,mount,autodev,start-host,stop,post-stop}
}

test_keys_of_hooks_that_fail() {
    local stage
    container t-hook
    cp "$LXC/t-hook/rootfs/bin/busybox" "$LXC/t-hook/rootfs/false"
    for stage in pre-start pre-mount mount autodev start-host start; do
        code 1 tool start -n t-hook -s "lxc.hook.$stage=/bin/false"
        says "the $stage hook ended with code 1"
    done
    nothing_left
    for stage in stop post-stop; do
        code 0 tool start -n t-hook -s "lxc.hook.$stage=/bin/false"
        code 0 tool stop -k -n t-hook
        code 0 tool wait -n t-hook -s STOPPED -t 5
    done
    # A start hook is looked for before it could run; an autodev hook needs an autodev.
    code 1 tool start -n t-hook -s lxc.hook.start=/not/there
    says 'the start hook /not/there is not in the root filesystem'
    code 0 tool start -n t-hook -s lxc.hook.autodev=/bin/false -s lxc.autodev=0
    code 0 tool stop -k -n t-hook
    # All are cleared at once.
    code 0 tool start -n t-hook -s lxc.hook.pre-start=/bin/false -s lxc.hook.mount=/bin/false -s lxc.hook=
    # A reboot after which a hook fails is an end.
    code 0 tool stop -k -n t-hook
    code 0 tool start -n t-hook -s lxc.hook.post-stop=/bin/false
    tool attach -n t-hook -- reboot -f
    code 0 tool wait -n t-hook -s STOPPED -t 10
}
