# Freezing under load, killing against those who fork, and limits measured inside.
#
#   LXC_RS_FREEZE_ROUNDS   rounds of freezing and thawing (50)
#   LXC_RS_BOMB            processes of the fork bomb (10000)
#   LXC_RS_EMULATED=yes    the machine is emulated: nothing that is measured in time

# Load inside CONTAINER, of processes that compute and of ones that fork.
load() {
    tool attach -n "$1" -- sh -c '
        (while :; do :; done) &
        (while :; do (while :; do break; done); done) &
        (while :; do /bin/true; done) & ' >/dev/null 2>&1
}

test_cgroup_freeze_rounds_under_load() {
    local rounds=${LXC_RS_FREEZE_ROUNDS:-50} failures=0 round
    container t-rounds
    code 0 tool start -n t-rounds
    load t-rounds
    for round in $(seq "$rounds"); do
        tool freeze -n t-rounds 2>>"$RUN/failures" || failures=$((failures + 1))
        if [ "$round" = 1 ]; then
            same 'frozen' FROZEN "$(state t-rounds)"
            local before after
            before=$(item t-rounds cpuacct.usage)
            sleep 0.3
            after=$(item t-rounds cpuacct.usage)
            same 'nothing runs' "$before" "$after"
        fi
        tool unfreeze -n t-rounds 2>>"$RUN/failures" || failures=$((failures + 1))
    done
    same "failures of $rounds rounds" 0 "$failures"
    same thawed RUNNING "$(state t-rounds)"
    code 0 tool stop -k -n t-rounds
}

test_cgroup_frozen_containers_end() {
    container t-ice
    code 0 tool start -n t-ice
    code 0 tool freeze -n t-ice
    code 0 tool freeze -n t-ice
    code 0 tool stop -k -n t-ice
    same killed STOPPED "$(state t-ice)"
    code 0 tool start -n t-ice
    code 0 tool freeze -n t-ice
    code 0 tool stop -t 30 -n t-ice
    same 'shut down' STOPPED "$(state t-ice)"
    code 0 tool start -n t-ice
    code 0 tool freeze -n t-ice
    code 0 tool destroy -f -n t-ice
    [ ! -e "$LXC/t-ice" ] || fail 'not destroyed'
}

# The monitor's state is the kernel's, even if several freeze and thaw at the same time; and what is killed ends.
test_cgroup_frozen_and_thawed_at_once() {
    local round frozen
    container t-both
    code 0 tool start -n t-both
    for round in $(seq "${ROUNDS:-40}"); do
        tool freeze -n t-both &
        tool unfreeze -n t-both &
        tool freeze -n t-both &
        tool unfreeze -n t-both &
        wait
        frozen=$(tool cgroup -n t-both freezer.state 2>/dev/null || tool cgroup -n t-both cgroup.freeze)
        case $frozen in FROZEN | 1) frozen=FROZEN ;; *) frozen=RUNNING ;; esac
        same "the state in round $round" "$frozen" "$(state t-both)"
    done
    code 0 tool unfreeze -n t-both
    for round in $(seq "${ROUNDS:-40}"); do
        for _ in 1 2 3 4; do tool freeze -n t-both >/dev/null 2>&1 & done
        timeout 30 nsenter --net="/run/netns/$NETNS" "$BIN" stop -k -P "$LXC" -n t-both || fail "it was killed and did not end in round $round"
        wait
        tool unfreeze -n t-both
        same "the state after round $round" STOPPED "$(state t-both)"
        code 0 tool start -n t-both
    done
    code 0 tool stop -k -n t-both
}

# The disk below the containers; partitions have no limits. Empty where there is none.
io_disk() {
    local device
    device=$(findmnt -no MAJ:MIN -T "$RUN" | xargs)
    [ ! -e "/sys/dev/block/$device/partition" ] || device=$(cat "/sys/dev/block/$device/../dev")
    [ ! -e "/sys/dev/block/$device/queue" ] || echo "$device"
}

test_cgroup_who_does_not_freeze_is_named() {
    local device
    device=$(io_disk)
    [ -n "$device" ] || { skipped="$RUN is on no disk"; return; }
    container t-stuck "lxc.cgroup.blkio.throttle.write_bps_device = $device 65536"
    code 0 tool start -n t-stuck
    # It waits for the disk, which takes it 16 s, and no signal and no freezer reaches it.
    tool attach -n t-stuck -- dd if=/dev/zero of=/root/file bs=1M count=1 oflag=direct >/dev/null 2>&1 &
    sleep 1
    code 1 tool freeze -t 1 -n t-stuck
    says 'not all processes froze in 1 s; they are thawed again'
    says 'would not freeze: [0-9]* (dd)'
    same 'thawed again' RUNNING "$(state t-stuck)"
    code 0 tool cgroup -n t-stuck blkio.throttle.write_bps_device "$device 0"
    wait
    code 0 tool freeze -n t-stuck
    code 0 tool stop -k -n t-stuck
}

# Forks in CONTAINER as fast as it can until there are N processes.
bomb() { # CONTAINER N
    tool attach -n "$1" -- sh -c 'f() { while :; do f & done; }; f' >/dev/null 2>&1 &
    local _
    for _ in $(seq 300); do
        [ "$(item "$1" pids.current)" -ge $(($2 * 95 / 100)) ] && return
        sleep 0.1
    done
    fail "the bomb has no $2 processes: $(item "$1" pids.current)"
}

test_cgroup_fork_bomb_is_bounded_and_killed() {
    local size=${LXC_RS_BOMB:-10000} begin elapsed
    container t-bomb "lxc.cgroup.pids.max = $size"
    code 0 tool start -n t-bomb
    bomb t-bomb "$size"
    [ "$(item t-bomb pids.current)" -le "$size" ] || fail "more than $size processes"
    begin=$(date +%s%N)
    code 0 tool stop -k -n t-bomb
    elapsed=$((($(date +%s%N) - begin) / 1000000))
    [ -n "${LXC_RS_EMULATED:-}" ] || [ $elapsed -lt 2000 ] || fail "it took $elapsed ms to kill"
    wait
}

test_cgroup_kill_without_a_pid_namespace() {
    container t-shared 'lxc.namespace.keep = pid' 'lxc.mount.auto =' 'lxc.cgroup.pids.max = 300'
    code 0 tool start -n t-shared -- /bin/sh -c 'f() { f & f & }; f; exec sleep 1000'
    sleep 1
    code 0 tool stop -k -n t-shared
    same 'stopped' STOPPED "$(state t-shared)"
}

test_cgroup_cpu_quota_is_kept() {
    [ -z "${LXC_RS_EMULATED:-}" ] || { skipped='nothing is measured in an emulated machine'; return; }
    container t-cpu 'lxc.cgroup.cpu.cfs_quota_us = 25000' 'lxc.cgroup.cpu.cfs_period_us = 100000'
    code 0 tool start -n t-cpu
    load t-cpu
    sleep 0.5
    local begin used percent
    begin=$(date +%s%N)
    used=$(item t-cpu cpuacct.usage)
    sleep 4
    used=$(($(item t-cpu cpuacct.usage) - used))
    percent=$((used * 100 / ($(date +%s%N) - begin)))
    [ $percent -ge 22 ] && [ $percent -le 28 ] || fail "25 % of a CPU were $percent %"
    code 0 tool stop -k -n t-cpu
}

test_cgroup_io_is_throttled() {
    local device begin elapsed
    device=$(io_disk)
    [ -n "$device" ] || { skipped="$RUN is on no disk"; return; }
    busybox dd --help 2>&1 | grep -q direct || { skipped='busybox has no direct io'; return; }
    container t-io "lxc.cgroup.blkio.throttle.write_bps_device = $device 1048576"
    code 0 tool start -n t-io
    same 'the limit' "$device 1048576" "$(item t-io blkio.throttle.write_bps_device)"
    begin=$(date +%s%N)
    code 0 tool attach -n t-io -- dd if=/dev/zero of=/root/file bs=64k count=48 oflag=direct
    elapsed=$((($(date +%s%N) - begin) / 1000000))
    [ $elapsed -ge 2000 ] || fail "3 MiB at 1 MiB/s took $elapsed ms"
    same 'counted' true "$(tool info -n t-io --format json | jq '.io.written_bytes >= 3145728 and .io.writes >= 48')"
    code 0 tool stop -k -n t-io
}

# In a mount namespace without some of the v1 hierarchies, and with others.
test_freezer_of_the_unified_hierarchy_beside_v1() {
    local unified hide pid
    unified=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    [ -n "$unified" ] || { skipped='no unified hierarchy'; return; }
    # Without the v1 freezer; and with a v1 hierarchy that has no controller, beside unified alone.
    for hide in 'umount /sys/fs/cgroup/freezer' \
        'for dir in /sys/fs/cgroup/*/; do [ "$dir" = "$0/" ] || umount "$dir"; done; mount -t cgroup -o none,name=systemd cgroup /mnt'; do
        case $(stat -fc %T /sys/fs/cgroup):$hide in cgroup2fs:umount*) continue ;; esac
        container t-beside 'lxc.cgroup2.devices.deny = a' 'lxc.cgroup2.devices.allow = c 1:3 rwm'
        code 0 unshare -m sh -c "($hide) 2>/dev/null; exec nsenter --net=/run/netns/$NETNS $BIN start -P $LXC -n t-beside" "$unified"
        # The device rules are where this host has them as well.
        code 1 tool attach -n t-beside -- head -c 1 /dev/zero
        code 0 tool cgroup -n t-beside devices.allow 'c 1:5 rwm'
        code 0 tool attach -n t-beside -- head -c 1 /dev/zero
        code 0 tool freeze -n t-beside
        same state FROZEN "$(state t-beside)"
        same 'the kernel says' 1 "$(cat "$unified"/lxc.payload.t-beside/cgroup.freeze)"
        code 0 tool unfreeze -n t-beside
        same 'thawed' 0 "$(cat "$unified"/lxc.payload.t-beside/cgroup.freeze)"
        code 0 tool freeze -n t-beside
        code 0 tool stop -k -n t-beside
        rm -rf "${LXC:?}/t-beside"
    done
}
