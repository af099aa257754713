# Sizes of containers in images of file systems. `write_all` and `between` are in storage_size.sh, `table_template` and `no_loops` in
# storage-table.sh.

# The size of an image is its file's, and both it and its file system grow while the container runs.
test_size_of_images() {
    local type first second third least said
    table_template
    printf 'lxc.net.0.type = empty\n' >"$RUN/new.conf"
    for type in ext4 xfs btrfs; do
        command -v mkfs.$type >/dev/null || { echo "    without $type: mkfs.$type is not installed"; continue; }
        # Without this capability the kernel lets no ext4 grow.
        if [ $type = ext4 ] && ! capsh --has-p=cap_sys_resource 2>/dev/null; then echo '    without ext4: no capability sys_resource'; continue; fi
        case $type in
            ext4) first=40 second=60 third=80 ;;
            *) first=300 second=360 third=400 ;;
        esac
        code 0 tool create -n t-a -t "$RUN/template" -f "$RUN/new.conf" -B loop --fstype $type --rootfs-size ${first}M
        same "the image ($type)" $((first << 20)) "$(stat -c %s "$LXC/t-a/rootdev")"
        code 0 tool start -n t-a
        said=$(write_all t-a)
        grep -qi 'no space' <<<"$said" || fail "the limit was not met ($type): $said"
        between "MiB that could be written ($type)" $((first / 4)) $((first - 1)) "${said##* }"
        # What a file system needs for itself is not much more of a larger one.
        least=$((${said##* } - first - 10))
        same JSON $((first << 20)) "$(tool info -n t-a --format json | jq .storage.limit_bytes)"
        code 0 tool storage size t-a ${second}M
        same 'the configuration' "lxc.rootfs.size = ${second}M" "$(tool info -n t-a -c lxc.rootfs.size)"
        same "the image that has grown ($type)" $((second << 20)) "$(stat -c %s "$LXC/t-a/rootdev")"
        said=$(write_all t-a)
        between "MiB after it grew ($type)" $((second + least)) $((second - 1)) "${said##* }"
        [ $type != ext4 ] || between 'df inside' $((second - 20)) $second "$(tool attach -n t-a -- df -m / | awk 'END { print $(NF - 4) }')"
        code 1 tool storage size t-a ${first}M
        says "has $second MiB and cannot shrink to $first MiB"
        same 'after a refusal' "lxc.rootfs.size = ${second}M" "$(tool info -n t-a -c lxc.rootfs.size)"
        code 0 tool attach -n t-a -- rm -f /endless
        code 0 tool stop -k -n t-a
        # Copies, renamed ones and snapshots have the size, and grow for themselves.
        code 0 tool copy -n t-a -N t-copy
        code 0 tool copy -R -n t-copy -N t-name
        code 0 tool snapshot -n t-name
        code 0 tool storage size t-name ${third}M
        same "a copy ($type)" $((third << 20)) "$(stat -c %s "$LXC/t-name/rootdev")"
        same 'its source' $((second << 20)) "$(stat -c %s "$LXC/t-a/rootdev")"
        code 0 tool start -n t-name
        said=$(write_all t-name)
        between "MiB of a copy ($type)" $((third + least)) $((third - 1)) "${said##* }"
        code 0 tool stop -k -n t-name
        code 0 tool snapshot -n t-name -r snap0
        same "restored ($type)" "$((second << 20)) ${second}M" "$(stat -c %s "$LXC/t-name/rootdev") $(tool info -n t-name -c lxc.rootfs.size | sed 's/.* //')"
        code 0 tool destroy -s -n t-name
        # One that is made of files has it as well, from the beginning.
        sed -i '/^lxc.rootfs.size/d' "$LXC/t-a/config"
        code 0 tool copy -n t-a -N t-dir -B dir
        printf 'lxc.rootfs.size = %sM\n' $third >>"$LXC/t-dir/config"
        code 0 tool copy -n t-dir -N t-image -B loop
        same 'of files' $((third << 20)) "$(stat -c %s "$LXC/t-image/rootdev")"
        code 0 tool destroy -n t-image
        code 0 tool destroy -n t-dir
        # A growth that was killed is seen, and completed by the next start or when that is asked for.
        no_loops "after copies of $type"
        clean_check "of $type"
        for said in check start; do
            second=$((second + 64))
            sed -i '/^lxc.rootfs.size/d' "$LXC/t-a/config" && echo "lxc.rootfs.size = ${second}M" >>"$LXC/t-a/config"
            truncate -s ${second}M "$LXC/t-a/rootdev"
            code 2 tool storage check
            grep -q 'a process was killed that let its image grow: --fix' "$RUN/out" || fail "$(cat "$RUN/out")"
            if [ $said = check ]; then code 0 tool storage check --fix; else code 0 tool start -n t-a && code 0 tool stop -k -n t-a; fi
            no_loops "after the growth of $type"
            clean_check "after a growth of $type by $said of $second"
        done
        code 0 tool storage size t-a none
        code 0 tool start -n t-a
        code 0 tool stop -k -n t-a
        code 0 tool destroy -n t-a
        no_loops "at the end of $type"
        same "left of $type" '' "$(ls -A "$LXC")"
    done
    # What cannot grow says so, before the image has grown.
    if command -v mkfs.btrfs >/dev/null; then
        code 0 tool create -n t-a -t "$RUN/template" -f "$RUN/new.conf" -B loop --fstype btrfs --fssize 120M
        code 1 tool storage size t-a 200M
        says 'cannot grow to 200 MiB: EINVAL'
        says 'hint: btrfs grows to 256 MiB or more'
        same 'the image that has not grown' $((120 << 20)) "$(stat -c %s "$LXC/t-a/rootdev")"
        same 'its configuration' 0 "$(grep -c '^lxc.rootfs.size' "$LXC/t-a/config")"
        clean_check 'after that'
        code 0 tool storage size t-a 256M
        code 0 tool destroy -n t-a
    fi
    code 1 tool create -n t-a -t "$RUN/template" -f "$RUN/new.conf" -B loop --fssize 80M --rootfs-size 40M
    says 'has 80 MiB and cannot shrink to 40 MiB'
    code 1 tool create -n t-a -t "$RUN/template" -f "$RUN/new.conf" -B squashfs --rootfs-size 40M
    says 'cannot limit the size of .*: storage of type squashfs has none'
    same 'left of refused ones' '' "$(ls -A "$LXC")"
}
