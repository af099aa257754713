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

hit() { # SIGNAL PATH ARG...: lxc-snapshot of t-big, hit when PATH is there; its exit code
    local signal=$1 path=$2
    shift 2
    "$BIN" snapshot -P "$LXC" -n t-big "$@" 2>/dev/null &
    for _ in $(seq 200); do [ -e "$path" ] && break; sleep 0.005; done
    [ -e "$path" ] || fail "$path did not come"
    kill "-$signal" $!
    wait $! 2>/dev/null
}

test_interrupted_snapshots_and_restores_leave_nothing() {
    big 40
    local before snaps=$LXC/t-big/snaps signal name
    all() { find "$LXC/t-big" -mindepth 1 -not -path "$snaps" -printf '%P %m %T@\n' | sort; }
    before=$(all)
    for signal in INT TERM; do
        hit $signal "$snaps/snap0/rootfs/many"
        same "code of a snapshot after SIG$signal" 1 $?
        same "left of a snapshot by SIG$signal" "$before" "$(all)"
    done
    # After kill -9 the next snapshot sweeps.
    hit 9 "$snaps/snap0/rootfs/many"
    same 'killed' 137 $?
    same 'a snapshot that is none' 'No snapshots' "$(tool snapshot -n t-big -L)"
    code 0 tool snapshot -n t-big
    same 'after the next' 1 "$(tool snapshot -n t-big -L | grep -c .)"
    [ -z "$(find "$snaps" -name partial)" ] && [ "$(ls "$snaps" | wc -l)" = 1 ] || fail "left: $(ls -A "$snaps" "$snaps"/*)"

    name=$(ls "$snaps")
    touch "$LXC/t-big/rootfs/newer"
    before=$(all)
    for signal in INT TERM; do
        hit $signal "$LXC/t-big/.restore/storage/rootfs/many" -r "$name"
        same "code of a restore after SIG$signal" 1 $?
        same "left of a restore by SIG$signal" "$before" "$(all)"
    done
    hit 9 "$LXC/t-big/.restore/storage/rootfs/many" -r "$name"
    same 'killed' 137 $?
    same 'the container is as it was' "$before" "$(all | grep -v '^\.restore')"
    code 0 tool start -n t-big
    code 0 tool stop -k -n t-big
    code 0 tool snapshot -n t-big -r "$name"
    [ ! -e "$LXC/t-big/.restore" ] && [ ! -e "$LXC/t-big/rootfs/newer" ] || fail 'the restore after a killed one'
    code 0 tool destroy -s -n t-big
}

# On a terminal copies say how far they are, in one line that goes; into a pipe and with -q nothing.
test_progress_only_on_a_terminal() {
    container t-big
    local words shown
    on_a_terminal() { script -qec "$BIN $1 -P $LXC ${words#* }" /dev/null </dev/null; }
    for words in 'copy -n t-big -N t-copied' 'snapshot -n t-big' 'snapshot -n t-big -r snap0'; do
        shown=$(on_a_terminal "${words%% *}" | tr -d '\n')
        [[ $shown =~ $'\r'copied\ [0-9]+\ entries,\ [0-9]+\ MiB ]] || fail "$words: $(cat -v <<<"$shown")"
        [[ $shown = *$'\r\e[K'* ]] || fail "$words: the line stays: $(cat -v <<<"$shown")"
        [[ $words != copy* ]] || code 0 tool destroy -n t-copied
        # shellcheck disable=SC2086
        code 0 tool $words
        same "$words into a pipe" '' "$(cat "$RUN/out" "$RUN/err")"
        [[ $words != copy* ]] || code 0 tool destroy -n t-copied
        shown=$(on_a_terminal "${words%% *} -q") || fail "$words -q: $?"
        same "$words -q" '' "$shown"
    done
    words='destroy -n t-copied'
    shown=$(on_a_terminal destroy | tr -d '\n')
    [[ $shown =~ $'\r'removed\ [0-9]+\ entries.*$'\r\e[K'$ ]] || fail "destroy: $(cat -v <<<"$shown")"
    words='destroy -s -n t-big'
    same 'destroy -q' '' "$(on_a_terminal 'destroy -q')"
    same left '' "$(ls -A "$LXC")"
}

# Escape sequences go to terminals only, colours only without NO_COLOR.
test_colours_only_on_a_terminal() {
    container t-plain
    local words
    on_a_terminal() { script -qec "$1 $BIN ${words%% *} -P $LXC ${words#* }" /dev/null </dev/null; }
    for words in 'checkconfig --' 'ls -f' 'info -n t-plain' 'check t-plain' 'top -b --count 1' 'start -n t-none' \
        'autostart -L -a -A' 'snapshot -n t-plain -L' 'config -l' 'net status' 'ls --no-such' 'reference --' 'ls --help'; do
        # shellcheck disable=SC2086
        "$BIN" ${words%% *} -P "$LXC" ${words#* } >"$RUN/out" 2>&1 </dev/null
        ! grep -q $'\e' "$RUN/out" || fail "$words into a file: $(cat -v "$RUN/out" | head -3)"
        ! grep -qE $'\e\\[[0-9;]*[3-4][0-9]' <<<"$(on_a_terminal 'env NO_COLOR=1')" || fail "$words with NO_COLOR"
    done
    words='checkconfig --'
    grep -q $'\e\\[[0-9;]*3[0-9]' <<<"$(on_a_terminal env)" || fail 'no colours on a terminal'
    grep -q $'\e\\[[0-9;]*3[0-9]' <<<"$(on_a_terminal 'env NO_COLOR=')" || fail 'an empty NO_COLOR is none'
}

# Its snapshots have its own lower layer below theirs.
test_snapshots_of_an_overlay_of_its_own_are_restored() {
    code 0 tool create -n t-over -t busybox -B overlay -f /dev/null
    echo early >"$LXC/t-over/overlay/delta/file"
    code 0 tool snapshot -n t-over
    echo late >"$LXC/t-over/overlay/delta/file"
    for _ in 1 2; do
        code 0 tool snapshot -n t-over -r snap0
        [ -e "$LXC/t-over/rootfs/bin/busybox" ] || fail 'the lower layer is lost'
        same 'inside' early "$(tool execute -n t-over -- cat /file)"
    done
    code 0 tool destroy -s -n t-over
    same left '' "$(ls -A "$LXC")"
}
