# The storage back-end btrfs, on one in a file. `odd_entries` and `differences` are in copy.sh.

# The directory of containers is a btrfs until the test ends with btrfs_end.
btrfs_begin() {
    command -v mkfs.btrfs >/dev/null || { skipped="mkfs.btrfs is not installed"; return 1; }
    truncate -s 512M "$RUN/btrfs.img" && mkfs.btrfs -q "$RUN/btrfs.img" >"$RUN/out" 2>&1 ||
        { skipped="mkfs.btrfs fails: $(tail -1 "$RUN/out")"; return 1; }
    mount -o loop "$RUN/btrfs.img" "$LXC" 2>"$RUN/err" ||
        { skipped="this kernel has no btrfs: $(tail -1 "$RUN/err")"; rm "$RUN/btrfs.img"; return 1; }
}
btrfs_end() {
    same 'containers left' '' "$(ls -A "$LXC")"
    same 'subvolumes left' '' "$(subvolumes)"
    umount "$LXC" || fail 'the btrfs is in use'
    rm "$RUN/btrfs.img"
}
subvolumes() { btrfs subvolume list "$LXC" | sed 's/.* path //' | sort | xargs; }

# A container whose root filesystem is a subvolume.
subvolume_container() { # NAME [CONFIG-LINE...]
    mkdir -p "$LXC/$1"
    btrfs subvolume create "$LXC/$1/rootfs" >/dev/null
    container "$@"
    sed -i 's/= dir:/= btrfs:/' "$LXC/$1/config"
}
path_in() { sed -n 's/^lxc.rootfs.path = //p' "$LXC/$1/config"; }

test_btrfs_create_copy_rename_destroy() {
    btrfs_begin || return
    (umask 077 && code 0 tool create -n t-sub -t busybox -B btrfs -f /dev/null)
    same path "btrfs:$LXC/t-sub/rootfs" "$(path_in t-sub)"
    same mode '0:0 755' "$(stat -c '%u:%g %a' "$LXC/t-sub/rootfs")"
    same subvolumes t-sub/rootfs "$(subvolumes)"
    code 0 tool create -n t-best -t busybox -B best -f /dev/null
    same best "btrfs:$LXC/t-best/rootfs" "$(path_in t-best)"
    code 0 tool create -n t-dir -t busybox -B best --dir "$LXC/t-dir/tree" -f /dev/null
    same 'a directory that is named' "dir:$LXC/t-dir/tree" "$(path_in t-dir)"
    odd_entries "$LXC/t-sub/rootfs"
    code 0 tool copy -n t-sub -N t-copy -K
    same path "btrfs:$LXC/t-copy/rootfs" "$(path_in t-copy)"
    same differences '' "$(differences "$LXC/t-sub/rootfs" "$LXC/t-copy/rootfs")"
    touch "$LXC/t-copy/rootfs/own"
    [ ! -e "$LXC/t-sub/rootfs/own" ] || fail 'the copy is its source'
    # What is not a subvolume becomes one; a subvolume becomes a directory.
    odd_entries "$LXC/t-dir/tree"
    code 0 tool copy -n t-dir -N t-made -B btrfs -K
    same differences '' "$(differences "$LXC/t-dir/tree" "$LXC/t-made/rootfs")"
    code 0 tool copy -n t-sub -N t-plain -B dir -K
    same differences '' "$(differences "$LXC/t-sub/rootfs" "$LXC/t-plain/rootfs")"
    code 0 tool copy -n t-sub -N t-new -R
    same path "btrfs:$LXC/t-new/rootfs" "$(path_in t-new)"
    same subvolumes 't-best/rootfs t-copy/rootfs t-made/rootfs t-new/rootfs' "$(subvolumes)"
    code 0 tool start -n t-copy
    code 1 tool copy -n t-copy -N t-more
    says 't-copy is running'
    code 0 tool copy -n t-copy -N t-more -a
    code 0 tool stop -k -n t-copy
    code 0 tool start -n t-more
    same name t-more "$(tool attach -n t-more -- hostname)"
    code 0 tool destroy -f -n t-more
    local left_over
    for left_over in t-best t-dir t-copy t-made t-plain t-new; do code 0 tool destroy -n $left_over; done
    btrfs_end
}

test_btrfs_snapshots() {
    btrfs_begin || return
    subvolume_container t-shot
    odd_entries "$LXC/t-shot/rootfs"
    code 0 tool copy -n t-shot -N t-clone -s -K
    same path "btrfs:$LXC/t-clone/rootfs" "$(path_in t-clone)"
    same differences '' "$(differences "$LXC/t-shot/rootfs" "$LXC/t-clone/rootfs")"
    same 'that depend on each other' '' "$(ls "$LXC"/*/lxc_* 2>/dev/null)"
    code 0 tool snapshot -n t-shot
    same subvolumes 't-clone/rootfs t-shot/rootfs t-shot/snaps/snap0/rootfs' "$(subvolumes)"
    touch "$LXC/t-shot/rootfs/newer"
    code 0 tool snapshot -n t-shot -r snap0 -N t-other
    code 0 tool snapshot -n t-shot -r snap0
    same path "btrfs:$LXC/t-shot/rootfs" "$(path_in t-shot)"
    [ ! -e "$LXC/t-shot/rootfs/newer" ] || fail 'nothing was restored'
    same left 'config rootfs snaps' "$(ls -A "$LXC/t-shot" | xargs)"
    same subvolumes 't-clone/rootfs t-other/rootfs t-shot/rootfs t-shot/snaps/snap0/rootfs' "$(subvolumes)"
    code 0 tool copy -n t-shot -e -N t-throw
    same name t-throw "$(tool attach -n t-throw -- hostname)"
    code 0 tool stop -k -n t-throw
    for _ in $(seq 50); do [ -e "$LXC/t-throw" ] && sleep 0.1; done
    code 0 tool copy -n t-shot -N t-over -s -B overlay
    code 1 tool destroy -n t-shot
    says 'has clones'
    code 0 tool snapshot -n t-clone
    code 0 tool destroy -n t-over
    code 0 tool destroy -n t-shot -s
    same subvolumes 't-clone/rootfs t-clone/snaps/snap0/rootfs t-other/rootfs' "$(subvolumes)"
    code 0 tool snapshot -n t-clone -d snap0
    code 0 tool destroy -n t-clone
    code 0 tool destroy -n t-other
    # A directory of the same file system has none.
    container t-dir
    code 1 tool copy -n t-dir -N t-bad -s -B btrfs
    says 'it is not a subvolume of a btrfs'
    code 0 tool destroy -n t-dir
    btrfs_end
}

test_btrfs_subvolumes_inside() {
    btrfs_begin || return
    subvolume_container t-nest
    local root=$LXC/t-nest/rootfs dir other
    mkdir -p "$root/var/lib"
    for dir in var/lib/machines var/lib/machines/one srv 'a b'; do btrfs subvolume create "$root/$dir" >/dev/null; done
    odd_entries "$root/var/lib/machines/one"
    touch "$root/srv/file" "$root/a b/file"
    chown 5:6 "$root/srv" && chmod 1711 "$root/srv"
    btrfs property set "$root/a b" ro true
    touch -d '2020-02-03 04:05:06.123456789' "$root/var/lib" "$root/var/lib/machines" "$root/srv" "$root"
    for other in -K '-K -s' '-K -B dir'; do
        # shellcheck disable=SC2086
        code 0 tool copy -n t-nest -N t-twin $other
        same "differences with $other" '' "$(differences "$root" "$LXC/t-twin/rootfs")"
        touch "$LXC/t-twin/rootfs/var/lib/machines/one/own" "$LXC/t-twin/rootfs/a b/own"
        code 0 tool destroy -n t-twin
    done
    code 0 tool snapshot -n t-nest
    same "differences in a snapshot" '' "$(differences "$root" "$LXC/t-nest/snaps/snap0/rootfs")"
    # A mount in it is not taken away behind its owner's back.
    mount -t tmpfs tmpfs "$root/srv"
    code 1 tool destroy -s -n t-nest
    says 'something is mounted below it'
    [ -e "$root/bin" ] || fail 'it was emptied'
    umount "$root/srv"
    code 0 tool destroy -s -n t-nest
    # More than the kernel tells of at once.
    subvolume_container t-many
    for dir in $(seq 300); do btrfs subvolume create "$LXC/t-many/rootfs/$dir" >/dev/null; done
    code 0 tool copy -n t-many -N t-twin
    same 'subvolumes' 602 "$(btrfs subvolume list "$LXC" | wc -l)"
    code 0 tool destroy -n t-twin
    # One that is interrupted takes away what it made; after kill -9 the next copy does.
    local signal
    for signal in INT KILL; do
        "$BIN" copy -P "$LXC" -n t-many -N t-cut 2>"$RUN/err" &
        for _ in $(seq 200); do [ -e "$LXC/t-cut/rootfs/bin" ] && break; sleep 0.001; done
        kill -$signal $!
        wait $! 2>/dev/null
        [ $signal = KILL ] || says interrupted
    done
    [ -e "$LXC/t-cut/partial" ] || fail 'it was not killed in time'
    code 0 tool copy -n t-many -N t-twin -s
    same left 't-many t-twin' "$(ls "$LXC" | xargs)"
    same 'subvolumes' 602 "$(btrfs subvolume list "$LXC" | wc -l)"
    code 0 tool destroy -n t-many
    code 0 tool destroy -n t-twin
    btrfs_end
}

test_btrfs_is_removed_at_a_stroke() {
    btrfs_begin || return
    subvolume_container t-large
    mkdir "$LXC/t-large/rootfs/many"
    for dir in $(seq 50); do
        mkdir "$LXC/t-large/rootfs/many/$dir"
        (cd "$LXC/t-large/rootfs/many/$dir" && split -b 20 -a 3 <(head -c 4000 /dev/zero))
    done
    code 0 tool copy -n t-large -N t-copy
    timeout 60 strace -c -f -o "$RUN/calls" "$BIN" destroy -P "$LXC" -n t-copy 2>"$RUN/err" || fail "$(cat "$RUN/err")"
    local calls
    calls=$(awk '$NF == "unlinkat" { print $4 }' "$RUN/calls")
    [ "${calls:-0}" -lt 50 ] || fail "destroying took $calls calls of unlinkat"
    code 0 tool destroy -n t-large
    btrfs_end
}

test_btrfs_with_ids() {
    btrfs_begin || return
    chmod 755 "$LXC"
    printf 'lxc.idmap = u 0 100000 65536\nlxc.idmap = g 0 200000 65536\n' >"$RUN/ids"
    code 0 tool create -n t-ids -t busybox -B btrfs -f "$RUN/ids"
    same "not the mapped root's" '' "$(find "$LXC/t-ids" -mindepth 1 -not -path "$LXC/t-ids/config" \( -not -uid 100000 -o -not -gid 200000 \))"
    code 0 tool copy -n t-ids -N t-clone -s
    same 'root of the clone' 100000:200000 "$(stat -c %u:%g "$LXC/t-clone/rootfs")"
    code 0 tool start -n t-clone
    code 0 tool attach -n t-clone -- touch /made
    same 'what it makes' 100000:200000 "$(stat -c %u:%g "$LXC/t-clone/rootfs/made")"
    code 0 tool stop -k -n t-clone
    code 0 tool destroy -n t-clone
    code 0 tool destroy -n t-ids
    btrfs_end
}

# Who may not remove subvolumes may empty them.
test_btrfs_of_an_ordinary_user() {
    btrfs_begin || return
    printf '#!/bin/sh\nfor word; do case $word in --rootfs=*) cd "${word#*=}" ;; esac; done\nmkdir -p a/b && btrfs subvolume create a/sub && echo x >a/sub/file\n' >"$RUN/template"
    chmod 755 "$RUN/template" "$RUN" "$LXC"
    mkdir -p "$LXC/user" "$RUN/home"
    cp "$BIN" "$RUN/home/lxc-rs"
    chown -R 4242:4242 "$LXC/user" "$RUN/home"
    as_4242() { timeout 60 env -u XDG_RUNTIME_DIR HOME="$RUN/home" setpriv --reuid 4242 --regid 4242 --clear-groups "$RUN/home/lxc-rs" "$1" -P "$LXC/user" "${@:2}"; }
    code 0 as_4242 create -n t-own -t "$RUN/template" -B btrfs -f /dev/null
    same subvolumes 'user/t-own/rootfs user/t-own/rootfs/a/sub' "$(subvolumes)"
    code 0 as_4242 destroy -n t-own
    same left '' "$(ls -A "$LXC/user")"
    rm -r "$LXC/user" "$RUN/home"
    btrfs_end
}

managed_by() { # TOOLS NAME CLONE: cloned, written down and restored, started and stopped
    code 0 "$1" copy -n "$2" -N "$3" -s
    code 0 "$1" snapshot -n "$2"
    code 0 "$1" snapshot -n "$2" -r snap0
    code 0 "$1" start -n "$2"
    same name "$2" "$("$1" attach -n "$2" -- hostname)"
    code 0 "$1" stop -k -n "$2"
}

test_btrfs_beside_debian() {
    [ -x /usr/bin/lxc-create ] || { skipped="Debian's lxc is not installed"; return; }
    btrfs_begin || return
    code 0 debian create -n t-their -t busybox -B btrfs -f /dev/null
    code 0 tool copy -n t-their -N t-copy
    managed_by tool t-their t-clone
    code 0 debian snapshot -n t-their -L
    same list snap0 "$(cut -d' ' -f1 "$RUN/out")"
    code 0 debian copy -n t-clone -N t-again -s
    code 0 debian copy -n t-copy -N t-named -R
    same path "btrfs:$LXC/t-named/rootfs" "$(path_in t-named)"
    code 0 debian destroy -n t-again
    code 0 debian destroy -n t-clone
    code 0 debian destroy -n t-their -s
    code 0 tool destroy -n t-named
    same subvolumes '' "$(subvolumes)"
    code 0 tool create -n t-ours -t busybox -B btrfs -f /dev/null
    managed_by debian t-ours t-copy
    code 0 tool destroy -n t-ours -s
    code 0 tool destroy -n t-copy
    # Debian's copy of a directory with -B btrfs is none.
    container t-dir
    code 0 debian copy -n t-dir -N t-none -B btrfs
    code 0 tool copy -n t-none -N t-sub
    code 0 tool destroy -n t-none
    code 0 tool destroy -n t-sub
    code 0 tool destroy -n t-dir
    btrfs_end
}

test_btrfs_and_other_file_systems() {
    code 1 tool create -n t-none -t busybox -B btrfs -f /dev/null
    says "$LXC is not on a btrfs"
    says 'take -B dir'
    same left '' "$(ls -A "$LXC")"
    code 0 tool create -n t-best -t busybox -B best -f /dev/null
    same best "dir:$LXC/t-best/rootfs" "$(path_in t-best)"
    mv "$LXC/t-best" "$RUN/t-best"
    btrfs_begin || { rm -r "$RUN/t-best"; return; }
    rm -r "$RUN/t-best"
    subvolume_container t-sub
    mkdir -p "$RUN/elsewhere"
    code 1 tool copy -n t-sub -N t-copy -p "$RUN/elsewhere" -s
    says "$RUN/elsewhere is not on a btrfs"
    code 1 tool copy -n t-sub -N t-copy -p "$RUN/elsewhere" -B btrfs
    says "$RUN/elsewhere is not on a btrfs"
    same left '' "$(ls -A "$RUN/elsewhere")"
    # As LXC does, where nobody says how.
    code 0 tool copy -n t-sub -N t-copy -p "$RUN/elsewhere" -K
    same path "lxc.rootfs.path = dir:$RUN/elsewhere/t-copy/rootfs" "$(grep rootfs.path "$RUN/elsewhere/t-copy/config")"
    same differences '' "$(rsync -naHAXc --delete --out-format='%i %n' "$LXC/t-sub/rootfs/" "$RUN/elsewhere/t-copy/rootfs/")"
    rm -r "$RUN/elsewhere"/*
    # Another btrfs.
    truncate -s 256M "$RUN/second.img" && mkfs.btrfs -q "$RUN/second.img" >/dev/null 2>&1 && mount -o loop "$RUN/second.img" "$RUN/elsewhere"
    code 1 tool copy -n t-sub -N t-copy -p "$RUN/elsewhere" -s
    says 'is on another file system: EXDEV'
    same left '' "$(ls -A "$RUN/elsewhere")"
    code 0 tool copy -n t-sub -N t-copy -p "$RUN/elsewhere" -K
    same 'subvolumes of the other' t-copy/rootfs "$(btrfs subvolume list "$RUN/elsewhere" | sed 's/.* path //')"
    same differences '' "$(differences "$LXC/t-sub/rootfs" "$RUN/elsewhere/t-copy/rootfs")"
    umount "$RUN/elsewhere"
    rm -r "$RUN/elsewhere" "$RUN/second.img"
    # A copy that fails leaves no subvolume.
    printf 'lxc.hook.clone = /bin/false\n' >>"$LXC/t-sub/config"
    code 1 tool copy -n t-sub -N t-copy
    says 'clone hook'
    same subvolumes t-sub/rootfs "$(subvolumes)"
    code 0 tool destroy -n t-sub
    btrfs_end
}
