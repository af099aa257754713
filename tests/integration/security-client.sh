# Who answers for a container. Any local user may bind the abstract address of one that does not run.

# Listens at the address of CONTAINER as user UID (not root); MODE: mute; full, which has no room for a
# connection; or liar, which says that it is a running container, its init process PID, and hands over DIR
# as whatever directory is wanted.
impostor() { # CONTAINER UID MODE [PID DIR]
    nsenter --net="/run/netns/$NETNS" python3 - "$LXC/$1/command" "${@:2}" <<'PYTHON' &
import array, os, socket, struct, sys, time
address, uid, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]
pid, path = (int(sys.argv[4]), sys.argv[5]) if len(sys.argv) > 4 else (os.getpid(), '/')
os.setgroups([])
os.setresgid(uid, uid, uid)
os.setresuid(uid, uid, uid)
server = socket.socket(socket.AF_UNIX)
server.bind('\0' + address)
if mode == 'bound':
    time.sleep(300)
server.listen(0 if mode == 'full' else 50)
kept = []
while mode == 'full':
    try:
        kept.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
        kept[-1].connect('\0' + address)
    except BlockingIOError:
        time.sleep(300)
while True:
    peer, _ = server.accept()
    kept.append(peer)
    if mode == 'mute':
        continue
    ask = peer.recv(16)
    if len(ask) < 16:
        continue
    command, length, _ = struct.unpack('<iiq', ask)
    sent = peer.recv(length) if length > 0 else b''
    number, fds, text = 0, [], b''
    if command == 3: number = 2
    elif command == 4: number = pid
    elif command == 18: fds = [os.pidfd_open(pid)]
    elif command == 7 and sent.startswith(b'lxc.environment\0'): text = b'IMPOSTOR=here\n\0'
    elif command == 23: fds, text = [os.open(path, os.O_RDONLY)], bytes(len(sent))
    elif command == 24: fds, text = [os.open(path, os.O_RDONLY)], sent[:-4] + struct.pack('<i', 0x63677270)
    frame = struct.pack('<iiq', 0, len(text), 0 if text else number)
    control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', fds))] if fds else []
    try:
        peer.sendmsg([frame + text], control)
    except OSError:
        pass
    peer.close()
    kept.pop()
PYTHON
    impostor=$!
    for _ in $(seq 50); do
        nsenter --net="/run/netns/$NETNS" grep -q "@$LXC/$1/command\$" /proc/net/unix && return
        sleep 0.1
    done
    fail 'the impostor does not listen'
}
end_impostor() {
    kill "$impostor"
    wait "$impostor" 2>/dev/null
}
no_python() {
    command -v python3 >/dev/null && return 1
    skipped='no python3 to pose as a monitor'
}

test_client_believes_no_impostor() {
    no_python && return
    local words mode
    container t-false
    mkdir -p "$RUN/victim"
    echo untouched >"$RUN/victim/file"
    ln -s file "$RUN/victim/cpu.shares"
    chmod -R a+rwX "$RUN/victim"
    for mode in liar mute; do
        impostor t-false 65534 $mode $$ "$RUN/victim"
        while IFS= read -r words; do
            # shellcheck disable=SC2086
            code 1 timeout 4 nsenter --net="/run/netns/$NETNS" "$BIN" ${words%% *} -P "$LXC" ${words#* }
            says "held by a process of uid 65534, pid $impostor (python3)"
        done <<'COMMANDS'
attach -n t-false -- true
start -n t-false
start -F -n t-false
execute -n t-false -- true
info -n t-false
cgroup -n t-false cpu.shares
cgroup -n t-false cpu.shares 7
freeze -n t-false
unfreeze -n t-false
stop -n t-false
stop -k -n t-false
wait -n t-false -s RUNNING -t 3
console -n t-false
device -n t-false add /dev/null
destroy -n t-false
destroy -f -n t-false
COMMANDS
        same 'state in the table' 't-false -' "$(tool ls -f -F NAME,STATE 2>/dev/null | tail -1 | xargs)"
        same 'state as JSON' null "$(tool ls --format json 2>/dev/null | sed -n 's/.*"state": *\([a-zA-Z"]*\).*/\1/p')"
        code 0 tool ls -f
        says 'held by a process of uid 65534'
        same 'running ones' '' "$(tool ls -1 --running)"
        same 'in lxc-top' '' "$(timeout 4 nsenter --net="/run/netns/$NETNS" "$BIN" top -P "$LXC" -b --count 1 | grep t-false)"
        end_impostor
    done
    same 'the file that a link led to' untouched "$(cat "$RUN/victim/file")"
    # One of a container that does not exist is not listed either.
    impostor t-none 65534 mute
    same 'names' t-false "$(tool ls -1)"
    end_impostor
    impostor t-false 65534 bound
    code 1 tool start -n t-false
    says 'does not listen on it holds the command socket of t-false'
    end_impostor
    code 0 tool start -n t-false
    code 0 tool stop -k -n t-false
    rm -r "$RUN/victim"
}

test_client_waits_for_no_monitor_for_ever() {
    no_python && return
    local begin
    container t-mute
    # The owner of the directory of containers may run them, but need not be root.
    chown 65533 "$LXC"
    impostor t-mute 65533 mute
    begin=$SECONDS
    code 1 tool info -n t-mute
    says 'does not answer in 5 s'
    [ $((SECONDS - begin)) -le 7 ] || fail "it took $((SECONDS - begin)) s"
    same 'state in the table' 't-mute -' "$(tool ls -f -F NAME,STATE 2>/dev/null | tail -1 | xargs)"
    end_impostor
    chown 0 "$LXC"
}

test_client_takes_no_rights_from_an_owner_who_has_fewer() {
    no_python && return
    local sleeper words
    container t-owner
    chown 65533 "$LXC"
    mkdir -p "$RUN/victim"
    echo untouched >"$RUN/victim/file"
    ln -s file "$RUN/victim/cpu.shares"
    chmod -R a+rwX "$RUN/victim"
    sleep 3711 &
    sleeper=$!
    impostor t-owner 65533 liar $sleeper "$RUN/victim"
    while IFS= read -r words; do
        # shellcheck disable=SC2086
        code 1 timeout 20 nsenter --net="/run/netns/$NETNS" "$BIN" ${words%% *} -P "$LXC" ${words#* }
    done <<COMMANDS
attach -n t-owner -- touch $RUN/ran
attach -n t-owner -s NETWORK -- touch $RUN/ran
stop -n t-owner -t 1
stop -r -n t-owner -t 1
cgroup -n t-owner cpu.shares
cgroup -n t-owner cpu.shares 7
freeze -n t-owner
device -n t-owner add /dev/null
COMMANDS
    [ ! -e "$RUN/ran" ] || fail 'a command ran on the host'
    kill -0 $sleeper || fail 'a process that is not of the container was killed'
    same 'the file that a link led to' untouched "$(cat "$RUN/victim/file")"
    end_impostor
    # A cgroup of root's, although it is one.
    local dir
    dir=$(hierarchy cpu)/t-owner-$$
    mkdir "$dir"
    impostor t-owner 65533 liar $sleeper "$dir"
    code 1 tool cgroup -n t-owner cpu.shares 7
    same 'shares of the cgroup of another' 'cpu.shares 1024' "$(cd "$dir" && grep -s . cpu.shares cpu.weight | sed 's/:/ /; s/cpu.weight 100/cpu.shares 1024/')"
    end_impostor
    rmdir "$dir"
    kill $sleeper
    wait $sleeper 2>/dev/null
    chown 0 "$LXC"
    rm -r "$RUN/victim"
}

test_client_of_root_acts_on_a_users_container_as_that_user() {
    no_user_tools && return
    # Its environment is the user's word; its rights are the user's.
    code 0 user_world '
        path=/home/t-user/.local/share/lxc
        as_user lxc-start -n t-own
        out=$(lxc-attach -P $path -n t-own -- sh -c "id -u; cat /proc/self/uid_map; echo \$MARK; exit 3") && exit 11
        test $? = 3
        test "$(echo $out)" = "0 0 300000 65536 of-user"
        # The process outside is the user'\''s, and not open to others of the user.
        lxc-attach -P $path -n t-own -- sleep 3712 </dev/null &
        for _ in $(seq 50); do pid=$(pgrep -f "^sleep 3712$") && break; sleep 0.1; done
        test "$(stat -c %u /proc/$pid)" = 300000
        test "$(lxc-info -P $path -n t-own -sH)" = RUNNING
        kill $pid
        wait
        ! lxc-attach -P $path -n t-own -s NETWORK -- touch /run/ran || exit 12
        ! lxc-device -P $path -n t-own add /dev/null || exit 13
        lxc-stop -P $path -n t-own
        gone' 'lxc.environment = MARK=of-user'
    cat "$RUN/err" | sed 's/^/    /' | head -5
}

test_client_says_what_it_cannot_find_out() {
    command -v strace >/dev/null || { skipped='no strace(1) to make system calls fail'; return; }
    container t-few
    code 0 tool start -n t-few
    without_sockets() { # TOOL [ARG...]
        timeout 20 nsenter --net="/run/netns/$NETNS" strace -f -o /dev/null -e trace=socket \
            -e inject=socket:error=EMFILE "$BIN" "$1" -P "$LXC" "${@:2}"
    }
    code 1 without_sockets info -n t-few
    says EMFILE
    code 1 without_sockets ls -f
    says EMFILE
    ! grep -q STOPPED "$RUN/out" || fail "said to be stopped: $(cat "$RUN/out")"
    code 0 tool stop -k -n t-few
}

test_client_asks_all_that_have_no_room_at_once() {
    no_python && return
    command -v strace >/dev/null || { skipped='no strace(1) to see whom it asks'; return; }
    local name impostors=() asked words
    container t-runs
    code 0 tool start -n t-runs
    for name in t-full1 t-full2 t-full3; do
        container $name
        impostor $name 65534 full
        impostors+=("$impostor")
    done
    code 1 tool info -n t-full1
    says 'the command socket of t-full1 has no room: EAGAIN'
    for words in 'ls -f -F NAME,STATE' 'top -b --count 1'; do
        # shellcheck disable=SC2086
        timeout 60 nsenter --net="/run/netns/$NETNS" strace -f -qq -e trace=connect -o "$RUN/trace" \
            "$BIN" ${words%% *} -P "$LXC" ${words#* } >"$RUN/out" 2>"$RUN/err"
        # Each of the three before any of them again.
        asked=$(grep -o 't-full[123]/command.*' "$RUN/trace" | head -3 | grep -c EAGAIN)
        same "$words: refused at first" 3 "$asked"
        asked=$(grep -o 't-full[123]/command' "$RUN/trace" | head -3 | sort -u | wc -l)
        same "$words: asked at first" 3 "$asked"
        grep -q 't-runs' "$RUN/out" || fail "$words: without t-runs: $(cat "$RUN/out")"
        # Nobody waits in the kernel, where each would take its time.
        ! grep 't-full' "$RUN/trace" | grep -qv EAGAIN || fail "$words: $(grep t-full "$RUN/trace" | grep -v EAGAIN)"
    done
    code 1 tool ls -f -F NAME,STATE
    same 'the table' 'NAME STATE t-full1 - t-full2 - t-full3 - t-runs RUNNING' "$(xargs <"$RUN/out")"
    says 'the command socket of t-full3 has no room'
    for impostor in "${impostors[@]}"; do end_impostor; done
    code 0 tool stop -k -n t-runs
}

test_client_goes_on_after_monitors_that_are_stopped() {
    local name pids=() words
    for name in t-still1 t-still2 t-fine; do
        container $name
        code 0 tool start -n $name
        [ $name = t-fine ] || pids+=("$(pgrep -f "^\[lxc monitor\] $LXC $name\$")")
    done
    kill -STOP "${pids[@]}"
    for words in 'stop -n t-still1 -t 2' 'stop -k -n t-still1' 'info -n t-still1' 'freeze -n t-still1' 'destroy -f -n t-still1' \
        'attach -n t-still1 -- true'; do
        # shellcheck disable=SC2086
        code 1 timeout 60 nsenter --net="/run/netns/$NETNS" "$BIN" ${words%% *} -P "$LXC" ${words#* }
        says 'the monitor of t-still1 does not answer in 5 s'
    done
    code 2 tool autostart -A -s -t 5
    for name in t-still1 t-still2; do says "$name: the monitor of $name does not answer in 5 s"; done
    same 'the other one' STOPPED "$(state t-fine)"
    code 0 tool start -n t-fine
    code 2 tool autostart -A -k
    for name in t-still1 t-still2; do says "$name: the monitor of $name does not answer in 5 s"; done
    same 'the other one, killed' STOPPED "$(state t-fine)"
    kill -CONT "${pids[@]}"
    code 0 tool autostart -A -s -t 5
    same 'at last' '' "$(tool ls -1 --active)"
}

# Whoever may read the directory of a container can lock it.
test_client_waits_for_no_strangers_lock_for_ever() {
    local kind holder
    container t-locked
    chmod 755 "$RUN" "$LXC" "$LXC/t-locked"
    for kind in shared exclusive; do
        setpriv --reuid=65534 --regid=65534 --clear-groups flock --$kind --no-fork "$LXC/t-locked" sleep 300 &
        holder=$!
        for _ in $(seq 50); do grep -q " $holder " /proc/locks && break; sleep 0.1; done
        code 1 timeout 60 nsenter --net="/run/netns/$NETNS" "$BIN" destroy -P "$LXC" -n t-locked
        says "the lock of $LXC/t-locked is held by a process of uid 65534, pid $holder (sleep)"
        says 'hint: .*end that process'
        if [ $kind = exclusive ]; then
            code 1 timeout 60 nsenter --net="/run/netns/$NETNS" "$BIN" copy -P "$LXC" -n t-locked -N t-made
            says "is held by a process of uid 65534, pid $holder (sleep)"
        else
            code 0 tool copy -n t-locked -N t-made
            code 0 tool destroy -n t-made
        fi
        kill $holder
        wait $holder 2>/dev/null
    done
    # Root's is waited for, longer than a stranger's.
    flock --shared --no-fork "$LXC/t-locked" sleep 7 &
    holder=$!
    for _ in $(seq 50); do grep -q " $holder " /proc/locks && break; sleep 0.1; done
    code 0 tool destroy -n t-locked
    ! grep -q " $holder " /proc/locks || fail 'the lock was not waited for'
    wait $holder
}
