# podman in a container with nesting.conf: an image made there, and run; the inner container has a limit. Then the
# same in a container with id maps.
packages='busybox-static'
version() { version_of podman runc; }
prepare() { layer podman conmon runc golang-github-containers-common libdevmapper1.02.1 libgpgme11 libassuan0 libsubid4 libglib2.0-0; }

# crun takes no hybrid cgroups.
client() {
    large_with_and_without_ids tc-podman podman_life
}

podman_life() { # NAME
    local inside=(lxc-attach -n "$1" --clear-env --) root=/var/lib/lxc/$1/rootfs
    mkdir -p "$root/etc/containers" "$root/run/lock"
    printf '{"default": [{"type": "insecureAcceptAnything"}]}' >"$root/etc/containers/policy.json"
    printf '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n' >"$root/etc/containers/containers.conf"
    printf '[storage]\ndriver = "overlay"\nrunroot = "/run/storage"\ngraphroot = "/var/lib/storage"\n' >"$root/etc/containers/storage.conf"
    image "$1"
    rootfs_with_cgroups "/var/lib/lxc/$1/rootfs"
    up "$1"
    booted "$1"
    runs_containers "$1" podman localhost/tiny 'libpod_parent/libpod-*'
    code 0 "${inside[@]}" podman rm -f -t 0 stays
    code 0 lxc-stop -n "$1"
    code 0 lxc-destroy -n "$1"
}
