# What an attached command gets of the caller's and of the host's, and what not.

no_terminal() {
    command -v python3 >/dev/null && return 1
    skipped='no python3 to have a terminal'
}

# Runs WORDS in a session with a terminal of its own, standard descriptors not on it; prints what the
# terminal gets as input from anybody but its user.
typed_into_terminal_of() { # WORDS...
    nsenter --net="/run/netns/$NETNS" python3 - "$@" <<'PYTHON'
import fcntl, os, pty, select, subprocess, sys, termios, tty
master, slave = pty.openpty()
tty.setraw(slave)
def login():
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
null = subprocess.DEVNULL
subprocess.run(sys.argv[1:], stdin=null, stdout=null, stderr=null, preexec_fn=login, timeout=60)
if select.select([slave], [], [], 0.2)[0]:
    print(os.read(slave, 100).decode())
PYTHON
}
# Types a line into its controlling terminal.
typing_program() { # FILE
    program "$1" <<'C'
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>
int main(void) {
    int fd = open("/dev/tty", O_RDWR);
    if (fd < 0) return 3;
    for (const char *c = "evil\n"; *c; c++) ioctl(fd, TIOCSTI, c);
    return 0;
}
C
}

test_attach_has_no_terminal_of_the_caller() {
    no_terminal && return
    command -v gcc >/dev/null || { skipped='no compiler for the typing program'; return; }
    container t-tty 'lxc.hook.start = /bin/type' 'lxc.hook.version = 1'
    typing_program "$RUN/type"
    if [ "$(typed_into_terminal_of "$RUN/type")" != evil ]; then
        skipped='the kernel lets nobody type into a terminal (dev.tty.legacy_tiocsti)'
        return
    fi
    cp "$RUN/type" "$LXC/t-tty/rootfs/bin/type"
    printf '#!/bin/sh\n/bin/type; echo $? >/ran\n' >"$LXC/t-tty/rootfs/bin/hook"
    chmod 755 "$LXC/t-tty/rootfs/bin/hook"
    sed -i 's,/bin/type,/bin/hook,' "$LXC/t-tty/config"
    # With a console lxc-start reads the terminal, and what was typed would not be seen there.
    local start=("$BIN" start -F -P "$LXC" -n t-tty -s lxc.console.path=none)
    same 'typed by a start hook' '' "$(typed_into_terminal_of "${start[@]}" -- /bin/true)"
    same 'what the start hook says: no terminal' 3 "$(cat "$LXC/t-tty/rootfs/ran")"
    printf '#!/bin/sh\n%s; echo $? >%s\n' "$RUN/type" "$RUN/ran" >"$RUN/hook"
    chmod 755 "$RUN/hook"
    same 'typed by a mount hook' '' \
        "$(typed_into_terminal_of "${start[@]}" -s lxc.hook.start= -s lxc.hook.mount="$RUN/hook" -- /bin/true)"
    same 'what the mount hook says: no terminal' 3 "$(cat "$RUN/ran")"
    code 0 tool start -n t-tty
    same 'typed by a command' '' "$(typed_into_terminal_of "$BIN" attach -P "$LXC" -n t-tty -- /bin/type)"
    same 'session' yes "$(tool attach -n t-tty -- sh -c 'set -- $(cat /proc/$$/stat); [ $6 = $$ ] && echo yes')"
    code 0 tool stop -k -n t-tty
    rm "$RUN/type" "$RUN/hook" "$RUN/ran"
}

test_attach_has_no_session_keyring_of_the_caller() {
    command -v gcc >/dev/null || { skipped='no compiler for the program with a key'; return; }
    local name
    container t-key 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' 'lxc.rootfs.options = idmap=container'
    container t-keys
    container t-keep 'lxc.keyring.session = 1'
    chmod 755 "$RUN" "$LXC" "$LXC/t-key"
    # With an argument: a new session keyring with a key, and the words as a command; else the key is read.
    program "$RUN/key" <<'C'
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char text[32] = "nothing";
    if (argc > 1) {
        if (syscall(SYS_keyctl, 1, NULL) < 0) return puts("no keyrings"), 9;
        syscall(SYS_add_key, "user", "test:key", "secret", 6, -3);
        execvp(argv[1], argv + 1);
        return 1;
    }
    long key = syscall(SYS_keyctl, 10, -3, "user", "test:key", 0);
    if (key > 0 && syscall(SYS_keyctl, 11, key, memset(text, 0, sizeof text), 31) < 0) strcpy(text, "no right");
    puts(text);
    return 0;
}
C
    if [ "$("$RUN/key" "$RUN/key")" != secret ]; then
        skipped='the kernel has no session keyrings'
        return
    fi
    for name in t-key t-keys t-keep; do
        cp "$RUN/key" "$LXC/$name/rootfs/bin/key"
        code 0 tool start -n $name
    done
    local with=("$RUN/key" nsenter --net="/run/netns/$NETNS" "$BIN" attach -P "$LXC")
    for name in t-key t-keys; do
        same "the caller's key in $name" nothing "$("${with[@]}" -n $name -- /bin/key)"
        same "the caller's key in $name as a user" nothing "$("${with[@]}" -n $name -u 1000 -- /bin/key)"
        same "its own keyring in $name" secret "$("${with[@]}" -n $name -- /bin/key /bin/key)"
    done
    same 'kept by lxc.keyring.session' secret "$("${with[@]}" -n t-keep -- /bin/key)"
    for name in t-key t-keys t-keep; do code 0 tool stop -k -n $name; done
    rm "$RUN/key"
}

test_attach_opens_no_device_for_the_container() {
    container t-ptmx
    code 0 tool start -n t-ptmx
    tool attach -n t-ptmx -- sh -c 'mknod /zero c 1 5; mount --bind /zero /dev/pts/ptmx' || fail 'no device to mount'
    code 1 timeout 20 script -qec "timeout --foreground 10 nsenter --net=/run/netns/$NETNS $BIN attach -P $LXC -n t-ptmx -- tty" /dev/null </dev/null
    grep -q 'mounted on /dev/pts/ptmx inside' "$RUN/out" || fail "nothing said of ptmx: $(cat "$RUN/out")"
    same 'without a terminal' hi "$(tool attach -n t-ptmx -- echo hi </dev/null 2>&1 | cat)"
    tool attach -n t-ptmx -- umount /dev/pts/ptmx </dev/null
    same 'with one of its own' /dev/pts/ "$(timeout 20 script -qec "timeout --foreground 10 nsenter --net=/run/netns/$NETNS $BIN attach -P $LXC -n t-ptmx -- tty" \
        /dev/null </dev/null | grep -o '/dev/pts/')"
    code 0 tool stop -k -n t-ptmx
}

test_attach_gets_the_settings_of_the_process() {
    local ours
    container t-set 'lxc.prlimit.nofile = 512:1024' 'lxc.prlimit.core = 0' 'lxc.proc.oom_score_adj = 77'
    code 0 tool start -n t-set
    ours='grep -E "open files|core file" /proc/self/limits; cat /proc/self/oom_score_adj'
    same 'as init has them' "$(grep -E "open files|core file" "/proc/$(tool info -n t-set -pH)/limits"; echo 77)" \
        "$(tool attach -n t-set -- sh -c "$ours")"
    same 'as a user' 77 "$(tool attach -n t-set -u 1000 -- cat /proc/self/oom_score_adj)"
    code 0 tool stop -k -n t-set
}

# Executes WORDS with signals ignored (HUP USR1 and those in $IGNORE) and blocked (USR2), umask 027.
with_signals() { # WORDS...
    python3 -c 'import os, signal, sys
for name in ("HUP USR1 " + os.environ.get("IGNORE", "")).split():
    signal.signal(getattr(signal, "SIG" + name), signal.SIG_IGN)
wanted = ("HUP USR1 " + os.environ.get("IGNORE", "")).split()
for name in "PIPE", "XFSZ", "INT", "QUIT":
    if name not in wanted: signal.signal(getattr(signal, "SIG" + name), signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.umask(0o027)
os.execvp(sys.argv[1], sys.argv[1:])' "$@"
}

test_attach_hands_on_signals_as_lxc_does() {
    no_terminal && return
    local probe line ours theirs
    container t-sig
    code 0 tool start -n t-sig
    probe='grep -E "^Sig(Ign|Blk)" /proc/self/status; umask'
    while IFS= read -r line; do
        # shellcheck disable=SC2086
        ours=$(IGNORE=PIPE with_signals nsenter --net="/run/netns/$NETNS" "$BIN" ${line/ / -P "$LXC" } -- sh -c "$probe" </dev/null 2>&1)
        case $line in attach*) same "ignored by $line" 'SigIgn: 0000000000001201' "$(grep SigIgn <<<"$ours" | xargs)" ;; esac
        [ -x /usr/bin/lxc-attach ] || continue
        # shellcheck disable=SC2086
        theirs=$(IGNORE=PIPE with_signals nsenter --net="/run/netns/$NETNS" /usr/bin/lxc-${line%% *} -P "$LXC" ${line#* } -- sh -c "$probe" </dev/null 2>&1)
        same "what lxc-$line hands on" "$theirs" "$ours"
    done <<'LINES'
attach -n t-sig
attach -n t-sig --clear-env
attach -n t-sig -e
attach -n t-sig -s NETWORK|UTSNAME
unshare -s UTSNAME
unshare -s UTSNAME|NETWORK
LINES
    code 0 tool stop -k -n t-sig
}

# What becomes of a command without a terminal when lxc-attach gets a signal: SIGNAL, what the command
# does with it (trap, or nothing), exit code, whether the command is gone then.
test_attach_passes_signals_on() {
    no_terminal && return
    local signal does wanted pid got begin tell
    container t-pass
    code 0 tool start -n t-pass
    while read -r signal does wanted; do
        case $does in
        trap) tell="trap 'exit 7' INT TERM HUP QUIT; touch /ready; while :; do sleep 0.1; done" ;;
        default) tell='touch /ready; exec sleep 3713' ;;
        ignore) tell="trap '' INT TERM HUP QUIT; touch /ready; exec sleep 3713" ;;
        esac
        rm -f "$LXC/t-pass/rootfs/ready"
        # Not in the background of this shell, which would have it ignore SIGINT.
        python3 -c 'import os, signal, sys
for name in "SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP": signal.signal(getattr(signal, name), signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' nsenter --net="/run/netns/$NETNS" "$BIN" attach -P "$LXC" -n t-pass -- sh -c "$tell" </dev/null &
        pid=$!
        for _ in $(seq 50); do [ -e "$LXC/t-pass/rootfs/ready" ] && break; sleep 0.1; done
        sleep 0.1
        begin=$(date +%s%N)
        kill -"$signal" $pid
        wait $pid 2>/dev/null
        got=$?
        same "exit code after SIG$signal ($does)" "$wanted" $got
        [ $(($(date +%s%N) - begin)) -lt 1500000000 ] || fail "SIG$signal ($does) took too long"
        [ "$does" != default ] || ! pgrep -f '^sleep 3713$' >/dev/null || fail "the command went on after SIG$signal"
        for pid in $(pgrep -f '^sleep 3713$'); do kill -9 "$pid"; done
    done <<'SIGNALS'
INT trap 7
QUIT trap 7
TERM trap 7
HUP trap 7
INT default 130
QUIT default 131
TERM default 143
HUP default 129
TERM ignore 143
HUP ignore 129
SIGNALS
    # As nohup(1) starts it.
    IGNORE='INT' with_signals nsenter --net="/run/netns/$NETNS" "$BIN" attach -P "$LXC" -n t-pass -- \
        sh -c 'kill -HUP $$; kill -INT $$; exit 5' </dev/null
    same 'exit code of one that ignores signals as its caller' 5 $?
    # Ctrl-Z and fg.
    rm -f "$LXC/t-pass/rootfs/ready"
    tool attach -n t-pass -- sh -c 'touch /ready; sleep 1; exit 6' </dev/null &
    for _ in $(seq 50); do [ -e "$LXC/t-pass/rootfs/ready" ] && break; sleep 0.1; done
    pid=$(pgrep -f "^$STAGE/bin/lxc-attach -P $LXC -n t-pass" | head -1)
    kill -TSTP "$pid"
    sleep 0.3
    same 'state of lxc-attach' T "$(awk '{ print $3 }' "/proc/$pid/stat")"
    same 'state of the command' T "$(awk '{ print $3 }' "/proc/$(pgrep -f '^sh -c touch /ready; sleep 1' | tail -1)/stat")"
    kill -CONT "$pid"
    wait $!
    same 'exit code after a stop' 6 $?
    code 0 tool stop -k -n t-pass
}

# A terminal that nobody reads: SIGTERM ends the tool within a second, and the terminal is as it was.
test_attach_and_console_leave_a_terminal_that_nobody_reads() {
    no_terminal && return
    local words
    container t-full
    code 0 tool start -n t-full -- /bin/sh -c 'while :; do cat /bin/busybox >/dev/tty1; cat /bin/busybox >/dev/console; done'
    for words in 'attach -n t-full -- yes' 'console -n t-full -t 0' 'console -n t-full -t 1'; do
        # shellcheck disable=SC2086
        same "$words" 'ended by 15, terminal as it was, in time' "$(nsenter --net="/run/netns/$NETNS" python3 - \
            "$BIN" ${words%% *} -P "$LXC" ${words#* } <<'PYTHON'
import fcntl, os, pty, signal, subprocess, sys, termios, time
master, slave = pty.openpty()
before = termios.tcgetattr(slave)
def login():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
tool = subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave, preexec_fn=login)
time.sleep(2)
begin = time.time()
tool.send_signal(signal.SIGTERM)
try:
    tool.wait(5)
except subprocess.TimeoutExpired:
    tool.kill()
    tool.wait()
same = termios.tcgetattr(slave) == before and not fcntl.fcntl(slave, fcntl.F_GETFL) & os.O_NONBLOCK
print(f"ended by {-tool.returncode}, terminal {'as it was' if same else 'changed'},",
      'in time' if time.time() - begin < 1 else 'late')
PYTHON
)"
    done
    code 0 tool stop -k -n t-full
}
