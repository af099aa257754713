# Configuration keys: each takes effect, as under Debian's LXC where that is installed.

# What SCRIPT, run as the container's init, prints.
probe() { # tool|debian NAME SCRIPT
    local facts=$LXC/$2/rootfs/facts
    printf '%s\n' 'exec >/facts 2>&1' "$3" >"$LXC/$2/rootfs/probe"
    : >"$facts"
    chmod 666 "$facts"
    "$1" start -F -n "$2" -- /bin/sh /probe </dev/null >"$RUN/out" 2>"$RUN/err" ||
        fail "$1 start $2: $(cat "$RUN/err")"
    [ -s "$facts" ] || fail "$1: no facts of $2: $(cat "$RUN/err")"
    cat "$facts"
}

# Runs the probe under both; what ours prints is in $facts.
as_debian() { # NAME SCRIPT
    facts=$(probe tool "$1" "$2")
    [ -x /usr/bin/lxc-start ] || return 0
    local theirs
    theirs=$(probe debian "$1" "$2")
    [ "$facts" = "$theirs" ] ||
        fail "$1 is not as Debian's: $(diff <(echo "$theirs") <(echo "$facts") | grep '^[<>]' | head -20)"
    remove_pivot
}

# Debian's monitors leave it.
remove_pivot() { find /sys/fs/cgroup -maxdepth 2 -name lxc.pivot -exec rmdir {} + 2>/dev/null; }

has() { # LINE: among the facts
    grep -qxF -- "$1" <<<"$facts" || fail "no '$1' in: $facts"
}

test_keys_of_init() {
    container t-key 'lxc.arch = i686' 'lxc.uts.name = other-name' 'lxc.init.uid = 1000' \
        'lxc.init.gid = 1001' 'lxc.init.groups = 5,7' 'lxc.init.cwd = /tmp' 'lxc.no_new_privs = 1' \
        'lxc.cap.drop = 27 net_raw' 'lxc.environment = A=1' 'lxc.environment = B=two words' \
        'lxc.environment = A=3' 'lxc.environment = PATH=/bin:/opt' 'lxc.proc.oom_score_adj = 77' \
        'lxc.proc.coredump_filter = 0x7' 'lxc.sysctl.net.ipv4.ip_forward = 1' \
        'lxc.sysctl.net.ipv4.conf.all.log_martians = 1' 'lxc.prlimit.nofile = 300:400' \
        'lxc.prlimit.core = 0' 'lxc.prlimit.stack = 1048576:unlimited' 'lxc.prlimit.nproc = 4096'
    # shellcheck disable=SC2016
    as_debian t-key 'uname -n; uname -m; cat /proc/self/personality; id; pwd; umask; env
        grep -e NoNew -e Cap -e Groups /proc/self/status; cat /proc/self/limits
        cat /proc/$$/oom_score_adj /proc/$$/coredump_filter
        cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/all/log_martians'
    has other-name
    has i686
    has 'uid=1000(user) gid=1001 groups=5,7'
    has /tmp
    has 'A=3'
    has 'B=two words'
    has 'container=lxc'
    has "NoNewPrivs:$(printf '\t')1"
    has 77
    has 00000007
    same 'ip_forward and log_martians' '1 1' "$(tail -2 <<<"$facts" | xargs)"
    same 'open files' '300 400' "$(awk '/Max open files/ { print $4, $5 }' <<<"$facts")"
    same stack '1048576 unlimited' "$(awk '/Max stack/ { print $4, $5 }' <<<"$facts")"
    # shellcheck disable=SC2012
    same 'mknod and net_raw' 0 $((16#$(awk '/CapBnd/ { print $2 }' <<<"$facts") & (1 << 27 | 1 << 13)))
}

test_keys_of_commands() {
    container t-key 'lxc.init.cmd = /bin/sh -c "echo $0 $1 >/facts" "a b" c' \
        "lxc.execute.cmd = /bin/sh -c 'exit 9'" 'lxc.environment.runtime = R=1' \
        'lxc.environment.hooks = H=1' 'lxc.hook.start = /started'
    printf '#!/bin/sh\necho "R=$R H=$H $container_ttys" >/hooked\n' >"$LXC/t-key/rootfs/started"
    chmod 755 "$LXC/t-key/rootfs/started"
    code 0 tool start -F -n t-key
    same 'words of the command' 'a b c' "$(cat "$LXC/t-key/rootfs/facts")"
    same 'environment of hooks' 'R= H=1 pts/1' "$(cat "$LXC/t-key/rootfs/hooked")"
    code 9 tool execute -n t-key
    same 'environment of programs' 'R=1 H=' "$(tool execute -n t-key -- sh -c 'echo "R=$R H=$H"')"
    sed -i 's/^lxc.init.cmd.*/lxc.init.cmd = "unbalanced/' "$LXC/t-key/config"
    code 1 tool start -n t-key
    says 'unbalanced quotes'
    sed -i 's/^lxc.init.cmd.*/lxc.init.cwd = \/nowhere/' "$LXC/t-key/config"
    code 1 tool start -n t-key
    says 'cannot enter /nowhere in the container: ENOENT'
}

test_keys_of_capabilities() {
    container t-key 'lxc.cap.drop =' 'lxc.cap.keep = chown kill 21'
    as_debian t-key 'grep Cap /proc/self/status'
    same kept 200021 "$(awk '/CapBnd/ { sub("^0*", "", $2); print $2 }' <<<"$facts")"
    echo 'lxc.cap.keep = none' >>"$LXC/t-key/config"
    as_debian t-key 'grep Cap /proc/self/status'
    has "CapBnd:$(printf '\t')0000000000000000"
    echo 'lxc.cap.drop = mknod' >>"$LXC/t-key/config"
    code 1 tool start -n t-key
    says 'is set as well'
}

namespaces() { # PID: the numbers of its namespaces
    for kind in mnt pid uts ipc net cgroup; do echo "$kind $(readlink "/proc/$1/ns/$kind")"; done
}
of_its_own() { # NAME: those that it does not share with the tests' network namespace and this shell
    local host
    host=$(ip netns exec "$NETNS" readlink /proc/self/ns/net)
    namespaces "$(tool info -n "$1" -pH)" |
        grep -v -F -e "$host" -f <(namespaces $$ | grep -v net) | cut -d' ' -f1 | xargs
}

test_keys_of_namespaces() {
    local wanted
    container t-key 'lxc.mount.auto =' 'lxc.mount.auto = proc sys'
    container t-other
    for wanted in 'keep=ipc:mnt pid uts net cgroup' 'keep=net:mnt pid uts ipc cgroup' \
        'keep=uts ipc:mnt pid net cgroup' 'clone=mnt pid:mnt pid' 'clone=mnt pid uts net:mnt pid uts net'; do
        code 0 tool start -n t-key -s "lxc.namespace.${wanted%%:*}"
        same "$wanted" "${wanted#*:}" "$(of_its_own t-key)"
        code 0 tool stop -k -n t-key
    done
    code 1 tool start -n t-key -s lxc.namespace.keep=net -s lxc.namespace.clone=pid
    says 'is set as well'
    code 0 tool start -n t-other
    wanted=$(tool info -n t-other -pH)
    for wanted in t-other "$wanted" "$LXC/t-other"; do
        code 0 tool start -n t-key -s "lxc.namespace.share.net=$wanted" -s "lxc.namespace.share.ipc=$wanted" \
            -s "lxc.namespace.share.uts=$wanted"
        same "shared with $wanted" "$(namespaces "$(tool info -n t-other -pH)" | grep -e net -e ipc -e uts)" \
            "$(namespaces "$(tool info -n t-key -pH)" | grep -e net -e ipc -e uts)"
        code 0 tool stop -k -n t-key
    done
    code 1 tool start -n t-key -s lxc.namespace.share.net=t-nobody
    says 'cannot share a namespace with t-nobody'
    code 0 tool stop -k -n t-other
}

test_keys_of_time() {
    container t-key 'lxc.time.offset.boot = 3h' 'lxc.time.offset.monotonic = 2h'
    as_debian t-key 'tr -s " " </proc/self/timens_offsets; [ "$(cut -d. -f1 /proc/uptime)" -ge 10800 ] && echo later'
    has later
    has 'boottime 10800 0'
    # Parts of a second, and backwards, as far as the clock has gone.
    code 0 tool execute -n t-key -s lxc.time.offset.monotonic=-1500ms -- grep -q -e '-2 500000000' /proc/self/timens_offsets
    code 1 tool start -n t-key -s lxc.time.offset.boot=3
}

test_keys_of_signals() {
    container t-key 'lxc.signal.halt = SIGUSR2' 'lxc.signal.reboot = SIGRTMIN+5' 'lxc.signal.stop = SIGTERM' \
        'lxc.init.cmd = /bin/sh /signals'
    printf '%s\n' 'trap "echo halt >>/facts; exit" USR2' 'trap "echo reboot >>/facts; exec /bin/reboot -f" 39' \
        'trap "echo stop >>/facts; exit" TERM' 'while :; do sleep 0.1; done' >"$LXC/t-key/rootfs/signals"
    local who
    for who in tool debian; do
        [ $who = tool ] || [ -x /usr/bin/lxc-start ] || continue
        rm -f "$LXC/t-key/rootfs/facts"
        code 0 "$who" start -n t-key
        sleep 0.2
        code 0 "$who" stop -n t-key
        code 0 "$who" start -n t-key
        sleep 0.2
        code 0 "$who" stop -k -n t-key
        same "$who's signals" 'halt stop' "$(xargs <"$LXC/t-key/rootfs/facts")"
    done
    remove_pivot
    code 0 tool start -n t-key
    sleep 0.2
    code 0 tool stop -r -n t-key
    same 'after the reboot' 'RUNNING reboot' "$(state t-key) $(tail -1 "$LXC/t-key/rootfs/facts")"
    sleep 0.2
    code 0 tool stop -n t-key
}

test_keys_of_the_keyring() {
    command -v gcc >/dev/null || { skipped='no compiler for a program that asks for its keyring'; return; }
    container t-key
    local program=$LXC/t-key/rootfs/bin/keyring here value who
    gcc -static -o "$program" -x c - <<'C' || { fail 'cannot compile'; return; }
#include <stdio.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <linux/keyctl.h>
int main(void) {
    printf("%ld\n", syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0));
}
C
    here=$("$program")
    for value in 0 1; do
        for who in tool debian; do
            [ $who = tool ] || [ -x /usr/bin/lxc-start ] || continue
            sed -i /keyring/d "$LXC/t-key/config"
            echo "lxc.keyring.session = $value" >>"$LXC/t-key/config"
            if [ "$(probe $who t-key keyring)" = "$here" ]; then echo "$value $who kept"; else echo "$value $who new"; fi
        done
    done >"$RUN/keyrings"
    same ours '0 new 1 kept' "$(sed -n 's/ tool//p' "$RUN/keyrings" | xargs)"
    [ ! -x /usr/bin/lxc-start ] ||
        same "Debian's" '0 new 1 kept' "$(sed -n 's/ debian//p' "$RUN/keyrings" | xargs)"
    rm -f "$RUN/keyrings"
    remove_pivot
}

test_keys_that_this_kernel_may_lack() {
    container t-key
    if tool execute -n t-key -s lxc.sched.core=1 -- true 2>/dev/null; then
        skipped='the kernel has core scheduling'
        return
    fi
    # Core scheduling guards against other tenants of a core: without it there is no start.
    code 1 tool execute -n t-key -s lxc.sched.core=1 -- true
    says 'cannot set a core scheduling cookie: E\(INVAL\|NODEV\)'
    says 'lxc.sched.core = 1'
}

# The core scheduling cookie of PID, 0 if it has none (PR_SCHED_CORE_GET in linux/prctl.h). Fails, and says
# why, if the kernel has no such cookies.
core_cookie() { # PID
    python3 -c 'import ctypes, os, sys
libc, cookie = ctypes.CDLL(None, use_errno=True), ctypes.c_uint64()
if libc.prctl(62, 0, int(sys.argv[1]), 0, ctypes.byref(cookie)):
    sys.exit("PR_SCHED_CORE_GET: " + os.strerror(ctypes.get_errno()))
print(cookie.value)' "$1"
}

test_sched_core_is_for_attached_commands_as_well() {
    no_terminal && return
    local why cookie name
    why=$(core_cookie $$ 2>&1) || { skipped="no core scheduling here: $why"; return; }
    container t-core 'lxc.sched.core = 1'
    container t-core2 'lxc.sched.core = 1'
    container t-core3
    for name in t-core t-core2 t-core3; do code 0 tool start -n $name; done
    cookie=$(core_cookie "$(tool info -n t-core -pH)")
    [ "$cookie" != 0 ] || fail 'init has no cookie'
    [ "$cookie" != "$(core_cookie "$(tool info -n t-core2 -pH)")" ] || fail 'two containers have one cookie'
    same 'of a container without the key' "$(core_cookie $$)" "$(core_cookie "$(tool info -n t-core3 -pH)")"
    tool attach -n t-core -- sleep 3721 </dev/null &
    for _ in $(seq 50); do pgrep -f '^sleep 3721$' >/dev/null && break; sleep 0.1; done
    same 'of an attached command' "$cookie" "$(core_cookie "$(pgrep -f '^sleep 3721$')")"
    for name in t-core t-core2 t-core3; do code 0 tool stop -k -n $name; done
    wait $!
}

lives() { grep -q '^State:.[^XZ]' "/proc/$1/status" 2>/dev/null; } # PID

test_keys_of_the_monitor() {
    container t-key 'lxc.monitor.unshare = 1' 'lxc.monitor.signal.pdeath = 0' \
        "lxc.hook.pre-start = /bin/sh -c 'mount -t tmpfs -o size=64k none $RUN/private' --"
    mkdir -p "$RUN/private"
    code 0 tool start -n t-key
    local monitor init
    monitor=$(pgrep -f "^\[lxc monitor\] $LXC t-key\$")
    init=$(tool info -n t-key -pH)
    grep -q "$RUN/private" /proc/"$monitor"/mountinfo || fail "the pre-start hook's mount is not the monitor's"
    ! grep -q "$RUN/private" /proc/self/mountinfo || fail "the pre-start hook's mount is the host's"
    kill -9 "$monitor"
    sleep 0.3
    lives "$init" || fail 'init died with its monitor'
    kill -9 "$init" 2>/dev/null
    rmdir "$RUN/private"
    sed -i /^lxc.hook/d "$LXC/t-key/config"
    code 0 tool start -n t-key -s lxc.monitor.signal.pdeath=
    init=$(tool info -n t-key -pH)
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-key\$")"
    sleep 0.3
    ! lives "$init" || fail 'init outlives its monitor'
    code 0 tool start -n t-key
    code 0 tool stop -k -n t-key
}

test_keys_of_an_ephemeral_container() {
    container t-key 'lxc.ephemeral = 1' "lxc.hook.destroy = /bin/sh -c 'echo destroyed >$RUN/facts' --"
    code 1 tool start -n t-key -- /nothing/there
    [ -d "$LXC/t-key" ] || fail 'a container that did not start was destroyed'
    code 0 tool start -n t-key
    tool attach -n t-key -- reboot -f
    sleep 0.5
    same 'after a reboot' RUNNING "$(state t-key)"
    code 0 tool stop -k -n t-key
    for _ in $(seq 30); do
        [ -d "$LXC/t-key" ] || break
        sleep 0.1
    done
    [ ! -d "$LXC/t-key" ] || fail "it is still there: $(ls "$LXC/t-key")"
    same 'destroy hook' destroyed "$(cat "$RUN/facts")"
    rm -f "$RUN/facts"
    container t-key
    code 3 tool execute -n t-key -s lxc.ephemeral=1 -- sh -c 'exit 3'
    [ ! -d "$LXC/t-key" ] || fail 'it is still there after lxc-execute'
}

test_keys_of_starting_are_read() {
    container t-key 'lxc.start.auto = 1' 'lxc.start.delay = 5' 'lxc.start.order = -3' 'lxc.group = web onboot'
    same list 't-key STOPPED 1 web, onboot' "$(tool ls -f -F name,state,autostart,groups | tail -1 | xargs)"
    same items 'lxc.start.delay = 5 lxc.start.order = -3' \
        "$(tool info -n t-key -c lxc.start.delay -c lxc.start.order | xargs)"
}
