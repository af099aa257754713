# Debian's LXC on our containers, ours on Debian's: each command that acts on a container, both ways.

on_terminal() { # TOOL INPUT COMMAND [ARG]...: of tool or debian, on a terminal, with INPUT typed a second later
    local command="timeout --foreground 20 nsenter --net=/run/netns/$NETNS $BIN $3" input=$2
    [ "$1" = tool ] || command="timeout --foreground 20 nsenter --net=/run/netns/$NETNS /usr/bin/lxc-$3"
    shift 3
    (sleep 1; printf '%b' "$input"; sleep 0.2) | script -qec "stty rows 24 cols 130; $command -P $LXC $*" /dev/null
}

other_pid() { # PID: the container runs with another init, in five seconds
    local pid
    for _ in $(seq 50); do
        pid=$(tool info -n t-mixed -pH)
        [ -n "$pid" ] && [ "$pid" != "$1" ] && return
        sleep 0.1
    done
    fail "init is still '$pid'"
}

starts_and_manages() { # STARTER MANAGER: what the first starts the second manages
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's lxc is not installed"; return; }
    local starter=$1 manager=$2 pid monitor waiting shown
    container t-mixed 'lxc.net.0.type = empty' 'lxc.tty.max = 2'
    printf '::sysinit:/bin/true\n::ctrlaltdel:/bin/reboot\ntty1::respawn:/bin/sh\n' >"$LXC/t-mixed/rootfs/etc/inittab"
    "$manager" monitor -n t-mixed >"$RUN/events" 2>/dev/null &
    monitor=$!
    "$manager" wait -n t-mixed -s RUNNING -t 20 &
    waiting=$!
    sleep 0.5
    code 0 "$starter" start -n t-mixed -s lxc.init.cmd=/sbin/init
    wait $waiting || fail "lxc-wait for RUNNING: $?"
    same 'info -s' RUNNING "$("$manager" info -n t-mixed -sH)"
    same 'info -p' "$("$starter" info -n t-mixed -pH)" "$("$manager" info -n t-mixed -pH)"
    same 'info -c' "$("$starter" info -n t-mixed -c lxc.uts.name -c lxc.init.cmd -c lxc.tty.max)" \
        "$("$manager" info -n t-mixed -c lxc.uts.name -c lxc.init.cmd -c lxc.tty.max)"
    same 'ls -1' t-mixed "$("$manager" ls -1 --running)"
    same 'ls -f' "$("$starter" ls -f)" "$("$manager" ls -f)"
    code 7 "$manager" attach -n t-mixed -- sh -c 'exit 7'
    same attach t-mixed "$("$manager" attach -n t-mixed -- hostname)"
    code 0 "$manager" cgroup -n t-mixed pids.max 50
    same cgroup 50 "$("$starter" cgroup -n t-mixed pids.max)"
    # Debian's wants the network namespace of the host's init, and fails on hybrid cgroups.
    if [ "$manager" = tool ]; then
        ip -n "$NETNS" link add t-mixed0 type veth peer name t-mixed1
        code 0 tool device -n t-mixed add t-mixed0 eth7
        code 0 debian attach -n t-mixed -- ip link show eth7
        code 0 tool device -n t-mixed del eth7 t-mixed0
        ip -n "$NETNS" link del t-mixed0 || fail 'the link did not come back'
        code 0 tool device -n t-mixed add /dev/zero /dev/naught
        same 'device node' 'character special file' "$(debian attach -n t-mixed -- stat -c %F /dev/naught)"
        code 0 tool device -n t-mixed del /dev/zero /dev/naught
    fi
    code 0 "$manager" freeze -n t-mixed
    same frozen FROZEN "$("$starter" info -n t-mixed -sH)"
    code 0 "$manager" wait -n t-mixed -s FROZEN -t 5
    code 0 "$manager" unfreeze -n t-mixed
    same thawed RUNNING "$("$starter" info -n t-mixed -sH)"
    shown=$(on_terminal "$manager" '\001q' console -n t-mixed -t 1)
    grep -q 'Connected to tty 1' <<<"$shown" || fail "console: $shown"
    shown=$(on_terminal "$manager" q top)
    grep -q t-mixed <<<"$shown" || fail "top: $shown"
    same 'autostart -L' 't-mixed 0' "$("$manager" autostart -a -A -r -L)"
    pid=$(tool info -n t-mixed -pH)
    code 0 "$manager" autostart -a -A -r -t 5
    other_pid "$pid"
    pid=$(tool info -n t-mixed -pH)
    code 0 "$manager" stop -r -t 5 -n t-mixed
    other_pid "$pid"
    code 0 "$manager" start -n t-mixed
    [ "$manager" = debian ] || says 'already running'
    code 1 "$manager" destroy -n t-mixed
    code 1 "$manager" snapshot -n t-mixed
    code 1 "$manager" copy -n t-mixed -N t-copied
    code 0 "$manager" copy -n t-mixed -N t-copied --allowrunning
    code 0 "$starter" destroy -n t-copied
    code 0 "$manager" stop -n t-mixed -t 10
    same 'after stop' STOPPED "$("$starter" info -n t-mixed -sH)"

    code 0 "$starter" start -n t-mixed
    "$manager" wait -n t-mixed -s STOPPED -t 20 &
    waiting=$!
    sleep 0.3
    code 0 "$manager" stop -k -n t-mixed
    wait $waiting || fail "lxc-wait for STOPPED: $?"
    code 0 "$starter" start -n t-mixed
    code 0 "$manager" autostart -a -A -s -t 10
    same 'after autostart -s' STOPPED "$("$starter" info -n t-mixed -sH)"
    "$starter" monitor -Q 2>/dev/null
    kill $monitor 2>/dev/null
    wait $monitor 2>/dev/null
    same 'events of three lives and two reboots' '5 STARTING 5 STOPPED' \
        "$(grep -c STARTING "$RUN/events") STARTING $(grep -c STOPPED "$RUN/events") STOPPED"
    grep -q 'changed state to \[FROZEN\]' "$RUN/events" || fail "no FROZEN among the events: $(cat "$RUN/events")"

    code 0 "$starter" execute -d -n t-mixed -- sleep 100
    same 'lxc-execute in the background' RUNNING "$("$manager" info -n t-mixed -sH)"
    code 0 "$manager" stop -k -n t-mixed
    "$starter" start -F -n t-mixed -- /bin/sh -c 'exec sleep 100' </dev/null >/dev/null 2>&1 &
    waiting=$!
    code 0 "$manager" wait -n t-mixed -s RUNNING -t 10
    code 0 "$manager" stop -k -n t-mixed
    wait $waiting

    # What the one makes of a stopped container the other knows.
    code 0 "$starter" snapshot -n t-mixed
    same 'snapshot -L' 1 "$("$manager" snapshot -n t-mixed -L | grep -c '^snap0 ')"
    code 0 "$manager" snapshot -n t-mixed -r snap0 -N t-back
    code 0 "$starter" start -n t-back
    code 0 "$manager" destroy -f -n t-back
    code 0 "$manager" snapshot -n t-mixed -d snap0
    code 0 "$starter" copy -n t-mixed -N t-upper -s -B overlay
    code 1 "$manager" destroy -n t-mixed
    code 0 "$manager" start -n t-upper
    code 0 "$starter" attach -n t-upper -- touch /above
    code 0 "$starter" stop -k -n t-upper
    # Debian's cannot rename an overlay.
    code 0 tool copy -R -n t-upper -N t-named
    code 0 "$starter" start -n t-named
    code 0 "$manager" attach -n t-named -- ls /above
    code 0 "$manager" stop -k -n t-named
    code 0 "$manager" destroy -n t-named
    code 0 "$starter" destroy -n t-mixed
    same left '' "$(ls -A "$LXC")"
    find /sys/fs/cgroup -maxdepth 2 -name lxc.pivot -exec rmdir {} + 2>/dev/null
}

test_a_frozen_container_of_debians_is_killed() {
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's lxc is not installed"; return; }
    local freezer init
    local deep=('lxc.cgroup.dir.monitor = t-ice-monitor' 'lxc.cgroup.dir.monitor.pivot = lxc.pivot'
        'lxc.cgroup.dir.container = t-ice-box' 'lxc.cgroup.dir.container.inner = inner')
    for freezer in tool debian 'tool inner' 'debian inner'; do
        case $freezer in *inner) container t-ice "${deep[@]}" ;; *) container t-ice ;; esac
        code 0 debian start -n t-ice
        init=$(tool info -n t-ice -pH)
        code 0 "${freezer% *}" freeze -n t-ice
        same "frozen by $freezer" FROZEN "$(state t-ice)"
        code 0 tool stop -k -n t-ice
        same "frozen by $freezer, killed" STOPPED "$(state t-ice)"
        [ ! -e "/proc/$init" ] || fail "init is left: $(grep State "/proc/$init/status")"
    done
    find /sys/fs/cgroup -maxdepth 2 -name lxc.pivot -exec rmdir {} + 2>/dev/null
}

test_peer_waits_for_a_container_that_is_being_started() {
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's lxc is not installed"; return; }
    local start waiting
    mkfifo "$RUN/go"
    printf '#!/bin/sh\nread line <%s\n' "$RUN/go" >"$RUN/hook"
    chmod +x "$RUN/hook"
    container t-being "lxc.hook.pre-start = $RUN/hook"
    tool start -n t-being &
    start=$!
    tool wait -n t-being -s STARTING -t 10 || fail 'it is not being started'
    code 0 debian wait -n t-being -s STARTING -t 5
    same 'info -s' STARTING "$(debian info -n t-being -sH)"
    same 'info -p' '' "$(tool info -n t-being -pH)"
    debian wait -n t-being -s RUNNING -t 20 &
    waiting=$!
    sleep 0.3
    timeout 10 sh -c 'echo >"$1"' sh "$RUN/go"
    wait $waiting || fail "lxc-wait for RUNNING: $?"
    wait $start || fail "lxc-start: $?"
    code 0 tool stop -k -n t-being
}

test_peer_started_by_us() { starts_and_manages tool debian; }
test_peer_started_by_debian() { starts_and_manages debian tool; }
