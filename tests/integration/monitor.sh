# lxc-monitor and lxc-wait: all events, in their order, whoever started the container.

events() { # FILE COUNT: waits for so many lines
    for _ in $(seq 50); do
        [ "$(wc -l <"$1")" -ge "$2" ] && return
        sleep 0.1
    done
}

test_monitor_tells_states() {
    container t-mon
    container t-other
    tool monitor -n 't-m.*' >"$RUN/events" 2>"$RUN/monitor.err" &
    local monitor=$! theirs=
    sleep 0.5
    if [ -x /usr/bin/lxc-monitor ]; then
        debian monitor -n 't-mon' >"$RUN/events.theirs" &
        theirs=$!
        sleep 0.3
    fi
    code 0 tool start -n t-mon
    code 0 tool start -n t-other
    code 0 tool stop -k -n t-other
    code 0 tool stop -k -n t-mon
    events "$RUN/events" 5
    same events "'t-mon' changed state to [STARTING]
't-mon' changed state to [RUNNING]
't-mon' exited with status [0]
't-mon' changed state to [STOPPING]
't-mon' changed state to [STOPPED]" "$(cat "$RUN/events")"
    [ -z "$theirs" ] || same "Debian's lxc-monitor" "$(cat "$RUN/events")" "$(cat "$RUN/events.theirs")"
    code 0 tool monitor -Q
    wait $monitor
    same 'after quit' 1 $?
    grep -q 'lxc-monitord has ended' "$RUN/monitor.err" || fail "lxc-monitor says: $(cat "$RUN/monitor.err")"
    code 1 tool monitor -Q
    says 'Unable to open monitor on path'
    [ ! -e "/run/lxc/$LXC/monitor-fifo" ] || fail "the fifo is left"
}

test_our_monitor_with_debians_daemon() {
    [ -x /usr/bin/lxc-monitor ] || { skipped="Debian's lxc is not installed"; return; }
    container t-mon
    debian monitor -n t-mon >/dev/null &
    sleep 0.5
    tool monitor --format json >"$RUN/events" 2>/dev/null &
    sleep 0.3
    code 0 tool start -n t-mon
    code 0 tool stop -k -n t-mon
    events "$RUN/events" 5
    same events 'STARTING RUNNING null STOPPING STOPPED' "$(jq -r .state "$RUN/events" | xargs)"
    same signal 9 "$(jq -r 'select(.signal).signal' "$RUN/events")"
    code 0 tool monitor -Q
    wait
}

sequence() { # NAME TIMES: the events of so many lives that were killed
    local life
    for _ in $(seq "$2"); do
        for life in 'changed state to [STARTING]' 'changed state to [RUNNING]' 'exited with status [0]' \
            'changed state to [STOPPING]' 'changed state to [STOPPED]'; do
            echo "'$1' $life"
        done
    done
}

# Two directories, a container of ours and one of Debian's in each, all at once.
test_monitor_of_two_directories_loses_nothing() {
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's lxc is not installed"; return; }
    local second=$LXC/second name monitor who dir
    mkdir "$second"
    for name in t-ours t-theirs; do container $name 'lxc.net.0.type = empty'; done
    for name in t-ours t-theirs; do
        mkdir "$second/$name"
        sed "s#$LXC/$name#$second/$name#" "$LXC/$name/config" >"$second/$name/config"
        rootfs "$second/$name/rootfs"
    done
    tool monitor -P "$second" --format json >"$RUN/events" 2>/dev/null &
    monitor=$!
    sleep 0.5
    for dir in "$LXC" "$second"; do
        for name in t-ours t-theirs; do
            who=tool
            [ $name = t-ours ] || who=debian
            for _ in 1 2 3 4; do
                LXC=$dir $who start -n $name && LXC=$dir $who stop -k -n $name || echo failed
            done >"$RUN/said-$who-${dir##*/}" 2>&1 &
        done
    done
    for job in $(jobs -p); do [ "$job" = $monitor ] || wait "$job"; done
    same 'starts and stops' '' "$(cat "$RUN"/said-*)"
    events "$RUN/events" 80
    for dir in "$LXC" "$second"; do
        for name in t-ours t-theirs; do
            same "events of $name in $dir" "$(sequence $name 4)" "$(jq -r --arg name $name --arg dir "$dir" '
                select(.name == $name and .lxcpath == $dir) | if .state
                then "\u0027\(.name)\u0027 changed state to [\(.state)]"
                else "\u0027\(.name)\u0027 exited with status [\(.exit_code)]" end' "$RUN/events")"
        done
    done
    tool monitor -P "$second" -Q
    wait $monitor 2>/dev/null
    rm -rf "$second"
    find /sys/fs/cgroup -maxdepth 2 -name lxc.pivot -exec rmdir {} + 2>/dev/null
}

# What scripts do: wait beside the stop, and look at how the wait ended.
test_wait_beside_a_stop() {
    [ -x /usr/bin/lxc-wait ] || { skipped="Debian's lxc is not installed"; return; }
    container t-mon
    local pid starter waiter
    for starter in tool debian; do
        for waiter in tool debian; do
            code 0 $starter start -n t-mon
            $waiter wait -n t-mon -s STOPPED &
            pid=$!
            sleep 0.2
            kill -0 $pid || fail "$waiter did not wait"
            code 0 $waiter stop -k -n t-mon
            wait $pid
            same "$waiter waits for what $starter started" 0 $?
        done
    done
    tool wait -n t-mon -s 'RUNNING|FROZEN' -t 10 &
    pid=$!
    sleep 0.2
    code 0 tool start -n t-mon
    wait $pid || fail "wait for two states: $?"
    tool wait -n t-mon -s 'FROZEN' -t 1
    same 'time is up' 1 $?
    code 0 tool stop -k -n t-mon
    find /sys/fs/cgroup -maxdepth 2 -name lxc.pivot -exec rmdir {} + 2>/dev/null
}
