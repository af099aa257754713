# lxc-rs shift: the files of a container are given to other ids.

# A container with all kinds of entries, and a victim that links lead to.
shift_container() { # LINE...
    container t-idmap-s "$@" 'lxc.net.0.type = empty'
    local root=$LXC/t-idmap-s/rootfs
    echo victim >"$RUN/victim"
    (
        cd "$root" || exit
        mkdir -p data/deep
        echo 1 >data/file
        ln data/file data/deep/hard
        ln -s "$RUN/victim" data/link
        ln -s "$RUN" data/away
        mkfifo data/fifo
        mknod data/null c 1 3
        cp bin/busybox data/suid
        chown 1000:1000 data/suid
        chmod 6755 data/suid
        cp bin/busybox data/caps
        # cap_net_raw+ep, version 2.
        python3 -c 'import os, struct; os.setxattr("data/caps", "security.capability", struct.pack("<5I", 0x2000001, 0x2000, 0, 0, 0))
entry = lambda tag, may, who: struct.pack("<HHI", tag, may, who)
none = 0xffffffff
acl = struct.pack("<I", 2) + entry(1, 7, none) + entry(2, 6, 1000) + entry(4, 5, none) + entry(8, 4, 50) + entry(16, 7, none) + entry(32, 0, none)
for name in "access", "default": os.setxattr("data/deep", "system.posix_acl_" + name, acl)'
        chown 70000:70000 data/null
    )
}

# Owners, modes, and the ids in attributes, of what is in data.
shift_picture() {
    (
        cd "$LXC/t-idmap-s/rootfs" || exit
        stat -c '%n %u:%g %a %F' . data data/* data/deep/*
        python3 -c 'import os, struct
print("caps", struct.unpack("<%dI" % (len(c := os.getxattr("data/caps", "security.capability")) // 4), c))
for name in "access", "default":
    acl = os.getxattr("data/deep", "system.posix_acl_" + name)
    print(name, [struct.unpack("<HHI", acl[at:at + 8])[2] for at in (12, 28)])'
    )
}

test_idmap_shift_moves_all_that_has_ids_and_back() {
    shift_container
    local before after
    before=$(shift_picture)
    printf 'lxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\n' >>"$LXC/t-idmap-s/config"
    # Nobody changes owners unasked.
    code 1 tool check -n t-idmap-s
    grep -q "rootfs belongs to 0:0, not to the container's root, 200000:200000" "$RUN/out" || fail "check: $(cat "$RUN/out")"
    tool start -n t-idmap-s >"$RUN/out" 2>"$RUN/err"
    says "rootfs belongs to 0:0, not to the container's root, 200000:200000; give the files to the container's ids with: lxc-rs shift -n t-idmap-s"
    tool stop -k -n t-idmap-s 2>/dev/null
    same 'as before' "$before" "$(shift_picture)"
    code 0 tool shift t-idmap-s
    says 'warning: 1 entries belong to ids that the container did not have, and were left alone; the first: /data/null'
    grep -Eq '^t-idmap-s: [0-9]+ of [0-9]+ entries were given to other ids$' "$RUN/out" || fail "said: $(cat "$RUN/out")"
    after=$(shift_picture)
    same 'all, by 200000' "$(sed -E 's/ 0:0 / 200000:200000 /; s/ 1000:1000 / 201000:201000 /' <<<"$before" |
        sed -e 's/^caps (33554433, \(.*\))$/caps (50331649, \1, 200000)/' -e 's/\[1000, 50\]/[201000, 200050]/')" "$after"
    same victim '0:0 644' "$(stat -c '%u:%g %a' "$RUN/victim")"
    same 'directory above' 0 "$(stat -c %u "$LXC/t-idmap-s")"
    [ -z "$(find "$LXC/t-idmap-s" -maxdepth 1 -name '.shift*' -o -maxdepth 1 -name partial)" ] || fail 'something is left'
    tool check -n t-idmap-s >"$RUN/out"
    ! grep 'belongs to' "$RUN/out" || fail 'still told by check'
    code 0 tool start -n t-idmap-s
    code 1 tool shift t-idmap-s
    says 't-idmap-s is running'
    same 'root inside' 0 "$(tool attach -n t-idmap-s -- stat -c %u /data/file)"
    code 0 tool attach -n t-idmap-s -- touch /made
    code 0 tool stop -k -n t-idmap-s
    code 0 tool shift t-idmap-s
    same 'nothing left to do' 't-idmap-s: its files have the right ids' "$(cat "$RUN/out")"
    # To other ids, and with an idmapped mount back to those of the host.
    sed -i 's/200000/300000/' "$LXC/t-idmap-s/config"
    code 0 tool shift t-idmap-s
    same 'to other ids' 301000 "$(stat -c %u "$LXC/t-idmap-s/rootfs/data/suid")"
    echo 'lxc.rootfs.options = idmap=container' >>"$LXC/t-idmap-s/config"
    code 0 tool shift t-idmap-s
    same 'as in the beginning' "$before" "$(shift_picture)"
    code 0 tool start -n t-idmap-s
    code 0 tool stop -k -n t-idmap-s
    sed -i -e 's/300000/30000/' -e /rootfs.options/d "$LXC/t-idmap-s/config"
    code 1 tool shift t-idmap-s
    says 'the ids 30000-65535 are among the old ones and among the new ones'
    same 'untouched' "$before" "$(shift_picture)"
}

# Killed at each of its steps, it is completed by the next command, whichever; and no start comes in between.
test_idmap_shift_is_completed_after_a_kill() {
    command -v strace >/dev/null || { skipped='strace is not installed'; return; }
    shift_container
    local before wanted call number
    before=$(shift_picture)
    wanted=$(sed -E 's/ 0:0 / 200000:200000 /; s/ 1000:1000 / 201000:201000 /' <<<"$before" |
        sed -e 's/^caps (33554433, \(.*\))$/caps (50331649, \1, 200000)/' -e 's/\[1000, 50\]/[201000, 200050]/')
    cp "$LXC/t-idmap-s/config" "$RUN/config"
    printf 'lxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\n' >>"$RUN/config"
    for call in fchownat:1 fchownat:5 fchownat:LAST fchmodat:1 fchmodat:2 setxattr:1 setxattr:2 setxattr:3 renameat2:1 syncfs:1; do
        cp "$RUN/config" "$LXC/t-idmap-s/config"
        number=${call#*:} call=${call%:*}
        [ "$number" != LAST ] || number=$(grep -c . <<<"$before")
        # The shell in between would say that it was killed.
        # shellcheck disable=SC2016
        bash -c '"$@"; exit $?' sh strace -f -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$number" \
            "$BIN" shift -P "$LXC" t-idmap-s >/dev/null 2>&1
        # The call with that number may be in none of the threads.
        [ -e "$LXC/t-idmap-s/partial" ] || [ "$number" != 1 ] || [ "$call" = renameat2 ] || fail "$call $number: no mark"
        if [ -e "$LXC/t-idmap-s/partial" ]; then
            # Debian's starts none that has a mark.
            code 1 debian start -n t-idmap-s
            case $number in
                1) code 0 tool start -n t-idmap-s; code 0 tool stop -k -n t-idmap-s ;;
                *) code 0 tool shift t-idmap-s ;;
            esac
        else
            code 0 tool shift t-idmap-s
        fi
        same "after $call $number" "$wanted" "$(shift_picture)"
        [ -z "$(find "$LXC/t-idmap-s" -maxdepth 1 \( -name '.shift*' -o -name partial \))" ] || fail "$call $number: something is left"
        sed -i /lxc.idmap/d "$LXC/t-idmap-s/config"
        code 0 tool shift --from b:0:200000:65536 t-idmap-s
        same "back after $call $number" "$before" "$(shift_picture)"
    done
}

# A full disk ends it with an error; with room it is completed.
test_idmap_shift_on_a_full_disk() {
    container t-idmap-s
    truncate -s 8M "$RUN/disk"
    mkfs.ext4 -q -I 256 -N 512 -b 1024 "$RUN/disk"
    mkdir "$RUN/full"
    mount -o loop "$RUN/disk" "$RUN/full"
    mkdir "$RUN/full/rootfs"
    # The attributes of each fill its inode; with an id more they need a block, and no two the same.
    python3 -c 'import os, struct, sys
for number in range(400):
    path = "%s/%d" % (sys.argv[1], number)
    open(path, "w").close()
    os.setxattr(path, "security.capability", struct.pack("<5I", 0x2000001, 1 + number, 0, 0, 0))
    os.setxattr(path, "user.x", b"%20d" % number)' "$RUN/full/rootfs"
    sed -i "s|^lxc.rootfs.path.*|lxc.rootfs.path = dir:$RUN/full/rootfs|" "$LXC/t-idmap-s/config"
    printf 'lxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\n' >>"$LXC/t-idmap-s/config"
    cat /dev/zero >"$RUN/full/filler" 2>/dev/null
    if tool shift t-idmap-s >"$RUN/out" 2>"$RUN/err"; then
        skipped='the file system needed no room'
    else
        says ENOSPC
        says 'lxc-rs shift -n t-idmap-s'
        [ -e "$LXC/t-idmap-s/partial" ] || fail 'no mark'
        code 1 tool start -n t-idmap-s
        rm "$RUN/full/filler"
        code 0 tool shift t-idmap-s
    fi
    same owners 200000 "$(stat -c %u "$RUN/full/rootfs/"* | sort -u)"
    same capabilities 400 "$(python3 -c 'import glob, os, sys
print(sum(os.getxattr(path, "security.capability")[20:] == (200000).to_bytes(4, "little") for path in glob.glob(sys.argv[1] + "/*")))' "$RUN/full/rootfs")"
    umount "$RUN/full" && rmdir "$RUN/full"
    rm "$RUN/disk"
}

# A privileged container gets ids of its own, and a copy others.
test_idmap_shift_and_copy_to_ids_of_their_own() {
    shift_container
    local first
    code 0 tool copy -n t-idmap-s -N t-idmap-c --idmap auto
    code 0 tool shift --idmap auto t-idmap-s
    same 'no file changed' 't-idmap-s: its files have the right ids' "$(cat "$RUN/out")"
    first=$(tool info -n t-idmap-s -c lxc.idmap)
    [ -n "$first" ] && [ "$first" != "$(tool info -n t-idmap-c -c lxc.idmap)" ] || fail "ids: $first"
    code 0 tool start -n t-idmap-s
    code 0 tool start -n t-idmap-c
    code 0 tool stop -k -n t-idmap-s
    code 0 tool stop -k -n t-idmap-c
    code 0 tool check -n t-idmap-c
    # A copy has its source's ids, as with LXC, and is told of.
    code 0 tool copy -n t-idmap-s -N t-idmap-d
    same 'ids of a copy' "$first" "$(tool info -n t-idmap-d -c lxc.idmap)"
    code 1 tool check -n t-idmap-d
    # Where files have the container's ids on the disk they get the copy's.
    printf 'lxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\n' >"$RUN/ids"
    code 0 tool create -n t-idmap-o -t busybox -f "$RUN/ids"
    cp "$LXC/t-idmap-o/rootfs/bin/busybox" "$LXC/t-idmap-o/rootfs/suid"
    chown 201000:201000 "$LXC/t-idmap-o/rootfs/suid"
    chmod 4755 "$LXC/t-idmap-o/rootfs/suid"
    sed -i '/^lxc.idmap/d' "$LXC/t-idmap-o/config"
    cat "$RUN/ids" >>"$LXC/t-idmap-o/config"
    code 0 tool copy -n t-idmap-o -N t-idmap-p --idmap auto
    same 'shown with the ids inside' 1000:1000:4755 "$(stat -c %u:%g:%a "$LXC/t-idmap-p/rootfs/suid")"
    code 0 tool start -n t-idmap-p
    code 0 tool stop -k -n t-idmap-p
}

# Layers of others are not touched.
test_idmap_shift_refuses_what_is_not_its_own() {
    container t-idmap-s
    code 0 tool copy -s -B overlay -n t-idmap-s -N t-idmap-c
    printf 'lxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\n' | tee -a "$LXC/t-idmap-s/config" >>"$LXC/t-idmap-c/config"
    code 1 tool shift t-idmap-s
    says 't-idmap-s has clones whose files would change as well'
    code 1 tool shift t-idmap-c
    says "the layer $LXC/t-idmap-s/rootfs is not this container's"
    same owner 0 "$(stat -c %u "$LXC/t-idmap-s/rootfs")"
    code 1 tool shift t-idmap-none
    says 'is not defined'
}

# An ordinary user's, from one of the user's ranges to another, and back.
test_idmap_shift_of_an_ordinary_user() {
    command -v newuidmap >/dev/null || { skipped='newuidmap is not installed'; return; }
    mkdir -p "$RUN/own/lxc" "$RUN/own/run"
    cp "$BIN" "$RUN/own/lxc-rs"
    cp /bin/busybox "$RUN/own/busybox"
    chmod -R go+rX "$RUN/own"
    chown -R games "$RUN/own"
    chmod 755 "$RUN"
    printf 'lxc.net.0.type = empty\n' >"$RUN/ids.conf"
    # shellcheck disable=SC2016
    with_ids 'games:1300000:131072\n' 'games:1300000:131072\n' '
        user() { setpriv --reuid=games --regid=games --clear-groups env HOME="$0/own" XDG_RUNTIME_DIR="$0/own/run" "$@"; }
        tool() { local name=$1; shift; user "$0/own/lxc-rs" "$name" -P "$0/own/lxc" "$@"; }
        tool create -t none -f "$0/ids.conf" --idmap auto -n t-idmap-u
        root=$0/own/lxc/t-idmap-u/rootfs
        user mkdir "$root"
        echo "lxc.rootfs.path = dir:$root" >>"$0/own/lxc/t-idmap-u/config"
        # The user has made it: its files are the user s own.
        user cp "$0/own/busybox" "$root/sh"
        user chmod 4755 "$root/sh"
        tool shift --from b:0:5000000:10 t-idmap-u
        tool shift t-idmap-u
        stat -c "%n %u:%g %a" "$root" "$root/sh" | sed "s|$root|/|"
        # Here root of the ids has to get there.
        chmod 711 "$0/own/lxc/t-idmap-u"
        user "$0/own/lxc-rs" usernsexec -m b:0:1300000:65536 -- python3 -c "import os, struct, sys
os.chown(sys.argv[1], 0, 7)
os.chmod(sys.argv[1], 0o6755)
os.setxattr(sys.argv[1], \"security.capability\", struct.pack(\"<5I\", 0x2000001, 0x2000, 0, 0, 0))" "$root/sh"
        tool shift --idmap auto t-idmap-u
        tool info -n t-idmap-u -c lxc.idmap
        stat -c "%n %u:%g %a" "$root" "$root/sh" | sed "s|$root|/|"
        python3 -c "import os, struct, sys; print(struct.unpack(\"<6I\", os.getxattr(sys.argv[1], \"security.capability\"))[5])" "$root/sh"
        ls -A "$0/own/lxc/t-idmap-u"'
    same 'said' "t-idmap-u: 2 of 2 entries were given to other ids
/ 1300000:1300000 755
//sh 1300000:1300000 4755
t-idmap-u: 2 of 2 entries were given to other ids
lxc.idmap = u 0 1365536 65536
g 0 1365536 65536
/ 1365536:1365536 755
//sh 1365536:1365543 6755
1365536
config
rootfs" "$(cat "$RUN/out")"
    same 'refused before anything is marked' "lxc-shift: t-idmap-u: /etc/subuid does not give the user ids 5000000-5000009 to games
  hint: as root: echo 'games:5000000:10' >>/etc/subuid" "$(cat "$RUN/err")"
    rm -rf "$RUN/own"
}

# What changes in the tree meanwhile leads nowhere else.
test_idmap_shift_of_a_tree_that_changes() {
    container t-idmap-s
    local root=$LXC/t-idmap-s/rootfs pid round
    mkdir -p "$RUN/others/dir" "$root/play/dir"
    echo kept >"$RUN/others/dir/file"
    seq 500 | (cd "$root/play/dir" && xargs touch)
    printf 'lxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\n' >>"$LXC/t-idmap-s/config"
    python3 -c 'import os, sys
play, outside = sys.argv[1:]
os.symlink(outside, play + "/link")
while True:
    # A directory and a link to one outside take turns.
    for a, b in ("dir", "spare"), ("link", "dir"), ("dir", "link"), ("spare", "dir"):
        try: os.rename(f"{play}/{a}", f"{play}/{b}")
        except OSError: pass' "$root/play" "$RUN/others/dir" &
    pid=$!
    for round in 1 2 3 4 5 6 7 8; do
        tool shift --from none t-idmap-s >"$RUN/out" 2>"$RUN/err" || grep -q ENOENT "$RUN/err" || fail "round $round: $(cat "$RUN/err")"
        sed -i 's/^\(lxc.idmap = . 0\) .*/\1 200000 65536/' "$LXC/t-idmap-s/config"
    done
    kill $pid
    wait $pid 2>/dev/null
    same 'outside' '0 0 0' "$(stat -c %u "$RUN/others" "$RUN/others/dir" "$RUN/others/dir/file" | xargs)"
    code 0 tool shift --from none t-idmap-s
    same 'all inside' 200000 "$(find "$root" -printf '%U\n' | sort -u)"
}
