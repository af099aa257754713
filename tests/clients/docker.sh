# docker.io in a container with nesting.conf: an image made there, and run; the inner container has a limit. Then the
# same in a container with id maps.
packages='busybox-static'
version() { version_of docker.io runc; }
prepare() { layer docker.io containerd runc tini libdevmapper1.02.1 iptables libip4tc2 libip6tc2 libxtables12 libnftnl11; }

client() {
    large_with_and_without_ids tc-docker docker_life
}

docker_life() { # NAME
    local inside=(lxc-attach -n "$1" --clear-env -- env PATH=/usr/sbin:/usr/bin:/sbin:/bin) _
    image "$1"
    mkdir -p "/var/lib/lxc/$1/rootfs/etc/docker"
    # There is no network.
    printf '{"bridge": "none", "iptables": false, "storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"]}' \
        >"/var/lib/lxc/$1/rootfs/etc/docker/daemon.json"
    rootfs_with_cgroups "/var/lib/lxc/$1/rootfs"
    up "$1"
    booted "$1"
    "${inside[@]}" sh -c 'exec dockerd --group root >/var/log/dockerd 2>&1' </dev/null &
    for _ in $(seq 150); do "${inside[@]}" docker info >/dev/null 2>&1 && break; sleep 0.2; done
    runs_containers "$1" docker tiny 'docker/*'
    code 0 "${inside[@]}" docker rm -f stays
    [ $ok = yes ] || "${inside[@]}" tail -n 20 /var/log/dockerd
    "${inside[@]}" pkill -x dockerd
    code 0 lxc-stop -n "$1"
    wait
    code 0 lxc-destroy -n "$1"
}
