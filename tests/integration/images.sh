# Containers from images: the templates oci, local and download.

# A program of a Debian package, which is unpacked and not installed: docker-registry would begin to serve.
unpacked_program() { # PACKAGE, which is also the program's name
    local dir=$PWD/target/tools/packages
    [ ! -x "/usr/bin/$1" ] || { echo "/usr/bin/$1"; return; }
    if [ ! -x "$dir/$1/usr/bin/$1" ]; then
        rm -rf "${dir:?}/$1"
        mkdir -p "$dir/$1"
        (cd "$dir/$1" && { apt-get download -qq "$1" || { apt-get update -qq && apt-get download -qq "$1"; }; } >/dev/null 2>&1 &&
            dpkg -x "$1"_*.deb . && rm "$1"_*.deb) || { rm -rf "${dir:?}/$1"; return 1; }
    fi
    echo "$dir/$1/usr/bin/$1"
}

# An image of a busybox in three layers, as the layout $RUN/NAME: the second changes and removes files of the
# first, the third replaces a directory.
image() { # NAME [OPTION of make.py...]
    local dir=$RUN/$1
    shift
    rm -rf "$dir" "$dir".layers
    mkdir -p "$dir".layers/2/etc/sub "$dir".layers/2/data "$dir".layers/3/etc/sub
    rootfs "$dir.layers/1"
    mkdir -p "$dir.layers/1"/etc/{sub,gone} "$dir.layers/1/data"
    echo one >"$dir.layers/1/etc/changed"
    echo old >"$dir.layers/1/etc/sub/old"
    echo gone >"$dir.layers/1/etc/gone/file"
    echo kept >"$dir.layers/1/data/kept"
    chown -R 33:33 "$dir.layers/1/data"
    chmod 2750 "$dir.layers/1/data"
    chown 33:33 "$dir.layers/2/data"
    chmod 2750 "$dir.layers/2/data"
    ln "$dir.layers/1/data/kept" "$dir.layers/1/data/hard"
    cp /bin/busybox "$dir.layers/1/ping"
    setcap cap_net_raw+ep "$dir.layers/1/ping"
    echo app:x:33: >"$dir.layers/1/etc/group"
    echo app:x:33:33::/data:/bin/sh >>"$dir.layers/1/etc/passwd"
    echo two >"$dir.layers/2/etc/changed"
    : >"$dir.layers/2/etc/.wh.gone"
    echo new >"$dir.layers/3/etc/sub/new"
    : >"$dir.layers/3/etc/sub/.wh..wh..opq"
    tests/images/make.py "$dir" app "{\"Entrypoint\": [\"/bin/sh\", \"-c\"], \"Cmd\": [\"echo \\\"\$WORD\\\" of \$(id -u) in \$PWD\"],
        \"Env\": [\"PATH=/bin\", \"WORD=a  b\"], \"User\": \"app\", \"WorkingDir\": \"/data\", \"StopSignal\": \"SIGINT\",
        \"ExposedPorts\": {\"80/tcp\": {}}, \"Volumes\": {\"/srv/data\": {}}}" "$@" "$dir".layers/{1,2,3}
}

# Makes t-oci from the image URL, with a root filesystem of its own.
oci() { # URL [OPTION...]
    printf 'lxc.net.0.type = empty\n' >"$RUN/oci.conf"
    tool create -n t-oci -f "$RUN/oci.conf" -t oci -- --copy --url "$@"
}

is_of_image() { # ROOTFS: all three layers are there
    same "a file of two layers" two "$(cat "$1/etc/changed")"
    same "a directory that was replaced" new "$(ls "$1/etc/sub")"
    [ ! -e "$1/etc/gone" ] || fail "what was removed is there"
    same "mode and owner" "2750 33 33" "$(stat -c '%a %u %g' "$1/data")"
    same "hard links" 2 "$(stat -c %h "$1/data/kept")"
    [ -d "$1/srv/data" ] || fail "the volume is missing"
    ! find "$1" -name '.wh.*' | grep . || fail "whiteouts are there"
}

test_oci_layout() {
    image image
    code 0 oci "oci:$RUN/image:app"
    is_of_image "$LXC/t-oci/rootfs"
    same "file capabilities" "cap_net_raw=ep" "$(getcap "$LXC/t-oci/rootfs/ping" | cut -d ' ' -f 2)"
    same "what is beside it" "config rootfs" "$(ls "$LXC/t-oci" | xargs)"
    same "the command" "a  b of 33 in /data" "$(tool execute -n t-oci)"
    same "the command by Debian's LXC" "a  b of 33 in /data" "$(debian execute -n t-oci)"
    grep -q '^# listens on port 80/tcp' "$LXC/t-oci/config" || fail "the port is not noted"
    tool destroy -n t-oci
    code 0 debian create -n t-oci -f "$RUN/oci.conf" -t "$STAGE/share/lxc/templates/lxc-oci" -- --url "oci:$RUN/image:app"
    is_of_image "$LXC/t-oci/rootfs"
    same "what Debian's LXC made" "a  b of 33 in /data" "$(debian execute -n t-oci)"
    tool destroy -n t-oci
}

test_oci_archives() {
    local url
    image image --docker "$RUN/docker.tar"
    tar -C "$RUN/image" -czf "$RUN/oci.tar.gz" .
    for url in "oci-archive:$RUN/oci.tar.gz:app" "docker-archive:$RUN/docker.tar:app" "docker-archive:$RUN/docker.tar"; do
        code 0 oci "$url"
        is_of_image "$LXC/t-oci/rootfs"
        same "what is beside it" "config rootfs" "$(ls -A "$LXC/t-oci" | xargs)"
        tool destroy -n t-oci
    done
}

test_oci_idmap() {
    image image
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536\n' >"$RUN/mapped.conf"
    code 0 tool create -n t-oci -f "$RUN/mapped.conf" -t oci -- --copy --url "oci:$RUN/image:app"
    same "the owner outside" "2750 100033 100033" "$(stat -c '%a %u %g' "$LXC/t-oci/rootfs/data")"
    same "file capabilities" "cap_net_raw=ep [rootid=100000]" "$(getcap -n "$LXC/t-oci/rootfs/ping" | cut -d ' ' -f 2-)"
    same "the configuration's owner" 0 "$(stat -c %u "$LXC/t-oci/config")"
    same "the command" "a  b of 33 in /data" "$(tool execute -n t-oci)"
    tool destroy -n t-oci
    # An owner that the map has not.
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 100000 20\nlxc.idmap = g 0 100000 20\n' >"$RUN/mapped.conf"
    code 1 tool create -n t-oci -f "$RUN/mapped.conf" -t oci -- --copy --url "oci:$RUN/image:app"
    says 'id map (lxc.idmap) has no user 33'
    [ ! -e "$LXC/t-oci" ] || fail "the container is left"
    # While the template runs, this id is root's on the host.
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536\n' >"$RUN/mapped.conf"
    mkdir -p "$RUN/layer"
    install -m 4755 /bin/true "$RUN/layer/evil"
    chown 65536:65536 "$RUN/layer/evil"
    tests/images/make.py "$RUN/image" evil '{}' "$RUN/layer"
    code 1 tool create -n t-oci -f "$RUN/mapped.conf" -t oci -- --copy --url "oci:$RUN/image:evil"
    says 'evil: cannot set its owner'
    says 'has no user 65536'
}

test_oci_platforms() {
    image image
    image other --arch arm64
    tests/images/make.py "$RUN/image" app '{}' --arch s390x "$RUN/other.layers/3"
    code 0 oci "oci:$RUN/image:app"
    is_of_image "$LXC/t-oci/rootfs"
    tool destroy -n t-oci
    code 0 oci "oci:$RUN/image:app" --platform linux/s390x
    [ ! -e "$LXC/t-oci/rootfs/bin" ] || fail "the wrong image was taken"
    tool destroy -n t-oci
    code 1 oci "oci:$RUN/image:app" --platform linux/riscv64
    says 'there are: linux/amd64 linux/s390x\|there are: linux/arm64 linux/s390x'
}

test_oci_damaged() {
    local blob what
    for what in layer config manifest; do
        image image
        case $what in
            layer) blob=$(jq -r .layers[1].digest <"$RUN/image/blobs/sha256/$(jq -r .manifests[0].digest "$RUN/image/index.json" | cut -d : -f 2)") ;;
            config) blob=$(jq -r .config.digest <"$RUN/image/blobs/sha256/$(jq -r .manifests[0].digest "$RUN/image/index.json" | cut -d : -f 2)") ;;
            manifest) blob=$(jq -r .manifests[0].digest "$RUN/image/index.json") ;;
        esac
        # One bit of its middle.
        perl -e 'open F, "+<", shift; seek F, (-s F) / 2, 0; read F, $c, 1; seek F, -1, 1; print F chr(ord($c) ^ 1)' "$RUN/image/blobs/sha256/${blob#*:}"
        code 1 oci "oci:$RUN/image:app"
        says 'not what its digest says'
        [ ! -e "$LXC/t-oci" ] || fail "the container is left"
    done
    image image
    code 1 oci "oci:$RUN/image:none"
    says 'no image with the tag none'
    says 'there are: app'
    code 1 oci "oci:$RUN/image:app" --max-size 100K
    says 'more than 102400 bytes'
    code 1 tool create -n t-oci -t oci
    says 'no --url'
    code 0 "$STAGE/share/lxc/templates/lxc-oci" -h
    [ ! -e "$LXC/t-oci" ] || fail "the container is left"
}

test_oci_unpacks_as_umoci() {
    local umoci name
    umoci=$(unpacked_program umoci) || { skipped='umoci cannot be fetched here'; return; }
    image image
    mkfifo "$RUN/image.layers/1/pipe"
    ln -s ../nowhere "$RUN/image.layers/1/etc/link"
    touch -d '1999-12-31 23:59:59.5' "$RUN/image.layers/1/etc/link" "$RUN/image.layers/1/pipe" "$RUN/image.layers/1/data/kept"
    mknod "$RUN/image.layers/1/null" c 1 3
    mknod -m 640 "$RUN/image.layers/1/loop" b 7 5
    install -o 33 -g 34 -m 6755 /dev/null "$RUN/image.layers/1/set-id"
    mkdir -m 1777 "$RUN/image.layers/1/sticky"
    echo long >"$RUN/image.layers/1/sticky/$(printf 'n%.0s' {1..255})"
    echo x >"$RUN/image.layers/1/sticky/$(printf 'a\nb')"
    ln -s "$(printf '/far%.0s' {1..100})" "$RUN/image.layers/1/sticky/far"
    setfacl -m u:33:r -m g:44:rw "$RUN/image.layers/1/data/kept"
    setfacl -d -m u:33:rwx "$RUN/image.layers/1/sticky"
    # Of a directory that the next layer has without.
    setfattr -n user.gone -v x "$RUN/image.layers/1/data"
    setfattr -n user.note -v "$(printf 'a\nb')" "$RUN/image.layers/1/etc/changed"
    truncate -s 5M "$RUN/image.layers/1/sparse"
    rm -rf "$RUN/image"
    tests/images/make.py "$RUN/image" app '{}' "$RUN/image.layers"/{1,2,3}
    code 0 "$umoci" unpack --image "$RUN/image:app" "$RUN/bundle"
    code 0 oci "oci:$RUN/image:app"
    for name in dev proc sys; do mkdir -p "$RUN/bundle/rootfs/$name"; done
    tree() { # DIR: all that an entry has, but for the few that make it this container
        (cd "$1" && find . -not -path './dev*' -not -name proc -not -name sys -not -path './etc/host*' -not -path ./etc \
            -printf '%p %M %U %G %T@ %l %n %s\n' | sed '/^\. /d' | awk '/ d/ { $NF = "" } 1' | sort
        getfattr -Rhd -m . --absolute-names . 2>/dev/null
        find . -type f -exec sha256sum {} + | grep -v /etc/host | sort)
    }
    same "the tree" "$(tree "$RUN/bundle/rootfs")" "$(tree "$LXC/t-oci/rootfs")"
    tool destroy -n t-oci
}

test_oci_of_an_ordinary_user() {
    local script url
    image image --docker "$RUN/docker.tar"
    tar -C "$RUN/image" -cf "$RUN/oci.tar" .
    chmod -R go+rX "$RUN/image" "$RUN"/*.tar
    # shellcheck disable=SC2016
    script='for url in "oci:$run/image:app" "oci-archive:$run/oci.tar" "docker-archive:$run/docker.tar"; do
        mkdir -p /home/t-user/.config/lxc
        printf "lxc.net.0.type = empty\nlxc.idmap = u 0 300000 65536\nlxc.idmap = g 0 300000 65536\n" >/home/t-user/.config/lxc/default.conf
        as_user lxc-create -n t-made -t oci -- --copy --url "$url" >/dev/null
        cd /home/t-user/.local/share/lxc/t-made
        echo "$(stat -c "%a %u %g" rootfs/data) $(stat -c %U config) $(ls -A | xargs)"
        cd /
        as_user lxc-destroy -n t-made
    done'
    same "what is made" "$(yes '2750 300033 300033 t-user config rootfs' | head -n 3)" "$(user_world "$script")"
}
