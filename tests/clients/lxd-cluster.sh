# A cluster of LXD over our liblxc.so.1: three daemons in three network namespaces, and the commands of docs/clustering.md.
packages='busybox-static python3'
CLIENTS_SECONDS=600
WORLD_NAMES='@(web)'
needed='lxd lxd-client liblxc-common libdqlite0 libraft2 libuv1 liblz4-1 libsqlite3-0 attr squashfs-tools rsync libpopt0'
version() { echo "$(version_of lxd), our liblxc"; }

prepare() {
    export LIBRARY=${CARGO_TARGET_DIR:-target}/debug/liblxc.so
    ! command -v cargo >/dev/null || cargo build --quiet --package liblxc
    [ -e "$LIBRARY" ] || { skipped="$LIBRARY is not built, and there is no cargo here"; return; }
    # shellcheck disable=SC2086
    layer $needed
}

# Its address is 10.78.0.N. The daemon's files and socket are its own; the host's name is that of the world.
member() { # N
    ip link add "to-$1" type veth peer name "at-$1"
    unshare --net --uts sleep infinity &
    members[$1]=$!
    sleep 0.2
    ip link set "to-$1" master lxcbr0 up
    ip link set "at-$1" netns "${members[$1]}"
    on "$1" sh -c "hostname one-$1; ip link set lo up; ip link set at-$1 name eth0; ip link set eth0 up; ip addr add 10.78.0.$1/24 dev eth0"
    mkdir -p "/home/run/lxd-$1"
    LD_LIBRARY_PATH=/home/run/own on "$1" lxd --group root >"/home/run/lxd-$1.out" 2>&1 &
    on "$1" timeout 60 lxd waitready || fail "member $1 does not start: $(tail -3 "/home/run/lxd-$1.out")"
}

on() { # N COMMAND [ARG]...: on the member N
    local number=$1
    shift
    LXD_DIR=/home/run/lxd-$number HOME=/home/run/lxd-$number nsenter --net --uts --target "${members[$number]}" "$@"
}

client() {
    local number token
    declare -A members
    mkdir -p /home/run/own
    cp "$LIBRARY" /home/run/own/liblxc.so.1
    rootfs /home/run/image/rootfs
    printf 'architecture: x86_64\ncreation_date: 1700000000\nproperties: {os: busybox}\n' >/home/run/image/metadata.yaml
    tar -C /home/run/image -czf /home/run/image.tgz metadata.yaml rootfs
    for number in 1 2 3; do member $number; done

    on 1 lxd init --preseed <<'END' || fail 'the first member is no cluster'
config:
  core.https_address: 10.78.0.1:8443
storage_pools:
- name: local
  driver: dir
profiles:
- name: default
  devices:
    root: {type: disk, path: /, pool: local}
cluster:
  enabled: true
  server_name: one
END
    for number in 2 3; do
        token=$(on 1 lxc cluster add "member-$number" | tail -1)
        on $number lxd init --preseed <<END || fail "member $number does not join"
cluster:
  enabled: true
  server_name: member-$number
  server_address: 10.78.0.$number:8443
  cluster_token: $token
  member_config:
  - {entity: storage-pool, name: local, key: source, value: ""}
END
    done
    same members 'member-2,ONLINE member-3,ONLINE one,ONLINE' \
        "$(on 2 lxc query /1.0/cluster/members?recursion=1 | python3 -c 'import json, sys; print(*sorted(one["server_name"] + "," + one["status"].upper() for one in json.load(sys.stdin)))')"
    code 0 on 1 lxc image import /home/run/image.tgz --alias busybox
    code 0 on 1 lxc launch busybox web --target member-2
    same 'where it is' 'web,RUNNING,member-2' "$(on 3 lxc list -c nsL --format csv)"
    same 'a command from another member' 5 "$(on 3 lxc exec web -- sh -c 'exit 5'; echo $?)"
    same 'its monitor is with that member' "$(readlink "/proc/${members[2]}/ns/net")" \
        "$(readlink "/proc/$(pgrep -f '^\[lxc monitor\] .* web$')/ns/net")"
    code 0 on 1 lxc stop web --force
    code 0 on 1 lxc move web --target member-3
    code 0 on 1 lxc start web
    same 'where it is then' 'web,RUNNING,member-3' "$(on 2 lxc list -c nsL --format csv)"
    same 'its monitor is with that one' "$(readlink "/proc/${members[3]}/ns/net")" \
        "$(readlink "/proc/$(pgrep -f '^\[lxc monitor\] .* web$')/ns/net")"
    code 0 on 1 lxc delete web --force
    for number in 3 2 1; do
        on $number timeout 60 lxd shutdown
        kill "${members[$number]}"
        umount -l "/home/run/lxd-$number"/* 2>/dev/null
    done
}
