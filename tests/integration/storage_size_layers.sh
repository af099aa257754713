# Limits of size of containers that share the layers of an image. `sized_begin` and its like are in storage_size.sh, `image` in
# images.sh.

# A container that is a layer over those of the image $RUN/image, made as lxc-create does.
sized_layers() { # NAME OPTION-OF-LXC-CREATE...
    LXC_CACHE_PATH=$RUN/cache tool create -n "$1" -t oci "${@:2}" -- --url "oci:$RUN/image:app"
}

# The layer of a container that shares the layers of its image is limited, from the creation on; what is shared is not counted.
size_of_layers() { # FSTYPE
    local said LXC_LAYERS_PATH=$LXC/.layers
    image image
    head -c 50M </dev/urandom >"$RUN/image.layers/3/large"
    rm -rf "$RUN/image"
    tests/images/make.py "$RUN/image" app '{}' "$RUN/image.layers"/{1,2,3}
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\n' >"$RUN/new.conf"
    code 0 sized_layers t-a -f "$RUN/new.conf" --rootfs-size 40M
    grep -q '^lxc.rootfs.path = overlay:' "$LXC/t-a/config" || fail "it is not a layer: $(cat "$LXC/t-a/config")"
    same 'the configuration' 'lxc.rootfs.size = 40M' "$(tool info -n t-a -c lxc.rootfs.size)"
    size_holds "$1"
    # A second one of the same image has a limit of its own, and one without has none.
    code 0 sized_layers t-c -f "$RUN/new.conf" --rootfs-size 20M
    code 0 sized_layers t-d -f "$RUN/new.conf"
    for name in t-c t-d; do code 0 tool start -n $name; done
    said=$(write_all t-c)
    between 'MiB of a second container' 10 20 "${said##* }"
    code 0 tool attach -n t-d -- dd if=/dev/zero of=/fine bs=1M count=60
    for name in t-c t-d; do
        code 0 tool stop -k -n $name
        code 0 tool destroy -n $name
    done
    # A limit for one that was made without.
    code 0 sized_layers t-c -f "$RUN/new.conf"
    code 0 tool storage size t-c 20M
    code 0 tool start -n t-c
    said=$(write_all t-c)
    between 'MiB of a limit that came later' 10 20 "${said##* }"
    code 0 tool stop -k -n t-c
    for name in t-a t-b t-c; do code 0 tool destroy -n $name; done
    no_projects
    rm -rf "$LXC/.layers"
}

test_size_of_layers_on_ext4() {
    sized_begin ext4 || return
    size_of_layers ext4
    sized_end
}

test_size_of_layers_on_xfs() {
    sized_begin xfs || return
    size_of_layers xfs
    sized_end
}

# A subvolume has a group, but the layer over others is a directory of one that holds more.
test_size_of_layers_is_refused_where_nothing_holds_it() {
    local LXC_LAYERS_PATH=$LXC/.layers
    sized_begin btrfs || return
    image image
    printf 'lxc.net.0.type = empty\nlxc.cap.drop = sys_resource\n' >"$RUN/new.conf"
    code 1 sized_layers t-a -f "$RUN/new.conf" --rootfs-size 40M
    says 'its file system (btrfs) has no quotas of projects'
    says 'hint: '
    [ ! -e "$LXC/t-a" ] || fail 'the failed creation left a directory'
    code 0 sized_layers t-a -f "$RUN/new.conf"
    echo 'lxc.rootfs.size = 40M' >>"$LXC/t-a/config"
    code 1 tool start -n t-a
    says 'its file system (btrfs) has no quotas of projects'
    says "t-a/config:[0-9]*:[0-9]*\$"
    same 'nothing runs' STOPPED "$(state t-a)"
    sed -i '/rootfs.size/d' "$LXC/t-a/config"
    code 1 tool storage size t-a 40M
    says 'its file system (btrfs) has no quotas of projects'
    code 0 tool execute -n t-a
    code 0 tool destroy -n t-a
    rm -rf "$LXC/.layers"
    sized_end
}
