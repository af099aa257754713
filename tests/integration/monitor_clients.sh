# Clients that would hold up a monitor which waited for them. All commands here have a time limit: a
# monitor that waits makes a test fail, not hang.

client() { within_net /usr/bin/python3 -c "$(cat tests/integration/client.py)" "$@"; }
client_as() { # USER ARG...: by its text, which is not read as that user
    within_net setpriv --reuid="$1" --regid="$1" --clear-groups -- \
        /usr/bin/python3 -c "$(cat tests/integration/client.py)" "${@:2}"
}

address() { printf '%s/%s/command' "$LXC" "$1"; }
within_net() { nsenter --net="/run/netns/$NETNS" "$@"; }
quickly() { # COMMAND...: within five seconds
    timeout 5 "$@"
}
our() { quickly nsenter --net="/run/netns/$NETNS" "$BIN" "$1" -P "$LXC" "${@:2}"; }

# Starts a client in the background that stays until unstick.
stuck=()
stick() { # USER ACTION NAME [ARG...]
    local user=$1 action=$2 name=$3
    shift 3
    : >"$RUN/client"
    client_as "$user" "$action" "$(address "$name")" "$@" >"$RUN/client" 2>&1 &
    stuck+=($!)
    for _ in $(seq 300); do [ -s "$RUN/client" ] && break; sleep 0.1; done
    same "client $action of user $user" ready "$(cat "$RUN/client")"
}
unstick() {
    local pid
    for pid in "${stuck[@]}"; do pkill -P "$pid"; done
    wait "${stuck[@]}" 2>/dev/null
    stuck=()
}

answers() { # NAME WHAT: everything that asks the monitor is answered
    same "$2: state" RUNNING "$(our info -n "$1" -sH)"
    same "$2: attach" here "$(our attach -n "$1" -- echo here </dev/null)"
    same "$2: cgroup" max "$(our cgroup -n "$1" pids.max)"
    same "$2: list" "$1" "$(our ls -1 --running "$1" | xargs)"
}

test_clients_that_do_not_speak_hold_nobody_up() {
    local user
    container t-mute
    code 0 tool start -n t-mute
    for user in 0 65534; do
        stick $user silent t-mute 3
        answers t-mute "three of user $user"
        stick $user half t-mute
        answers t-mute "half a request of user $user"
        stick $user silent t-mute 10000
        answers t-mute "10000 of user $user"
    done
    code 0 our stop -k -n t-mute
    unstick
}

test_a_client_that_does_not_read_holds_nobody_up() {
    container t-deaf 'lxc.console.buffer.size = 2MB' 'lxc.init.cmd = /bin/sh -c "yes | head -c 1500000; exec sleep 1000"'
    code 0 tool start -n t-deaf
    sleep 0.5
    stick 0 deaf t-deaf
    answers t-deaf 'a client that does not read'
    code 0 our stop -k -n t-deaf
    unstick
}

test_descriptors_of_strangers_are_not_kept() {
    local before after
    container t-fds
    code 0 tool start -n t-fds
    before=$(ls "/proc/$(monitor_of t-fds)/fd" | wc -l)
    stick 65534 fds t-fds 200
    answers t-fds 'descriptors of a stranger'
    after=$(ls "/proc/$(monitor_of t-fds)/fd" | wc -l)
    [ $((after - before)) -le 70 ] || fail "the monitor had $before descriptors, and has $after"
    same 'a stranger asks' -1 "$(client_as 65534 ask "$(address t-fds)" 3)"
    same 'root asks for what is not a command' -38 "$(client ask "$(address t-fds)" 99)"
    unstick
    code 0 our stop -k -n t-fds
}

# Proxmox VE connects, stops the container, and takes the end of the stream for the end of the monitor.
test_a_silent_connection_ends_with_the_monitor() {
    container t-end "lxc.hook.post-stop = /bin/sh -c 'sleep 1; echo done >$RUN/post-stop'"
    code 0 tool start -n t-end
    : >"$RUN/post-stop"
    client end "$(address t-end)" "$RUN/post-stop" >"$RUN/end" &
    local client=$!
    for _ in $(seq 50); do grep -q ready "$RUN/end" && break; sleep 0.1; done
    code 0 our stop -k -n t-end
    same 'after lxc-stop' 'done' "$(cat "$RUN/post-stop")"
    wait $client
    same 'at the end of the stream' 'ready done' "$(xargs <"$RUN/end")"
    rm -f "$RUN/post-stop" "$RUN/end"
}

# Few descriptors, many connections: no loop without end, and whoever comes later is answered.
test_a_monitor_without_descriptors_left_answers() {
    local pid before
    container t-full
    (ulimit -n 40 && code 0 tool start -n t-full && [ $ok = yes ]) || fail 'no start'
    stick 0 silent t-full 60
    stick 65534 silent t-full 60
    pid=$(monitor_of t-full)
    before=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
    sleep 1
    [ $(($(awk '{ print $14 + $15 }' "/proc/$pid/stat") - before)) -lt 20 ] || fail 'the monitor spins'
    same 'state' RUNNING "$(our info -n t-full -sH)"
    code 0 our stop -k -n t-full
    unstick
}

test_a_console_that_nobody_reads_or_feeds() {
    local console
    container t-con 'lxc.init.cmd = /bin/sh -c "while :; do yes | head -c 200000; sleep 0.1; done"'
    code 0 tool start -n t-con
    window con "$BIN console -P $LXC -n t-con -t 0"
    sleep 1
    console=$(pgrep -f "^$BIN console -P $LXC -n t-con")
    kill -STOP "$console"
    sleep 2.5
    same 'with a stopped lxc-console' RUNNING "$(our info -n t-con -sH)"
    kill -KILL "$console"
    same 'with a dead lxc-console' RUNNING "$(our info -n t-con -sH)"
    tmux -L "$NETNS" kill-session -t con
    code 0 our stop -k -n t-con

    container t-con2 'lxc.init.cmd = /bin/sleep 1000'
    code 0 tool start -n t-con2
    # Typed without end, into an init that reads nothing.
    timeout 4 nsenter --net="/run/netns/$NETNS" script -qec "$BIN console -P $LXC -n t-con2 -t 0" /dev/null \
        < <(timeout 3 yes) >/dev/null &
    sleep 2
    same 'with unread input' RUNNING "$(our info -n t-con2 -sH)"
    code 0 our stop -k -n t-con2
    wait
}

# A terminal that is open and not read: the container goes on.
test_a_foreground_terminal_that_nobody_reads() {
    container t-fore 'lxc.init.cmd = /bin/sh -c "while :; do yes | head -c 200000; sleep 0.1; done"'
    within_net /usr/bin/python3 - "$BIN" "$LXC" t-fore <<'PYTHON' &
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], [sys.argv[1], "start", "-P", sys.argv[2], "-n", sys.argv[3], "-F"])
for _ in range(200):
    time.sleep(0.1)
    if os.waitpid(pid, os.WNOHANG)[0]:
        break
PYTHON
    code 0 tool wait -n t-fore -s RUNNING -t 10
    sleep 2
    same 'state' RUNNING "$(our info -n t-fore -sH)"
    same 'attach' here "$(our attach -n t-fore -- echo here </dev/null)"
    code 0 our stop -k -n t-fore
    wait
}

test_the_monitor_answers_while_hooks_run() {
    local stage starter
    for stage in pre-start start-host mount start; do
        container "t-hook-$stage" "lxc.hook.$stage = /bin/sh -c 'exec sleep 8'"
        tool start -n "t-hook-$stage" 2>"$RUN/start.err" &
        starter=$!
        for _ in $(seq 30); do [ -n "$(monitor_of "t-hook-$stage")" ] && break; sleep 0.1; done
        sleep 0.3
        same "in the $stage hook" STARTING "$(our info -n "t-hook-$stage" -sH)"
        code 0 our ls -f
        # It is stopped in the middle of its start.
        code 0 our stop -k -n "t-hook-$stage"
        code 1 wait $starter
        grep -q 'stopped while it was being started' "$RUN/start.err" || fail "$stage: $(cat "$RUN/start.err")"
    done
    # It asks about itself.
    container t-hook-self "lxc.hook.pre-start = /bin/sh -c '$BIN info -P $LXC -n t-hook-self -sH >$RUN/self'"
    code 0 tool start -n t-hook-self
    same 'asked by its own hook' STARTING "$(cat "$RUN/self")"
    code 0 tool stop -k -n t-hook-self
    container t-hook-stop "lxc.hook.stop = /bin/sh -c '$BIN info -P $LXC -n t-hook-stop -sH >$RUN/self'"
    code 0 tool start -n t-hook-stop
    code 0 our stop -k -n t-hook-stop
    same 'asked by its stop hook' STOPPING "$(cat "$RUN/self")"
    rm -f "$RUN/self" "$RUN/start.err"
}

# A monitor that is killed before its first process is tied to it takes that process along.
test_a_process_cannot_outlive_a_killed_monitor() {
    local call
    [ -x /usr/bin/strace ] || { skipped="strace is not installed"; return; }
    container t-orphan
    for call in clone3:signal=KILL:when=1 sendmsg:signal=KILL:when=1 sendmsg:signal=KILL:when=2; do
        # The starter is not the monitor: in the foreground it is.
        timeout -k 5 20 nsenter --net="/run/netns/$NETNS" strace -qq -o /dev/null -e inject="$call" \
            "$BIN" start -P "$LXC" -n t-orphan -F </dev/null >/dev/null 2>&1
        for _ in $(seq 20); do
            same_state=$(our info -n t-orphan -sH)
            [ "$same_state" = STOPPED ] && break
            sleep 0.1
        done
        same "killed at $call" STOPPED "$same_state"
    done
    code 0 tool start -n t-orphan
    code 0 tool stop -k -n t-orphan
}

# RUNNING is published by a thaw as well: it is not what a reboot ends with.
test_a_reboot_is_another_init() {
    local before
    container t-boot 'lxc.init.cmd = /bin/sh -c "trap : INT; while :; do sleep 1; done"'
    code 0 tool start -n t-boot
    before=$(our info -n t-boot -pH)
    code 1 our stop -n t-boot -r -t 2
    says 'did not reboot'
    code 0 tool freeze -n t-boot
    code 1 our stop -n t-boot -r -t 2
    (sleep 0.5; tool freeze -n t-boot; tool unfreeze -n t-boot) &
    code 1 our stop -n t-boot -r -t 2
    wait
    same 'init' "$before" "$(our info -n t-boot -pH)"
    code 0 tool stop -k -n t-boot
    container t-boot2
    code 0 tool start -n t-boot2
    before=$(our info -n t-boot2 -pH)
    code 0 tool freeze -n t-boot2
    code 0 tool stop -n t-boot2 -r -t 20
    [ "$before" != "$(our info -n t-boot2 -pH)" ] || fail 'the same init after a reboot'
    code 0 tool stop -k -n t-boot2
}

# timeout(1) puts what it runs into the background of the terminal.
test_a_start_in_the_background_of_a_terminal() {
    local before
    container t-back 'lxc.init.cmd = /bin/sh -c "echo printed; exec sleep 1000"'
    script -qec "timeout 20 nsenter --net=/run/netns/$NETNS $BIN start -P $LXC -n t-back -F" /dev/null \
        >"$RUN/back" </dev/null &
    code 0 tool wait -n t-back -s RUNNING -t 10
    before=$(our info -n t-back -sH)
    same 'state' RUNNING "$before"
    local monitor
    monitor=$(pgrep -f "^$BIN start -P $LXC -n t-back -F" | head -1)
    before=$(awk '{ print $14 + $15 }' "/proc/$monitor/stat")
    sleep 1
    [ $(($(awk '{ print $14 + $15 }' "/proc/$monitor/stat") - before)) -lt 20 ] || fail 'it spins'
    code 0 our stop -k -n t-back
    wait
    grep -q printed "$RUN/back" || fail "nothing printed: $(cat "$RUN/back")"
    rm -f "$RUN/back"
}
