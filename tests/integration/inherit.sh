# What the programs that run for a command have of its caller: signals, umask, descriptors, standard input.

# A container whose hooks and scripts leave /proc/self/status in $RUN/seen, under their names.
see_hooks() { # NAME
    local stage lines=()
    for stage in pre-start pre-mount mount autodev start-host stop post-stop clone destroy; do
        lines+=("lxc.hook.$stage = /bin/cp /proc/self/status $RUN/seen/$stage")
    done
    mkdir -p "$RUN/seen"
    chmod 777 "$RUN/seen"
    # The scripts of links get words.
    for stage in up down; do
        printf '#!/bin/sh\nexec cp /proc/self/status %s/seen/script-%s\n' "$RUN" "$stage" >"$RUN/script-$stage"
        chmod 755 "$RUN/script-$stage"
        lines+=("lxc.net.0.script.$stage = $RUN/script-$stage")
    done
    container "$1" 'lxc.hook.version = 1' 'lxc.net.0.type = empty' "${lines[@]}" \
        'lxc.hook.start = /bin/see' "lxc.mount.entry = $RUN/seen mnt none bind 0 0"
    printf '#!/bin/sh\nexec cp /proc/self/status /mnt/start\n' >"$LXC/$1/rootfs/bin/see"
    chmod 755 "$LXC/$1/rootfs/bin/see"
}

# KIND blocked ignored umask, of all that was seen; busybox's shell ignores SIGQUIT (4) for what it executes.
seen() {
    local file
    for _ in $(seq 50); do [ ! -e "$RUN/seen/pre-start" ] || [ -s "$RUN/seen/post-stop" ] && break; sleep 0.1; done
    for file in "$RUN"/seen/*; do
        awk -v kind="${file##*/}" '{ sub(/^0+/, "", $2) } /^(SigBlk|SigIgn|Umask)/ { of[$1] = $2 == "" ? 0 : $2 }
            END { if (kind == "start") sub(/5$/, "1", of["SigIgn:"]); print kind, of["SigBlk:"], of["SigIgn:"], of["Umask:"] }' "$file"
    done | LC_ALL=C sort
    rm -f "$RUN"/seen/*
}

# Runs the command of $1, ours or Debian's, as a caller that ignores HUP, USR1 and PIPE and blocks USR2.
called() { # ours|debian TOOL WORDS...
    local program=("$BIN" "$2")
    [ "$1" = ours ] || program=("/usr/bin/lxc-$2")
    IGNORE=PIPE with_signals nsenter --net="/run/netns/$NETNS" "${program[@]}" "${@:3}" </dev/null
}

test_what_is_inherited_of_signals_and_umask() {
    no_terminal && return
    local who here="-P $LXC" sides=ours wanted
    [ ! -x /usr/bin/lxc-start ] || sides+=' debian'
    see_hooks t-inherit
    printf '#!/bin/sh\nexec cp /proc/self/status %s/seen/template\n' "$RUN" >"$RUN/template"
    chmod 755 "$RUN/template"
    for who in $sides; do
        # Bit N-1 for signal N: HUP 1, USR1 200, PIPE 1000; USR2 800.
        wanted='autodev 0 1201 27
init 800 1201 27
mount 0 1201 27
post-stop 0 1201 27
pre-mount 0 1201 27
pre-start 0 1201 27
script-down 0 1201 27
script-up 0 1201 27
start 0 1201 27
start-host 0 1201 27
stop 0 1201 27'
        # LXC runs none of a link of this type.
        [ $who = ours ] || wanted=$(grep -v script-down <<<"$wanted")
        # shellcheck disable=SC2086
        for words in 'start' 'start -F'; do
            called $who $words $here -n t-inherit -- /bin/cp /proc/self/status /mnt/init || fail "$who $words"
            same "$who: lxc-$words" "$wanted" "$(seen)"
            tool wait -n t-inherit -s STOPPED -t 10
        done
        # shellcheck disable=SC2086
        called $who execute $here -n t-inherit -- /bin/cp /proc/self/status /mnt/init || fail "$who execute"
        same "$who: lxc-execute" "${wanted/init 800 1201/init 800 0}" "$(seen)"
        # shellcheck disable=SC2086
        {
            called $who copy $here -n t-inherit -N t-inherit2 >"$RUN/out" 2>&1 || fail "$who copy: $(cat "$RUN/out")"
            called $who destroy $here -n t-inherit2 >"$RUN/out" 2>&1 || fail "$who destroy: $(cat "$RUN/out")"
            same "$who: hooks of a copy" 'clone 0 1201 27
destroy 0 1201 27' "$(seen)"
            called $who create $here -n t-inherit2 -t "$RUN/template" >"$RUN/out" 2>&1 || fail "$who create: $(cat "$RUN/out")"
            tool destroy -n t-inherit2
            called $who unshare -s UTSNAME -- cp /proc/self/status "$RUN/seen/unshare" || fail "$who unshare"
            # Debian's asks newuidmap, which needs to be told of root.
            called $who usernsexec -m b:0:100000:1000 -- cat /proc/self/status >"$RUN/seen/usernsexec" 2>"$RUN/err" ||
                { [ $who = debian ] && cp "$RUN/seen/unshare" "$RUN/seen/usernsexec"; } || fail "$who usernsexec: $(cat "$RUN/err")"
        }
        same "$who: others" 'template 800 1201 22
unshare 800 1201 27
usernsexec 800 1201 27' "$(seen)"
    done
    remove_pivot
    rm -r "$RUN/seen" "$RUN/template" "$RUN"/script-*
}

# Executes WORDS with nearly every signal ignored or blocked.
deaf() { # ignored|blocked WORDS...
    timeout --foreground 60 python3 -c 'import os, signal, sys
names = "HUP INT QUIT TERM USR1 USR2 CHLD PIPE TSTP CONT ALRM WINCH".split()
numbers = [getattr(signal, "SIG" + name) for name in names]
if sys.argv[1] == "blocked": signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
for number in numbers: signal.signal(number, signal.SIG_IGN if sys.argv[1] == "ignored" else signal.SIG_DFL)
os.execvp(sys.argv[2], sys.argv[2:])' "$@"
}

ends() { # PID: within five seconds
    for _ in $(seq 50); do lives "$1" || return 0; sleep 0.1; done
    return 1
}

has_signal() { # SET NUMBER PID
    (((0x$(awk -v set="$1:" '$1 == set { print $2 }' "/proc/$3/status") >> ($2 - 1) & 1) == 1))
}

test_callers_that_ignore_or_block_everything() {
    no_terminal && return
    local how pid init monitor
    container t-deaf 'lxc.hook.pre-start = /bin/true' 'lxc.hook.clone = /bin/true'
    for how in ignored blocked; do
        # shellcheck disable=SC2054
        local by=(deaf "$how" nsenter --net="/run/netns/$NETNS" "$BIN")
        code 3 "${by[@]}" execute -P "$LXC" -n t-deaf -- sh -c 'exit 3'
        code 0 "${by[@]}" copy -P "$LXC" -n t-deaf -N t-deaf2
        code 0 "${by[@]}" destroy -P "$LXC" -n t-deaf2
        code 0 "${by[@]}" create -P "$LXC" -n t-deaf2 -t busybox
        code 0 "${by[@]}" destroy -P "$LXC" -n t-deaf2
        code 0 "${by[@]}" unshare -s UTSNAME -- true
        code 5 "${by[@]}" usernsexec -m b:0:100000:1000 -- sh -c 'exit 5'
        code 0 "${by[@]}" start -P "$LXC" -n t-deaf
        code 6 "${by[@]}" attach -P "$LXC" -n t-deaf -- sh -c 'exit 6'
        # The monitor still passes on what it is sent, and is told of the end of init.
        monitor=$(monitor_of t-deaf)
        init=$(tool info -n t-deaf -pH)
        # A program that ignores SIGCHLD cannot wait for its children.
        has_signal SigIgn 17 "$init" && fail "$how: init ignores SIGCHLD"
        kill -KILL "$init"
        ends "$monitor" || fail "$how: the monitor does not end"
        # In the foreground it is the caller's own child.
        "${by[@]}" start -F -P "$LXC" -n t-deaf -- /bin/sleep 3719 </dev/null >/dev/null 2>&1 &
        code 0 tool wait -n t-deaf -s RUNNING -t 10
        init=$(tool info -n t-deaf -pH)
        pid=$(awk '/^PPid/ { print $2 }' "/proc/$init/status")
        has_signal SigCgt 15 "$pid" || fail "$how: the monitor does not catch SIGTERM"
        kill -TERM "$pid"
        # What init ignores with its caller is lost.
        for _ in $(seq 50); do [ $how = ignored ] || has_signal ShdPnd 15 "$init" && break; sleep 0.1; done
        [ $how = ignored ] || has_signal ShdPnd 15 "$init" || fail "$how: SIGTERM was not passed on to init"
        code 0 tool stop -k -n t-deaf
        wait $!
        # lxc-monitord stays when its caller is gone.
        "${by[@]}" monitor -P "$LXC" -n t-deaf >/dev/null 2>&1 &
        for _ in $(seq 50); do pid=$(pgrep -f "^lxc-monitord $LXC "); [ -n "$pid" ] && break; sleep 0.1; done
        kill -TERM "$pid"
        ends "$pid" || fail "$how: lxc-monitord does not end by SIGTERM"
        wait $! 2>/dev/null
    done
}

test_what_stays_in_the_background_holds_nothing_of_the_caller() {
    local pid before=$LXC/t-held/held
    container t-held 'lxc.start.auto = 1'
    touch "$before"
    code 0 tool start -n t-held 9<"$before"
    same 'of the monitor' '' "$(find "/proc/$(monitor_of t-held)/fd" -lname "$before")"
    tool stop -k -n t-held
    code 0 tool autostart 9<"$before"
    same 'of one of lxc-autostart' '' "$(find "/proc/$(monitor_of t-held)/fd" -lname "$before")"
    tool monitor -n t-held 9<"$before" >/dev/null 2>>"$before" &
    for _ in $(seq 50); do pid=$(pgrep -f "^lxc-monitord $LXC "); [ -n "$pid" ] && break; sleep 0.1; done
    for _ in $(seq 50); do [ -n "$(find "/proc/$pid/fd" -lname "$before")" ] || break; sleep 0.1; done
    same 'of lxc-monitord' '' "$(find "/proc/$pid/fd" -lname "$before")"
    tool stop -k -n t-held
    tool monitor -Q -n t-held
    wait $!
}

test_hooks_on_the_host_read_what_the_caller_does() {
    local stage lines=()
    for stage in pre-start pre-mount mount autodev start-host start stop post-stop; do
        lines+=("lxc.hook.$stage = /bin/sh -c 'read -r word; echo $stage \$word >>$RUN/words'")
    done
    container t-read "${lines[@]}"
    sed -i "s|^\(lxc.hook.start = .*\)$RUN/words|\1/words|" "$LXC/t-read/config"
    same 'what is left for the command' c "$(printf '%s\n' a b c d e | tool execute -n t-read -- sh -c 'read -r word; echo "$word"')"
    # The others run in the container's namespaces.
    same 'what the hooks read' 'pre-start a,pre-mount,mount,autodev,start-host b,stop d,post-stop e' \
        "$(paste -sd, "$RUN/words")"
    same 'what the start hook reads' start "$(cat "$LXC/t-read/rootfs/words")"
    rm "$RUN/words"
}
