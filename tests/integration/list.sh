# lxc-ls --nesting: containers in containers, whoever runs, and what a container may not make of it.

defined_in() { # DIR NAME [LINE]...: a container's configuration below DIR
    mkdir -p "$1$LXC/$2"
    printf '%s\n' "lxc.uts.name = $2" "${@:3}" >"$1$LXC/$2/config"
}

test_list_of_nested_containers() {
    local root=$LXC/t-outer/rootfs pid
    container t-outer 'lxc.group = a'
    container t-plain
    defined_in "$root" in "lxc.rootfs.path = dir:$LXC/in/rootfs" 'lxc.group = b'
    defined_in "$root" other
    defined_in "$root$LXC/in/rootfs" deep 'lxc.start.auto = 1'
    same stopped "t-outer t-outer/in t-outer/in/deep t-outer/other t-plain" "$(tool ls -1 --nesting | xargs)"
    code 0 tool start -n t-outer
    # Who listens on the address of a command socket inside is the monitor of the one inside.
    nsenter --net="/proc/$(tool info -n t-outer -pH)/ns/net" python3 - "$LXC/in/command" <<'LISTEN' &
import socket, struct, sys
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind("\0" + sys.argv[1])
listener.listen()
listener.settimeout(20)
while True:
    client, _ = listener.accept()
    client.recv(16)
    client.send(struct.pack("=iiq", 0, 0, 2))
    client.close()
LISTEN
    pid=$!
    for _ in $(seq 100); do grep -q "@$LXC/in/command" "/proc/$pid/net/unix" && break; sleep 0.1; done
    same running $'NAME    STATE   GROUPS \nt-outer RUNNING a      \n\\in     RUNNING b      \n\\other  STOPPED -      \nt-plain STOPPED -      ' \
        "$(tool ls -f -F NAME,STATE,GROUPS --nesting=1)"
    same 'running only' 't-outer t-outer/in' "$(tool ls -1 --running --nesting=1 | xargs)"
    same 'one level less' 't-outer t-plain' "$(tool ls -1 --nesting=0 | xargs)"
    same json '["t-outer"]' "$(tool ls --nesting --format json | jq -c '.[] | select(.name == "other").parents')"
    same csv t-outer/other "$(tool ls --nesting --format csv | grep other | cut -d, -f1)"
    ! python3 -c 'import jsonschema' 2>/dev/null || tool ls --nesting --format json | tests/integration/validate ls ||
        fail 'the JSON is not as its schema says'
    kill $pid
    wait $pid 2>/dev/null
    code 0 tool stop -k -n t-outer
}

test_list_looks_nowhere_but_into_the_container() {
    local root=$LXC/t-outer/rootfs state
    container t-outer
    container t-secret 'lxc.group = secret'
    # Links to the host's own, and a pipe that nobody writes to.
    mkdir -p "$root$LXC"
    ln -s "$LXC/t-secret" "$root$LXC/link"
    defined_in "$root" pipe
    rm "$root$LXC/pipe/config"
    mkfifo "$root$LXC/pipe/config"
    defined_in "$root" include "lxc.include = $LXC/t-secret/config"
    for state in stopped running; do
        [ $state = stopped ] || code 0 tool start -n t-outer
        same "$state" 't-outer t-outer/include t-outer/pipe t-secret' "$(tool ls -1 --nesting | xargs)"
        same "groups of $state" '[["include",[]],["pipe",[]]]' \
            "$(tool ls --nesting --format json | jq -c '[.[] | select(.parents != []) | [.name, .groups]]')"
    done
    code 0 tool stop -k -n t-outer
}
