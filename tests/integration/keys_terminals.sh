# Configuration keys of console, ttys and pseudo terminals; see keys.sh for probe, as_debian, has.

test_keys_of_ttys() {
    container t-key 'lxc.tty.dir = lxc' 'lxc.tty.max = 3' 'lxc.pty.max = 8'
    # Debian's console has another mode.
    as_debian t-key "$mounts | grep dev; ls -l /dev /dev/lxc | awk '!/console/ { print \$1, \$3, \$4, \$NF }'"
    has '/1 /dev/lxc/tty1 rw,nosuid,noexec,relatime devpts rw,gid=5,mode=620,ptmxmode=666,max=11'
    has 'lrwxrwxrwx root 0 lxc/tty3'
    facts=$(probe tool t-key env)
    ! grep -q container_ttys <<<"$facts" || fail "init has a variable of start hooks: $facts"
    sed -i 's/^lxc.pty.max.*/lxc.pty.max = 0/; s/^lxc.tty.*//' "$LXC/t-key/config"
    as_debian t-key "$mounts | grep dev | grep -v console; ls /dev/pts"
    ! grep -q ptmx <<<"$facts" || fail "pseudo terminals without any: $facts"
    # The console is one of them.
    code 0 tool start -n t-key -s lxc.pty.max=3 -s lxc.tty.max=0
    code 0 tool attach -n t-key -- sh -c 'exec 3<>/dev/ptmx 4<>/dev/ptmx'
    code 1 tool attach -n t-key -- sh -c 'exec 3<>/dev/ptmx 4<>/dev/ptmx 5<>/dev/ptmx'
    code 0 tool stop -k -n t-key
}

test_keys_of_the_console() {
    container t-key
    # No console: what a background start inherits is /dev/null.
    code 0 tool start -n t-key -s lxc.console.path=none -- /bin/sh -c \
        'readlink /proc/self/fd/0 >/facts; ls /dev/console 2>/dev/null; echo $? >>/facts'
    code 0 tool wait -n t-key -s STOPPED -t 10
    same 'without a console' '/dev/null 1' "$(xargs <"$LXC/t-key/rootfs/facts")"
    # A file as console.
    code 0 tool start -n t-key -s "lxc.console.path=$RUN/shown" -- /bin/sh -c 'tty; echo on the console'
    code 0 tool wait -n t-key -s STOPPED -t 10
    same 'console in a file' '/dev/pts/0 on the console' "$(tr -d '\r' <"$RUN/shown" | xargs)"
    rm -f "$RUN/shown"
    # Where it cannot be shown or logged, nothing is started.
    for path in path logfile; do
        code 1 tool start -n t-key -s "lxc.console.$path=/nothing/here"
        says "lxc.console.$path = /nothing/here"
        says ENOENT
    done
    nothing_left
}

test_keys_of_the_console_log() {
    local who sizes print='i=0; while [ $i -lt 300 ]; do echo "line $i of what the console shows"; i=$((i + 1)); done'
    container t-key "lxc.console.logfile = $RUN/log" 'lxc.console.size = 5 kB' 'lxc.console.rotate = 1'
    for who in tool debian; do
        [ $who = tool ] || [ -x /usr/bin/lxc-start ] || continue
        for rotate in 1 0; do
            rm -f "$RUN"/log*
            code 0 $who start -F -n t-key -s lxc.console.rotate=$rotate -- /bin/sh -c "$print" </dev/null
            sizes+=$(stat -c '%n:%s' "$RUN"/log* | sed "s,$RUN/,,g" | xargs)
            same "the end of $who's log" 'line 299 of what the console shows' "$(tail -1 "$RUN/log" | tr -d '\r')"
            sizes+=' '
        done
        sizes+=$'\n'
    done
    # 300 lines of 10690 bytes in all: 8 kB are full, the rest is in the next.
    same 'sizes of ours' 'log:2498 log.1:8192 log:2498 ' "$(head -1 <<<"$sizes")"
    [ ! -x /usr/bin/lxc-start ] || same "sizes of Debian's" "$(head -1 <<<"$sizes")" "$(sed -n 2p <<<"$sizes")"
    rm -f "$RUN"/log*
    code 0 tool start -F -n t-key -- /bin/true </dev/null
    same 'mode of the log' 640 "$(stat -c %a "$RUN/log")"
    rm -f "$RUN"/log*
    remove_pivot
}

# Asks the monitor for what its console printed last (LXC's command 11).
console_log() { # NAME CLEAR READ MAX
    nsenter --net="/run/netns/$NETNS" python3 - "$LXC/$1/command" "$2" "$3" "$4" <<'PYTHON'
import socket, struct, sys
connection = socket.socket(socket.AF_UNIX)
connection.connect("\0" + sys.argv[1])
clear, read, most = (int(word) for word in sys.argv[2:])
question = struct.pack("??6xQ?7x", clear, read, most, False)
connection.sendall(struct.pack("iiQ", 11, len(question), 0))
connection.sendall(question)
result, length, _ = struct.unpack("iiQ", connection.recv(16, socket.MSG_WAITALL))
print(result, connection.recv(length, socket.MSG_WAITALL).decode() if length > 0 else "")
PYTHON
}

test_keys_of_the_console_buffer() {
    command -v python3 >/dev/null || { skipped='no python3 to speak with the monitor'; return; }
    local held
    container t-key
    code 0 tool start -n t-key -- /bin/sh -c 'echo printed; exec sleep 1000'
    sleep 0.3
    same 'without a buffer' '-14' "$(console_log t-key 0 1 0 | xargs)"
    code 0 tool stop -k -n t-key
    code 0 tool start -n t-key -s lxc.console.buffer.size=4096 -- /bin/sh -c \
        'i=0; while [ $i -lt 1000 ]; do echo "line $i"; i=$((i + 1)); done; exec sleep 1000'
    sleep 0.5
    console_log t-key 0 1 0 >"$RUN/held"
    # The result before it, a line's end after it.
    same 'bytes held' $((4096 + 2 + 1)) "$(stat -c %s "$RUN/held")"
    same 'the last of it' 'line 999' "$(tail -2 "$RUN/held" | xargs | tr -d '\r')"
    same 'a second reading' '-61' "$(console_log t-key 0 1 0 | xargs)"
    code 0 tool stop -k -n t-key
    code 0 tool start -n t-key -s lxc.console.buffer.size=auto -- /bin/sh -c 'echo one; echo two; exec sleep 1000'
    sleep 0.3
    held=$(console_log t-key 0 1 5 | tr -d '\r' | xargs)
    same 'some of it' '0 one' "$held"
    same 'cleared' '0' "$(console_log t-key 1 0 0 | xargs)"
    same 'nothing left' '-61' "$(console_log t-key 0 1 0 | xargs)"
    code 0 tool stop -k -n t-key
    rm -f "$RUN/held"
}
