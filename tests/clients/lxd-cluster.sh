# A cluster of LXD over our liblxc.so.1: three daemons in three network namespaces, and the commands of docs/clustering.md.
packages='busybox-static'
CLIENTS_SECONDS=600
WORLD_NAMES='@(web)'
needed='lxd lxd-client liblxc-common libdqlite0 libraft2 libuv1 liblz4-1 libsqlite3-0 attr squashfs-tools rsync libpopt0'
version() { echo "$(version_of lxd), our liblxc"; }

prepare() {
    [ "$whose" = ours ] || { skipped='it is about our library'; return; }
    our_library || return
    # shellcheck disable=SC2086
    layer $needed
}

# A host of the page. The daemon's files and socket are its own; processes and files are those of the world.
member() { # NAME ADDRESS
    unshare --net --uts sleep infinity &
    members[$1]=$!
    # The namespaces are there when it sleeps.
    while [ "$(cat "/proc/${members[$1]}/comm")" != sleep ]; do sleep 0.05; done
    ip link add "to-$1" type veth peer name eth0 netns "${members[$1]}"
    ip link set "to-$1" master lxcbr0 up
    on "$1" sh -c "hostname $1; ip link set lo up; ip link set eth0 up; ip addr add $2/24 dev eth0"
    mkdir -p "/home/run/lxd-$1"
    LD_LIBRARY_PATH=/home/run/own on "$1" lxd --group root >"/home/run/lxd-$1.out" 2>&1 &
    on "$1" timeout 60 lxd waitready || fail "$1 does not start: $(tail -3 "/home/run/lxd-$1.out")"
    # What it says to whom it does not know.
    on "$1" lxc list >/dev/null 2>&1
}

on() { # NAME COMMAND [ARG]...: on that host
    local name=$1
    shift
    LXD_DIR=/home/run/lxd-$name HOME=/home/run/lxd-$name nsenter --net --uts --target "${members[$name]}" "$@"
}

# A block of the page, on its host; TOKEN is the last line that was said.
step() { # HOST COMMANDS
    # The page is for root at home.
    on "$1" timeout 120 bash -e <<<"${2//TOKEN/$token}" >/home/run/said 2>&1 || fail "on $1: $2: $(tail -3 /home/run/said)"
    token=$(tail -1 /home/run/said)
}

client() {
    local host line block='' text='' token='' blocks=0 name
    declare -A members
    mkdir -p /home/run/own
    cp "$LIBRARY" /home/run/own/liblxc.so.1
    mount -t tmpfs tmpfs /root
    member one 192.0.2.1
    member two 192.0.2.2
    member three 192.0.2.3
    while IFS= read -r line <&3; do
        case $block$line in
            '```sh '*) block=commands host=${line#'```sh '} text='' ;;
            '```text') block=output text='' ;;
            'commands```')
                step "$host" "$text"
                blocks=$((blocks + 1)) block=''
                ;;
            'output```')
                # shellcheck disable=SC2053
                [[ $(grep -v '^ *$' /home/run/said) == ${text//.../*} ]] || fail "on $host: wanted: $text, got: $(cat /home/run/said)"
                block=''
                ;;
            commands* | output*) text+=${text:+$'\n'}$line ;;
        esac
        # Which host's it is: its monitor is in the network namespace of the daemon there.
        case $line in web,RUNNING,*)
            name=${line##*,}
            same "the monitor on $name" "$(readlink "/proc/${members[$name]}/ns/net")" \
                "$(readlink "/proc/$(pgrep -f '^\[lxc monitor\] .* web$')/ns/net")"
            ;;
        esac
    done 3<docs/clustering.md
    [ $blocks -ge 12 ] || fail "the page has $blocks blocks of commands"
    for name in three two one; do
        on $name timeout 60 lxd shutdown
        kill "${members[$name]}"
        umount -l "/home/run/lxd-$name"/* 2>/dev/null
    done
}
