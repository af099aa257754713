# podman in a container with nesting.conf: an image made there, and run; the inner container has a limit.
packages='podman runc busybox-static'
version() { echo "$(dpkg-query -W -f '${Version}' podman), runc $(dpkg-query -W -f '${Version}' runc)"; }

client() {
    local inside=(lxc-attach -n tc-podman --clear-env --)
    # No systemd mounts cgroups there. runc gives every container /dev/net/tun; crun takes no hybrid cgroups.
    large tc-podman 'lxc.include = /usr/share/lxc/config/common.conf' 'lxc.include = /usr/share/lxc/config/nesting.conf' \
        'lxc.cgroup.devices.allow = c 10:200 rwm' 'lxc.cgroup2.devices.allow = c 10:200 rwm' \
        'lxc.mount.auto = cgroup:rw:force' 'lxc.mount.entry = tmpfs dev/shm tmpfs create=dir 0 0'
    mkdir -p /var/lib/lxc/tc-podman/rootfs/etc/containers /var/lib/lxc/tc-podman/rootfs/run/lock
    printf '{"default": [{"type": "insecureAcceptAnything"}]}' >/var/lib/lxc/tc-podman/rootfs/etc/containers/policy.json
    printf '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' >/var/lib/lxc/tc-podman/rootfs/etc/containers/containers.conf
    printf '[storage]\ndriver = "vfs"\nrunroot = "/run/storage"\ngraphroot = "/var/lib/storage"\n' \
        >/var/lib/lxc/tc-podman/rootfs/etc/containers/storage.conf
    rootfs "$RUN/image"
    tar -C "$RUN/image" -cf /var/lib/lxc/tc-podman/rootfs/image.tar .
    up tc-podman
    code 0 "${inside[@]}" podman import /image.tar tiny
    code 0 "${inside[@]}" podman run --rm --network none --hostname inner localhost/tiny hostname
    same 'inner host name' inner "$(cat "$RUN/out")"
    code 5 "${inside[@]}" podman run --rm --network none localhost/tiny sh -c 'exit 5'
    code 0 "${inside[@]}" podman run -d --name stays --network none --pids-limit 33 localhost/tiny sleep 1000
    same 'inner limit' 33 "$("${inside[@]}" sh -c 'cat /sys/fs/cgroup/pids/libpod_parent/libpod-*/pids.max /sys/fs/cgroup/libpod_parent/libpod-*/pids.max 2>/dev/null')"
    code 0 "${inside[@]}" podman exec stays true
    code 0 "${inside[@]}" podman rm -f -t 0 stays
    code 0 lxc-stop -n tc-podman
    code 0 lxc-destroy -n tc-podman
}
