# lxc-attach.

test_attach_passes_status_and_data() {
    container t-att
    code 0 tool start -n t-att
    code 42 tool attach -n t-att -- sh -c 'exit 42'
    code 137 tool attach -n t-att -- sh -c 'kill -9 $$'
    code 127 tool attach -n t-att -- no-such-command
    says ENOENT
    code 126 tool attach -n t-att -- /etc
    same echo hi "$(echo hi | tool attach -n t-att -- cat)"
    head -c 64M /dev/urandom >"$RUN/random"
    local want got
    want=$(sha256sum <"$RUN/random")
    same 'data out and in' "$want" "$(tool attach -n t-att -- cat <"$RUN/random" | sha256sum)"
    got=$(tool attach -n t-att -- sha256sum <"$RUN/random")
    same 'data in' "$want" "$got"
    same 'user and group' '1000 1000' \
        "$(tool attach -n t-att -u 1000 -g 1000 -- sh -c 'echo $(id -u) $(id -g)')"
    same environment 'A=b' "$(tool attach -n t-att --clear-env -v A=b -- env | grep ^A=)"
    same 'cleared environment' '' "$(HOSTVAR=1 tool attach -n t-att --clear-env -- env | grep HOSTVAR)"
    same 'only standard descriptors' '0 1 2' \
        "$(tool attach -n t-att -- sh -c 'cd /proc/self/fd; echo [012]' 9</etc/passwd)"
    rm "$RUN/random"
    code 0 tool stop -k -n t-att
    code 1 tool attach -n t-att -- true
    says 'not running'
}

test_attach_joins_everything() {
    container t-join
    code 0 tool start -n t-join
    local pid kind
    pid=$(tool info -n t-join -pH)
    for kind in mnt pid uts ipc net cgroup; do
        same "$kind namespace" "$(readlink /proc/"$pid"/ns/$kind)" \
            "$(tool attach -n t-join -- readlink /proc/self/ns/$kind)"
    done
    same capabilities "$(grep CapBnd /proc/"$pid"/status)" \
        "$(tool attach -n t-join -- grep CapBnd /proc/self/status)"
    tool attach -n t-join -- sleep 3720 &
    local sleeper
    for _ in $(seq 50); do
        sleeper=$(pgrep -f '^sleep 3720$' | head -1)
        [ -z "$sleeper" ] || break
        sleep 0.1
    done
    same cgroups "$(sort /proc/"$pid"/cgroup)" "$(sort /proc/"$sleeper"/cgroup)"
    code 0 tool stop -k -n t-join
    wait
}

test_attach_joins_what_is_shared_across_user_namespaces() {
    local name id maps
    for name in t-lend t-lent; do
        id=$([ $name = t-lend ] && echo 200000 || echo 300000)
        maps=("lxc.idmap = u 0 $id 65536" "lxc.idmap = g 0 $id 65536" 'lxc.rootfs.options = idmap=container')
        [ $name = t-lend ] || maps+=('lxc.namespace.share.net = t-lend' 'lxc.mount.auto =' 'lxc.mount.auto = proc')
        container $name "${maps[@]}"
    done
    chmod 755 "$RUN" "$LXC" "$LXC"/t-len?
    code 0 tool start -n t-lend
    code 0 tool start -n t-lent
    same 'the network of the other' "$(readlink "/proc/$(tool info -n t-lend -pH)/ns/net")" \
        "$(tool attach -n t-lent -- readlink /proc/self/ns/net)"
    same 'its own ids' '0 300000 65536' "$(tool attach -n t-lent -- cat /proc/self/uid_map | xargs)"
    code 0 tool stop -k -n t-lent
    code 0 tool stop -k -n t-lend
}
