# Kills, races and bad input.

test_kill_9_of_the_monitor_is_recovered() {
    container t-unwatched
    code 0 tool start -n t-unwatched
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-unwatched\$")"
    sleep 0.3
    same state STOPPED "$(state t-unwatched)"
    code 2 tool stop -n t-unwatched
    same list '' "$(tool ls -1 --active)"
    code 0 tool start -n t-unwatched
    same 'cgroup name' 1 "$(find "$(hierarchy pids)" -maxdepth 1 -name 'lxc.payload.t-unwatched*' | wc -l)"
    code 0 tool stop -k -n t-unwatched
}

test_kill_9_at_any_step_of_a_start() {
    container t-cut 'lxc.net.0.type = veth' "lxc.net.0.link = $BRIDGE" 'lxc.net.0.flags = up'
    local round begin whole monitor killed=0
    begin=$(date +%s%N)
    code 0 tool start -n t-cut
    whole=$((($(date +%s%N) - begin) / 1000))
    code 0 tool stop -k -n t-cut
    for round in $(seq 0 "${CUTS:-40}"); do
        tool start -n t-cut 2>/dev/null &
        # Somewhere between its first and its last step.
        sleep "$(awk "BEGIN { print $whole * $round / ${CUTS:-40} / 1e6 }")"
        monitor=$(pgrep -f "^\[lxc monitor\] $LXC t-cut\$" | head -1)
        [ -z "$monitor" ] || { kill -9 "$monitor" && killed=$((killed + 1)); }
        wait
        tool stop -k -q -n t-cut 2>/dev/null
        for _ in $(seq 30); do
            pgrep -f "^\[lxc monitor\] $LXC t-cut\$" >/dev/null || ip -n "$NETNS" -br link | grep -q ^veth || break
            sleep 0.1
        done
        same "state after cut $round" STOPPED "$(state t-cut)"
    done
    [ $killed -ge 10 ] || fail "only $killed of the starts were cut"
    # What the killed ones left of cgroups is swept by the next life.
    code 0 tool start -n t-cut
    code 0 tool stop -k -n t-cut
}

test_kill_9_of_init_is_a_stop() {
    container t-k1
    code 0 tool start -n t-k1 -l ERROR
    kill -9 "$(tool info -n t-k1 -pH)"
    code 0 tool wait -n t-k1 -s STOPPED -t 10
    same state STOPPED "$(state t-k1)"
    same 'what the log says of it' 'init died of SIGKILL (9), and no client had asked for that' \
        "$(sed -n 's/.* ERROR .* - \(init died\)/\1/p' "$LXC/t-k1/t-k1.log")"
    # A stop or a reboot that a client asks for is not logged as an error.
    local how
    for how in -k -r ''; do
        code 0 tool start -n t-k1 -l ERROR
        code 0 tool stop $how -n t-k1
        [ "$how" != -r ] || code 0 tool stop -k -n t-k1
    done
    same 'lines of the log' 1 "$(grep -c 'init died' "$LXC/t-k1/t-k1.log")"
}

test_fifty_starts_at_once_have_one_winner() {
    container t-race
    local i
    for i in $(seq 50); do
        tool start -n t-race 2>"$RUN/race.$i"; echo $? >"$RUN/race.$i.code"
    done &
    for i in $(seq 51 100); do
        { tool start -n t-race 2>"$RUN/race.$i"; echo $? >"$RUN/race.$i.code"; } &
    done
    wait
    same 'exit codes' '100 0' "$(cat "$RUN"/race.*.code | sort | uniq -c | awk '{print $1, $2}')"
    same losers 99 "$(grep -l 'already running' "$RUN"/race.* | wc -l)"
    same 'other messages' '' "$(cat "$RUN"/race.*[0-9] | grep -v 'already running')"
    rm -f "$RUN"/race.*
    code 0 tool stop -k -n t-race
}

test_start_and_stop_race() {
    container t-ss
    local until=$((SECONDS + ${RACE_SECONDS:-5}))
    (while [ $SECONDS -lt $until ]; do tool start -q -n t-ss; done) &
    (while [ $SECONDS -lt $until ]; do tool stop -k -q -n t-ss; done) &
    wait
    tool stop -k -q -n t-ss
    same state STOPPED "$(state t-ss)"
}

test_bad_input_is_one_clear_error() {
    code 1 tool start -n t-none
    says 'No container config'
    code 1 tool start -n a/b
    says 'invalid container name'
    container t-bad 'lxc.no.such.key = 1'
    code 1 tool start -n t-bad
    says 'Unsupported config key "lxc.no.such.key"'
    says 'config:[0-9]*:'
    container t-bad 'lxc.start.auto = maybe'
    code 1 tool start -n t-bad
    says 'write 0 or 1'
    container t-bad 'lxc.include = /no/such/file'
    code 1 tool start -n t-bad
    says 'ENOENT'
    container t-bad
    rm -r "$LXC/t-bad/rootfs" && touch "$LXC/t-bad/rootfs"
    code 1 tool start -n t-bad
    says 'not a directory'
    rm "$LXC/t-bad/rootfs"
    code 1 tool start -n t-bad
    says 'ENOENT'
    rootfs "$LXC/t-bad/rootfs" && rm "$LXC/t-bad/rootfs/sbin/init"
    code 1 tool start -n t-bad
    says 'cannot execute /sbin/init'
    container t-bad 'lxc.net.0.type = veth' 'lxc.net.0.link = nobr9'
    code 1 tool start -n t-bad
    says 'the bridge nobr9 does not exist: ENODEV'
    code 1 tool start -F -n t-bad
    says 'the bridge nobr9 does not exist: ENODEV'
    container t-bad 'lxc.mount.entry = /no/such/dir mnt none bind 0 0'
    code 1 tool start -n t-bad
    says '/no/such/dir does not exist'
    container t-bad 'lxc.hook.pre-start = /bin/false'
    code 1 tool start -n t-bad
    says 'pre-start hook ended with code 1'
    code 1 tool wait -n t-bad -s NOWHERE
    says 'invalid state'
    same state STOPPED "$(state t-bad)"
}

test_without_root_the_truth_is_said() {
    container t-root
    chmod 700 "$LXC/t-root"
    local words
    for words in "start -n t-root" "info -n t-root" "destroy -n t-root" "execute -n t-root true" \
        "create -n t-new -t busybox -f /dev/null"; do
        code 1 su -s /bin/sh nobody -c "exec $BIN ${words%% *} -P $LXC ${words#* }"
        says 'You lack access to .*: EACCES'
        says 'hint: run it as root'
    done
    same left t-root "$(ls "$LXC")"
}

test_symlinks_in_the_rootfs_are_refused() {
    container t-link 'lxc.mount.entry = /tmp evil/x none bind,create=dir 0 0'
    mkdir "$RUN/outside"
    ln -s "$RUN/outside" "$LXC/t-link/rootfs/evil"
    code 1 tool start -n t-link
    says 'ELOOP\|ENOTDIR'
    same outside '' "$(ls -A "$RUN/outside")"
    rm "$LXC/t-link/rootfs/evil"
    rm -r "$LXC/t-link/rootfs/dev" && ln -s "$RUN/outside" "$LXC/t-link/rootfs/dev"
    code 1 tool start -n t-link
    same outside '' "$(ls -A "$RUN/outside")"
}

test_garbage_on_the_command_socket_harms_nothing() {
    command -v python3 >/dev/null || { skipped="python3 is not installed"; return; }
    container t-fuzz
    code 0 tool start -n t-fuzz
    code 0 nsenter --net="/run/netns/$NETNS" python3 - "$LXC/t-fuzz/command" <<'PYTHON'
import random, socket, struct, sys
random.seed(1)
address = "\0" + sys.argv[1]
# Commands that end or freeze the container are not garbage: 2 stop, 15 and 16 freeze and thaw, 12 sets a state.
harmless = [n for n in range(-2, 40) if n not in (2, 12, 15, 16)]
for _ in range(1000):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(address)
    client.settimeout(10)
    announced = random.choice([0, 1, 7, 8, 64, 300, 5000, 1 << 20, -1, 2**31 - 1])
    header = struct.pack("<iiq", random.choice(harmless), announced, random.getrandbits(63))
    body = random.randbytes(min(max(announced, 0), 4096) if random.random() < 0.8 else 3)
    message = random.choice([header + body, header, header[: random.randrange(len(header))], random.randbytes(16)])
    if message[:4] in [struct.pack("<i", n) for n in (2, 12, 15, 16)]:
        message = b"\xff" + message[1:]
    try:
        client.sendall(message)
        client.shutdown(socket.SHUT_WR)
        client.recv(65536)
    except (ConnectionResetError, BrokenPipeError):
        pass
    client.close()
PYTHON
    same state RUNNING "$(state t-fuzz)"
    same attach fine "$(tool attach -n t-fuzz -- echo fine)"
    same 'descriptors of the monitor' yes \
        "$([ "$(ls "/proc/$(pgrep -f "^\[lxc monitor\] $LXC t-fuzz\$")/fd" | wc -l)" -lt 50 ] && echo yes)"
    code 0 tool stop -k -n t-fuzz
}

# A client that waits and is killed costs its monitor neither a descriptor nor time.
test_clients_that_go_away_are_forgotten() {
    container t-gone
    code 0 tool start -n t-gone
    local monitor before command clients=()
    command="exec nsenter --net=/run/netns/$NETNS $BIN"
    monitor=$(pgrep -f "^\[lxc monitor\] $LXC t-gone\$")
    before=$(ls "/proc/$monitor/fd" | wc -l)
    sh -c "$command wait -P $LXC -n t-gone -s STOPPED" &
    clients+=($!)
    sh -c "$command wait -P $LXC -n t-gone -s FROZEN" &
    clients+=($!)
    script -qec "$command console -P $LXC -n t-gone -t 1" /dev/null < <(exec sleep 5) >/dev/null &
    clients+=($!)
    sleep 1
    # A connection each; the console's holds a lease.
    same 'descriptors while they wait' $((before + 3)) "$(ls "/proc/$monitor/fd" | wc -l)"
    kill -9 "${clients[@]}"
    wait "${clients[@]}" 2>/dev/null
    for _ in $(seq 50); do
        [ "$(ls "/proc/$monitor/fd" | wc -l)" -eq "$before" ] && break
        sleep 0.1
    done
    same 'descriptors of the monitor' "$before" "$(ls "/proc/$monitor/fd" | wc -l)"
    same 'what the monitor does' S "$(awk '{ print $3 }' "/proc/$monitor/stat")"
    code 0 tool stop -k -n t-gone
}

# A task that the v1 freezer has frozen does not die of a signal before it is thawed.
test_kill_9_of_the_monitor_of_a_frozen_container() {
    local way init
    for way in start destroy; do
        container t-k9f
        code 0 tool start -n t-k9f
        init=$(tool info -n t-k9f -pH)
        code 0 tool freeze -n t-k9f
        kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-k9f\$")"
        for _ in $(seq 30); do [ "$(state t-k9f)" = STOPPED ] && break; sleep 0.1; done
        same state STOPPED "$(state t-k9f)"
        code 0 tool $way -n t-k9f
        grep -qs '^State:.[^ZX]' "/proc/$init/status" && fail "init is left after $way"
        same cgroups "$([ $way = start ] && echo lxc.payload.t-k9f)" \
            "$(find /sys/fs/cgroup -name 'lxc.payload.t-k9f*' -printf '%f\n' | sort -u)"
        [ $way = destroy ] || code 0 tool stop -k -n t-k9f
    done
}

# C LXC locks no cgroup: nothing tells from a dead container's but the mark that is missing.
test_kill_9_leaves_debians_container_of_the_same_name_alone() {
    [ -x /usr/bin/lxc-start ] || { skipped="Debian's lxc is not installed"; return; }
    local elsewhere=$LXC/elsewhere way init
    mkdir "$elsewhere"
    container t-twin
    cp -a "$LXC/t-twin" "$elsewhere/"
    sed -i "s|$LXC/t-twin|$elsewhere/t-twin|" "$elsewhere/t-twin/config"
    LXC=$elsewhere code 0 debian start -n t-twin
    init=$(LXC=$elsewhere debian info -n t-twin -pH)
    LXC=$elsewhere code 0 debian freeze -n t-twin
    for way in start destroy; do
        code 0 tool start -n t-twin
        same 'the other cgroup' 1 "$(find "$(hierarchy pids)" -maxdepth 1 -name lxc.payload.t-twin-1 | wc -l)"
        kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-twin\$")"
        code 0 tool $way -n t-twin
        same "Debian's after $way" FROZEN "$(LXC=$elsewhere debian info -n t-twin -sH)"
        [ -d "/proc/$init" ] || fail "Debian's was killed by $way"
        [ $way = destroy ] || code 0 tool stop -k -n t-twin
    done
    same 'our cgroups' '' "$(find /sys/fs/cgroup -name 'lxc.payload.t-twin-*' -printf '%f\n' | sort -u)"
    LXC=$elsewhere code 0 debian unfreeze -n t-twin
    LXC=$elsewhere code 0 debian stop -k -n t-twin
}
