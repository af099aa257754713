# Debian's LXC on our containers, ours on Debian's.

test_debians_tools_on_our_container() {
    [ -x /usr/bin/lxc-info ] || { skipped="Debian's lxc is not installed"; return; }
    container t-mixed
    code 0 tool start -n t-mixed
    same info RUNNING "$(debian info -n t-mixed -sH)"
    same pid "$(tool info -n t-mixed -pH)" "$(debian info -n t-mixed -pH)"
    same attach inside "$(debian attach -n t-mixed -- echo inside)"
    code 0 debian freeze -n t-mixed
    same frozen FROZEN "$(state t-mixed)"
    code 0 debian unfreeze -n t-mixed
    same list t-mixed "$(debian ls -1 --active)"
    same cgroup "$(tool cgroup -n t-mixed pids.max)" "$(debian cgroup -n t-mixed pids.max)"
    debian wait -n t-mixed -s STOPPED -t 20 &
    sleep 0.3
    code 0 debian stop -k -n t-mixed
    wait $! || fail "lxc-wait: $?"
}

test_our_tools_on_debians_container() {
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's lxc is not installed"; return; }
    container t-theirs
    code 0 debian start -n t-theirs
    same info RUNNING "$(state t-theirs)"
    same attach inside "$(tool attach -n t-theirs -- echo inside)"
    code 0 tool freeze -n t-theirs
    same frozen FROZEN "$(debian info -n t-theirs -sH)"
    code 0 tool unfreeze -n t-theirs
    same cgroup "$(debian cgroup -n t-theirs pids.max)" "$(tool cgroup -n t-theirs pids.max)"
    same info "$(debian info -n t-theirs -s -p)" "$(tool info -n t-theirs -s -p)"
    same 'fancy list' "$(debian ls -f t-theirs)" "$(tool ls -f t-theirs)"
    code 0 tool start -n t-theirs
    says 'already running'
    code 0 tool stop -k -n t-theirs
    find /sys/fs/cgroup -maxdepth 2 -name lxc.pivot -exec rmdir {} + 2>/dev/null
}

test_a_frozen_container_of_debians_is_killed() {
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's lxc is not installed"; return; }
    container t-ice
    local freezer init
    for freezer in tool debian; do
        code 0 debian start -n t-ice
        init=$(tool info -n t-ice -pH)
        code 0 "$freezer" freeze -n t-ice
        same "frozen by $freezer" FROZEN "$(state t-ice)"
        code 0 tool stop -k -n t-ice
        same "frozen by $freezer, killed" STOPPED "$(state t-ice)"
        [ ! -e "/proc/$init" ] || fail "init is left: $(grep State "/proc/$init/status")"
    done
    find /sys/fs/cgroup -maxdepth 2 -name lxc.pivot -exec rmdir {} + 2>/dev/null
}
