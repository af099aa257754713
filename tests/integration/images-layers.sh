# Containers whose root filesystems are layers over those of an image, which all of them share.

# Makes the container NAME of the image $RUN/image, or of another one.
layered() { # NAME [URL [OPTION of lxc-oci...]]
    local name=$1 url=${2:-oci:$RUN/image:app}
    printf 'lxc.net.0.type = empty\n' >"$RUN/oci.conf"
    LXC_CACHE_PATH=$RUN/cache DOCKER_CONFIG=$RUN/none tool create -n "$name" -f "$RUN/oci.conf" -t oci -- --url "$url" "${@:3}"
}

# Makes t-oci of the image app of the registry of serve_image.
pull_layered() { layered t-oci docker://127.0.0.1:5001/app --plain-http "$@"; }

# The paths of a container's layers, topmost first, and of the writable one.
layers_of() { # NAME
    sed -n 's/^lxc.rootfs.path = overlay://p' "$LXC/$1/config" | tr : '\n'
}

# Does COMMAND in the root filesystem of a layered container that does not run.
in_layers() { # NAME COMMAND...
    local name=$1
    shift
    # shellcheck disable=SC2016
    unshare --mount --propagation private bash -ec '
        mkdir -p "$1"
        mount -t overlay -o ro,lowerdir="$2" none "$1"
        cd "$1" && shift 2 && "$@"' bash "$RUN/seen" \
        "$(layers_of "$name" | tail -n 1):$(layers_of "$name" | sed \$d | paste -sd :)" "$@"
}

# All that is in the current directory, but for the few files that make it a certain container's.
listing() {
    find . -not -path './dev*' -not -name proc -not -name sys -not -path './etc/host*' -not -path ./etc -not -path . \
        -printf '%p %M %U %G %T@ %l %s\n' | awk '/ d/ { $NF = "" } $1 == "./data" { $5 = "now" } 1' | sort
    find . -print0 | sort -z | xargs -0 python3 -c 'import os, sys
for path in sys.argv[1:]:
    for name in os.listxattr(path, follow_symlinks=False):
        if not name.startswith("trusted.overlay."):
            print(path, name, os.getxattr(path, name, follow_symlinks=False))'
    find . -type f -not -path './etc/host*' -exec sha256sum {} + | sort
}

# How many layers there are.
unpacked() { find "$LXC_LAYERS_PATH" -mindepth 1 -maxdepth 1 -type d 2>/dev/null | wc -l; }

image_tool() { LXC_CACHE_PATH=$RUN/cache timeout 120 "$BIN" image "$@"; }

test_layers_are_those_of_a_copy() {
    image image
    mkfifo "$RUN/image.layers/1/pipe"
    mknod "$RUN/image.layers/1/null" c 1 3
    ln -s etc "$RUN/image.layers/1/link"
    mkdir -p "$RUN/image.layers/1"/{replaced,data/deep} "$RUN/image.layers/2/link" "$RUN/image.layers/4/data/deep" "$RUN/image.layers/4/gone-before"
    python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.note", b"text")' "$RUN/image.layers/2/etc/changed"
    truncate -s 5M "$RUN/image.layers/1/sparse"
    # A link to a directory of a layer below is followed, a directory becomes a file and the reverse.
    rmdir "$RUN/image.layers/2/link"
    echo file >"$RUN/image.layers/2/replaced"
    echo x >"$RUN/image.layers/1/gone-before"
    tar -C "$RUN/image.layers/4" --numeric-owner -cf "$RUN/four.tar" gone-before
    mkdir -p "$RUN/image.layers/5/data"
    echo five >"$RUN/image.layers/5/data/five"
    # Without its directories, and with a hard link to a file of a layer below.
    tar -C "$RUN/image.layers/5" --numeric-owner -cf "$RUN/five.tar" data/five
    perl -e 'my $h = pack "a100a8a8a8a12a12a8a1a100a6a2a32a32a8a8a155a12", "data/again", "0000644\0", "0000041\0", "0000041\0",
        "00000000000\0", "00000000000\0", " " x 8, "1", "data/kept", "ustar\0", "00", "", "", "0000000\0", "0000000\0", "", "";
        substr($h, 148, 8) = sprintf "%06o\0 ", unpack "%32C*", $h; print $h, "\0" x 1024' >"$RUN/six.tar"
    rm -rf "$RUN/image"
    tests/images/make.py "$RUN/image" app '{}' "$RUN/image.layers"/{1,2,3} "$RUN"/{four,five,six}.tar
    code 0 layered t-layers
    same "layers" 7 "$(layers_of t-layers | wc -l)"
    code 0 layered t-copy "oci:$RUN/image:app" --copy
    same "a copy's" "lxc.rootfs.path = dir:$LXC/t-copy/rootfs" "$(grep ^lxc.rootfs.path "$LXC/t-copy/config")"
    (cd "$LXC/t-copy/rootfs" && listing) >"$RUN/copy.tree"
    in_layers t-layers bash -c "$(declare -f listing); listing" >"$RUN/layers.tree"
    same "the tree" "" "$(diff "$RUN/copy.tree" "$RUN/layers.tree")"
    same "the root" "$(stat -c '%a %u %g' "$LXC/t-copy/rootfs")" "$(in_layers t-layers stat -c '%a %u %g' .)"
    same "the root without layers" "$(stat -c '%a %u %g' "$LXC/t-copy/rootfs")" "$(stat -c '%a %u %g' "$LXC/t-layers/overlay/delta")"
    tool destroy -n t-copy
    tool destroy -n t-layers
    code 0 image_tool prune
    same "what is left" 0 "$(unpacked)"
}

test_layers_are_shared() {
    local number before one twenty
    image image
    head -c 20M /dev/urandom >"$RUN/image.layers/1/large"
    rm -rf "$RUN/image"
    tests/images/make.py "$RUN/image" app '{}' "$RUN/image.layers"/{1,2,3}
    before=$(du -sk "$LXC" "$LXC_LAYERS_PATH" 2>/dev/null | awk '{ sum += $1 } END { print sum }')
    code 0 layered t-1
    one=$(du -sk "$LXC" "$LXC_LAYERS_PATH" | awk '{ sum += $1 } END { print sum }')
    for number in $(seq 2 20); do code 0 layered "t-$number"; done
    twenty=$(du -sk "$LXC" "$LXC_LAYERS_PATH" | awk '{ sum += $1 } END { print sum }')
    [ $((one - before)) -ge 20480 ] || fail "one takes $((one - before)) KiB"
    [ $((twenty - one)) -le 1900 ] || fail "19 more take $((twenty - one)) KiB"
    # Each is changed, and the others and the layers are not.
    for number in 1 7 20; do
        code 0 tool execute -n "t-$number" -- /bin/sh -c "echo $number >/etc/changed; rm /large; rm -r /data; mkdir /data; echo own >/data/own"
    done
    for number in 1 7 20; do
        same "what $number has" "$number own" "$(tool execute -n "t-$number" -- /bin/sh -c 'echo $(cat /etc/changed) $(ls /data); [ ! -e /large ]')"
    done
    same "what another has" "two hard kept 20971520" "$(tool execute -n t-2 -- /bin/sh -c 'echo $(cat /etc/changed) $(ls /data) $(stat -c %s /large)')"
    code 0 image_tool verify
    same "what is sound" 3 "$(grep -c 'the layer .*: sound' "$RUN/out")"
    # A copy, a snapshot, a restoration and a rename.
    code 0 tool copy -n t-7 -N t-21
    same "what a copy has" "7 own" "$(tool execute -n t-21 -- /bin/sh -c 'echo $(cat /etc/changed) $(ls /data)')"
    code 0 tool snapshot -n t-21
    code 0 tool execute -n t-21 -- /bin/sh -c 'echo later >/etc/changed'
    code 0 tool snapshot -n t-21 -r snap0
    same "what was restored" "7" "$(tool execute -n t-21 -- /bin/cat /etc/changed)"
    code 0 tool snapshot -n t-21 -d snap0
    code 0 tool copy -R -n t-21 -N t-22
    mkdir -p "$RUN/elsewhere"
    code 0 tool copy -n t-22 -N t-23 -p "$RUN/elsewhere"
    for number in $(seq 20) 22; do code 0 tool destroy -n "t-$number"; done
    # One in another directory of containers still needs them.
    code 0 image_tool prune
    same "what another directory needs" 3 "$(unpacked)"
    same "what it has" "7 own" "$(LXC=$RUN/elsewhere tool execute -n t-23 -- /bin/sh -c 'echo $(cat /etc/changed) $(ls /data)')"
    LXC=$RUN/elsewhere code 0 tool destroy -n t-23
    code 0 image_tool prune
    grep -q '^3 unpacked layers, 2.\.. MiB removed$' "$RUN/out" || fail "what was removed: $(cat "$RUN/out")"
    same "what is left" 0 "$(unpacked)"
}

test_layers_of_names_stay() {
    image image
    rm -rf "$RUN/cache"
    serve_image
    code 0 pull_layered
    end "$served"
    same "layers" 3 "$(unpacked)"
    image_tool ls --format json >"$RUN/ls"
    same "who uses it" "$LXC/t-oci" "$(jq -r '.[0].containers[]' "$RUN/ls")"
    image_tool inspect 127.0.0.1:5001/app >"$RUN/inspect"
    same "its layers" "$(layers_of t-oci | sed \$d | tac)" "$(jq -r '.layers[].unpacked' "$RUN/inspect")"
    # What a container has is kept without a name, and what a name has without a container.
    code 0 image_tool rm 127.0.0.1:5001/app
    code 0 image_tool prune
    grep -q '^5 blobs' "$RUN/out" || fail "the blobs: $(cat "$RUN/out")"
    is_layered t-oci
    tool destroy -n t-oci
    serve_image
    code 0 pull_layered
    end "$served"
    tool destroy -n t-oci
    code 0 image_tool prune
    grep -q '^0 blobs, 0.0 MiB removed$' "$RUN/out" || fail "it was removed: $(cat "$RUN/out")"
    code 0 layered t-oci image:127.0.0.1:5001/app
    tool destroy -n t-oci
    code 0 image_tool rm 127.0.0.1:5001/app
    code 0 image_tool prune
    same "what is left" 0 "$(unpacked)"
}

is_layered() { # NAME: the whole image is there
    in_layers "$1" bash -c "$(declare -f is_of_image same fail); is_of_image ."
}

test_layers_and_copies_as_asked() {
    local name
    image image
    printf 'lxc.net.0.type = empty\n' >"$RUN/oci.conf"
    # What was named is what is made, and Debian's LXC gets a copy.
    code 0 tool create -n t-dir -B dir -f "$RUN/oci.conf" -t oci -- --url "oci:$RUN/image:app"
    code 0 tool create -n t-elsewhere --dir "$RUN/dir" -f "$RUN/oci.conf" -t oci -- --url "oci:$RUN/image:app"
    code 0 debian create -n t-debian -f "$RUN/oci.conf" -t "$STAGE/share/lxc/templates/lxc-oci" -- --url "oci:$RUN/image:app"
    is_of_image "$LXC/t-dir/rootfs"
    is_of_image "$RUN/dir"
    is_of_image "$LXC/t-debian/rootfs"
    for name in t-dir t-elsewhere t-debian; do tool destroy -n $name; done
    same "layers" 0 "$(unpacked)"
    # One over layers runs under Debian's LXC, too, and can be had whole.
    code 0 layered t-layers
    same "the command" "a  b of 33 in /data" "$(tool execute -n t-layers)"
    code 0 tool copy -n t-layers -N t-whole -B dir
    is_of_image "$LXC/t-whole/rootfs"
    tool destroy -n t-whole
    tool destroy -n t-layers
    image_tool prune >/dev/null
}

test_layers_are_committed() {
    local name
    export LXC_CACHE_PATH=$RUN/cache
    rm -rf "$RUN/cache"
    image image
    rm -rf "$RUN/image"
    tests/images/make.py "$RUN/image" app '{}' "$RUN/image.layers"/{1,2,3}
    keep_image docker.io/team/app:1
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536\n' >"$RUN/mapped.conf"
    for name in t-oci t-mapped; do
        if [ $name = t-oci ]; then layered t-oci image:team/app:1; else
            tool create -n t-mapped -f "$RUN/mapped.conf" -t oci -- --url image:team/app:1
        fi >"$RUN/out" 2>&1 || fail "$(cat "$RUN/out")"
        code 0 tool execute -n $name -- /bin/sh -c 'echo added >/data/added; echo other >/etc/changed; rm /etc/sub/new; rm /data/kept
            mkdir /data/dir; ln -s added /data/link; rm -r /etc/sub; mkdir /etc/sub'
        code 0 tool commit $name team/$name:2
        same "layers" 4 "$(tool_image inspect team/$name:2 | jq '.manifest.layers | length')"
        code 0 layered t-of-it image:team/$name:2
        same "layers below" "$(layers_of $name | sed \$d)" "$(layers_of t-of-it | sed '1d;$d')"
        in_layers t-of-it bash -c "$(declare -f is_changed_tree same fail); is_changed_tree ." || fail "in the container of $name"
        same "owners" "0 0" "$(in_layers t-of-it stat -c '%u %g' etc/changed)"
        tool destroy -n t-of-it
    done
    same "all layers" 5 "$(unpacked)"
    for name in t-oci t-mapped; do tool destroy -n $name; image_tool rm team/$name:2; done
    image_tool rm team/app:1
    image_tool prune >"$RUN/out"
    same "what is left" 0 "$(unpacked)"
    unset LXC_CACHE_PATH
}

test_layers_where_there_are_no_overlays() {
    image image
    mkdir -p "$RUN/merged"/{lower,upper,work,all}
    # An overlay on an overlay cannot be written.
    mount -t overlay -o "lowerdir=$RUN/merged/lower,upperdir=$RUN/merged/upper,workdir=$RUN/merged/work" none "$RUN/merged/all"
    LXC_LAYERS_PATH=$RUN/merged/all/layers code 0 layered t-copy
    says 'lxc-oci: the container gets a copy: no layers can be shared: cannot mount an overlay'
    is_of_image "$LXC/t-copy/rootfs"
    same "what is left" places "$(ls "$RUN/merged/all/layers")"
    tool destroy -n t-copy
    umount "$RUN/merged/all"
    rm -rf "$RUN/merged"
}

test_layers_idmap() {
    local name
    image image
    printf 'lxc.net.0.type = empty\n' >"$RUN/oci.conf"
    # A device that anybody may open.
    mknod -m 666 "$RUN/image.layers/1/zero" c 1 5
    rm -rf "$RUN/image"
    tests/images/make.py "$RUN/image" app '{}' "$RUN/image.layers"/{1,2,3}
    code 0 layered t-plain
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 100000 65536\n' >"$RUN/mapped.conf"
    code 0 tool create -n t-mapped -f "$RUN/mapped.conf" -t oci -- --url "oci:$RUN/image:app"
    code 0 tool create -n t-own --idmap auto -f "$RUN/oci.conf" -t oci -- --url "oci:$RUN/image:app"
    same "the layers" "$(layers_of t-plain | sed \$d)" "$(layers_of t-mapped | sed \$d)"
    for name in t-mapped t-own; do
        code 0 tool execute -n $name -- /bin/sh -c 'echo changed >/data/kept; chown 44:44 /data/kept; rm -r /etc/sub; mkdir /etc/sub'
        same "what is seen" "44 33 0" "$(tool execute -n $name -- /bin/sh -c 'echo $(stat -c %u /data/kept /data /etc/changed)')"
        same "the map" no "$(tool execute -n $name -- /bin/sh -c 'grep -q " 0 *4294967295" /proc/self/uid_map && echo yes || echo no')"
        [ -z "$(tool execute -n $name -- /bin/ls /etc/sub)" ] || fail "what was removed is there"
        code 1 tool execute -n $name -- /bin/sh -c 'head -c 1 /zero'
        tool destroy -n $name
    done
    same "what another one has" "33 kept" "$(in_layers t-plain sh -c 'echo $(stat -c %u data/kept) $(cat data/kept)')"
    tool destroy -n t-plain
    image_tool prune >/dev/null
}

test_layers_of_an_ordinary_user() {
    local script
    image image
    rm -rf "$RUN/image"
    tests/images/make.py "$RUN/image" app '{}' "$RUN/image.layers"/{1,2,3}
    chmod -R go+rX "$RUN/image"
    # shellcheck disable=SC2016
    script='mkdir -p /home/t-user/.config/lxc
        printf "lxc.net.0.type = empty\nlxc.idmap = u 0 300000 65536\nlxc.idmap = g 0 300000 65536\n" >/home/t-user/.config/lxc/default.conf
        store=/home/t-user/.local/share/lxc/.layers
        for name in t-one t-two; do as_user lxc-create -n $name -t oci -- --url "oci:$run/image:app" >/dev/null; done
        echo "$(stat -c "%a %U %g" $store/*/) $(stat -c %u:%g $store/*/*/tree | sort -u) $(ls -d $store/*/*/tree | wc -l)"
        as_user "lxc-execute -n t-one -- /bin/sh -c \"echo changed >/etc/changed; rm -r /etc/sub /data; mkdir /etc/sub\""
        as_user "lxc-execute -n t-one -- /bin/sh -c \"echo \\\$(cat /etc/changed) \\\$(ls / /etc/sub | grep -c data)\""
        as_user lxc-copy -n t-one -N t-three
        as_user lxc-destroy -n t-one
        as_user "lxc-execute -n t-two -- /bin/sh -c \"echo \\\$(cat /etc/changed) \\\$(stat -c %u:%g /data) \\\$(ls /etc/sub)\""
        as_user lxc-rs image ls
        as_user lxc-rs image prune
        as_user lxc-destroy -n t-two
        as_user "lxc-execute -n t-three -- /bin/cat /etc/changed"
        as_user lxc-destroy -n t-three
        as_user lxc-rs image prune
        echo "$(ls -d $store/*/*/tree 2>/dev/null | wc -l)"'
    same "what a user has" "710 t-user 300000 300000:300000 3
changed 0
two 33:33 new
3 layers unpacked: $(printf %s SIZE), used by 2 containers
0 blobs, 0.0 MiB removed
changed
0 blobs, 0.0 MiB removed
3 unpacked layers, SIZE removed
0" "$(user_world "$script" | sed 's/[0-9.]* MiB/SIZE/; s/0 blobs, SIZE/0 blobs, 0.0 MiB/')"
}
