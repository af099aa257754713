# Holes that LXC, runc and crun once had: hostile root filesystems, hostile processes inside.

# A directory of the host that must come out of each attack as it was.
victim() {
    rm -rf "$RUN/victim"
    mkdir -p "$RUN/victim/sub"
    echo secret >"$RUN/victim/secret"
    for node in null console ptmx tty1; do echo untouched >"$RUN/victim/$node"; done
    victim_before=$(picture "$RUN/victim")
}
picture() { find "$1" -printf '%P %y %m %u %s %T@\n' | sort; } # DIR
unharmed() {
    [ "$victim_before" = "$(picture "$RUN/victim")" ] ||
        fail "the host's directory was changed: $(diff <(echo "$victim_before") <(picture "$RUN/victim"))"
    ! grep -q "$RUN/victim" /proc/self/mountinfo || fail 'something is mounted in the directory of the host'
    [ "${1:-}" = keep ] || rm -rf "$RUN/victim"
}

# lxc-attach without a command, which stops for a while just before it executes the user's shell: a
# process of the host's program inside.
lingering_attach() { # PROGRAM NAME
    timeout 30 nsenter --net="/run/netns/$NETNS" strace -qq -f -o /dev/null -P /bin/sh -e trace=execve \
        -e inject=execve:delay_enter=4s "$1" attach -P "$LXC" -n "$2"
}

# A static program for inside, from C on standard input.
program() { gcc -static -O1 -o "$1" -x c - || fail "cannot compile $1"; } # FILE

test_cve_2015_1334_attach_does_not_believe_the_containers_proc() {
    container t-cve
    code 0 tool start -n t-cve
    local bounding sleeper
    bounding=$(grep CapBnd /proc/"$(tool info -n t-cve -pH)"/status)
    tool attach -n t-cve -- sh -c '
        mount -t tmpfs none /proc && mkdir -p /proc/1/ns /proc/self/attr /proc/self/ns /proc/self/task /proc/sys/kernel
        for pid in 1 self; do
            printf "Uid:\t0\nCapBnd:\tffffffffffffffff\nNoNewPrivs:\t0\n" >/proc/$pid/status
            for kind in user mnt pid uts ipc net cgroup; do ln -s "$kind:[1]" /proc/$pid/ns/$kind; done
        done
        echo 63 >/proc/sys/kernel/cap_last_cap; echo unconfined >/proc/self/attr/current' || fail 'no false /proc'
    tool attach -n t-cve -- sleep 301 &
    for _ in $(seq 30); do
        sleeper=$(pgrep -f '^sleep 301$' | head -1)
        [ -n "$sleeper" ] && break
        sleep 0.1
    done
    same capabilities "$bounding" "$(grep CapBnd /proc/"$sleeper"/status)"
    same namespaces "$(namespaces "$(tool info -n t-cve -pH)")" "$(namespaces "$sleeper")"
    code 0 tool stop -k -n t-cve
    wait
}

test_cve_2015_1335_links_in_the_rootfs_redirect_no_mount() {
    local link target
    victim
    container t-cve
    for link in "$RUN/victim" "../../../../../../../../..$RUN/victim" /mnt/loop; do
        for target in proc sys dev; do
            mv "$LXC/t-cve/rootfs/$target" "$LXC/t-cve/rootfs/$target.was"
            ln -s "$link" "$LXC/t-cve/rootfs/$target"
            code 1 tool start -n t-cve
            says "$target in the root filesystem"
            rm "$LXC/t-cve/rootfs/$target"
            mv "$LXC/t-cve/rootfs/$target.was" "$LXC/t-cve/rootfs/$target"
        done
        ln -s "$link" "$LXC/t-cve/rootfs/link"
        for target in 'link none bind' 'link/sub none bind' 'link/new none bind,create=dir' \
            'link/made/file none bind,create=file' 'link none bind,optional'; do
            tool execute -n t-cve -s "lxc.mount.entry=/etc $target 0 0" -- /bin/true 2>"$RUN/err"
            [ -n "${target##*optional}" ] || continue
            grep -q 'symbolic link' "$RUN/err" || fail "$link as $target: $(cat "$RUN/err")"
        done
        code 1 tool start -n t-cve -s 'lxc.mount.entry=link/secret mnt none bind,relative 0 0'
        rm "$LXC/t-cve/rootfs/link"
    done
    unharmed
}

# Exchanges two names of a directory as fast as it can.
exchanger() { # FILE
    program "$1" <<'C'
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(int argc, char **argv) {
    (void)argc;
    alarm(60);
    for (;;) syscall(SYS_renameat2, AT_FDCWD, argv[1], AT_FDCWD, argv[2], 2);
}
C
}

test_cve_2015_1335_links_that_come_and_go_redirect_no_mount() {
    command -v gcc >/dev/null || { skipped='no compiler for the racing program'; return; }
    local number pids=() lines=() rootfs=$LXC/t-cve/rootfs started=0 round
    victim
    for number in $(seq 12); do
        lines+=("lxc.mount.entry = tmpfs race/t$number tmpfs size=16k,optional 0 0"
            "lxc.mount.entry = tmpfs race/t$number/sub/deep tmpfs size=16k,create=dir,optional 0 0"
            "lxc.mount.entry = race/t$number/secret race/out$number none bind,relative,create=file,optional 0 0")
    done
    container t-cve "${lines[@]}"
    exchanger "$RUN/exchange"
    mkdir -p "$rootfs/race"
    for number in $(seq 12); do
        mkdir -p "$rootfs/race/t$number/sub"
        ln -s "$RUN/victim" "$rootfs/race/l$number"
    done
    # Two of them at a time: more would only wait for the processor.
    for number in 1 7; do
        (cd "$rootfs/race" && exec "$RUN/exchange" t$number l$number) &
        pids+=($!)
    done
    for round in $(seq "${RACE_ROUNDS:-100}"); do
        tool execute -n t-cve -- cat /race/out1 /race/out7 >"$RUN/out" 2>"$RUN/err" && started=$((started + 1))
        ! grep -q secret "$RUN/out" || { fail "round $round showed a file of the host"; break; }
    done
    kill "${pids[@]}"
    wait "${pids[@]}" 2>/dev/null
    [ $round -eq "${RACE_ROUNDS:-100}" ] || fail "$round rounds"
    unharmed
    rm -f "$RUN/exchange"
}

test_cve_2016_8649_attach_holds_nothing_of_the_host() {
    command -v strace >/dev/null || { skipped='no strace(1) to stop it just before the end'; return; }
    container t-cve 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' 'lxc.rootfs.options = idmap=container'
    container t-root
    chmod 755 "$RUN" "$LXC" "$LXC/t-cve"
    local name attach seen pid now
    for name in t-cve t-root; do
        seen=''
        code 0 tool start -n $name
        lingering_attach "$BIN" $name </dev/null >/dev/null 2>&1 &
        attach=$!
        for _ in $(seq 50); do
            # The newer of the two, the caller and the process it made.
            now=$(pgrep -n -f "^$BIN attach -P $LXC -n $name\$") || { sleep 0.1; continue; }
            pid=$now
            now=$(find "/proc/$pid/fd" -mindepth 1 -printf '%l\n' 2>/dev/null | sed 's/:.*//' | sort | xargs)
            seen=${now:-$seen}
            [ "$seen" = '/dev/null /dev/null /dev/null socket' ] && break
            sleep 0.1
        done
        same "open in it ($name)" '/dev/null /dev/null /dev/null socket' "$seen"
        pid=$(awk '/^NSpid/ { print $NF }' "/proc/${pid:-none}/status")
        # Not ls -l, which wants to know users by name.
        tool attach -n $name -- sh -c "for link in /proc/$pid/fd/* /proc/$pid/exe /proc/$pid/root; do readlink \$link; done" >"$RUN/seen" 2>&1
        case $name in
        # Root of a user namespace may not even look.
        t-cve) same 'what container root sees' '' "$(cat "$RUN/seen")" ;;
        t-root) grep -q '^/dev/null' "$RUN/seen" || fail "root sees nothing: $(cat "$RUN/seen")" ;;
        esac
        wait $attach
        same "exit code ($name)" 0 $?
        code 0 tool stop -k -n $name
    done
    rm "$RUN/seen"
}

test_cve_2019_5736_the_hosts_program_cannot_be_written_from_inside() {
    command -v gcc >/dev/null || { skipped='no compiler for the attacking program'; return; }
    command -v strace >/dev/null || { skipped='no strace(1) to stop lxc-attach inside'; return; }
    container t-cve
    # A program of its own: that of the monitor is busy, and so never writable, as long as it runs.
    mkdir -p "$RUN/other"
    cp "$BIN" "$RUN/other/lxc-rs"
    program "$LXC/t-cve/rootfs/bin/grab" <<'C'
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
/* Holds the first file that somebody executes and that is not of this container. */
static int grab(void) {
    for (int round = 0; round < 300; round++, usleep(10000)) {
        DIR *proc = opendir("/proc");
        for (struct dirent *entry; (entry = readdir(proc));) {
            char path[64], link[16] = "";
            struct stat there, busybox, own;
            if (atoi(entry->d_name) < 2) continue;
            snprintf(path, sizeof path, "/proc/%d/exe", atoi(entry->d_name));
            if (readlink(path, link, sizeof link - 1) < 1 || stat(path, &there)) continue;
            stat("/bin/busybox", &busybox), stat("/proc/self/exe", &own);
            if (there.st_ino == busybox.st_ino || there.st_ino == own.st_ino) continue;
            int fd = open(path, O_RDONLY);
            if (fd >= 0) return fd;
        }
        closedir(proc);
    }
    return -1;
}
int main(void) {
    int held = grab();
    if (held < 0) return puts("nothing to hold"), 1;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", held);
    for (int round = 0; round < 300; round++, usleep(100000)) {
        int fd = open(path, O_WRONLY);
        if (fd >= 0) return puts("writable"), 0;
        if (errno != ETXTBSY) return puts(strerror(errno)), 0;
    }
    return puts("busy"), 0;
}
C
    code 0 tool start -n t-cve
    tool attach -n t-cve -- /bin/grab >"$RUN/grabbed" &
    local grabber=$!
    sleep 0.3
    lingering_attach "$RUN/other/lxc-rs" t-cve </dev/null
    same 'attach' 0 $?
    wait $grabber
    same 'to write the held file' 'Read-only file system' "$(cat "$RUN/grabbed")"
    cmp -s "$BIN" "$RUN/other/lxc-rs" || fail 'the program was changed'
    code 0 tool stop -k -n t-cve
    # The small init of lxc-execute is the program itself, and so is the monitor.
    for tool in "execute -n t-cve" 'start -F -n t-cve'; do
        : >"$LXC/t-cve/rootfs/facts"
        # shellcheck disable=SC2086
        code 0 tool $tool -- /bin/sh -c 'set -- $(stat -f -c "%T" /proc/1/exe 2>/dev/null); (: >>/proc/1/exe) 2>/facts; exit 0' </dev/null
        [ "$tool" != 'execute -n t-cve' ] || grep -q -e 'Read-only' -e 'busy' "$LXC/t-cve/rootfs/facts" ||
            fail "pid 1 of $tool: $(cat "$LXC/t-cve/rootfs/facts")"
    done
    code 0 tool start -n t-cve
    local monitor
    monitor=$(pgrep -f "^\[lxc monitor\] $LXC t-cve\$")
    same 'mount of the running monitor' / "$(readlink /proc/"$monitor"/exe)"
    code 0 tool stop -k -n t-cve
    rm -rf "$RUN/other" "$RUN/grabbed"
}

test_cve_2022_29162_no_capability_is_inheritable() {
    command -v setpriv >/dev/null || { skipped='no setpriv(1) to give the caller inheritable ones'; return; }
    container t-cve
    local with=(setpriv --inh-caps +net_raw,+chown --ambient-caps +net_raw,+chown) arguments
    local ours=(nsenter --net="/run/netns/$NETNS" "$BIN")
    same 'the caller has' 2001 "$("${with[@]}" awk '/CapAmb/ { sub("^0*", "", $2); print $2 }' /proc/self/status)"
    "${with[@]}" "${ours[@]}" start -P "$LXC" -n t-cve || fail start
    same init '0000000000000000 0000000000000000' \
        "$(awk '/CapInh|CapAmb/ { print $2 }' /proc/"$(tool info -n t-cve -pH)"/status | xargs)"
    for arguments in '' '-u 1000' -eCAP; do
        # shellcheck disable=SC2086
        same "attach $arguments" '0000000000000000 0000000000000000' \
            "$("${with[@]}" "${ours[@]}" attach -P "$LXC" -n t-cve $arguments -- \
                awk '/CapInh|CapAmb/ { print $2 }' /proc/self/status | xargs)"
    done
    same 'as a user' 0000000000000000 "$(tool attach -n t-cve -u 1000 -- awk '/CapEff/ { print $2 }' /proc/self/status)"
    code 0 tool stop -k -n t-cve
    same execute '0000000000000000 0000000000000000' "$("${with[@]}" "${ours[@]}" execute -P "$LXC" -n t-cve -- \
        awk '/CapInh|CapAmb/ { print $2 }' /proc/self/status | xargs)"
}

test_cve_2024_21626_no_descriptor_leads_out() {
    command -v gcc >/dev/null || { skipped='no compiler for the program outside'; return; }
    local number out rootfs=$LXC/t-cve/rootfs
    container t-cve
    program "$RUN/outside" <<<'#include <stdio.h>
int main(void) { return puts("outside"), 0; }'
    code 0 tool start -n t-cve
    for number in $(seq 3 30); do
        ln -sfn "/proc/self/fd/$number" "$rootfs/work"
        out=$(tool execute -n t-cve -s lxc.init.cwd=/work -- /bin/pwd 2>&1) &&
            fail "descriptor $number as working directory: $out"
        # Far enough up from wherever it leads, and down again on the host.
        ln -sfn "/proc/self/fd/$number/../../../../../../../..$RUN/outside" "$rootfs/bin/run"
        out=$(tool attach -n t-cve -- /bin/run 2>&1)
        [ "$out" != outside ] || fail "attach executed a program outside, through descriptor $number"
        out=$(tool execute -n t-cve -- /bin/run 2>&1)
        [ "$out" != outside ] || fail "execute executed a program outside, through descriptor $number"
    done
    code 0 tool stop -k -n t-cve
    # A hook that runs inside finds its shell there.
    for number in $(seq 3 30); do
        ln -sfn "/proc/self/fd/$number/../../../../../../../..$RUN/outside" "$rootfs/bin/sh"
        tool start -F -n t-cve -s lxc.hook.start=/bin/busybox -- /bin/true </dev/null 2>/dev/null &&
            fail "a hook executed a program outside, through descriptor $number"
    done
    rm "$RUN/outside"
}

test_cve_2025_31133_no_false_null_device_is_bound() {
    local rootfs=$LXC/t-cve/rootfs
    victim
    container t-cve 'lxc.autodev = 0' 'lxc.mount.entry = dev/null proc/uptime none bind,relative 0 0'
    ln -s "$RUN/victim/secret" "$rootfs/dev/null"
    code 1 tool start -n t-cve
    says 'symbolic link'
    # What a background start without a console opens as /dev/null is followed inside only.
    sed -i '/^lxc.mount.entry/d' "$LXC/t-cve/config"
    code 1 tool start -n t-cve -s lxc.console.path=none -- /bin/sh -c 'echo printed'
    says 'cannot open /dev/null in the container'
    unharmed
}

test_cve_2025_52565_no_link_for_the_console_is_followed() {
    command -v gcc >/dev/null || { skipped='no compiler for the racing program'; return; }
    local rootfs=$LXC/t-cve/rootfs exchange round node
    victim
    container t-cve 'lxc.autodev = 0'
    for node in console ptmx tty1; do
        ln -sf "$RUN/victim/$node" "$rootfs/dev/$node"
        code 1 tool start -n t-cve
        says "dev/$node in the root filesystem"
        rm -f "$rootfs/dev/$node"
    done
    exchanger "$RUN/exchange"
    ln -sf "$RUN/victim/console" "$rootfs/dev/link"
    : >"$rootfs/dev/console"
    (cd "$rootfs/dev" && exec "$RUN/exchange" console link) &
    exchange=$!
    for round in $(seq "${RACE_ROUNDS:-100}"); do
        tool execute -n t-cve -- /bin/true 2>/dev/null
    done
    kill $exchange
    wait $exchange 2>/dev/null
    unharmed
    rm -f "$RUN/exchange"
}

test_cve_2026_41579_a_link_for_dev_changes_nothing_outside() {
    local rootfs=$LXC/t-cve/rootfs autodev
    victim
    container t-cve 'lxc.tty.dir = lxc'
    for autodev in 1 0; do
        mv "$rootfs/dev" "$rootfs/dev.was"
        ln -s "$RUN/victim" "$rootfs/dev"
        code 1 tool start -n t-cve -s lxc.autodev=$autodev
        says 'symbolic link'
        unharmed keep
        rm "$rootfs/dev"
        mv "$rootfs/dev.was" "$rootfs/dev"
    done
    local name
    for name in pts lxc; do
        ln -s "$RUN/victim" "$rootfs/dev/$name"
        code 1 tool start -n t-cve -s lxc.autodev=0
        rm -f "$rootfs/dev/$name"
        unharmed keep
    done
    unharmed
}

test_cve_2025_52881_a_sysctl_goes_to_the_kernel_only() {
    local rootfs=$LXC/t-cve/rootfs
    victim
    container t-cve 'lxc.mount.auto =' 'lxc.sysctl.net.ipv4.ip_forward = 1'
    # A file where the setting should be; then a way out, by a mount of proc that is elsewhere.
    mkdir -p "$rootfs/proc/sys/net/ipv4" "$RUN/victim/net/ipv4"
    : >"$rootfs/proc/sys/net/ipv4/ip_forward"
    echo 0 >"$RUN/victim/net/ipv4/ip_forward"
    victim_before=$(picture "$RUN/victim")
    code 1 tool start -n t-cve
    says 'or /proc is not mounted inside'
    same 'the false one' '' "$(cat "$rootfs/proc/sys/net/ipv4/ip_forward")"
    rm -r "$rootfs/proc/sys"
    for number in $(seq 3 20); do
        ln -sfn "/mnt/self/fd/$number/../../../../../../../..$RUN/victim" "$rootfs/proc/sys"
        code 1 tool start -n t-cve -s 'lxc.mount.entry=proc mnt proc defaults 0 0'
    done
    unharmed
}
