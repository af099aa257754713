# podman in a container with nesting.conf: an image made there, and run; the inner container has a limit. Then the
# same in a container with id maps.
packages='busybox-static'
version() { version_of podman runc; }
prepare() { layer podman conmon runc golang-github-containers-common libdevmapper1.02.1 libgpgme11 libassuan0 libsubid4 libglib2.0-0; }

client() {
    # No systemd mounts cgroups there. runc gives every container /dev/net/tun; crun takes no hybrid cgroups.
    local lines=('lxc.include = /usr/share/lxc/config/common.conf')
    lines+=('lxc.include = /usr/share/lxc/config/nesting.conf' 'lxc.mount.auto = cgroup:rw:force'
        'lxc.mount.entry = tmpfs dev/shm tmpfs create=dir 0 0')
    large tc-podman "${lines[@]}" 'lxc.cgroup.devices.allow = c 10:200 rwm' 'lxc.cgroup2.devices.allow = c 10:200 rwm'
    podman_life tc-podman
    lines=("${lines[0]}" 'lxc.include = /usr/share/lxc/config/userns.conf' "${lines[@]:1}" 'lxc.idmap = u 0 100000 65536'
        'lxc.idmap = g 0 100000 65536' 'lxc.rootfs.options = idmap=container')
    large tc-podman-user "${lines[@]}"
    podman_life tc-podman-user
}

podman_life() { # NAME
    local inside=(lxc-attach -n "$1" --clear-env --) root=/var/lib/lxc/$1/rootfs
    mkdir -p "$root/etc/containers" "$root/run/lock"
    printf '{"default": [{"type": "insecureAcceptAnything"}]}' >"$root/etc/containers/policy.json"
    printf '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' >"$root/etc/containers/containers.conf"
    printf '[storage]\ndriver = "overlay"\nrunroot = "/run/storage"\ngraphroot = "/var/lib/storage"\n' >"$root/etc/containers/storage.conf"
    rootfs "$RUN/image"
    tar -C "$RUN/image" -cf "$root/image.tar" .
    rootfs_with_cgroups "/var/lib/lxc/$1/rootfs"
    up "$1"
    booted "$1"
    code 0 "${inside[@]}" podman import /image.tar tiny
    code 0 "${inside[@]}" podman run --rm --network none --hostname inner localhost/tiny hostname
    same "$1: inner host name" inner "$(cat "$RUN/out")"
    code 5 "${inside[@]}" podman run --rm --network none localhost/tiny sh -c 'exit 5'
    code 0 "${inside[@]}" podman run -d --name stays --network none --pids-limit 33 localhost/tiny sleep 1000
    same "$1: inner limit" 33 "$("${inside[@]}" sh -c 'cat /sys/fs/cgroup/pids/libpod_parent/libpod-*/pids.max /sys/fs/cgroup/libpod_parent/libpod-*/pids.max 2>/dev/null')"
    code 0 "${inside[@]}" podman exec stays true
    code 0 "${inside[@]}" podman rm -f -t 0 stays
    code 0 lxc-stop -n "$1"
    code 0 lxc-destroy -n "$1"
}
