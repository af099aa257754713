# What processes inside see of the program that started the container: nothing of the host's in the
# environment, memory, descriptors, capabilities or terminal of any of them.

# A program for inside that tells what it sees of process PID.
look() { # FILE
    cat >"$1" <<'LOOK'
#!/bin/sh
pid=$1
[ "$pid" != self ] || pid=$$
tr '\0' '\n' <"/proc/$pid/environ" | sed 's/^/environ /'
sed -n 's/^\(Cap...\|Sig...\|NoNewPrivs\):[^0-9a-f]*/status \1 /p' "/proc/$pid/status"
awk 'NF > 5 { print "maps", $6 }' "/proc/$pid/maps" | sort -u
ls -l "/proc/$pid/fd" >/tmp/fds
awk '/->/ { print "fd", $(NF - 2), $NF }' /tmp/fds
cut -d' ' -f7 "/proc/$pid/stat" | sed 's/^/tty /'
sed 's/^/oom /' "/proc/$pid/oom_score_adj"
LOOK
    chmod 755 "$1"
}

# Checks what LOOK said, of a process that is a program of the container or our small init.
nothing_of_the_host() { # WHAT TEXT
    local what=$1 text=$2 bounding set
    [ -n "$text" ] || fail "$what: nothing was seen"
    ! grep '^environ ' <<<"$text" | grep -e SECRET -e LXC_RS ||
        fail "$what: the host's environment"
    ! grep -e "^maps .*lxc" -e "^maps $STAGE" -e "^maps .*/libc\." <<<"$text" || fail "$what: a program of the host"
    bounding=$(sed -n 's/^status CapBnd //p' <<<"$text")
    for set in CapEff CapPrm; do
        same "$what: $set" "$bounding" "$(sed -n "s/^status $set //p" <<<"$text")"
    done
    for set in CapInh CapAmb; do
        same "$what: $set" 0000000000000000 "$(sed -n "s/^status $set //p" <<<"$text")"
    done
    # sys_module (16) is dropped.
    (((0x$bounding >> 16 & 1) == 0)) || fail "$what: the bounding set is $bounding"
    # The shell that looks keeps its own from 10 on.
    ! awk '$1 == "fd" && $2 > 2 && $2 < 10' <<<"$text" | grep . || fail "$what: a descriptor of the host"
}

init_kinds() { # COMMAND NAME...: with a container of its own, and one in a user namespace
    "$@"
    "$@" 'lxc.idmap = u 0 200000 65536' 'lxc.idmap = g 0 200000 65536' 'lxc.rootfs.options = idmap=container'
}

see_boot() { # CONFIG-LINE...
    container t-see "$@"
    look "$LXC/t-see/rootfs/look"
    HOST_SECRET=1 tool start -n t-see || fail 'no start'
    nothing_of_the_host "boot $#" "$(tool attach -n t-see --clear-env -- /look 1)"
    code 0 tool stop -k -n t-see
}
test_security_init_of_boot() { init_kinds see_boot; }

see_execute() {
    local text
    container t-see "$@"
    look "$LXC/t-see/rootfs/look"
    text=$(HOST_SECRET=1 tool execute -n t-see -- /look 1 </dev/null)
    nothing_of_the_host "execute $#" "$text"
    same 'environment of pid 1' '' "$(sed -n 's/^environ //p' <<<"$text" | grep .)"
    same 'files of pid 1' '' "$(sed -n 's/^maps //p' <<<"$text" | grep -v -e '^\[' -e '^/memfd:init')"
    nothing_of_the_host "command $#" "$(HOST_SECRET=1 tool execute -n t-see -- /look self </dev/null)"
    same 'threads of one program' 'lxc-execute 1' "$(tool execute -n t-see -- sh -c 'echo "$(cat /proc/1/comm) $(ls /proc/1/task | wc -l)"')"
}
test_security_init_of_execute() { init_kinds see_execute; }

see_hook() {
    local text
    container t-see 'lxc.hook.start = /hook' "$@"
    look "$LXC/t-see/rootfs/look"
    # Of itself, and of the process that waits for it, as far as it may look.
    printf '#!/bin/sh\n/look self >/told 2>&1\ncat /proc/1/environ >/told.1\ncat /proc/1/maps >/told.maps\n:\n' >"$LXC/t-see/rootfs/hook"
    chmod 755 "$LXC/t-see/rootfs/hook"
    HOST_SECRET=1 script -qec "timeout 60 nsenter --net=/run/netns/$NETNS $BIN start -P $LXC -F -n t-see -- /bin/true" /dev/null >/dev/null || fail 'no start'
    text=$(cat "$LXC/t-see/rootfs/told")
    nothing_of_the_host "start hook $#" "$text"
    same 'terminal of the start hook' 0 "$(sed -n 's/^tty //p' <<<"$text")"
    grep -q '^environ LXC_NAME=t-see$' <<<"$text" || fail 'the start hook has not its variables'
    ! tr '\0' '\n' <"$LXC/t-see/rootfs/told.1" | grep -a SECRET || fail 'the environment of the host in pid 1'
    # A user namespace keeps its root from the memory of what comes from outside.
    [ $# = 0 ] || same 'maps of pid 1' '' "$(cat "$LXC/t-see/rootfs/told.maps")"
}
test_security_init_of_start_hooks() { init_kinds see_hook; }

test_security_init_passes_signals_and_status() {
    container t-see
    code 143 tool execute -n t-see -- sh -c 'kill -TERM $$'
    code 8 tool execute -n t-see -- sh -c 'trap "exit 8" USR1; kill -USR1 1; while :; do sleep 0.1; done'
    code 9 tool execute -n t-see -- sh -c 'trap "exit 9" TERM; kill -TERM 1; while :; do sleep 0.1; done'
    code 137 tool execute -n t-see -- sh -c 'trap "" TERM; kill -PWR 1; while :; do sleep 0.1; done'
    code 3 tool execute -n t-see -- sh -c 'sleep 0.3 & exit 3'
    code 255 tool execute -n t-see -- /no-such-command
    # Where it is not the first of its pid namespace, the signal to all must reach its own child only. In a
    # pid namespace of the test's: with the fault every process of the host would get it.
    code 9 timeout 20 nsenter --net="/run/netns/$NETNS" unshare --pid --fork --kill-child --mount-proc /bin/sh -c '
        sleep 60 & other=$!
        "$0" execute -P "$1" -n t-see -s lxc.namespace.keep=pid -- \
            sh -c "trap \"exit 9\" TERM; kill -TERM \$PPID; while :; do sleep 0.1; done"
        code=$?
        kill -0 $other && exit $code' "$BIN" "$LXC"
}

# A command of another user has no capabilities, whatever the caller's ambient ones are, as under LXC; here none of
# anybody's is inheritable either.
test_security_ambient_capabilities_end_with_the_user() {
    command -v setpriv >/dev/null || { skipped='setpriv is not installed'; return; }
    local program user
    container t-ambient
    for user in 1000 0; do
        for program in "$BIN execute" /usr/bin/lxc-execute; do
            [ -x "${program% *}" ] || continue
            # LXC leaves them to root.
            [ $user = 1000 ] || [ "$program" != /usr/bin/lxc-execute ] || continue
            # shellcheck disable=SC2086 # a program and its first argument
            code 0 timeout 60 nsenter --net="/run/netns/$NETNS" setpriv --inh-caps=+net_raw --ambient-caps=+net_raw \
                $program -P "$LXC" -n t-ambient -u $user -g $user -- grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status
            [ $user = 1000 ] || sed -i '/^CapPrm\|^CapEff/d' "$RUN/out"
            [ "$program" != /usr/bin/lxc-execute ] || sed -i '/^CapInh/d' "$RUN/out"
            same "$program, user $user" 0000000000000000 "$(awk '{ print $2 }' "$RUN/out" | sort -u)"
        done
    done
}
