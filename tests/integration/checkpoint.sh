# lxc-checkpoint: a container written to files by CRIU and made again from them.

counting() { # NAME [CONFIG-LINE...]: its init counts in /tmp/n
    container "$@" 'lxc.console.path = none' 'lxc.tty.max = 0' 'lxc.mount.auto =' 'lxc.init.cmd = /sbin/count'
    printf '#!/bin/sh\nn=0\nwhile :; do n=$((n+1)); echo $n >/tmp/n; sleep 0.1; done\n' >"$LXC/$1/rootfs/sbin/count"
    chmod 755 "$LXC/$1/rootfs/sbin/count"
}

test_checkpoint_refuses_what_it_cannot() {
    local line
    container t-cp
    for line in '-n t-cp' '-n t-cp -D /x -d' '-n t-cp -D /x -F' '-n t-cp -D /x -r -s' '-n t-cp -D /x -r -p' '-D /x' \
        '-n t-none -D /x' '-n t-none -r -D /x' '-n t-cp -D /x --no-such'; do
        # shellcheck disable=SC2086
        code 1 tool checkpoint $line
        # shellcheck disable=SC2086
        [ ! -x /usr/bin/lxc-checkpoint ] || code 1 debian checkpoint $line
    done
    code 1 tool checkpoint -n t-none -D "$RUN/cp"
    says 't-none is not defined'
    code 1 tool checkpoint -n t-cp -D "$RUN/cp"
    says 'a console cannot be checkpointed'
    says 'set lxc.console.path = none'
    counting t-cp
    code 1 tool checkpoint -n t-cp -D "$RUN/cp"
    says 't-cp not running, not checkpointing'
    code 1 tool checkpoint -n t-cp -r -D "$RUN/cp"
    says 'holds no checkpoint'
    code 0 tool start -n t-cp
    # One that the caller's PATH has is not run.
    mkdir -p "$RUN/fake"
    printf '#!/bin/sh\ntouch %s/fake/ran\n' "$RUN" >"$RUN/fake/criu"
    chmod 755 "$RUN/fake/criu"
    if ! [ -x /usr/sbin/criu ]; then
        PATH=$RUN/fake:$PATH code 1 tool checkpoint -n t-cp -D "$RUN/cp"
        says 'cannot find criu in /usr/sbin:'
    fi
    [ ! -e "$RUN/fake/ran" ] || fail 'a program from the PATH of the caller ran as root'
    code 0 tool stop -k -n t-cp
}

test_checkpoint_and_restore() {
    command -v criu >/dev/null || { skipped='CRIU is not installed'; return; }
    local before init
    counting t-cp
    code 0 tool start -n t-cp
    if ! nsenter --net="/run/netns/$NETNS" criu check >"$RUN/check" 2>&1; then
        # It fails on this kernel, and says so: then we must, and the container must not notice.
        code 1 tool checkpoint -s -n t-cp -D "$RUN/cp"
        says 'Checkpointing t-cp failed'
        says 'note: criu: Error (criu/'
        same 'after the failure' RUNNING "$(state t-cp)"
        before=$(cat "$LXC/t-cp/rootfs/tmp/n")
        sleep 0.5
        [ "$(cat "$LXC/t-cp/rootfs/tmp/n")" -gt "$before" ] || fail 'it does not count any more'
        code 0 tool stop -k -n t-cp
        rm -rf "${LXC:?}/t-cp"
        skipped="CRIU does not work on this kernel: $(grep -m1 'Error (criu/[^u]' "$RUN/check")"
        [ $ok = yes ] || skipped=
        return
    fi
    sleep 0.5
    code 0 tool checkpoint -n t-cp -D "$RUN/cp-1"
    same 'it runs on' RUNNING "$(state t-cp)"
    code 0 tool checkpoint -s -n t-cp -D "$RUN/cp-2"
    code 0 tool wait -n t-cp -s STOPPED -t 20
    nothing_left
    before=$(cat "$LXC/t-cp/rootfs/tmp/n")
    code 0 tool checkpoint -r -n t-cp -D "$RUN/cp-2"
    same 'restored' RUNNING "$(state t-cp)"
    init=$(tool info -n t-cp -pH)
    same 'its parent is our monitor' "[lxc monitor] $LXC t-cp" \
        "$(tr -d '\0' <"/proc/$(awk '/^PPid/ { print $2 }' "/proc/$init/status")/cmdline")"
    grep -q 'lxc.payload.t-cp' "/proc/$init/cgroup" || fail "its cgroup: $(cat "/proc/$init/cgroup")"
    sleep 1
    local after
    after=$(cat "$LXC/t-cp/rootfs/tmp/n")
    [ "$after" -gt "$before" ] && [ "$after" -lt $((before + 100)) ] || fail "it counts $after after $before"
    code 1 tool checkpoint -r -n t-cp -D "$RUN/cp-2"
    says 't-cp is running, not restoring'
    same attach t-cp "$(tool attach -n t-cp -- hostname)"
    code 0 tool freeze -n t-cp
    same frozen FROZEN "$(state t-cp)"
    code 0 tool unfreeze -n t-cp
    code 0 tool stop -k -n t-cp
    nothing_left
    # A checkpoint that CRIU cannot read leaves nothing.
    : >"$RUN/cp-2/inventory.img"
    code 1 tool checkpoint -r -n t-cp -D "$RUN/cp-2"
    says 'Restoring t-cp failed'
    says 'note: criu: Error (criu/'
    same 'after that' STOPPED "$(state t-cp)"
}

test_checkpoint_and_restore_in_c() {
    command -v criu >/dev/null || { skipped='CRIU is not installed'; return; }
    [ -x /usr/bin/python3 ] || { skipped='there is no python3'; return; }
    c_library || return
    counting t-cpc
    code 0 tool start -n t-cpc
    mkdir "$RUN/c"
    local by_c=(timeout 120 nsenter --net="/run/netns/$NETNS" /usr/bin/python3 -I tests/library/checkpoint.py
        "$STAGE/lib/liblxc.so.1" "$LXC" t-cpc "$RUN/c")
    sleep 0.5
    if ! nsenter --net="/run/netns/$NETNS" criu check >"$RUN/check" 2>&1; then
        # The calls fail, say why, and the container does not notice.
        code 1 "${by_c[@]}"
        same 'what they give' 'features -1 0 RUNNING|stays False True RUNNING' "$(paste -sd '|' "$RUN/out")"
        says 'failed: Checkpointing t-cpc failed'
        code 0 tool stop -k -n t-cpc
        rm -rf "${LXC:?}/t-cpc"
        skipped="CRIU does not work on this kernel: $(grep -m1 'Error (criu/[^u]' "$RUN/check")"
        [ $ok = yes ] || skipped=
        return
    fi
    code 0 "${by_c[@]}"
    same 'what they give' "features 0 1 RUNNING|stays True True RUNNING|checkpoint True True STOPPED|\
restore True True RUNNING|before 0 0 RUNNING|dump 0 0 True STOPPED|remade 0 0 True RUNNING" "$(paste -sd '|' "$RUN/out")"
    same attach t-cpc "$(tool attach -n t-cpc -- hostname)"
    code 0 tool stop -k -n t-cpc
    nothing_left
}
