# Kills, races and bad input.

test_kill_9_of_the_monitor_is_recovered() {
    container t-k9
    code 0 tool start -n t-k9
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-k9\$")"
    sleep 0.3
    same state STOPPED "$(state t-k9)"
    code 2 tool stop -n t-k9
    same list '' "$(tool ls -1 --active)"
    code 0 tool start -n t-k9
    same 'cgroup name' 1 "$(find /sys/fs/cgroup/pids -maxdepth 1 -name 'lxc.payload.t-k9*' | wc -l)"
    code 0 tool stop -k -n t-k9
}

test_kill_9_of_init_is_a_stop() {
    container t-k1
    code 0 tool start -n t-k1
    kill -9 "$(tool info -n t-k1 -pH)"
    code 0 tool wait -n t-k1 -s STOPPED -t 10
    same state STOPPED "$(state t-k1)"
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
