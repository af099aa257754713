# lxc-snapshot, and lxc-destroy of what has snapshots. `twins`, `both` are in copy.sh.

# The list has a time; LXC gives it in the directory's order.
listed() { # TOOL
    "$1" snapshot -n t-shot -L | sed -E 's/ [0-9:]{10} [0-9:]{8}$/ TIME/; s#'"$TWIN#$LXC#" | sort
}

test_snapshots_as_debian_does() {
    [ -x /usr/bin/lxc-snapshot ] || { skipped="Debian's lxc is not installed"; return; }
    echo 'a comment' >"$RUN/comment"
    twins t-shot '# mine' 'lxc.net.0.type = veth' 'lxc.net.0.hwaddr = 00:11:22:01:02:03'
    for dir in "$LXC" "$TWIN"; do echo t-shot >"$dir/t-shot/rootfs/etc/hostname"; done
    both snapshot -n t-shot -L
    both snapshot -n t-none -L
    both snapshot -n t-none
    both snapshot -n t-shot -d ALL
    both snapshot -n t-shot
    both snapshot -n t-shot -c "$RUN/comment"
    both snapshot t-shot -C
    same list "$(listed theirs)" "$(listed tool)"
    [[ $(cat "$LXC/t-shot/snaps/snap0/ts") =~ ^[0-9]{4}:[0-9]{2}:[0-9]{2}\ [0-9:]{8}$ ]] || fail "time: $(cat "$LXC/t-shot/snaps/snap0/ts")"
    code 0 tool snapshot -n t-shot -L -C
    same comment 'a comment' "$(grep comment "$RUN/out")"
    same json 'snap1 a comment' "$(tool snapshot -n t-shot -L --format json | jq -r '.[1] | .name + " " + .comment' | head -1)"
    both snapshot -n t-shot -d snap0
    both snapshot -n t-shot -d snap0
    both snapshot -n t-shot
    both snapshot -n t-shot -r snap1 -N t-restored
    both snapshot -n t-shot -r snap1 t-again
    both snapshot -n t-shot -r snap1 -N t-again
    both snapshot -n t-shot -r snap9
    for dir in "$LXC" "$TWIN"; do
        touch "$dir/t-shot/rootfs/newer"
        chmod 770 "$dir/t-shot"
        chmod 640 "$dir/t-shot/config"
    done
    both snapshot -n t-shot -r snap1
    both destroy -n t-shot
    both snapshot -n t-shot -d snap2
    both snapshot -n t-shot -d ALL
    both snapshot -n t-shot -L
    both snapshot -n t-shot
    both destroy -n t-shot -s
    both destroy -n t-none
}

test_snapshots_of_overlays_as_debian_does() {
    [ -x /usr/bin/lxc-snapshot ] || { skipped="Debian's lxc is not installed"; return; }
    twins t-low
    both copy -n t-low -N t-over -s
    for dir in "$LXC" "$TWIN"; do echo written >"$dir/t-over/overlay/delta/file"; done
    both snapshot -n t-over
    both snapshot -n t-over -r snap0 -N t-back
    both destroy -n t-low
    both destroy -n t-over
    both destroy -n t-back
    both snapshot -n t-over -d snap0
    both destroy -n t-over
    both destroy -n t-low
    same left '' "$(ls -A "$LXC")"
}

test_restoring_is_all_or_nothing() {
    container t-keep
    code 0 tool snapshot -n t-keep
    touch "$LXC/t-keep/rootfs/newer"
    local before
    before=$(find "$LXC/t-keep" -printf '%P %m %i\n' | sort)
    printf 'lxc.hook.clone = /bin/false\n' >>"$LXC/t-keep/snaps/snap0/config"
    code 1 tool snapshot -n t-keep -r snap0
    says 'clone hook'
    same 'the container' "$(grep -v ' config ' <<<"$before" | cut -d' ' -f1)" "$(find "$LXC/t-keep" -printf '%P %m %i\n' | sort | cut -d' ' -f1)"
    sed -i /hook/d "$LXC/t-keep/snaps/snap0/config"
    code 0 tool start -n t-keep
    code 1 tool snapshot -n t-keep -r snap0
    says 'is running'
    code 1 tool snapshot -n t-keep
    code 0 tool stop -k -n t-keep
    [ -e "$LXC/t-keep/rootfs/newer" ] || fail 'the container was touched'
    code 0 tool snapshot -n t-keep -r snap0
    [ ! -e "$LXC/t-keep/rootfs/newer" ] || fail 'nothing was restored'
    same left 'config rootfs snaps' "$(ls -A "$LXC/t-keep" | xargs)"
    code 1 tool snapshot -n t-keep -c "$RUN/no-such-file"
    same snapshots snap0 "$(ls "$LXC/t-keep/snaps")"
}

test_destroy_with_all_that_depends() {
    container t-root
    for number in 1 2; do code 0 tool copy -n t-root -N t-leaf$number -s; done
    code 0 tool copy -n t-leaf1 -N t-twig -s
    code 0 tool snapshot -n t-leaf1
    code 0 tool snapshot -n t-root
    code 1 tool destroy -n t-root
    says 'has clones'
    code 0 tool start -n t-twig
    code 1 tool destroy -n t-root -s
    says 't-twig is running'
    same 'untouched' 't-leaf1 t-leaf2 t-root t-twig' "$(ls "$LXC" | xargs)"
    code 0 tool destroy -n t-root -s -f
    same left '' "$(ls -A "$LXC")"
    # A clone that somebody removed by hand.
    container t-root
    code 0 tool copy -n t-root -N t-leaf -s
    rm -r "$LXC/t-leaf"
    code 0 tool destroy -n t-root
    same left '' "$(ls -A "$LXC")"
}
