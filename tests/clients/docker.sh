# docker.io in a container with nesting.conf: an image made there, and run; the inner container has a limit. Then the
# same in a container with id maps.
packages='busybox-static'
version() { version_of docker.io runc; }
prepare() { layer docker.io containerd runc tini libdevmapper1.02.1 iptables libip4tc2 libip6tc2 libxtables12 libnftnl11; }

client() {
    # runc gives every container /dev/net/tun. No systemd mounts cgroups there.
    local lines=('lxc.include = /usr/share/lxc/config/common.conf')
    lines+=('lxc.include = /usr/share/lxc/config/nesting.conf' 'lxc.mount.auto = cgroup:rw:force'
        'lxc.mount.entry = tmpfs dev/shm tmpfs create=dir 0 0')
    large tc-docker "${lines[@]}" 'lxc.cgroup.devices.allow = c 10:200 rwm' 'lxc.cgroup2.devices.allow = c 10:200 rwm'
    docker_life tc-docker
    lines=("${lines[0]}" 'lxc.include = /usr/share/lxc/config/userns.conf' "${lines[@]:1}" 'lxc.idmap = u 0 100000 65536'
        'lxc.idmap = g 0 100000 65536' 'lxc.rootfs.options = idmap=container')
    large tc-docker-user "${lines[@]}"
    docker_life tc-docker-user
}

docker_life() { # NAME
    local inside=(lxc-attach -n "$1" --clear-env -- env PATH=/usr/sbin:/usr/bin:/sbin:/bin) _
    rootfs "$RUN/image"
    mkdir -p "/var/lib/lxc/$1/rootfs/etc/docker"
    tar -C "$RUN/image" -cf "/var/lib/lxc/$1/rootfs/image.tar" .
    # There is no network.
    printf '{"bridge": "none", "iptables": false, "storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"]}' \
        >"/var/lib/lxc/$1/rootfs/etc/docker/daemon.json"
    rootfs_with_cgroups "/var/lib/lxc/$1/rootfs"
    up "$1"
    booted "$1"
    "${inside[@]}" sh -c 'exec dockerd --group root >/var/log/dockerd 2>&1' </dev/null &
    for _ in $(seq 150); do "${inside[@]}" docker info >/dev/null 2>&1 && break; sleep 0.2; done
    code 0 "${inside[@]}" docker import /image.tar tiny
    code 0 "${inside[@]}" docker run --rm --network none --hostname inner tiny hostname
    same "$1: inner host name" inner "$(cat "$RUN/out")"
    code 5 "${inside[@]}" docker run --rm --network none tiny sh -c 'exit 5'
    code 0 "${inside[@]}" docker run -d --name stays --network none --pids-limit 33 tiny sleep 1000
    same "$1: inner limit" 33 "$("${inside[@]}" sh -c 'cat /sys/fs/cgroup/pids/docker/*/pids.max /sys/fs/cgroup/docker/*/pids.max 2>/dev/null')"
    code 0 "${inside[@]}" docker exec stays true
    code 0 "${inside[@]}" docker rm -f stays
    [ $ok = yes ] || "${inside[@]}" tail -n 20 /var/log/dockerd
    "${inside[@]}" pkill -x dockerd
    code 0 lxc-stop -n "$1"
    wait
    code 0 lxc-destroy -n "$1"
}
