# What leaves containers and comes back: lxc-rs cp.

cp_rs() { # ARG...
    tool cp "$@"
}

# A tree with every kind of entry that is not a device.
odd_tree() { # DIR
    mkdir -p "$1/sub/deep" "$1/empty"
    echo text >"$1/file"
    printf 'x%.0s' $(seq 5000) >"$1/sub/long"
    ln "$1/file" "$1/sub/hard"
    ln -s ../file "$1/sub/link"
    ln -s /etc/passwd "$1/absolute"
    ln -s nowhere "$1/dangling"
    mkfifo "$1/sub/pipe"
    echo "name with a line break" >"$1/sub/"$'a\nb'
    truncate -s 64M "$1/sparse"
    printf data | dd of="$1/sparse" bs=1 seek=30000000 conv=notrunc status=none
    install -m 4751 /bin/true "$1/set-id"
    chmod 1777 "$1/empty"
    setfattr -n user.lxc-rs -v value "$1/file" 2>/dev/null
    touch -d '2001-02-03 04:05:06.789' "$1/file" "$1/sub/long"
    touch -d '1960-01-01' "$1/sub/deep"
}

# All that matters of a tree, a line an entry.
tree_of() { # DIR [FORMAT]
    (cd "$1" || return
        find . -mindepth 1 -printf "${2-%y %m %U %G %T@ %s %n %p %l}\n" | sed 's/^\(d.*\) [0-9]* [0-9]* \(\..*\)/\1 \2/' | sort
        find . -type f -exec sha256sum {} + | sort -k 2
        find . -type f -exec getfattr -h -d -m user {} + 2>/dev/null | sort)
}

same_tree() { # WHAT WANTED GOT [FORMAT]
    local differs
    differs=$(diff <(tree_of "$2" "${4-%y %m %U %G %T@ %s %n %p %l}") <(tree_of "$3" "${4-%y %m %U %G %T@ %s %n %p %l}") 2>&1 | head -6)
    [ -z "$differs" ] || fail "$1: $differs"
}

is_sparse() { # FILE
    [ "$(($(stat -c %b "$1" || echo 9999999) * 512))" -lt 1000000 ] || fail "$1 has no hole: $(stat -c %b "$1") blocks"
}

test_cp_into_and_out_of_a_running_container() {
    local form='%y %m %T@ %s %n %p %l'
    container t-cp
    code 0 tool start -n t-cp
    rm -rf "$RUN/cp"
    odd_tree "$RUN/cp/in"
    chown -R 33:33 "$RUN/cp/in/sub"
    code 0 cp_rs "$RUN/cp/in" t-cp:/mnt
    same "whose it is inside" 0:0 "$(find "$LXC/t-cp/rootfs/mnt/in" -printf '%U:%G\n' | sort -u)"
    chmod u-s "$RUN/cp/in/set-id"
    same_tree "the tree inside" "$RUN/cp/in" "$LXC/t-cp/rootfs/mnt/in" "$form"
    is_sparse "$LXC/t-cp/rootfs/mnt/in/sparse"
    says '1 files lost set-ID bits'
    # Out again: the caller's.
    chown -R 7:7 "$LXC/t-cp/rootfs/mnt/in/sub"
    code 0 cp_rs t-cp:mnt/in "$RUN/cp/out"
    same "whose it is outside" 0:0 "$(find "$RUN/cp/out" -printf '%U:%G\n' | sort -u)"
    same_tree "the tree outside" "$RUN/cp/in" "$RUN/cp/out" "$form"
    is_sparse "$RUN/cp/out/sparse"
    # With owners, and what gives rights.
    chmod u+s "$RUN/cp/in/set-id"
    setcap cap_net_raw+ep "$RUN/cp/in/sub/long"
    touch -d '2001-02-03 04:05:06.789' "$RUN/cp/in/sub/long"
    mknod "$RUN/cp/in/null" c 1 3
    code 0 cp_rs -a "$RUN/cp/in/." t-cp:/srv
    same_tree "the tree with owners" "$RUN/cp/in" "$LXC/t-cp/rootfs/srv"
    same "capabilities" cap_net_raw=ep "$(getcap "$LXC/t-cp/rootfs/srv/sub/long" | cut -d ' ' -f 2)"
    code 0 cp_rs -a t-cp:/srv "$RUN/cp/again"
    same "owners outside" 33:33 "$(stat -c %u:%g "$RUN/cp/again/sub/deep")"
    same "a program that gave rights" 751 "$(stat -c %a "$RUN/cp/again/set-id")"
    [ ! -e "$RUN/cp/again/null" ] && [ -z "$(getcap "$RUN/cp/again/sub/long")" ] || fail "what gives rights came out"
    says '1 devices are left out'
    # What is mounted inside is seen.
    tool attach -n t-cp -- mount -t tmpfs none /tmp
    echo seen >"$RUN/cp/seen"
    code 0 cp_rs "$RUN/cp/seen" t-cp:/tmp
    same "in what is mounted" seen "$(tool attach -n t-cp -- cat /tmp/seen)"
    [ ! -e "$LXC/t-cp/rootfs/tmp/seen" ] || fail "it is below the mount"
    code 0 cp_rs t-cp:/proc/1/comm "$RUN/cp/comm"
    same "a file of the kernel's" "$(tool attach -n t-cp -- cat /proc/1/comm)" "$(cat "$RUN/cp/comm")"
    tool stop -k -n t-cp
    rm -rf "$RUN/cp"
}

test_cp_names() {
    local root=$LXC/t-cp/rootfs
    container t-cp
    rm -rf "$RUN/cp"
    mkdir -p "$RUN/cp/dir/sub"
    echo new >"$RUN/cp/file"
    echo sub >"$RUN/cp/dir/sub/x"
    code 0 cp_rs "$RUN/cp/file" t-cp:/etc/other
    same "another name" new "$(cat "$root/etc/other")"
    code 0 cp_rs "$RUN/cp/file" t-cp:/etc
    same "into a directory" new "$(cat "$root/etc/file")"
    code 0 cp_rs "$RUN/cp/dir" t-cp:/etc/made
    same "a directory's new name" sub "$(cat "$root/etc/made/sub/x")"
    code 0 cp_rs "$RUN/cp/dir" t-cp:/etc/made
    same "into the directory" sub "$(cat "$root/etc/made/dir/sub/x")"
    code 0 cp_rs "$RUN/cp/dir/." t-cp:/etc/content
    same "the content, in a new directory" sub "$(cat "$root/etc/content/sub/x")"
    (cd "$RUN/cp/dir" && "$BIN" cp -P "$LXC" . t-cp:/root/) || fail "the current directory"
    same "the content of the current directory" sub "$(cat "$root/root/sub/x")"
    # A directory that is there stays what it is.
    chmod 700 "$root/etc/content/sub"
    chown 5:5 "$root/etc/content/sub"
    code 0 cp_rs "$RUN/cp/dir/." t-cp:/etc/content
    same "a directory that was there" "700 5" "$(stat -c '%a %u' "$root/etc/content/sub")"
    code 1 cp_rs "$RUN/cp/file" t-cp:/none/
    says 'there is no directory /none/'
    code 1 cp_rs "$RUN/cp/file" t-cp:/none/x
    says 'ENOENT'
    code 1 cp_rs "$RUN/cp/none" t-cp:/etc
    says 'cannot open .*none.*ENOENT'
    mkdir "$root/etc/in-the-way" "$root/etc/in-the-way/file"
    code 1 cp_rs "$RUN/cp/file" t-cp:/etc/in-the-way
    says 'there is a directory in its place'
    code 1 cp_rs "$RUN/cp/dir" t-cp:/etc/file
    says 'there is a file in its place'
    code 1 cp_rs "$RUN/cp/file" "$RUN/cp/x"
    says 'neither the source nor the target'
    code 1 cp_rs "$RUN/cp/file" t-none:/x
    says 'not defined'
    code 1 cp_rs t-cp:/etc/passwd t-cp:/x
    says 'in the same container'
    # A link: itself, or what it leads to, inside.
    ln -s /etc/other "$root/root/link"
    code 0 cp_rs t-cp:/root/link "$RUN/cp"
    same "a link" /etc/other "$(readlink "$RUN/cp/link")"
    code 0 cp_rs -L t-cp:/root/link "$RUN/cp/followed"
    same "what it leads to" new "$(cat "$RUN/cp/followed")"
    # What has the name is replaced, not written to: it may be open, or have other names.
    ln "$root/etc/other" "$root/etc/hard"
    echo newer >"$RUN/cp/file"
    code 0 cp_rs "$RUN/cp/file" t-cp:/etc/other
    same "the file" newer "$(cat "$root/etc/other")"
    same "its other name" new "$(cat "$root/etc/hard")"
    # Between two.
    container t-two
    code 0 cp_rs t-cp:/etc/made t-two:/srv
    same "in the other container" sub "$(cat "$LXC/t-two/rootfs/srv/sub/x")"
    rm -rf "$RUN/cp"
}

test_cp_archives() {
    container t-cp
    rm -rf "$RUN/cp"
    odd_tree "$RUN/cp/in"
    chown -R 33:33 "$RUN/cp/in/sub"
    chmod 4751 "$RUN/cp/in/set-id"
    tar -C "$RUN/cp" --xattrs --sparse --format pax -czf "$RUN/cp/in.tar.gz" in
    mkdir "$LXC/t-cp/rootfs/srv"
    code 0 cp_rs -a - t-cp:/srv <"$RUN/cp/in.tar.gz"
    same_tree "the tree from an archive" "$RUN/cp/in" "$LXC/t-cp/rootfs/srv/in"
    is_sparse "$LXC/t-cp/rootfs/srv/in/sparse"
    cp_rs t-cp:/srv/in - >"$RUN/cp/out.tar" || fail "cp to an archive failed"
    mkdir "$RUN/cp/tar"
    tar -C "$RUN/cp/tar" --xattrs -xpf "$RUN/cp/out.tar" || fail "tar does not read it"
    same_tree "the tree by tar" "$RUN/cp/in" "$RUN/cp/tar/in"
    code 0 cp_rs - t-cp:/root <"$RUN/cp/out.tar"
    same "without -a" 0:0 "$(stat -c %u:%g "$LXC/t-cp/rootfs/root/in/sub")"
    head -c 20000 "$RUN/cp/out.tar" >"$RUN/cp/cut.tar"
    code 1 cp_rs - t-cp:/mnt <"$RUN/cp/cut.tar"
    says 'cut off'
    code 1 cp_rs - t-cp:/none <"$RUN/cp/out.tar"
    says 'there is no directory /none'
    # No name leads out, and no link that is there is followed.
    mkdir "$RUN/cp/evil" "$RUN/cp/outside"
    ln -s "$RUN/cp/outside" "$RUN/cp/evil/a"
    tar -C "$RUN/cp/evil" -cf "$RUN/cp/evil.tar" a
    rm "$RUN/cp/evil/a"
    mkdir "$RUN/cp/evil/a"
    echo evil >"$RUN/cp/evil/a/x"
    tar -C "$RUN/cp/evil" -rf "$RUN/cp/evil.tar" a/x
    code 1 cp_rs - t-cp:/mnt <"$RUN/cp/evil.tar"
    says 'through a symbolic link'
    tar -C "$RUN/cp/evil" -P -cf "$RUN/cp/up.tar" --transform 's|.*|../../../outside/x|' a/x
    code 1 cp_rs - t-cp:/mnt <"$RUN/cp/up.tar"
    says "it has a component '..'"
    same "outside" "" "$(ls -A "$RUN/cp/outside")"
    # Who reads no more ends it quietly.
    cp_rs t-cp:/srv/in - 2>"$RUN/err" | head -c 100 >"$RUN/out"
    same "what is said then" "" "$(cat "$RUN/err")"
    rm -rf "$RUN/cp"
}

test_cp_idmap() {
    local form='%y %m %T@ %s %n %p %l' running
    for running in yes no; do
        container t-cp 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536'
        chown -R 100000:100000 "$LXC/t-cp/rootfs"
        rm -rf "$RUN/cp"
        odd_tree "$RUN/cp/in"
        chown -R 33:34 "$RUN/cp/in/sub"
        chmod 4751 "$RUN/cp/in/set-id"
        setcap cap_net_raw+ep "$RUN/cp/in/sub/long"
        setfacl -m u:33:r "$RUN/cp/in/file" 2>/dev/null
        touch -d '2001-02-03 04:05:06.789' "$RUN/cp/in/sub/long"
        [ $running = no ] || code 0 tool start -n t-cp
        code 0 cp_rs "$RUN/cp/in" t-cp:/mnt
        same "whose it is ($running)" 100000:100000 "$(find "$LXC/t-cp/rootfs/mnt/in" -printf '%U:%G\n' | sort -u)"
        code 0 cp_rs -a "$RUN/cp/in" t-cp:/srv
        same "owners on the disk ($running)" 100033:100034 "$(stat -c %u:%g "$LXC/t-cp/rootfs/srv/sub/deep")"
        same "capabilities ($running)" 'cap_net_raw=ep [rootid=100000]' "$(getcap -n "$LXC/t-cp/rootfs/srv/sub/long" | cut -d ' ' -f 2-)"
        ! command -v getfacl >/dev/null ||
            same "the ACL ($running)" user:100033:r-- "$(getfacl -np "$LXC/t-cp/rootfs/srv/file" | grep ^user:1)"
        code 0 cp_rs -a t-cp:/srv "$RUN/cp/out"
        chmod u-s "$RUN/cp/in/set-id"
        same_tree "the tree outside ($running)" "$RUN/cp/in" "$RUN/cp/out"
        code 0 cp_rs t-cp:/srv/file "$RUN/cp/mine"
        same "without -a ($running)" 0:0 "$(stat -c %u:%g "$RUN/cp/mine")"
        cp_rs t-cp:/srv - >"$RUN/cp/out.tar"
        same "owners in the archive ($running)" 33/34 "$(tar --numeric-owner -tvf "$RUN/cp/out.tar" srv/sub/deep | awk 'NR == 1 { print $2 }')"
        # An owner that the map has not, and what the container's root may not read.
        chown 70000:0 "$RUN/cp/in/file"
        code 1 cp_rs -a "$RUN/cp/in/file" t-cp:/root
        says 'cannot copy file: cannot set its owner'
        [ ! -e "$LXC/t-cp/rootfs/root/file" ] || fail "half a file is there"
        install -m 600 /dev/null "$LXC/t-cp/rootfs/root/of-host"
        code 1 cp_rs t-cp:/root/of-host "$RUN/cp"
        says 'cannot read.*of-host.*EACCES'
        same "said once" 1 "$(grep -c lxc-cp "$RUN/err")"
        [ $running = no ] || tool stop -k -n t-cp
        tool destroy -n t-cp
    done
    rm -rf "$RUN/cp"
}

test_cp_overlay() {
    container t-base
    tool copy -n t-base -N t-cp -s -B overlay
    rm -rf "$RUN/cp"
    mkdir -p "$RUN/cp"
    echo new >"$RUN/cp/file"
    code 0 cp_rs "$RUN/cp/file" t-cp:/etc/passwd
    same "in the layer" new "$(cat "$LXC/t-cp/overlay/delta/etc/passwd")"
    grep -q root "$LXC/t-base/rootfs/etc/passwd" || fail "the layer below was changed"
    code 0 cp_rs t-cp:/etc/passwd "$RUN/cp/out"
    same "out again" new "$(cat "$RUN/cp/out")"
    code 0 cp_rs t-cp:/etc/inittab "$RUN/cp/below"
    code 0 tool start -n t-cp
    same "it runs" new "$(tool attach -n t-cp -- cat /etc/passwd)"
    tool stop -k -n t-cp
    rm -rf "$RUN/cp"
}

test_cp_hostile_root_inside() {
    local index swapper
    container t-cp
    code 0 tool start -n t-cp
    rm -rf "$RUN/cp"
    mkdir -p "$RUN/cp/in" "$RUN/cp/outside" "$RUN/cp/out"
    for index in $(seq 200); do echo "$index" >"$RUN/cp/in/$index"; done
    # A directory and a link to where the host has something of that name take each other's place.
    mkdir -p "$LXC/t-cp/rootfs/swap/a" "$LXC/t-cp/rootfs/$RUN/cp/outside"
    ln -s "$RUN/cp/outside" "$LXC/t-cp/rootfs/swap/b"
    tool attach -n t-cp -- sh -c 'cd /swap && while [ ! -e stop ]; do mv a c; mv b a; mv a b; mv c a; done' &
    swapper=$!
    for index in $(seq 15); do
        cp_rs "$RUN/cp/in/." t-cp:/swap/a >/dev/null 2>&1
        rm -rf "$RUN/cp/out"
        cp_rs t-cp:/swap "$RUN/cp/out" >/dev/null 2>&1
    done
    : >"$LXC/t-cp/rootfs/swap/stop"
    wait "$swapper"
    same "what came to the host" "" "$(ls -A "$RUN/cp/outside")"
    [ -n "$(ls -A "$LXC/t-cp/rootfs/swap/a" "$LXC/t-cp/rootfs/$RUN/cp/outside")" ] || fail "nothing was copied at all"
    # A device in the place of a file is not opened, a pipe is not waited for.
    tool attach -n t-cp -- sh -c 'mkdir /odd && mkfifo /odd/pipe && mknod /odd/mem c 1 1'
    code 0 timeout 20 "$BIN" cp -P "$LXC" t-cp:/odd "$RUN/cp/odd"
    [ -p "$RUN/cp/odd/pipe" ] && [ ! -e "$RUN/cp/odd/mem" ] || fail "what came: $(ls -l "$RUN/cp/odd")"
    tool stop -k -n t-cp
    rm -rf "$RUN/cp"
}

test_cp_interrupted() {
    local pid
    container t-cp
    rm -rf "$RUN/cp"
    mkdir -p "$RUN/cp"
    head -c 700M /dev/zero | tr '\0' x >"$RUN/cp/big"
    echo old >"$LXC/t-cp/rootfs/root/big"
    # The shell lets what is in the background ignore SIGINT.
    for signal in HUP TERM KILL; do
        "$BIN" cp -P "$LXC" "$RUN/cp/big" t-cp:/root/big 2>/dev/null &
        pid=$!
        sleep 0.1
        kill -$signal $pid
        wait $pid 2>/dev/null && fail "it was not interrupted by $signal"
        sleep 0.2
        same "the file after $signal" old "$(head -c 20 "$LXC/t-cp/rootfs/root/big")"
        same "what is beside it" big "$(ls -A "$LXC/t-cp/rootfs/root")"
        ! pgrep -f "lxc-cp.*$RUN/cp/big" || fail "a process is left"
    done
    # Nobody starts it meanwhile, and the disk may be full.
    mount -t tmpfs -o size=8M none "$LXC/t-cp/rootfs/mnt"
    echo old >"$LXC/t-cp/rootfs/mnt/big"
    code 1 cp_rs "$RUN/cp/big" t-cp:/mnt/big
    says 'ENOSPC'
    says 'the disk is full'
    same "the file on a full disk" old "$(head -c 20 "$LXC/t-cp/rootfs/mnt/big")"
    umount "$LXC/t-cp/rootfs/mnt"
    rm -rf "$RUN/cp"
}
