# Programs that use the library instead of the commands: tests/library.

# In the run's network namespace, and with mounts that nobody else changes: one goes everywhere when its directory
# entry is removed, as those of network namespaces are.
alone() {
    timeout 100 nsenter --net="/run/netns/$NETNS" unshare --mount --propagation private sh -c '
        cut -d " " -f 5 /proc/self/mountinfo | while read -r place; do
            case $place in
                "$0"/*) ;;
                /run/netns/* | /tmp/* | "${0%/*}"/*) umount -l "$place" 2>/dev/null ;;
            esac
        done
        exec "$@"' "$RUN" "$@"
}

# Its containers: t-libone t-libtwo t-libthree t-libfour
test_the_library_leaves_a_program_with_threads_as_it_was() {
    local containers='t-libone t-libtwo t-libthree t-libfour' function
    local program=${CARGO_TARGET_DIR:-target}/debug/library-caller
    if command -v cargo >/dev/null; then
        cargo build --quiet --locked --manifest-path tests/library/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}" ||
            fail 'the program cannot be built'
    fi
    [ -x "$program" ] || { skipped="$program is not built, and there is no cargo here"; return; }
    code 0 alone "$program" "$LXC" "$STAGE/libexec/lxc/lxc-helper"
    same 'the last line' unchanged "$(tail -1 "$RUN/out")"
    same 'what changed' '' "$(grep -E '^(changed|new after) ' "$RUN/out")"
    same "what is left of $containers" '' "$(ls "$LXC")"
    # None is forgotten.
    for function in $(sed -n 's/^    pub fn \([a-z_]*\).*/\1/p' src/handle.rs); do
        grep -q "^$function: " "$RUN/out" || fail "$function was not called"
    done
}

# The C library, beside the helper that it is to use. It is installed with all else, or now, as in a guest.
c_library() {
    local built=${CARGO_TARGET_DIR:-target}/debug/liblxc.so
    cmp -s "$built" "$STAGE/lib/liblxc.so.1" || code 0 packaging/install --prefix "$STAGE" --profile debug --no-build --library
}

# Its containers: t-cone t-ctwo t-cthree t-cfour t-cfive
test_the_c_library_leaves_a_program_with_threads_as_it_was() {
    local name
    needs gcc || return
    [ -f /usr/include/lxc/lxccontainer.h ] || { skipped='the header is not installed (lxc-dev)'; return; }
    c_library
    # Not position independent: there a function of the library has another address than the library thinks.
    gcc -std=gnu11 -Wall -Wextra -Werror -no-pie -fno-pie -pthread -o "$RUN/program" tests/library/program.c \
        "$STAGE/lib/liblxc.so.1" || fail 'the program cannot be built'
    gcc -std=gnu11 -Wall -Wextra -Werror -fsyntax-only -Icrates/liblxc/include tests/library/program.c ||
        fail 'the program cannot be built with our headers'
    ip -n "$NETNS" link add t-clink type veth peer name t-cpeer
    LD_LIBRARY_PATH=$STAGE/lib code 0 alone "$RUN/program" "$LXC" t-clink
    ip -n "$NETNS" link del t-clink
    same 'the last line' unchanged "$(tail -1 "$RUN/out")"
    same 'what is wrong' '' "$(grep -E '^(changed|wrong)' "$RUN/out")"
    same 'what is left' '' "$(ls "$LXC")"
    # None is forgotten. The header of LXC 5.0 has no set_timeout.
    calls_all tests/library/program.c set_timeout
}

test_the_library_is_installed_and_removed() {
    local own=$RUN/own flags
    c_library
    code 0 packaging/install --prefix "$own" --profile debug --no-build --library --libdir lib/triplet
    same 'links' 'liblxc.so.1.7.0 liblxc.so.1' "$(readlink "$own"/lib/triplet/liblxc.so{.1,} | xargs)"
    if command -v gcc >/dev/null && command -v pkg-config >/dev/null; then
        flags=$(PKG_CONFIG_LIBDIR=$own/lib/triplet/pkgconfig pkg-config --cflags --libs lxc)
        same 'flags' "-I$own/include -L$own/lib/triplet -llxc" "$(xargs <<<"$flags")"
        # shellcheck disable=SC2086
        gcc -DNEWER -o "$RUN/headers" tests/library/headers.c $flags || fail 'no program can be built'
        LD_LIBRARY_PATH=$own/lib/triplet code 0 "$RUN/headers"
    fi
    code 0 packaging/uninstall --prefix "$own" --libdir lib/triplet
    same 'what is left' '' "$(find "$own" ! -type d)"
    rm -r "$own"
}

# The layouts, constants and types of C, in our headers, in LXC's and in Rust; and nothing else is exported.
test_the_headers_are_those_of_the_library() {
    local own=crates/liblxc/include with
    needs gcc || return
    c_library
    for with in '-std=c99' '-std=gnu17' '-m64 -Wcast-qual'; do
        # shellcheck disable=SC2086
        gcc $with -Wall -Wextra -Werror -DNEWER -I$own -o "$RUN/headers" tests/library/headers.c "$STAGE/lib/liblxc.so.1" ||
            fail "our headers with $with"
        LD_LIBRARY_PATH=$STAGE/lib code 0 "$RUN/headers"
    done
    if command -v g++ >/dev/null; then
        g++ -std=c++20 -Wall -Wextra -Werror -DNEWER -I$own -c -o "$RUN/headers.o" -x c++ tests/library/headers.c ||
            fail 'our headers in C++'
    fi
    if [ -f /usr/include/lxc/lxccontainer.h ]; then
        gcc -Wall -Wextra -Werror -o "$RUN/headers" tests/library/headers.c "$STAGE/lib/liblxc.so.1" ||
            fail "LXC's headers"
        LD_LIBRARY_PATH=$STAGE/lib code 0 "$RUN/headers"
    fi
    same 'the order of the methods' "$(sed -n 's/^    pub \([a-z_0-9]*\):.*extern "C" fn(.*/\1/p; s/^    pub \([a-z_0-9]*\):$/\1/p' crates/liblxc/src/layout.rs | grep -vx free)" \
        "$(grep -oE '\(\*[a-z_0-9]+\)\(struct lxc_container' $own/lxc/lxccontainer.h | sed 's/(\*\(.*\))(.*/\1/')"
    same 'the symbols' "$(cat crates/liblxc/symbols)" "$(nm -D --defined-only "$STAGE/lib/liblxc.so.1" | awk '{ print $3 }' | sort)"
}

python_has_lxc() {
    { [ -x /usr/bin/python3 ] && /usr/bin/python3 -Ic 'import lxc'; } >/dev/null 2>&1 && return
    skipped='no python3-lxc'
    return 1
}

# Its containers: t-cpy t-cpz
test_python_uses_the_c_library() {
    python_has_lxc || return
    c_library
    cat >"$RUN/caller.py" <<'EOF'
import sys
import lxc

path = sys.argv[1]
c = lxc.Container("t-cpy", path)
print(c.defined, c.state, c.set_config_item("lxc.net.0.type", "empty"), c.create("busybox", lxc.LXC_CREATE_QUIET))
print(c.start(), c.wait("RUNNING", 10), c.state, c.init_pid > 1, lxc.list_containers(defined=False, config_path=path))
print(c.network[0].type, c.get_interfaces(), c.get_running_config_item("lxc.net.0.type"))
print(c.set_cgroup_item("pids.max", "77"), c.get_cgroup_item("pids.max"))
print(c.freeze(), c.state, c.unfreeze(), c.add_device_node("/dev/null", "/dev/other"))
print(c.stop(), c.state, c.start(cmd=("/bin/sleep", "600")), c.stop())
d = c.clone("t-cpz", config_path=path)
print(d.name, d.defined, d.destroy(), c.snapshot(), len(c.snapshot_list()), c.snapshot_destroy("snap0"))
print(c.destroy(), c.defined)
EOF
    LD_LIBRARY_PATH=$STAGE/lib code 0 alone /usr/bin/python3 -I "$RUN/caller.py" "$LXC"
    same 'what it says' "False STOPPED True True
True True RUNNING True ('t-cpy',)
empty ('lo',) empty
True 77
True FROZEN True True
True STOPPED True True
t-cpz True True snap0 1 True
True False" "$(cat "$RUN/out")"
}

# A program that calls a function in a container, which executes facts.sh there, and facts.sh: what a command of
# lxc-attach prints as well.
function_program() {
    cat >"$RUN/facts.sh" <<'END'
cat /proc/self/uid_map /proc/self/cgroup /proc/self/oom_score_adj
grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/self/status
for kind in cgroup ipc mnt net pid user uts; do readlink /proc/self/ns/$kind; done
ulimit -n; ulimit -H -n; uname -m; echo "$FROM"; mkdir /tmp/made 2>&1
END
    cat >"$RUN/function.py" <<'END'
import os
import sys
import threading
import lxc


def inside(script):
    assert os.getcwd() == "/"
    try:
        os.mkdir("/tmp/made")
        return 1
    except PermissionError:
        os.execv("/bin/sh", ["sh", "-c", script])


with open(sys.argv[3]) as facts:
    script = facts.read()
for _ in range(3):
    threading.Thread(target=threading.Event().wait, daemon=True).start()
c = lxc.Container(sys.argv[1], sys.argv[2])
before = sorted(os.listdir("/proc/self/fd"))
code = c.attach_wait(inside, script)
after = sorted(os.listdir("/proc/self/fd"))
sys.stdout.flush()
try:
    os.waitpid(-1, os.WNOHANG)
    print("a child is left")
except ChildProcessError:
    pass
os._exit(98 if code < 0 else code >> 8 if before == after else 99)
END
}

# A function of the program is where a command of lxc-attach is, restricted as that is.
test_a_function_is_confined_like_a_command() {
    local name id=200000 maps got
    python_has_lxc || return
    c_library
    printf '2\ndenylist\nmkdirat errno 1\nmkdir errno 1\n' >"$RUN/filter"
    maps=("lxc.idmap = u 0 $id 65536" "lxc.idmap = g 0 $id 65536" 'lxc.rootfs.options = idmap=container')
    for name in t-fnpriv t-fnmaps; do
        [ $name = t-fnpriv ] && got=() || got=("${maps[@]}")
        container $name "${got[@]}" "lxc.seccomp.profile = $RUN/filter" 'lxc.prlimit.nofile = 99:199' \
            'lxc.proc.oom_score_adj = 77' 'lxc.no_new_privs = 1' 'lxc.environment = FROM=configuration' 'lxc.arch = i686'
    done
    chmod 755 "$RUN" "$LXC" "$LXC"/t-fn*
    function_program
    for name in t-fnpriv t-fnmaps; do
        code 0 tool start -n $name
        (cd / && tool attach -n $name -- sh -c "$(cat "$RUN/facts.sh")") >"$RUN/command"
        (cd / && LD_LIBRARY_PATH=$STAGE/lib timeout 60 nsenter --net="/run/netns/$NETNS" \
            /usr/bin/python3 -I "$RUN/function.py" $name "$LXC" "$RUN/facts.sh") >"$RUN/function" 2>&1
        same "the end of the function in $name" 1 $?
        same "facts of $name" "$(cat "$RUN/command")" "$(cat "$RUN/function")"
        same "what was asked for in $name" '77 99 199 i686 configuration' \
            "$(grep -xE '77|99|199|i686|configuration' "$RUN/function" | xargs)"
        code 0 tool stop -k -n $name
    done
}

# In a container that another user runs, root's function is what root's command is there, and no file is read for that
# with more rights than that user has.
test_a_function_in_another_users_container() {
    no_user_tools && return
    python_has_lxc || return
    c_library
    function_program
    chmod 755 "$RUN"
    code 0 user_world '
        printf "2\ndenylist\nmkdirat errno 1\nmkdir errno 1\n" >/home/t-user/filter
        dirs=$(given t-own-given t-user)
        here() { in_cgroups "$dirs" t-user "$@"; }
        cd /
        here lxc-start -n t-own
        path=/home/t-user/.local/share/lxc
        root_function() { LD_LIBRARY_PATH=/usr/local/lib timeout 60 /usr/bin/python3 -I "$run/function.py" t-own $path "$run/facts.sh"; }
        # A command has to come from a cgroup of that user.
        in_cgroups "$dirs" root lxc-attach -P $path -n t-own -- sh -c "$(cat "$run/facts.sh")" >"$run/user/command" || true
        root_function >"$run/user/function" 2>&1 || echo "ended $?"
        diff "$run/user/command" "$run/user/function" && echo same
        grep -E "300000|^Uid|^Gid|^Seccomp|kitchen" "$run/user/function" | tr -s "\t " " "
        echo "cgroups $(grep -E "^[0-9]+:" "$run/user/function" | cut -d: -f3 | sort -u | xargs)"
        chown root /home/t-user/filter
        chmod 600 /home/t-user/filter
        in_cgroups "$dirs" root lxc-attach -P $path -n t-own -- true || echo "refused $?"
        root_function >"$run/user/function" 2>&1 || echo "refused $?"
        here lxc-stop -k -n t-own
        echo "left $(gone)"
        find $dirs -depth -type d -exec rmdir {} + 2>/dev/null || true' \
        'lxc.seccomp.profile = /home/t-user/filter' 'lxc.environment = FROM=kitchen'
    same 'what they are' 'ended 1|same| 0 300000 65536|Uid: 0 0 0 0|Gid: 0 0 0 0|Seccomp: 2|kitchen|cgroups /|refused 1|refused 98|left ' \
        "$(paste -sd '|' "$RUN/out")"
    says 'cannot read /home/t-user/filter: EACCES'
}

# With LXC_ATTACH_TERMINAL a function has a terminal of the container in place of the program's, which shows it.
test_a_function_has_a_terminal_of_its_own() {
    local terminals
    python_has_lxc || return
    c_library
    container t-fnpty 'lxc.pty.max = 8'
    code 0 tool start -n t-fnpty
    terminals=$(tool attach -n t-fnpty -- ls /dev/pts </dev/null)
    cat >"$RUN/terminal.py" <<'END'
import os
import sys
import termios
import threading
import lxc


def inside(status):
    print("in", os.ttyname(0), os.ttyname(1), os.ttyname(2), os.tcgetpgrp(0) == os.getsid(0) == os.getpid(), os.stat(os.ttyname(0)).st_uid)
    print("size", *os.get_terminal_size(0))
    print("said", sys.stdin.readline().strip(), flush=True)
    return status


threading.Thread(target=threading.Event().wait, daemon=True).start()
c = lxc.Container(sys.argv[1], sys.argv[2])
flags = lxc.LXC_ATTACH_DEFAULT | 0x80000
before = sorted(os.listdir("/proc/self/fd")), termios.tcgetattr(0), os.tcgetpgrp(0)
print("type", flush=True)
code = c.attach_wait(inside, 7, attach_flags=flags)
after = sorted(os.listdir("/proc/self/fd")), termios.tcgetattr(0), os.tcgetpgrp(0)
print("ended", code >> 8, "as before" if before == after else (before, after))
# Where none of its descriptors is a terminal it is given none.
null = os.open("/dev/null", os.O_RDWR)
has = lambda _: int(any(os.isatty(fd) for fd in range(3)))
print("without", c.attach_wait(has, None, attach_flags=flags, stdin=null, stdout=null, stderr=null) >> 8, flush=True)
os._exit(0)
END
    LD_LIBRARY_PATH=$STAGE/lib timeout 60 nsenter --net="/run/netns/$NETNS" /usr/bin/python3 - >"$RUN/out" 2>&1 \
        /usr/bin/python3 -I "$RUN/terminal.py" t-fnpty "$LXC" <<'END'
import fcntl
import os
import pty
import struct
import sys
import termios

pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
said = b""
while True:
    try:
        more = os.read(terminal, 1000)
    except OSError:
        break
    if not more:
        break
    said += more
    if b"size" in more:
        os.write(terminal, b"words\r")
print(said.decode().replace("\r", ""), end="")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
END
    same 'its end' 0 $?
    same 'what it saw' 'type|in /dev/pts/N /dev/pts/N /dev/pts/N True 0|size 77 33|words|said words|ended 7 as before|without 0' \
        "$(sed '/^in/s/[0-9]\+ /N /g' "$RUN/out" | paste -sd '|')"
    # Nobody is left who has its terminal.
    same 'terminals' "$terminals" "$(tool attach -n t-fnpty -- ls /dev/pts </dev/null)"
    code 0 tool stop -k -n t-fnpty
}

# That each method and each function of the header is called in FILE, a program in C.
calls_all() { # FILE [BUT-THIS]
    local name
    for name in $(sed -n 's/^ *pub \([a-z_0-9]*\): unsafe extern.*/\1/p' crates/liblxc/src/layout.rs); do
        [ "$name" = "${2:-}" ] || grep -qE "(->|\.)$name[(,]" "$1" || fail "$name is not called in $1"
    done
    for name in $(grep -ohE '^pub (unsafe )?extern "C" fn (lxc|list)_[a-z_]+' crates/liblxc/src/*.rs | awk '{ print $NF }'); do
        grep -q "\b$name\b" "$1" || fail "$name is not called in $1"
    done
}

# Its containers: t-cthr-0 t-cthr-1 t-cthr-2 t-cthr-3
test_threads_share_containers_in_c() {
    local sanitizer
    needs gcc || return
    c_library
    container t-cthr
    code 0 tool start -n t-cthr
    # None is forgotten.
    calls_all tests/library/threads.c
    # Memory of the C side that is used after it was freed, or not freed, shows with the second; also what the library
    # does not free, as its memory is of malloc.
    for sanitizer in '' '-fsanitize=address,undefined'; do
        # shellcheck disable=SC2086
        gcc -std=gnu11 -Wall -Wextra -Werror -g $sanitizer -pthread -Icrates/liblxc/include -o "$RUN/threads" \
            tests/library/threads.c "$STAGE/lib/liblxc.so.1" || { [ -n "$sanitizer" ] && continue; fail 'the program cannot be built'; }
        LD_LIBRARY_PATH=$STAGE/lib code 0 alone "$RUN/threads" "$LXC" t-cthr
        same 'what is wrong' '' "$(grep -E 'wrong|ERROR' "$RUN/out" "$RUN/err")"
        same 'what is left' t-cthr "$(ls "$LXC")"
    done
    # A program that is killed at any time leaves the container as it is; those in whose lives it was are what their
    # states say, and can be destroyed.
    for _ in 1 2 3 4 5 6; do
        (LD_LIBRARY_PATH=$STAGE/lib timeout -s KILL "$((RANDOM % 5)).$((RANDOM % 10))" nsenter --net="/run/netns/$NETNS" \
            "$RUN/threads" "$LXC" t-cthr) >/dev/null 2>&1
        same 'its state' RUNNING "$(state t-cthr)"
        code 0 tool attach -n t-cthr -- true
        destroy_all_but t-cthr
    done 2>/dev/null
    code 0 tool stop -k -n t-cthr
}

# Its container: t-csave
test_save_config_clears_what_killed_ones_left() {
    local call dir=$RUN/saved left
    needs gcc strace || return
    c_library
    container t-csave
    cat >"$RUN/save.c" <<'END'
#include <lxc/lxccontainer.h>

int main(int argc, char *argv[])
{
	struct lxc_container *c = argc == 4 ? lxc_container_new("t-csave", argv[1]) : NULL;
	return !(c && c->set_config_item(c, "lxc.uts.name", argv[3]) && c->save_config(c, argv[2]));
}
END
    gcc -std=gnu11 -Wall -Wextra -Werror -Icrates/liblxc/include -o "$RUN/save" "$RUN/save.c" "$STAGE/lib/liblxc.so.1" ||
        fail 'the program cannot be built'
    mkdir "$dir"
    export LD_LIBRARY_PATH=$STAGE/lib
    code 0 "$RUN/save" "$LXC" "$dir/a.conf" old
    for call in fsync linkat rename; do
        bash -c '"$@"; exit $?' sh strace -qq -o "$RUN/trace" -e "inject=/^$call:signal=KILL:when=1" \
            "$RUN/save" "$LXC" "$dir/a.conf" new >/dev/null 2>&1
        same "how it ended at $call" 137 $?
        left=$(ls "$dir" | grep -vx a.conf)
        case $call:$left in
            # It has a name for a moment only.
            rename:a.conf.new-*) ;;
            *:?* | rename:) fail "left of a save that was killed at $call: '$left'" ;;
        esac
        same "the file after $call" 'lxc.uts.name = old' "$(grep uts "$dir/a.conf" | tail -1)"
        code 0 "$RUN/save" "$LXC" "$dir/a.conf" old
        same "what is left after the next save" a.conf "$(ls "$dir")"
    done
    code 0 "$RUN/save" "$LXC" "$dir/a.conf" new
    same 'the file' 'lxc.uts.name = new' "$(grep uts "$dir/a.conf" | tail -1)"
    unset LD_LIBRARY_PATH
    code 0 tool destroy -n t-csave
}

# Its container: t-cexec
test_a_start_in_c_executes_one_program() {
    local pid monitor
    needs gcc strace || return
    c_library
    container t-cexec
    cat >"$RUN/start.c" <<'END'
#include <lxc/lxccontainer.h>

int main(int argc, char *argv[])
{
	struct lxc_container *c = argc == 2 ? lxc_container_new("t-cexec", argv[1]) : NULL;
	return !(c && c->start(c, 0, NULL));
}
END
    gcc -std=gnu11 -Wall -Wextra -Werror -Icrates/liblxc/include -o "$RUN/start" "$RUN/start.c" "$STAGE/lib/liblxc.so.1" ||
        fail 'the program cannot be built'
    # strace(1) stays as long as the monitor.
    LD_LIBRARY_PATH=$STAGE/lib nsenter --net="/run/netns/$NETNS" strace -f -qq -e trace=execve -o "$RUN/trace" \
        "$RUN/start" "$LXC" >/dev/null 2>&1 &
    pid=$!
    code 0 tool wait -n t-cexec -s RUNNING -t 20
    monitor=$(pgrep -f "^\[lxc monitor\] $LXC t-cexec\$")
    same 'its name' lxc-monitor "$(cat "/proc/$monitor/comm")"
    same 'its session' "$monitor" "$(ps -o sid= -p "$monitor" | xargs)"
    same 'its directory' / "$(readlink "/proc/$monitor/cwd")"
    same 'its standard descriptors' '/dev/null /dev/null /dev/null' "$(readlink "/proc/$monitor/fd/"{0,1,2} | xargs)"
    same 'whether no container can write its program' True \
        "$(python3 -c 'import os, sys; print(bool(os.statvfs(sys.argv[1]).f_flag & os.ST_RDONLY))' "/proc/$monitor/exe")"
    code 0 tool stop -k -n t-cexec
    wait "$pid"
    same 'programs that were executed for it' 1 "$(grep -c 'execve(.*"lxc-helper"' "$RUN/trace")"
    same 'monitors that were executed' 0 "$(grep -c 'execve(.*lxc monitor' "$RUN/trace")"
    code 0 tool destroy -n t-cexec
}

# Also those that a helper of a program that was killed is making.
destroy_all_but() { # NAME
    local name empty=0
    for _ in $(seq 200); do
        rm -f "$LXC"/*.conf "$LXC"/*.conf.new-*
        for name in $(ls "$LXC" | grep -vx "$1"); do
            empty=0
            case $(state "$name") in
                RUNNING) tool attach -n "$name" -- true || [ "$(state "$name")" != RUNNING ] || fail "$name does not run" ;;
                FREEZING | FROZEN) tool unfreeze -n "$name" ;;
            esac >/dev/null 2>&1
            tool destroy -f -s -n "$name" >/dev/null 2>&1
        done
        empty=$((empty + 1))
        [ $empty -lt 8 ] || return
        sleep 0.2
    done
    fail "cannot be destroyed: $(ls "$LXC" | grep -vx "$1" | xargs)"
}
