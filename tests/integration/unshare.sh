# lxc-unshare: a command in namespaces without a container, beside Debian's.

# Debian's leaves a waiting child behind where it cannot write an id map: those it does not get.
test_unshare_as_debians() {
    [ -x /usr/bin/lxc-unshare ] || { skipped="Debian's lxc is not installed"; return; }
    local ours theirs line
    while IFS= read -r line; do
        eval "set -- $line"
        theirs=$(debian unshare "$@" 2>/dev/null); theirs+=" exit $?"
        ours=$(tool unshare "$@" 2>/dev/null); ours+=" exit $?"
        same "lxc-unshare $line" "$theirs" "$ours"
    done <<'LINES'
true
-s PID
-s bogus true
-s mount true
-s 'PID,UTSNAME' true
-s '' true
-s 'PID||uts' true
-s Net true
-s MOUNT -H foo hostname
-s MOUNT -i foo true
-s PID -M true
-s USER -u nosuchuser id
-s USER -u 12x id
-s MOUNT -- sh -c 'exit 4'
-s MOUNT -- sh -c 'kill -9 $$'
-s UTSNAME no-such-command
-s UTSNAME -H foo hostname
-s 'PID|MOUNT' -- sh -c 'echo $$'
-s NETWORK -- ip -br link
-s USER id
-s USER -u 1000 id
-s USER -u root id
-s 'USER|NETWORK' -u 0 -- sh -c 'cat /proc/self/uid_map /proc/self/gid_map; id -u; ip link set lo up'
-s 'USER|UTSNAME' -u 5 -H foo -- sh -c 'hostname; id -u'
-s MOUNT -- sh -c 'grep -c shared: /proc/self/mountinfo'
-n any -s CGROUP true
-s UTSNAME --quiet no-such-command
LINES
}

test_unshare_mounts_and_links() {
    same 'processes seen' 1 "$(tool unshare -s 'PID|MOUNT|IPC' -M -- sh -c 'ls -d /proc/[0-9]* | head -1 | sed s,/proc/,,')"
    same 'empty shm' '' "$(tool unshare -s 'PID|MOUNT|IPC' -M -- ls -A /dev/shm)"
    same 'in a user namespace' 1 "$(tool unshare -s 'USER|PID|MOUNT|IPC' -u 0 -M -- sh -c 'echo $$')"
    ip -n "$NETNS" link add tun-a type veth peer name tun-b
    same 'link inside' 'tun-b@if' "$(tool unshare -s NETWORK -i tun-b -- ip -br link show tun-b | sed 's/if.*/if/')"
    nothing_left
    code 1 tool unshare -s NETWORK -i no-such -- touch "$RUN/ran"
    says 'cannot move the interface no-such'
    [ ! -e "$RUN/ran" ] || fail 'the command ran without its link'
    local begin=$SECONDS
    code 0 tool unshare -d -s UTSNAME -- sleep 2
    [ $((SECONDS - begin)) -lt 2 ] || fail 'it waited in spite of -d'
    code 1 tool unshare -s UTSNAME -u 0 id
    says '-u <user> needs -s USER'
}
