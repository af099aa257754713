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
        [ -n "${without_attributes:-}" ] || find . -type f -exec getfattr -h -d -m user {} + 2>/dev/null | sort)
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

# All of a tree with devices, ACLs and capabilities, a line an entry.
whole_tree_of() { # DIR
    tree_of "$1" '%y %m %U %G %T@ %s %n %p %l'
    (cd "$1" && find . -type b -o -type c | sort | xargs -r stat -c '%n %t %T'
        getcap -rn . | sort
        ! command -v getfacl >/dev/null || getfacl -Rn . 2>/dev/null)
}

same_whole_tree() { # WHAT WANTED GOT
    local differs
    differs=$(diff <(whole_tree_of "$2") <(whole_tree_of "$3") 2>&1 | head -6)
    [ -z "$differs" ] || fail "$1: $differs"
}

# The container t-out, with every kind of entry.
odd_container() { # [CONFIG-LINE...]
    local root=$LXC/t-out/rootfs
    container t-out 'lxc.net.0.type = empty' "$@"
    odd_tree "$root/srv"
    chown -R 33:34 "$root/srv/sub"
    chmod 4751 "$root/srv/set-id"
    mkdir -p "$root/usr/bin"
    cp /bin/busybox "$root/usr/bin/ping"
    setcap cap_net_raw+ep "$root/usr/bin/ping"
    mknod "$root/dev/null" c 1 3
    mknod "$root/dev/loop" b 7 5
    setfacl -m u:33:r -m g:44:rw "$root/srv/file" 2>/dev/null
    setfacl -d -m u:33:rwx "$root/srv/empty" 2>/dev/null
    chmod 750 "$root/srv"
    touch -d '2002-03-04 05:06:07.123456789' "$root/srv" "$root"
}

test_export_and_import() {
    local file
    odd_container "lxc.hook.start = $LXC/t-out/hook"
    printf '#!/bin/sh\n' >"$LXC/t-out/hook"
    rm -rf "$RUN/export"
    mkdir "$RUN/export"
    for file in t-out.tar t-out.tar.gz t-out.tar.zst t-out.tar.xz; do
        code 0 tool export t-out "$RUN/export/$file"
        same "who may read $file" 600 "$(stat -c %a "$RUN/export/$file")"
        printf 'lxc.net.0.type = empty\n' >"$RUN/import.conf"
        code 0 tool import -f "$RUN/import.conf" "$RUN/export/$file" t-in
        same_whole_tree "the tree of $file" "$LXC/t-out/rootfs" "$LXC/t-in/rootfs"
        says 'left out, for it reaches the host: lxc.net.0.type lxc.hook.start; --trust-config takes it'
        tool destroy -n t-in
    done
    same "what is beside them" "t-out.tar t-out.tar.gz t-out.tar.xz t-out.tar.zst" "$(ls -A "$RUN/export" | xargs)"
    # tar reads it.
    same "the first of the archive" "lxc-export.json config config.host rootfs/" "$(tar -tf "$RUN/export/t-out.tar" | head -4 | xargs)"
    grep -q '^lxc.signal.halt = SIGUSR1$' <<<"$(tar -xOf "$RUN/export/t-out.tar" config)" || fail "the configuration is not there"
    grep -q '^lxc.hook.start = LXC_PATH/hook$' <<<"$(tar -xOf "$RUN/export/t-out.tar" config.host)" || fail "the hook is not there"
    # The container runs.
    code 0 tool import -f "$RUN/import.conf" "$RUN/export/t-out.tar.zst" t-in
    code 0 tool start -n t-in
    same "its name" t-in "$(tool attach -n t-in -- hostname)"
    tool stop -k -n t-in
    tool destroy -n t-in
    # Under its own name, with all of its configuration.
    mv "$LXC/t-out" "$LXC/t-kept"
    code 0 tool import --trust-config "$RUN/export/t-out.tar.gz"
    same "the name" t-out "$(cat "$RUN/out" | tail -1)"
    same_whole_tree "the tree under its own name" "$LXC/t-kept/rootfs" "$LXC/t-out/rootfs"
    grep -q "^lxc.hook.start = $LXC/t-out/hook\$" "$LXC/t-out/config" || fail "the hook is lost: $(cat "$LXC/t-out/config")"
    same "the link" 1 "$(grep -c '^lxc.net.0.type' "$LXC/t-out/config")"
    ! grep -q descriptors "$LXC/t-out/config" || fail "numbers are written down"
    code 1 tool import "$RUN/export/t-out.tar.gz"
    says 'already exists'
    rm -r "$LXC/t-kept"
    # By standard output and input.
    tool export t-out 2>"$RUN/err" | tool import -f "$RUN/import.conf" - t-in >"$RUN/out" 2>>"$RUN/err" || fail "through a pipe: $(cat "$RUN/err")"
    same_whole_tree "the tree through a pipe" "$LXC/t-out/rootfs" "$LXC/t-in/rootfs"
    rm -rf "$RUN/export"
}

test_export_and_import_idmap() {
    local mapped=('lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536')
    odd_container
    rm -rf "$RUN/export"
    mkdir "$RUN/export"
    code 0 tool export t-out "$RUN/export/plain.tar"
    printf '%s\n' "${mapped[@]}" 'lxc.net.0.type = empty' >"$RUN/mapped.conf"
    chmod 600 "$RUN/export/plain.tar"
    code 0 tool import -f "$RUN/mapped.conf" "$RUN/export/plain.tar" t-in
    says '2 device nodes are left out'
    same "the owner on the disk" 100033:100034 "$(stat -c %u:%g "$LXC/t-in/rootfs/srv/sub/deep")"
    same "capabilities on the disk" '[rootid=100000]' "$(getcap -n "$LXC/t-in/rootfs/usr/bin/ping" | awk '{ print $NF }')"
    # And back: the ids of the inside.
    code 0 tool export t-in "$RUN/export/mapped.tar.gz"
    ! grep -q idmap <<<"$(tar -xzOf "$RUN/export/mapped.tar.gz" config config.host)" || fail "the id map is in the archive"
    printf 'lxc.net.0.type = empty\n' >"$RUN/import.conf"
    code 0 tool import -f "$RUN/import.conf" "$RUN/export/mapped.tar.gz" t-back
    rm "$LXC/t-out/rootfs/dev/null" "$LXC/t-out/rootfs/dev/loop"
    touch -r "$LXC/t-back/rootfs/dev" "$LXC/t-out/rootfs/dev"
    same_whole_tree "the tree that came back" "$LXC/t-out/rootfs" "$LXC/t-back/rootfs"
    rm -rf "$RUN/export"
}

snapshots_of() { # NAME: their times and comments
    tool snapshot -n "$1" -L -C 2>&1 | sed "s|$LXC/$1|DIR|"
}

test_export_and_import_snapshots() {
    local pid
    odd_container
    rm -rf "$RUN/export"
    mkdir "$RUN/export"
    echo 'before the change' >"$RUN/comment"
    code 0 tool snapshot -n t-out -c "$RUN/comment"
    rm -r "$LXC/t-out/rootfs/srv/sub"
    echo changed >"$LXC/t-out/rootfs/srv/file"
    code 0 tool snapshot -n t-out
    echo again >"$LXC/t-out/rootfs/srv/file"
    printf 'lxc.net.0.type = empty\n' >"$RUN/import.conf"
    code 0 tool export --snapshots t-out "$RUN/export/all.tar.zst"
    code 0 tool import -f "$RUN/import.conf" "$RUN/export/all.tar.zst" t-in
    same_whole_tree "the tree" "$LXC/t-out/rootfs" "$LXC/t-in/rootfs"
    same_whole_tree "the first snapshot" "$LXC/t-out/snaps/snap0/rootfs" "$LXC/t-in/snaps/snap0/rootfs"
    same_whole_tree "the second snapshot" "$LXC/t-out/snaps/snap1/rootfs" "$LXC/t-in/snaps/snap1/rootfs"
    same "times and comments" "$(snapshots_of t-out)" "$(snapshots_of t-in)"
    [[ $(snapshots_of t-in) = *'before the change'* ]] || fail "the comment is lost: $(snapshots_of t-in)"
    same "modes" "$(cd "$LXC/t-out/snaps" && stat -c '%n %a' . snap0 snap1)" "$(cd "$LXC/t-in/snaps" && stat -c '%n %a' . snap0 snap1)"
    same "what is beside them" "config rootfs snaps" "$(ls -A "$LXC/t-in" | xargs)"
    # A snapshot is of the container: its name.
    same "the name in a snapshot" t-in "$(sed -n 's/^lxc.uts.name = //p' "$LXC/t-in/snaps/snap1/config")"
    code 0 tool snapshot -n t-in -r snap0
    same_whole_tree "what was restored" "$LXC/t-out/snaps/snap0/rootfs" "$LXC/t-in/rootfs"
    code 0 tool start -n t-in
    same "its name" t-in "$(tool attach -n t-in -- hostname)"
    tool stop -k -n t-in
    code 0 tool snapshot -n t-in -d ALL
    code 0 tool destroy -n t-in
    # Without the option there are none, and what is written is what older programs read.
    code 0 tool export t-out "$RUN/export/one.tar"
    same "the form" 1 "$(tar -xOf "$RUN/export/one.tar" lxc-export.json | jq .version)"
    ! tar -tf "$RUN/export/one.tar" | grep -v '^\(lxc-export.json$\|config\|rootfs/\)' || fail "there is something else"
    code 1 tool export --snapshots --format oci t-out "$RUN/export/image.tar"
    says 'an image has no snapshots'
    # Through a pipe, with ids mapped, and with all of the configuration.
    printf '%s\n' 'lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536' 'lxc.net.0.type = empty' >"$RUN/mapped.conf"
    tool export --snapshots t-out 2>"$RUN/err" | tool import --trust-config -f "$RUN/mapped.conf" - t-in >"$RUN/out" 2>>"$RUN/err" ||
        fail "through a pipe: $(cat "$RUN/err")"
    same "the owner on the disk" 100033:100034 "$(stat -c %u:%g "$LXC/t-in/snaps/snap0/rootfs/srv/sub/deep")"
    same "whose the snapshot is" "0:100000 710 0:0" "$(stat -c '%u:%g %a' "$LXC/t-in/snaps/snap0") $(stat -c %u:%g "$LXC/t-in/snaps/snap0/config")"
    code 0 tool snapshot -n t-in -r snap0
    same "the owner of what was restored" 100033:100034 "$(stat -c %u:%g "$LXC/t-in/rootfs/srv/sub/deep")"
    tool snapshot -n t-in -d ALL
    code 0 tool destroy -n t-in
    # An image has none; who writes the archive does not fail for that.
    (set -o pipefail; tool export --snapshots t-out | "$BIN" image serve-tree "$RUN/export/served" - -d own -r 1) >"$RUN/out" 2>"$RUN/err" ||
        fail "serve-tree: $(cat "$RUN/err")"
    says 'snapshots of the container are left out'
    # Cut off in a snapshot, and killed there: no container.
    head -c "$(($(stat -c %s "$RUN/export/all.tar.zst") - 2000))" "$RUN/export/all.tar.zst" >"$RUN/export/cut.tar.zst"
    code 1 tool import "$RUN/export/cut.tar.zst" t-in
    [ ! -e "$LXC/t-in" ] || fail "half a container is left"
    head -c 300M </dev/urandom >"$LXC/t-out/snaps/snap1/rootfs/root/big"
    code 0 tool export --snapshots t-out "$RUN/export/large.tar"
    "$BIN" import -P "$LXC" -f "$RUN/import.conf" "$RUN/export/large.tar" t-in >/dev/null 2>&1 &
    pid=$!
    for _ in $(seq 500); do
        [ ! -s "$LXC/t-in/snaps/snap1/rootfs/root/big" ] || break
        sleep 0.01
    done
    kill -KILL $pid
    wait $pid 2>/dev/null
    sleep 0.2
    [ -e "$LXC/t-in/partial" ] || fail "it was not killed in time"
    code 1 tool start -n t-in
    code 0 tool destroy -s -n t-in
    [ ! -e "$LXC/t-in" ] || fail "$(find "$LXC/t-in" -maxdepth 2) is left"
    tool snapshot -n t-out -d ALL
    rm -rf "$RUN/export"
}

test_export_oci() {
    local skopeo umoci
    odd_container 'lxc.init.cmd = /bin/sh -c "echo of the image"' 'lxc.environment = WORD=a b'
    rm -rf "$RUN/export"
    mkdir "$RUN/export"
    code 0 tool export --format oci --tag v1 t-out "$RUN/export/image.tar"
    printf 'lxc.net.0.type = empty\n' >"$RUN/import.conf"
    code 0 tool create -n t-in -f "$RUN/import.conf" -t oci -- --copy --url "oci-archive:$RUN/export/image.tar:v1"
    same_tree "the tree of the image" "$LXC/t-out/rootfs/srv" "$LXC/t-in/rootfs/srv"
    same "the command" "of the image" "$(tool execute -n t-in)"
    grep -q '^lxc.environment = WORD=a b$' "$LXC/t-in/config" || fail "the variable is lost"
    tool destroy -n t-in
    code 0 tool import -f "$RUN/import.conf" "$RUN/export/image.tar" t-in
    same_tree "the tree of the imported image" "$LXC/t-out/rootfs/srv" "$LXC/t-in/rootfs/srv"
    code 1 tool import "$RUN/export/image.tar"
    says 'does not tell the container'
    if skopeo=$(unpacked_program skopeo); then
        code 0 "$skopeo" --insecure-policy copy --quiet "oci-archive:$RUN/export/image.tar:v1" "oci:$RUN/export/layout:v1"
    fi
    if umoci=$(unpacked_program umoci) && [ -d "$RUN/export/layout" ]; then
        code 0 "$umoci" unpack --image "$RUN/export/layout:v1" "$RUN/export/bundle"
        same_whole_tree "the tree by umoci" "$LXC/t-out/rootfs" "$RUN/export/bundle/rootfs"
    fi
    rm -rf "$RUN/export"
}

test_export_refusals() {
    local signal pid
    odd_container
    rm -rf "$RUN/export"
    mkdir "$RUN/export"
    code 0 tool start -n t-out
    code 1 tool export t-out "$RUN/export/x.tar"
    says 'is running'
    says '--allowrunning'
    code 0 tool export --allowrunning t-out "$RUN/export/x.tar"
    [ "$(tar -tf "$RUN/export/x.tar" | grep -c '^rootfs/proc/')" -eq 1 ] || fail "what is mounted is in the archive"
    tool stop -k -n t-out
    code 1 tool export t-none "$RUN/export/y.tar"
    says 'not defined'
    code 1 tool export t-out "$RUN/export/none/y.tar"
    says 'cannot write .*ENOENT'
    # Killed: nothing is there, and an older archive stays.
    head -c 300M </dev/urandom >"$LXC/t-out/rootfs/root/big"
    echo old >"$RUN/export/old.tar.gz"
    for signal in TERM KILL; do
        "$BIN" export -P "$LXC" t-out "$RUN/export/old.tar.gz" 2>/dev/null &
        pid=$!
        sleep 0.4
        kill -$signal $pid
        wait $pid 2>/dev/null && fail "it was not interrupted by $signal"
        sleep 0.2
        same "the older archive" old "$(head -c 10 "$RUN/export/old.tar.gz")"
        same "what is beside it" "old.tar.gz x.tar" "$(ls -A "$RUN/export" | xargs)"
        ! pgrep -f "lxc-export .*lxc-images" || fail "a process is left"
    done
    mkdir "$RUN/export/full"
    mount -t tmpfs -o size=4M none "$RUN/export/full"
    code 1 tool export t-out "$RUN/export/full/x.tar"
    says 'ENOSPC'
    same "a full disk" "" "$(ls -A "$RUN/export/full")"
    same "said once" 1 "$(grep -c '^lxc-' "$RUN/err")"
    umount "$RUN/export/full"
    # What is cut off, and what is something else.
    rm "$LXC/t-out/rootfs/root/big"
    code 0 tool export t-out "$RUN/export/whole.tar.gz"
    head -c 400000 "$RUN/export/whole.tar.gz" >"$RUN/export/cut.tar.gz"
    code 1 tool import "$RUN/export/cut.tar.gz" t-in
    says 'cut off\|cannot unpack\|cannot read'
    [ ! -e "$LXC/t-in" ] || fail "half a container is left"
    tar -C "$LXC/t-out/rootfs" -cf "$RUN/export/rootfs.tar" etc
    code 1 tool import "$RUN/export/rootfs.tar" t-in
    says 'not one of an exported container'
    echo nonsense >"$RUN/export/nonsense"
    code 1 tool import "$RUN/export/nonsense" t-in
    code 1 tool import "$RUN/export/none" t-in
    says ENOENT
    # A stranger's archive: its name and its configuration reach nothing.
    mkdir "$RUN/export/evil"
    (cd "$RUN/export/evil" && tar -xf ../x.tar lxc-export.json config && mkdir rootfs &&
        sed -i 's|"name": "[^"]*"|"name": "../../evil"|' lxc-export.json && tar -cf ../evil.tar lxc-export.json config rootfs &&
        sed -i 's|"name": "[^"]*"|"name": "t-in"|' lxc-export.json && echo "lxc.hook.pre-start = touch $RUN/evil" >>config &&
        tar -cf ../hook.tar lxc-export.json config rootfs)
    code 1 tool import "$RUN/export/evil.tar"
    says 'name'
    code 1 tool import "$RUN/export/hook.tar"
    says 'reaches the host'
    [ ! -e "$LXC/t-in" ] && [ ! -e "$RUN/evil" ] || fail "it reached something"
    rm -rf "$RUN/export"
}

# The names of what lxc-rs diff tells of t-oci, a line each.
image_differences() { # [OPTION...]
    tool diff t-oci "$@" | grep -v ' /etc/host\(s\|name\)$\| /srv\(/data\)\?$\| /\(dev\|etc\|proc\|sys\)$' | sort | xargs
}

# Changes to the root filesystem that is mounted at DIR, made of tests/images.
change_tree() { # DIR
    echo added >"$1/data/added"
    echo other >"$1/etc/changed"
    rm "$1/etc/sub/new"
    rm -r "$1/data/kept"
    mkdir "$1/data/dir"
    ln -s added "$1/data/link"
}

is_changed_tree() { # DIR
    same "an added file" added "$(cat "$1/data/link")"
    same "a changed file" other "$(cat "$1/etc/changed")"
    [ ! -e "$1/etc/sub/new" ] && [ ! -e "$1/data/kept" ] && [ -e "$1/data/hard" ] || fail "what was removed is there"
    [ -d "$1/data/dir" ] && [ -d "$1/etc/sub" ] || fail "a directory is missing"
    same "file capabilities" "cap_net_raw=ep" "$(getcap "$1/ping" | cut -d ' ' -f 2)"
    ! find "$1" -name '.wh.*' | grep . || fail "whiteouts are there"
}

# The image $RUN/image in the store of images, as NAME.
keep_image() { # NAME
    python3 - "$RUN/image" "$LXC_CACHE_PATH/oci" "$1" <<'PYTHON'
import json, os, shutil, sys
source, store, name = sys.argv[1:]
os.makedirs(store + "/blobs/sha512", exist_ok=True)
shutil.copytree(source + "/blobs", store + "/blobs", dirs_exist_ok=True)
shutil.copy(source + "/oci-layout", store)
index = json.load(open(source + "/index.json"))
for manifest in index["manifests"]:
    manifest["annotations"] = {"org.opencontainers.image.ref.name": name}
json.dump(index, open(store + "/index.json", "w"))
PYTHON
}

test_commit_of_a_copy() {
    export LXC_CACHE_PATH=$RUN/cache
    rm -rf "$RUN/cache"
    image image
    keep_image docker.io/team/app:1
    code 0 oci image:team/app:1
    # What the template writes is different.
    same "no difference" "" "$(image_differences)"
    change_tree "$LXC/t-oci/rootfs"
    same "the differences" "A /data/added A /data/dir A /data/link C /data C /etc/changed C /etc/sub D /data/kept D /etc/sub/new" "$(image_differences)"
    code 0 tool commit -m 'what was done' t-oci team/app:2
    grep -q '^docker.io/team/app:2@sha256:' "$RUN/out" || fail "it tells: $(cat "$RUN/out")"
    same "layers" 4 "$(tool_image inspect team/app:2 | jq '.manifest.layers | length')"
    same "the remark" "what was done" "$(tool_image inspect team/app:2 | jq -r '.configuration.history[-1].comment')"
    same "verified" "docker.io/team/app:2: sound" "$(tool_image verify team/app:2)"
    tool destroy -n t-oci
    code 0 oci image:team/app:2
    is_changed_tree "$LXC/t-oci/rootfs"
    same "the command of the image" "a  b of 33 in /data" "$(tool execute -n t-oci)"
    # Compared with the first one.
    same "the differences to another image" "A /data/added A /data/dir A /data/link C /data C /etc/changed C /etc/sub D /data/kept D /etc/sub/new" "$(image_differences --base team/app:1)"
    code 1 tool commit --base team/none t-oci team/app:3
    says 'there is no image docker.io/team/none:latest here'
    # From no image, as one layer.
    code 0 tool commit --whole t-oci team/whole:1
    same "layers of all" 1 "$(tool_image inspect team/whole:1 | jq '.manifest.layers | length')"
    tool destroy -n t-oci
    code 0 oci image:team/whole:1
    is_changed_tree "$LXC/t-oci/rootfs"
    same "the command of the container" "a  b of 33 in /data" "$(sed -i 's/^lxc.init.uid.*/lxc.init.uid = 33/' "$LXC/t-oci/config"; tool execute -n t-oci)"
    tool destroy -n t-oci
    # One of which nothing is known.
    container t-oci
    code 1 tool commit t-oci team/x
    says 'it is not known from which image'
    says '--base'
    code 1 tool diff t-oci
    says 'it is not known from which image'
    code 0 tool start -n t-oci
    code 1 tool commit --whole t-oci team/x
    says 'is running'
    tool stop -k -n t-oci
    same "what nothing leads to" 0 "$(tool_image prune --dry-run --format json | jq .blobs)"
    unset LXC_CACHE_PATH
}

tool_image() { "$BIN" image "$@"; }

test_commit_of_layers() {
    local key idmap mapped layers=$RUN/layers
    export LXC_CACHE_PATH=$RUN/cache
    for idmap in no yes; do
        rm -rf "$RUN/cache" "$layers"
        image image
        keep_image docker.io/team/app:1
        # As layers are kept: the directory has the name of the chain.
        key=$(python3 - "$RUN/image" <<'PYTHON'
import hashlib, json, sys
blob = lambda descriptor: json.load(open(sys.argv[1] + "/blobs/" + descriptor["digest"].replace(":", "/")))
ids = blob(blob(json.load(open(sys.argv[1] + "/index.json"))["manifests"][0])["config"])["rootfs"]["diff_ids"]
chain = ids[0]
for one in ids[1:]:
    chain = "sha256:" + hashlib.sha256((chain + " " + one).encode()).hexdigest()
print(chain.split(":")[1])
PYTHON
        )
        mapped=()
        [ $idmap = no ] || mapped=('lxc.idmap = u 0 100000 65536' 'lxc.idmap = g 0 100000 65536')
        printf '%s\n' 'lxc.net.0.type = empty' "${mapped[@]}" >"$RUN/oci.conf"
        code 0 tool create -n t-base -f "$RUN/oci.conf" -t oci -- --url image:team/app:1 --copy
        mkdir -p "$layers/$key" "$LXC/t-oci/overlay"
        mv "$LXC/t-base/rootfs" "$layers/$key/tree"
        sed "s|^lxc.rootfs.path.*|lxc.rootfs.path = overlay:$layers/$key/tree:$LXC/t-oci/overlay/delta|; s/t-base/t-oci/" "$LXC/t-base/config" >"$LXC/t-oci/config"
        mkdir "$LXC/t-oci/overlay/delta"
        chmod 755 "$LXC/t-oci/overlay/delta" "$LXC/t-oci" "$layers" "$layers/$key"
        [ $idmap = no ] || chown 100000:100000 "$LXC/t-oci/overlay/delta"
        same "no difference" "" "$(image_differences)"
        # By the container itself: the kernel notes what is gone.
        code 0 tool execute -n t-oci -u 0 -g 0 -s lxc.init.uid=0 -s lxc.init.gid=0 -- /bin/sh -c 'echo added >/data/added; echo other >/etc/changed
            rm /etc/sub/new; rm /data/kept; mkdir /data/dir; ln -s added /data/link; rm -r /etc/sub; mkdir /etc/sub'
        same "the differences ($idmap)" "A /data/added A /data/dir A /data/link C /data C /etc/changed C /etc/sub D /data/kept D /etc/sub/new" "$(image_differences)"
        code 0 tool commit --compress zstd t-oci team/app:2
        same "layers" 4 "$(tool_image inspect team/app:2 | jq '.manifest.layers | length')"
        same "owners in the layer" 0 "$(tool_image inspect team/app:2 | jq -r '.manifest.layers[-1].digest' | cut -d : -f 2 |
            xargs -I % zstd -qdcf "$RUN/cache/oci/blobs/sha256/%" | tar --numeric-owner -tvf - data/added | awk '{ print $2 }' | cut -d / -f 1)"
        tool destroy -n t-oci
        rm -rf "$LXC/t-base"
        printf 'lxc.net.0.type = empty\n' >"$RUN/oci.conf"
        code 0 tool create -n t-oci -f "$RUN/oci.conf" -t oci -- --url image:team/app:2 --copy
        is_changed_tree "$LXC/t-oci/rootfs"
        tool destroy -n t-oci
    done
    # The image is gone.
    mkdir -p "$LXC/t-oci/overlay/delta"
    printf '%s\n' "lxc.rootfs.path = overlay:$layers/$key/tree:$LXC/t-oci/overlay/delta" >"$LXC/t-oci/config"
    tool_image rm team/app:1
    code 1 tool commit t-oci team/app:3
    says 'is not here any more'
    rm -rf "$layers"
    unset LXC_CACHE_PATH
}

# Serves the tree $RUN/tree in the run's network namespace, plain on port 5005 and with TLS on 5006; the process ids are in $served.
serve_tree() {
    (cd "$RUN" && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out ca.pem -days 2 \
        -subj /CN=tree -addext 'subjectAltName=IP:127.0.0.1' -addext basicConstraints=critical,CA:FALSE) 2>/dev/null
    nsenter --net="/run/netns/$NETNS" python3 -m http.server -b 127.0.0.1 -d "$RUN/tree" 5005 >"$RUN/served" 2>&1 &
    served=$!
    nsenter --net="/run/netns/$NETNS" python3 - "$RUN" >"$RUN/served-tls" 2>&1 <<'PYTHON' &
import functools, http.server, ssl, sys
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1] + "/tree")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 5006), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1] + "/ca.pem", sys.argv[1] + "/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PYTHON
    served+=" $!"
    for _ in $(seq 100); do
        nsenter --net="/run/netns/$NETNS" bash -c ': </dev/tcp/127.0.0.1/5005 && : </dev/tcp/127.0.0.1/5006' 2>/dev/null && break
        sleep 0.1
    done
}

# Makes t-in from the tree.
from_tree() { # OPTION...
    LXC_CACHE_PATH=$RUN/cache tool create -n t-in -f "$RUN/import.conf" -t download -- --server 127.0.0.1:5005 --plain-http -d small -r 1 -a amd64 --flush-cache "$@"
}

refused_by_tree() { # WHAT SAID OPTION...
    local what=$1 said=$2
    shift 2
    code 1 from_tree "$@"
    says "$said"
    [ ! -e "$LXC/t-in" ] || fail "$what: a container is left"
    [ -z "$(find "$RUN/cache/download" -name 'rootfs.tar.xz' -o -name '.*.new' 2>/dev/null)" ] || fail "$what: something is kept: $(find "$RUN/cache/download")"
}

test_serve_tree() {
    local served home=$RUN/gnupg key build place older
    command -v gpg >/dev/null || { skipped='there is no gpg here'; return; }
    rm -rf "$RUN/tree" "$RUN/cache" "$home"
    mkdir -m 700 "$home"
    for key in good other; do
        gpg --homedir "$home" --batch --quiet --passphrase '' --quick-gen-key "$key" ed25519 sign never 2>/dev/null
        gpg --homedir "$home" --export "$key" >"$RUN/$key.gpg"
    done
    odd_container "lxc.include = $STAGE/share/lxc/config/common.conf" "lxc.mount.entry = /etc mnt none bind,ro 0 0"
    printf 'lxc.net.0.type = empty\n' >"$RUN/import.conf"
    tool export t-out | GNUPGHOME=$home code 0 "$BIN" image serve-tree "$RUN/tree" - -d small -r 1 -a amd64 --sign good --message 'Made of t-out'
    build=$(cat "$RUN/out")
    place=$RUN/tree/images/small/1/amd64/default/$build
    same "the index" "small;1;amd64;default;$build;/images/small/1/amd64/default/$build/" "$(cat "$RUN/tree/meta/1.0/index-system")"
    same "what is there" "SHA256SUMS SHA256SUMS.asc meta.tar.xz meta.tar.xz.asc rootfs.tar.xz rootfs.tar.xz.asc" "$(ls -A "$place" | xargs)"
    (cd "$place" && sha256sum --quiet -c SHA256SUMS) || fail "the digests are wrong"
    serve_tree
    code 0 from_tree --keyring "$RUN/good.gpg"
    same_whole_tree "the tree" "$LXC/t-out/rootfs/srv" "$LXC/t-in/rootfs/srv"
    same_whole_tree "its programs" "$LXC/t-out/rootfs/usr" "$LXC/t-in/rootfs/usr"
    grep -q 'Made of t-out' "$RUN/out" || fail "the message is missing"
    grep -q "^lxc.include = $STAGE/share/lxc/config/common.conf" "$LXC/t-in/config" || fail "the configuration is missing"
    ! grep -q lxc.mount.entry "$LXC/t-in/config" || fail "it reaches the host"
    code 0 tool start -n t-in
    same "it runs" t-in "$(tool attach -n t-in -- hostname)"
    tool stop -k -n t-in
    tool destroy -n t-in
    # Debian's own template, which needs TLS.
    if command -v wget >/dev/null; then
        echo "ca_certificate = $RUN/ca.pem" >"$RUN/wgetrc"
        WGETRC=$RUN/wgetrc LXC_CACHE_PATH=$RUN/cache code 0 debian create -n t-in -f "$RUN/import.conf" -t /usr/share/lxc/templates/lxc-download -- \
            --server 127.0.0.1:5006 -d small -r 1 -a amd64 --flush-cache
        # Its tar is not asked to keep extended attributes and ACLs.
        without_attributes=yes same_tree "the tree by Debian's template" "$LXC/t-out/rootfs/srv" "$LXC/t-in/rootfs/srv"
        code 0 debian start -n t-in
        same "it runs with Debian's" t-in "$(debian attach -n t-in -- hostname)"
        debian stop -k -n t-in
        tool destroy -n t-in
        rm -rf "$RUN/cache"
    fi
    refused_by_tree "another key" 'is not signed by a key of' --keyring "$RUN/other.gpg"
    cp "$place/rootfs.tar.xz" "$RUN/rootfs.tar.xz"
    # One bit, with and without signatures.
    perl -e 'open F, "+<", shift; seek F, (-s F) / 2, 0; read F, $c, 1; seek F, -1, 1; print F chr(ord($c) ^ 1)' "$place/rootfs.tar.xz"
    refused_by_tree "a changed file" 'rootfs.tar.xz is not signed by a key of' --keyring "$RUN/good.gpg"
    refused_by_tree "a changed file without keys" 'rootfs.tar.xz is not what its digest says'
    head -c 300000 "$RUN/rootfs.tar.xz" >"$place/rootfs.tar.xz"
    refused_by_tree "a cut file" 'rootfs.tar.xz is not signed by a key of' --keyring "$RUN/good.gpg"
    refused_by_tree "a cut file without keys" 'rootfs.tar.xz is not what its digest says'
    mv "$RUN/rootfs.tar.xz" "$place/rootfs.tar.xz"
    # A changed digest does not help.
    sed -i 's/^./0/' "$place/SHA256SUMS"
    refused_by_tree "a changed digest" 'SHA256SUMS is not signed by a key of' --keyring "$RUN/good.gpg"
    (cd "$place" && sha256sum meta.tar.xz rootfs.tar.xz >SHA256SUMS)
    # A later build; the older one stays for who has the older index, and goes with the next.
    older=$RUN/tree/images/small/1/amd64/default/20200101_00:00
    mv "$place" "$older"
    cp -r "$RUN/tree/meta" "$RUN/older-meta"
    # Builds are called after minutes.
    until [ "$(date -u +%Y%m%d_%H:%M)" != "${place##*/}" ]; do command sleep 1; done
    code 0 tool export t-out "$RUN/t-out.tar"
    GNUPGHOME=$home code 0 "$BIN" image serve-tree "$RUN/tree" "$RUN/t-out.tar" -d small -r 1 --sign good
    build=$(cat "$RUN/out")
    same "the newest" "$build" "$(cut -d ';' -f 5 "$RUN/tree/meta/1.0/index-user")"
    [ -d "$older" ] || fail "the older build is gone"
    code 0 from_tree --keyring "$RUN/good.gpg"
    tool destroy -n t-in
    GNUPGHOME=$home code 0 "$BIN" image serve-tree "$RUN/tree" --keep 1 --sign good
    [ ! -e "$older" ] || fail "the older build stayed"
    # Its index, with a good signature, leads to nothing.
    rm -rf "$RUN/cache"
    mv "$RUN/tree/meta" "$RUN/newer-meta"
    mv "$RUN/older-meta" "$RUN/tree/meta"
    refused_by_tree "an old index" "meta.tar.xz: 404" --keyring "$RUN/good.gpg"
    rm -r "$RUN/tree/meta"
    mv "$RUN/newer-meta" "$RUN/tree/meta"
    GNUPGHOME=$home code 1 "$BIN" image serve-tree "$RUN/tree" --sign nobody
    says 'gpg cannot sign'
    GNUPGHOME=$home code 1 "$BIN" image serve-tree "$RUN/tree" "$RUN/t-out.tar" -d ../x -r 1
    says 'not a part of an image'
    head -c 50000 "$RUN/t-out.tar" >"$RUN/cut.tar"
    code 1 "$BIN" image serve-tree "$RUN/tree" "$RUN/cut.tar" -d cut -r 1
    says 'cut off'
    [ -z "$(find "$RUN/tree/images/cut" -type f)" ] || fail "half a build is left"
    ! grep -q cut "$RUN/tree/meta/1.0/index-system" || fail "it is in the index"
    code 0 from_tree --keyring "$RUN/good.gpg"
    gpgconf --homedir "$home" --kill all
    # shellcheck disable=SC2086
    end $served
    rm -rf "$RUN/tree" "$RUN/t-out.tar"
}

# Files, archives and images of a container of an ordinary user, who has none of its ids.
test_cp_and_export_of_an_ordinary_user() {
    command -v newuidmap >/dev/null || { skipped='newuidmap is not installed'; return; }
    # shellcheck disable=SC2016
    user_world '
        home=/home/t-user own=/home/t-user/.local/share/lxc
        mkdir "$own/t-own/rootfs/srv"
        echo secret >"$own/t-own/rootfs/srv/secret"
        chown -R 300033:300033 "$own/t-own/rootfs/srv"
        chmod 700 "$own/t-own/rootfs/srv"
        chmod 600 "$own/t-own/rootfs/srv/secret"
        as_user "echo mine >file; chmod 600 file"
        for state in stopped running; do
            [ $state = stopped ] || as_user lxc-start -n t-own
            as_user "lxc-cp file t-own:/root/$state && lxc-cp t-own:/srv srv-$state"
            echo "$state: $(stat -c %u:%g "$own/t-own/rootfs/root/$state") $(stat -c %U:%a "$home/srv-$state/secret") $(cat "$home/srv-$state/secret")"
        done
        as_user "lxc-cp -a t-own:/srv kept" 2>&1 | grep -o "only root.*"
        as_user "lxc-cp t-own:/srv - | tar --numeric-owner -tvf - srv/secret" | cut -d " " -f 1-2
        # Root, who does no more inside than the root inside.
        echo of root >/root-file
        chmod 600 /root-file
        lxc-cp -P "$own" /root-file t-own:/root/of-root
        echo "of root: $(stat -c %u:%g "$own/t-own/rootfs/root/of-root")"
        ln -s /root-file "$own/t-own/rootfs/root/link"
        lxc-cp -P "$own" -L t-own:/root/link /root-copy || echo "not the file of the host"
        as_user lxc-stop -k -n t-own
        as_user "lxc-export t-own own.tar.gz && lxc-import -f .local/share/lxc/t-own/config own.tar.gz t-back | tail -1"
        echo "back: $(stat -c %u:%g:%a "$own/t-back/rootfs/srv/secret") $(stat -c %U "$own/t-back" "$home/own.tar.gz" | xargs)"
        as_user "lxc-copy -s -B overlay -n t-own -N t-layer && lxc-cp file t-layer:/etc/passwd && lxc-cp t-layer:/etc/passwd out && cat out"
        echo "layer: $(stat -c %u:%g "$own/t-layer/overlay/delta/etc/passwd")"
        as_user "lxc-diff t-layer" | grep passwd
        as_user "lxc-commit --whole t-layer t/layer:1" | cut -d @ -f 1
        as_user "lxc-create -n t-image -f .local/share/lxc/t-own/config -t oci -- --url image:t/layer:1 >/dev/null && lxc-cp t-image:/etc/passwd again && cat again"
        for name in t-image t-layer t-back t-own; do as_user "lxc-destroy -n $name" >/dev/null; done
        gone' >"$RUN/out" 2>"$RUN/err" || fail "it failed: $(cat "$RUN/out" "$RUN/err")"
    same "what an ordinary user can do" "stopped: 300000:300000 t-user:600 secret
running: 300000:300000 t-user:600 secret
only root can keep owners: without -a all belongs to the caller
-rw------- 33/33
of root: 300000:300000
not the file of the host
t-back
back: 300033:300033:600 t-user t-user
mine
layer: 300000:300000
C /etc/passwd
docker.io/t/layer:1
mine" "$(cat "$RUN/out")"
}

# Containers over the layers that an image's containers share.
test_commit_of_shared_layers() {
    local before
    export LXC_CACHE_PATH=$RUN/cache
    rm -rf "$RUN/cache"
    image image
    keep_image docker.io/team/app:1
    code 0 layered t-oci image:team/app:1
    grep -q "^lxc.rootfs.path = overlay:$LXC_LAYERS_PATH/" "$LXC/t-oci/config" || fail "it is not over layers: $(grep rootfs "$LXC/t-oci/config")"
    same "no difference" "" "$(image_differences)"
    code 0 tool execute -n t-oci -s lxc.init.uid=0 -s lxc.init.gid=0 -- /bin/sh -c 'echo added >/data/added; echo other >/etc/changed
        rm /etc/sub/new; rm /data/kept; mkdir /data/dir; ln -s added /data/link'
    same "the differences" "A /data/added A /data/dir A /data/link C /data C /etc/changed C /etc/sub D /data/kept D /etc/sub/new" "$(image_differences)"
    before=$(find "$RUN/cache/oci/blobs" -type f | wc -l)
    code 0 tool commit t-oci team/app:2
    same "blobs more: a layer, a configuration, a manifest" 3 "$(($(find "$RUN/cache/oci/blobs" -type f | wc -l) - before))"
    tool destroy -n t-oci
    code 0 layered t-oci image:team/app:2
    code 0 tool cp t-oci:/. "$RUN/shared-out"
    same "an added file" added "$(cat "$RUN/shared-out/data/link")"
    same "a changed file" other "$(cat "$RUN/shared-out/etc/changed")"
    [ ! -e "$RUN/shared-out/etc/sub/new" ] && [ ! -e "$RUN/shared-out/data/kept" ] || fail "what was removed is there"
    same "the command of the image" "a  b of 33 in /data" "$(tool execute -n t-oci)"
    # All of it, in an archive and back.
    code 0 tool export t-oci "$RUN/shared.tar"
    code 0 tool import -f "$RUN/oci.conf" "$RUN/shared.tar" t-in
    is_changed_tree "$LXC/t-in/rootfs"
    tool destroy -n t-in
    tool destroy -n t-oci
    rm -rf "$RUN/shared-out" "$RUN/shared.tar"
    tool_image rm team/app:1 team/app:2
    tool_image prune >/dev/null
    same "layers that are left" 0 "$(unpacked)"
    unset LXC_CACHE_PATH
}
