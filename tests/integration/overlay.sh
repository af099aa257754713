# Overlays of many layers, and those that need not last.

# As many layers as an image may have, each with a name of some 200 bytes: where the kernel takes them one after
# another, and where it takes a page of options in all, which strace makes of this kernel if it does not itself.
test_overlay_of_sixty_layers_with_long_names() {
    local long lower= number all
    container t-over
    long=$LXC/t-over/$(printf '%0160d' 0)
    for number in $(seq 60); do
        mkdir -p "$long-$number/layers" "$long-$number/gone"
        echo "$number" >"$long-$number/layers/$number"
        echo "$number" >"$long-$number/all"
        : >"$long-$number/gone/$number"
        lower+=$long-$number:
    done
    # What one layer removes is removed from all below it, and only from them.
    mknod "$long-31/layers/45" c 0 0
    rm -r "$long-40/gone"
    mknod "$long-40/gone" c 0 0
    mkdir "$LXC/t-over/delta"
    sed -i '/^lxc.rootfs.path/d' "$LXC/t-over/config"
    echo "lxc.rootfs.path = overlay:$lower$LXC/t-over/rootfs:$LXC/t-over/delta" >>"$LXC/t-over/config"
    all=$(seq 60 | grep -v 45 | xargs)
    # shellcheck disable=SC2016 # expanded inside
    local look='cd / && ls layers | sort -n | xargs && cat all && ls gone | wc -l && echo new >all && touch "written$1"'
    code 0 tool start -n t-over
    same 'sixty layers' "$all 1 39" "$(tool attach -n t-over -- sh -c "$look" - 1 | xargs)"
    code 0 tool stop -k -n t-over
    [ -e "$LXC/t-over/delta/written1" ] || fail 'nothing came to the upper layer'
    code 0 tool copy -n t-over -N t-whole -B dir
    same 'a copy of all layers' "$all new" "$(cd "$LXC/t-whole/rootfs" && { ls layers | sort -n; cat all; } | xargs)"
    code 0 tool destroy -n t-whole
    code 0 tool copy -s -n t-over -N t-snap
    same 'a snapshot of all layers' "$all new 39" "$(tool execute -n t-snap -- sh -c "$look" - 2 | xargs)"
    code 0 tool destroy -n t-snap
    command -v strace >/dev/null || { skipped='the path without lowerdir+: strace is not installed'; return; }
    page() { # TOOL ARGUMENT...: with a kernel that knows no lowerdir+
        nsenter --net="/run/netns/$NETNS" strace -f --seccomp-bpf -qq -o "$RUN/trace" -e trace=fsconfig,mount \
            -e inject=fsconfig:error=EINVAL:when=50 "$BIN" "$1" -P "$LXC" "${@:2}"
    }
    same 'by number' "$all new 39" "$(page execute -n t-over -- sh -c "$look" - 3 | xargs)"
    grep -q '"lowerdir+".*EINVAL' "$RUN/trace" || fail "nothing was refused: $(grep fsconfig "$RUN/trace")"
    grep -q 'mount("overlay".*) = 0' "$RUN/trace" || fail "no mount(2): $(grep mount "$RUN/trace")"
    [ -e "$LXC/t-over/delta/written3" ] || fail 'nothing came to the upper layer by number'
    page copy -n t-over -N t-whole -B dir || fail 'the copy by number failed'
    grep -q 'mount("overlay".*) = 0' "$RUN/trace" || fail "no mount(2) of the copy: $(grep mount "$RUN/trace")"
    same 'a copy by number' "$all new" "$(cd "$LXC/t-whole/rootfs" && { ls layers | sort -n; cat all; } | xargs)"
    ! grep -q 't-over' /proc/self/mountinfo || fail 'a mount is left'
    if [ -e /proc/self/ns/user ]; then
        sed -i '/^lxc.idmap/d' "$LXC/t-over/config"
        printf 'lxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\nlxc.rootfs.options = idmap=container\n' >>"$LXC/t-over/config"
        rm -r "$LXC/t-over/delta" "$LXC/t-over/work"
        mkdir "$LXC/t-over/delta"
        same 'with ids, by number' "$all 1 39" "$(page execute -n t-over -- sh -c "$look" - 4 | xargs)"
        grep -q 'mount("overlay".*) = 0' "$RUN/trace" || fail "no mount(2) with ids: $(grep mount "$RUN/trace")"
        same 'the owner on the disk' 0 "$(stat -c %u "$LXC/t-over/delta/written4")"
    fi
}

# Layers with other ids are mounted over themselves for the kernel. On a host that shares its mounts, as one with
# systemd does, nothing of that reaches it.
test_overlay_with_ids_mounts_nothing_on_a_host_that_shares_its_mounts() {
    container t-over 'lxc.idmap = u 0 200000 65536' 'lxc.idmap = g 0 200000 65536' 'lxc.rootfs.options = idmap=container'
    mkdir "$LXC/t-over/delta" "$LXC/t-over/lower"
    sed -i "s#^lxc.rootfs.path.*#lxc.rootfs.path = overlay:$LXC/t-over/lower:$LXC/t-over/rootfs:$LXC/t-over/delta#" "$LXC/t-over/config"
    # shellcheck disable=SC2016 # expanded there
    same 'what is mounted then' inside "$(timeout 60 unshare --mount --propagation shared nsenter --net="/run/netns/$NETNS" sh -c '
        before=$(wc -l </proc/self/mountinfo)
        "$1" execute -P "$2" -n t-over -- echo inside
        grep t-over /proc/self/mountinfo
        [ "$(wc -l </proc/self/mountinfo)" = "$before" ] || echo "$before mounts before, now $(wc -l </proc/self/mountinfo)"' - "$BIN" "$LXC")"
}

# An ephemeral container's layer is removed with it, so the kernel need not bring it to the disk.
test_overlay_of_an_ephemeral_container_is_volatile() {
    local pid
    volatile() { grep ' / / ' "/proc/$(tool info -n "$1" -pH)/mountinfo" | grep -c volatile; }
    killed() { # with its monitor
        pid=$(tool info -n t-over -pH)
        kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-over\$")" "$pid"
        while [ -d "/proc/$pid" ]; do sleep 0.1; done
    }
    container t-over
    mkdir "$LXC/t-over/delta"
    sed -i "s#^lxc.rootfs.path.*#lxc.rootfs.path = overlay:$LXC/t-over/rootfs:$LXC/t-over/delta#" "$LXC/t-over/config"
    code 0 tool start -n t-over
    same 'a layer that stays' 0 "$(volatile t-over)"
    code 0 tool stop -k -n t-over
    echo 'lxc.ephemeral = 1' >>"$LXC/t-over/config"
    code 0 tool start -n t-over
    same 'a layer that goes' 1 "$(volatile t-over)"
    code 0 tool attach -n t-over -- touch /before
    pid=$(tool info -n t-over -pH)
    code 0 tool stop -r -n t-over
    until [ "$(tool info -n t-over -pH)" != "$pid" ]; do sleep 0.1; done
    code 0 tool attach -n t-over -- ls /before
    same 'a layer that goes, after a reboot' 1 "$(volatile t-over)"
    # The monitor and init killed, the layer is there: the next start has it, whether it is to go or not.
    killed
    [ -d "$LXC/t-over/work/work/incompat" ] || fail 'the kernel marks nothing'
    code 0 tool start -n t-over -s lxc.rootfs.managed=0
    same 'a layer that is not managed' 0 "$(volatile t-over)"
    code 0 tool attach -n t-over -- ls /before
    killed
    # After a power cut it is refused.
    code 0 tool start -n t-over
    killed
    echo 00000000-0000-0000-0000-000000000000 >"$LXC/t-over/work/boot"
    code 1 tool start -n t-over
    says 'was not written to the disk before the host went down'
    says "hint: .*destroy.*$LXC/t-over/work/work/incompat"
    code 0 tool destroy -n t-over
}

# With metacopy the upper layer has the attributes of a file, and the layer below its content.
test_overlay_with_metacopy_is_copied_whole() {
    local copy
    container t-over 'lxc.rootfs.options = metacopy=on'
    mkdir "$LXC/t-over/delta"
    seq 20000 >"$LXC/t-over/rootfs/numbers"
    sed -i "s#^lxc.rootfs.path.*#lxc.rootfs.path = overlay:$LXC/t-over/rootfs:$LXC/t-over/delta#" "$LXC/t-over/config"
    same 'the owner inside' 33 "$(tool execute -n t-over -- sh -c 'chown 33 /numbers && stat -c %u /numbers')"
    [ "$(stat -c %b "$LXC/t-over/delta/numbers")" -lt 100 ] || fail 'the content is in the upper layer'
    code 0 tool copy -n t-over -N t-whole -B dir
    same 'a copy' "33 $(seq 20000 | md5sum)" "$(stat -c %u "$LXC/t-whole/rootfs/numbers") $(md5sum <"$LXC/t-whole/rootfs/numbers")"
    code 0 tool copy -s -n t-over -N t-snap
    copy=$(tool execute -n t-snap -- sh -c 'stat -c %u /numbers && md5sum </numbers')
    same 'a snapshot' "33 $(seq 20000 | md5sum | xargs)" "$(xargs <<<"$copy")"
    code 0 tool destroy -n t-snap
    code 0 tool destroy -n t-whole
}
