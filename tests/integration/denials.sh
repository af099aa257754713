# lxc-rs denials: what the kernel's log says about a container.

# Numbers of processes in the log are the host's.
knows_pids() { [ "$(stat -Lc %i /proc/self/ns/pid)" = 4026531836 ]; }

test_denials_lead_to_the_line() {
    [ -e /proc/self/loginuid ] && ! grep -qw audit=0 /proc/cmdline || { skipped="this kernel writes no audit records"; return; }
    local profile=$RUN/profile others=t-den-b
    printf '2\ndenylist\n# nothing\nsyslog kill\nswapon errno 1\n' >"$profile"
    container t-den-a "lxc.seccomp.profile = $profile"
    container $others "lxc.seccomp.profile = $profile"
    code 0 tool start -n t-den-a
    code 0 tool start -n $others
    code 0 tool denials t-den-a
    grep -q '^t-den-a: 0 denials since ' "$RUN/out" || fail "none: $(cat "$RUN/out")"
    grep -q "1 lines of $profile refuse system calls by errno" "$RUN/out" || fail "errno is silent: $(cat "$RUN/out")"
    # It lives on, so that the record can be told from others.
    tool attach -n t-den-a -- sh -c 'dmesg; dmesg; exec sleep 1000' >/dev/null 2>&1 &
    local attached=$!
    tool attach -n $others -- sh -c 'sleep 0; dmesg' >/dev/null 2>&1
    sleep 0.5
    tool denials t-den-a --format json >"$RUN/json" || fail "no report"
    same 'what' 'seccomp killed system call syslog (103, x86_64)' \
        "$(jq -r '.denials[0] | "\(.source) \(.effect) \(.what)"' "$RUN/json" | sed "s/(.*)/(103, x86_64)/")"
    same 'how to allow it' "true $profile 4 syslog kill" \
        "$(jq -r '.denials[0].allow[0] | "\(.remove) \(.file) \(.number) \(.text)"' "$RUN/json")"
    ! python3 -c 'import jsonschema' 2>/dev/null || tests/integration/validate denials <"$RUN/json" || fail "schema: $(cat "$RUN/json")"
    # By processes that are gone: it may have been the other container.
    same 'certain' false "$(jq -r '.denials[0].certain' "$RUN/json")"
    code 0 tool denials t-den-a
    grep -q "remove from $profile:4: syslog kill" "$RUN/out" || fail "text: $(cat "$RUN/out")"
    grep -q 'perhaps by another container' "$RUN/out" || fail "text: $(cat "$RUN/out")"
    code 0 tool stop -k -n t-den-a
    wait $attached 2>/dev/null
    # After its end nothing is certain, and a new start begins anew.
    code 0 tool denials t-den-a
    grep -q '^t-den-a: 0 denials (not running' "$RUN/out" || fail "stopped: $(cat "$RUN/out")"
    code 0 tool start -n t-den-a
    code 0 tool denials t-den-a
    grep -q '^t-den-a: 0 denials since ' "$RUN/out" || fail "new start: $(cat "$RUN/out")"
    code 0 tool stop -k -n t-den-a
    code 0 tool stop -k -n $others
    code 1 tool denials t-den-nosuch
    says 'Container is not defined'
}

test_denials_are_known_by_the_ids_of_the_container() {
    [ -e /proc/self/loginuid ] && ! grep -qw audit=0 /proc/cmdline || { skipped="this kernel writes no audit records"; return; }
    local profile=$RUN/profile first=300000 name
    printf '2\ndenylist\nsyslog kill\n' >"$profile"
    for name in t-den-c t-den-d; do
        container $name "lxc.seccomp.profile = $profile" "lxc.idmap = u 0 $first 65536" "lxc.idmap = g 0 $first 65536" \
            'lxc.rootfs.options = idmap=container'
        sed -i '/^lxc.cap.drop/d' "$LXC/$name/config"
        first=400000
        code 0 tool start -n $name
    done
    tool attach -n t-den-c -- dmesg >/dev/null 2>&1
    tool denials t-den-c --format json >"$RUN/json"
    same "the container's" '1 true dmesg' "$(jq -r '.denials[] | "\(.count) \(.certain) \(.commands[0])"' "$RUN/json")"
    tool denials t-den-d --format json >"$RUN/json"
    same "the other's" 0 "$(jq '.denials | length' "$RUN/json")"
    code 0 tool stop -k -n t-den-c
    code 0 tool stop -k -n t-den-d
}

test_denials_of_a_program_that_lives() {
    [ -e /proc/self/loginuid ] && ! grep -qw audit=0 /proc/cmdline || { skipped="this kernel writes no audit records"; return; }
    knows_pids || { skipped="the numbers of processes in the log are another namespace's"; return; }
    command -v python3 >/dev/null || { skipped="python3 is not installed"; return; }
    container t-den-e
    code 0 tool start -n t-den-e
    # A program with a filter of its own, in the container's pid namespace: its second thread is killed.
    nsenter -t "$(tool info -n t-den-e -pH)" -p --no-fork true 2>/dev/null
    nsenter -t "$(tool info -n t-den-e -pH)" -p python3 - <<'PY' &
import ctypes, struct, threading, time
libc = ctypes.CDLL(None)
def work():
    libc.prctl(38, 1, 0, 0, 0)
    # The number of getppid; kill this thread; allow.
    number = {8: 110}[struct.calcsize("P")]
    code = b"".join(struct.pack("HBBI", *one) for one in [
        (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0), (0x06, 0, 0, 0x7fff0000)])
    buffer = ctypes.create_string_buffer(code)
    libc.prctl(22, 2, ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(buffer))), 0, 0)
    libc.getppid()
threading.Thread(target=work, daemon=True).start()
time.sleep(1000)
PY
    local outside=$!
    for _ in $(seq 50); do
        tool denials t-den-e --format json >"$RUN/json"
        [ "$(jq '.denials | length' "$RUN/json")" -eq 0 ] || break
        sleep 0.2
    done
    same 'its own filter' 'true killed 0' "$(jq -r '.denials[0] | "\(.certain) \(.effect) \(.allow | length)"' "$RUN/json")"
    grep -q 'has a filter of its own' "$RUN/json" || fail "whose filter: $(cat "$RUN/json")"
    code 0 tool stop -k -n t-den-e
    wait $outside 2>/dev/null
}

test_denials_believe_the_kernel_only() {
    [ -w /dev/kmsg ] || { skipped="no /dev/kmsg"; return; }
    local profile=$RUN/profile pid line facility
    printf '2\ndenylist\nsyslog kill\n' >"$profile"
    container t-den-f "lxc.seccomp.profile = $profile"
    code 0 tool start -n t-den-f
    pid=$(tool info -n t-den-f -pH)
    line="audit: type=1326 audit($(date +%s).000:77): auid=4294967295 uid=0 gid=0 ses=4294967295 pid=$pid comm=\"forged\" exe=\"/x\" sig=31 arch=c000003e syscall=103 compat=0 ip=0x7f937ed1f829 code=0x80000000"
    # From inside, as a privileged container can; and with every way to name the kernel's facility.
    tool attach -n t-den-f -- sh -c "mknod /tmp/kmsg c 1 11 2>/dev/null || mknod /kmsg c 1 11; for f in /tmp/kmsg /kmsg; do [ ! -c \$f ] || echo '<5>$line' >\$f; done"
    for facility in '' '<5>' '<0>' '<13>' '<2048>'; do echo "$facility$line" >/dev/kmsg; done
    dmesg | grep -q 'comm="forged"' || { skipped='what is written to /dev/kmsg is not logged here'; }
    code 0 tool denials t-den-f
    ! grep -q -e forged -e '[1-9][0-9]* denials' "$RUN/out" || fail "believed: $(cat "$RUN/out")"
    code 0 tool stop -k -n t-den-f
}

test_denials_say_what_an_ordinary_user_lacks() {
    id nobody >/dev/null 2>&1 || { skipped="there is no user nobody"; return; }
    [ "$(cat /proc/sys/kernel/dmesg_restrict)" = 1 ] || { skipped="kernel.dmesg_restrict is 0"; return; }
    command -v setpriv >/dev/null || { skipped="setpriv is not installed"; return; }
    container t-den-g
    chmod 755 "$LXC/t-den-g"
    code 1 setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/ "$BIN" denials -P "$LXC" t-den-g
    says "cannot read the kernel's log /dev/kmsg: E"
    says 'hint: be root, or let users read it: sysctl kernel.dmesg_restrict=0'
}

# The rule that is proposed is put into the profile, and then it is allowed.
test_denials_of_apparmor() {
    [ -d /sys/kernel/security/apparmor ] || { skipped="this host has no AppArmor"; return; }
    command -v apparmor_parser >/dev/null || { skipped="apparmor_parser is not installed"; return; }
    # As if made for this container, so that no other has it.
    local name="lxc-t-den-h_<$LXC>" line
    loaded() { # [RULE]...
        printf '%s\n' 'abi <abi/3.0>,' "profile \"$name\" flags=(attach_disconnected,mediate_deleted) {" \
            'network, file, umount, signal, ptrace, dbus, unix, capability sys_admin, capability kill,' "$@" '}' >"$RUN/profile"
        apparmor_parser -r -W -L "$RUN/cache" "$RUN/profile"
    }
    loaded || { fail "no profile"; return; }
    container t-den-h "lxc.apparmor.profile = $name"
    code 0 tool start -n t-den-h
    # busybox says: silent.
    code 255 tool attach -n t-den-h -- mount -t tmpfs -o nosuid somewhere /mnt
    code 1 tool attach -n t-den-h -- chroot /mnt /
    tool denials t-den-h --format json >"$RUN/json" || fail "no report"
    denied() { # WHAT RULE
        same "$1" "true refused apparmor lxc.apparmor.profile = generated, lxc.apparmor.raw = $2," \
            "$(jq -r --arg what "$1" '.denials[] | select(.what == $what) |
                "\(.certain) \(.effect) \(.source) \(.allow[0].text), \(.allow[1].text)"' "$RUN/json")"
    }
    denied 'mount of tmpfs from somewhere on /mnt/ (rw, nosuid, silent)' 'mount fstype=tmpfs options=(rw, nosuid, silent) somewhere -> /mnt/'
    denied 'capability sys_chroot' 'capability sys_chroot'
    mapfile -t line < <(jq -r '.denials[].allow[].text | select(startswith("lxc.apparmor.raw"))' "$RUN/json" | sed 's/^lxc.apparmor.raw = //')
    loaded "${line[@]}" || fail "the rules are wrong: $(cat "$RUN/profile")"
    code 0 tool attach -n t-den-h -- mount -t tmpfs -o nosuid somewhere /mnt
    code 255 tool attach -n t-den-h -- mount -t tmpfs somewhere /mnt
    # A name that a rule cannot hold gets none.
    tool attach -n t-den-h -- sh -c 'mkdir "/mnt/a
lxc.hook.pre-start = b"; mount -t tmpfs -o nosuid somewhere "/mnt/a
lxc.hook.pre-start = b"' >/dev/null 2>&1
    code 0 tool denials t-den-h
    grep -q '/mnt/a\\x0alxc.hook.pre-start = b/' "$RUN/out" || fail "a hostile name: $(cat "$RUN/out")"
    ! grep -q '^lxc.hook' "$RUN/out" || fail "a line of its own: $(cat "$RUN/out")"
    grep -q 'no rule names only this' "$RUN/out" || fail "no word of it: $(cat "$RUN/out")"
    code 0 tool stop -k -n t-den-h
    # Whose it is, the profile tells also after its end.
    code 0 tool denials t-den-h
    grep -q 'capability sys_chroot' "$RUN/out" || fail "after its end: $(cat "$RUN/out")"
    apparmor_parser -R "$RUN/profile"
}

# Where the kernel has a list of devices (v1), in a mount namespace that shows nothing but v2, without controllers.
on_v2() { # SCRIPT
    local show=:
    [ "$(layout)" = v2 ] || show='umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup'
    timeout 120 nsenter --net="/run/netns/$NETNS" unshare --mount --propagation private bash -ec "$show
        tool() { local name=\$1; shift; $BIN \$name -P $LXC \"\$@\"; }
        inside() { tool attach -n t-den-dev -- \"\$@\" 2>&1 || true; }
        $1" >"$RUN/out" 2>"$RUN/err" || fail "exit code $?: $(tail -3 "$RUN/err")"
}

test_cgroup_denials_of_devices_are_counted() {
    container t-den-dev 'lxc.cgroup2.devices.deny = a' 'lxc.cgroup2.devices.allow = c 1:3 rwm' 'lxc.cgroup2.devices.allow = c 5:* rwm' \
        'lxc.cgroup2.devices.allow = c 136:* rwm' 'lxc.cgroup2.devices.allow = c 1:5 r'
    # shellcheck disable=SC2016 # expanded there
    on_v2 '
        tool start -n t-den-dev
        tool denials t-den-dev | grep -c "device rules" || true
        for _ in 1 2 3; do inside head -c 1 /dev/urandom; done
        inside sh -c "echo >/dev/zero" | grep -o "not permitted"
        inside mknod /tmp/node b 7 0
        inside head -c 1 /dev/zero >/dev/null
        tool denials t-den-dev --format json >'"$RUN"'/json
        tool denials t-den-dev | sed -n "/^device rules/,/add/p" | sed "s/, 20.*Z//"
        # What is allowed since is not denied any more, and what was counted stays.
        tool cgroup -n t-den-dev devices.allow "c 1:9 r"
        inside head -c 1 /dev/urandom | wc -c
        tool denials t-den-dev --format json | jq -c "[.denials[] | select(.source == \"devices\") | .count]"
        # The table does not grow without end.
        inside sh -c "for i in \$(seq 300); do mknod /tmp/node b 8 \$i; done" >/dev/null
        tool denials t-den-dev --format json | jq "[.denials[] | select(.source == \"devices\")] | length"
        inside head -c 1 /dev/urandom | wc -c
        tool stop -k -n t-den-dev
        tool denials t-den-dev | grep -c "counted only on cgroup v2, while the container runs"'
    same 'what it says' "0
head: /dev/urandom: Operation not permitted
head: /dev/urandom: Operation not permitted
head: /dev/urandom: Operation not permitted
not permitted
mknod: /tmp/node: Operation not permitted
device rules: reading character device 1:9 (urandom): refused
  3 times
  add to the configuration: lxc.cgroup2.devices.allow = c 1:9 r
device rules: writing character device 1:5 (zero): refused
  once
  add to the configuration: lxc.cgroup2.devices.allow = c 1:5 w
device rules: making a node of block device 7:0 (loop0): refused
  once
  add to the configuration: lxc.cgroup2.devices.allow = b 7:0 m
1
[3,1,1]
256
1
1" "$(sed 's/ (loop0)// ; s/block device 7:0:/block device 7:0 (loop0):/' "$RUN/out")"
    ! python3 -c 'import jsonschema' 2>/dev/null || tests/integration/validate denials <"$RUN/json" || fail "schema: $(cat "$RUN/json")"
}
