# lxc-rs doctor: what this host can do for containers.

# The verdicts of a topic, or of one thing.
verdicts() { # TOPIC [WHAT]: by the JSON in $RUN/out
    jq -r --arg topic "$1" --arg what "${2:-}" \
        '[.findings[] | select(.topic == $topic and (.what | startswith($what))) | .verdict] | unique | join(" ")' "$RUN/out"
}

test_doctor_starts_containers() {
    grep -qs '^lxc.net.0.link *= *lxcbr0' /etc/lxc/default.conf || { skipped='/etc/lxc/default.conf has no link at lxcbr0'; return; }
    code 2 tool doctor --format json
    same 'a container' ok "$(verdicts start 'a container')"
    same 'with limits' ok "$(verdicts start 'with limits')"
    same 'with ids' ok "$(verdicts start 'with ids')"
    same 'without the bridge' fails "$(verdicts start 'with the lines of /etc/lxc/default.conf')"
    same 'cause and fix' 'the bridge lxcbr0 does not exist: ENODEV bring it up with: lxc-rs net start' \
        "$(jq -r '.findings[] | select(.verdict == "fails") | "\(.found | sub(" \\(.*"; "")) \(.fix)"' "$RUN/out")"
    same usable false "$(jq .usable "$RUN/out")"
    ip -n "$NETNS" link add lxcbr0 type bridge && ip -n "$NETNS" link set lxcbr0 up
    code 0 tool doctor --format json
    same 'with the bridge' ok "$(verdicts start)"
    code 0 tool doctor --quiet
    grep -q '^  ok ' "$RUN/out" && fail 'what is ok is said'
    code 0 tool doctor --format table
    same title TOPIC "$(head -1 "$RUN/out" | cut -d' ' -f1)"
    ip -n "$NETNS" link del lxcbr0
    same 'left among the containers' '' "$(ls -A "$LXC")"
}

test_doctor_says_what_is_in_the_way() {
    code 1 tool unshare -s USER -u 0 -- sh -c "echo 0 >/proc/sys/user/max_pid_namespaces; exec $BIN doctor -P $LXC >&2"
    says "its exit code is 2"
    says 'fails    a container: '
    says 'fails    Pid namespace: ENOSPC'
    says 'fix: see the limits in /proc/sys/user'
    code 2 unshare --mount --propagation private sh -c "mount --bind $LXC $LXC && mount -o remount,bind,noexec,nosuid $LXC && exec $BIN doctor -P $LXC >&2"
    says 'fails    mounted noexec: no program in a container can be executed'
    says 'limited  mounted nosuid: su(1) and its like fail inside'
    # Of a full file system.
    mkdir "$RUN/full"
    mount -t tmpfs -o size=1M none "$RUN/full"
    head -c 1000000 /dev/zero >"$RUN/full/file"
    nsenter --net="/run/netns/$NETNS" "$BIN" doctor -P "$RUN/full" >"$RUN/said" 2>&1
    grep -q '  limited  room: 0 MiB of 1 MiB are free' "$RUN/said" || fail "room: $(grep room "$RUN/said")"
    umount "$RUN/full"
}

test_doctor_for_an_ordinary_user() {
    install -d -m 755 "$RUN/program"
    cp "$BIN" "$RUN/program/lxc-rs"
    code 2 setpriv --reuid nobody --regid nogroup --clear-groups env -u XDG_RUNTIME_DIR HOME=/nowhere PATH=/usr/bin:/bin \
        "$RUN/program/lxc-rs" doctor -P "$RUN/nobodys" --format json
    same 'ids of nobody' fails "$(verdicts users 'ids in /etc/subuid')"
    same 'how to fix it' 'as root: usermod --add-subuids 100000-165535 nobody' \
        "$(jq -r '.findings[] | select(.what == "ids in /etc/subuid") | .fix' "$RUN/out")"
    same 'a container of nobody' fails "$(verdicts start 'a container')"
    [ ! -e "$RUN/nobodys" ] || fail 'it made a directory'
    # Whose PATH has no sbin.
    [ -x /usr/sbin/nft ] || return 0
    same 'a program for root' ok "$(verdicts network nft)"
}

test_report_is_complete_and_without_secrets() {
    local dir
    printf 'lxc.environment = KEY=geheim1\n' >"$RUN/included.conf"
    container t-rep "lxc.include = $RUN/included.conf" 'lxc.environment = DB=geheim2' "lxc.log.file = $RUN/log" \
        "lxc.console.logfile = $RUN/console" 'lxc.init.cmd = /bin/sleep 600' 'lxc.uts.name = a--token=geheim3'
    echo 'mount https://root:geheim4@host/ password: geheim5' >"$RUN/console"
    code 0 tool start -n t-rep -l TRACE
    echo 'login password: geheim6' >>"$RUN/console"
    code 0 tool report t-rep "$RUN/report.tar.gz"
    grep -q '[0-9]  container/config$' "$RUN/out" || fail "no list: $(cat "$RUN/out")"
    says "secrets were removed"
    same 'who may read it' 640 "$(stat -c %a "$RUN/report.tar.gz")"
    mkdir "$RUN/report"
    tar -C "$RUN/report" -xzf "$RUN/report.tar.gz"
    dir=$RUN/report/lxc-report-t-rep
    same 'its files' "$(awk '{ print $2 }' "$RUN/out" | sort)" "$(cd "$dir" && find . -type f -printf '%P\n' | sort)"
    same 'what is left of the secrets' '' "$(grep -rl geheim "$dir")"
    grep -qx 'lxc.environment = DB=(removed)' "$dir/container/config" || fail 'the configuration'
    grep -q 'KEY=(removed)' "$dir/included$RUN/included.conf" || fail 'what it includes'
    grep -q '^RUNNING, init has the pid [0-9]' "$dir/container/state.txt" || fail "state: $(cat "$dir/container/state.txt")"
    grep -q '^Name:' "$dir/container/init/status" || fail 'the status of init'
    grep -q 'lxc-start' "$dir/container/log" || fail 'the log'
    grep -q 'password: (removed)' "$dir/container/console-log" || fail 'the log of the console'
    jq -e .findings[0].verdict "$dir/doctor.json" >/dev/null || fail 'doctor'
    jq -e '.memory' "$dir/container/statistics.json" >/dev/null || fail 'statistics'
    grep -q ' / ' "$dir/host/mountinfo" || fail 'mounts'
    code 0 tool stop -k -n t-rep
    code 0 tool report t-rep --list
    code 1 tool report t-rep /nowhere/file
    says ENOENT
    code 1 tool report t-none
    says 'Container t-none is not defined'
}

# An ordinary user's directory, of which root makes a report.
test_report_shows_nothing_of_roots() {
    container t-rep 'lxc.include = /etc/shadow' "lxc.log.file = $LXC/t-rep/log" "lxc.console.logfile = $LXC/t-rep/pipe"
    echo 'root:geheim7:' >"$RUN/roots"
    chmod 644 "$RUN/roots"
    ln -s "$RUN/roots" "$LXC/t-rep/log"
    ln "$RUN/roots" "$LXC/t-rep/hard.conf"
    echo "lxc.include = $LXC/t-rep/hard.conf" >>"$LXC/t-rep/config"
    mkfifo "$LXC/t-rep/pipe"
    chown -R --no-dereference nobody "$LXC/t-rep/config" "$LXC/t-rep/pipe" "$LXC/t-rep"
    chown root "$RUN/roots"
    timeout 60 "$BIN" report -P "$LXC" t-rep "$RUN/report.tar.gz" >"$RUN/out" 2>&1 || fail "$(cat "$RUN/out")"
    mkdir "$RUN/report"
    tar -C "$RUN/report" -xzf "$RUN/report.tar.gz"
    same 'shown of what is root'"'"'s' '' "$(grep -rlE 'geheim7|^root:[$*!]' "$RUN/report")"
    grep -q 'belongs neither' "$RUN/report/lxc-report-t-rep/included/etc/shadow" || fail 'shadow'
    grep -q 'not a regular file' "$RUN/report/lxc-report-t-rep/container/console-log" || fail 'the pipe'
    grep -q 'ELOOP' "$RUN/report/lxc-report-t-rep/container/log" || fail 'the link'
}
