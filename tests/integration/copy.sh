# lxc-copy: what it makes of every kind of entry, beside rsync and Debian's lxc-copy.

# Every kind of entry that a root filesystem can have.
odd_entries() { # DIR
    mkdir -p "$1"/odd/{deep/er,empty,sticky}
    printf data >"$1/odd/file" && ln "$1/odd/file" "$1/odd/deep/second" && ln "$1/odd/file" "$1/odd/deep/er/third"
    ln -s /etc/passwd "$1/odd/link" && ln "$1/odd/link" "$1/odd/link2" && ln -s nowhere "$1/odd/dangling"
    truncate -s 3M "$1/odd/hole" && printf x | dd of="$1/odd/hole" bs=1 seek=1500000 conv=notrunc status=none
    head -c 900000 /dev/urandom >"$1/odd/large"
    mknod "$1/odd/null" c 1 3 && mknod "$1/odd/block" b 7 99 && mknod "$1/odd/whiteout" c 0 0 && mkfifo "$1/odd/fifo"
    perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0) && bind(S, pack_sockaddr_un($ARGV[0])) or die $!' "$1/odd/sock"
    cp /bin/true "$1/odd/ping" && setcap cap_net_raw+ep "$1/odd/ping"
    cp /bin/true "$1/odd/suid" && chown 1000:1001 "$1/odd/suid" && chmod 6755 "$1/odd/suid"
    chmod 1777 "$1/odd/sticky" && chown -h 5:6 "$1/odd/dangling" "$1/odd/fifo"
    setfattr -n user.note -v hello "$1/odd/file" && setfattr -n trusted.t -v "$(head -c 2000 /dev/zero | tr '\0' t)" "$1/odd/deep"
    setfattr -h -n trusted.l -v link "$1/odd/link"
    setfacl -m u:1234:rw "$1/odd/large" && setfacl -d -m u:1234:rwx "$1/odd/deep"
    printf x >"$1/odd/$(printf 'new\nline')" && printf x >"$1/odd/ä b"
    find "$1/odd" -exec touch -h -d '2020-02-03 04:05:06.123456789' {} +
}

differences() { # TREE COPY
    rsync -naHAXc --delete --out-format='%i %n' "$1/" "$2/"
    diff <(cd "$1" && find . -printf '%p %y %m %U:%G %T@ %n %l\n' | sort) \
        <(cd "$2" && find . -printf '%p %y %m %U:%G %T@ %n %l\n' | sort)
}

test_copy_keeps_every_kind_of_entry() {
    container t-odd
    odd_entries "$LXC/t-odd/rootfs"
    code 0 tool copy -n t-odd -N t-copy -K
    same differences '' "$(differences "$LXC/t-odd/rootfs" "$LXC/t-copy/rootfs")"
    (umask 077 && code 0 tool copy -n t-odd -N t-private -K)
    same 'differences with another umask' '' "$(differences "$LXC/t-odd/rootfs" "$LXC/t-private/rootfs")"
    same 'blocks of a file with holes' "$(stat -c %b "$LXC/t-odd/rootfs/odd/hole")" "$(stat -c %b "$LXC/t-copy/rootfs/odd/hole")"
    same capability "$(getcap "$LXC/t-odd/rootfs/odd/ping" | cut -d' ' -f2)" "$(getcap "$LXC/t-copy/rootfs/odd/ping" | cut -d' ' -f2)"
    for file in ping deep link large null; do
        same "attributes of $file" "$(cd "$LXC/t-odd/rootfs/odd" && getfattr -h -d -m - $file)" "$(cd "$LXC/t-copy/rootfs/odd" && getfattr -h -d -m - $file)"
    done
    code 0 tool start -n t-copy
    same shell t-odd "$(tool attach -n t-copy -- hostname)"
    code 1 tool copy -n t-copy -N t-more
    says 't-copy is running'
    code 0 tool stop -k -n t-copy
}

# As long as the other's name, so that files are as long.
TWIN=$RUN/deb

# Two directories of containers with the same content, one for Debian's tools.
twins() { # NAME CONFIG-LINE...
    container "$@"
    rm -rf "$TWIN"
    cp -a "$LXC" "$TWIN"
    grep -rl "$LXC" "$TWIN" --include=config --include=fstab | xargs -r sed -i "s#$LXC#$TWIN#g"
}
theirs() { local tool=$1; shift; timeout 120 nsenter --net="/run/netns/$NETNS" "/usr/bin/lxc-$tool" -P "$TWIN" "$@"; }

# What there is on the disk, with what is random or a time masked.
disk() { # DIR
    (cd "$1" && find . -mindepth 1 -path '*/rootfs/bin/*' -prune -o -printf '%p %y %m %U:%G %s %l\n' | sed -E 's/ d ([0-7]+) ([0-9:]+) [0-9]+/ d \1 \2/' | sort
        find . \( -name config -o -name fstab -o -name 'lxc_*' -o -name hostname -o -name hooked -o -name comment \) -not -path '*/proc/*' | sort |
            while read -r file; do echo "== $file"; sed -E "s#$1#LXCPATH#g; s/00:16:3e(:[0-9a-f]{2}){3}/MAC/" "$file"; done)
}

# The same command line to both: the same exit code, standard output and disk.
both() { # TOOL ARG...
    local ours their
    tool "$@" >"$RUN/out" 2>"$RUN/err"
    ours=$?
    theirs "$@" >"$RUN/out2" 2>"$RUN/err2"
    their=$?
    same "exit code of lxc-$*" $their $ours
    same "output of lxc-$*" "$(sed "s#$TWIN#$LXC#g" "$RUN/out2")" "$(cat "$RUN/out")"
    same_disk "lxc-$*"
}
same_disk() { # WHAT
    local difference
    difference=$(diff -a <(disk "$TWIN") <(disk "$LXC"))
    [ -z "$difference" ] || fail "$1: the disk differs: $difference"
}

test_copy_as_debian_does() {
    [ -x /usr/bin/lxc-copy ] || { skipped="Debian's lxc is not installed"; return; }
    printf '#!/bin/sh\necho "$* $LXC_NAME $LXC_SRC_NAME $LXC_ROOTFS_PATH $LXC_CONFIG_FILE" >"$LXC_ROOTFS_MOUNT/hooked"\n' >"$RUN/hook"
    chmod +x "$RUN/hook"
    mkdir -p "$LXC/t-one"
    touch "$LXC/t-one/own-hook"
    echo '/proc mnt none bind,optional 0 0' >"$LXC/t-one/fstab"
    twins t-one '' '# a comment' "lxc.hook.clone = $RUN/hook" "lxc.hook.stop = $LXC/t-one/own-hook" \
        "lxc.mount.fstab = $LXC/t-one/fstab" 'lxc.net.0.type = veth' 'lxc.net.0.hwaddr = 00:16:3e:01:02:03' \
        'lxc.net.1.type = empty' 'other = thing' "lxc.environment = A=$LXC/t-one/x"
    for dir in "$LXC" "$TWIN"; do echo t-one >"$dir/t-one/rootfs/etc/hostname"; done
    both copy -n t-one -N t-two
    both copy -n t-one -N t-kept -K -M -- one 'two words'
    both copy t-one -N t-dir -B dir
    both copy -n t-one -N t-two
    both copy -n t-none -N t-three
    both copy -n t-one
    both copy -n t-one -N t-bad -B nonsense
    both copy -n t-one -N t-bad -s -B dir
    both copy -n t-one -N t-bad -p "$RUN/nowhere"
    both copy -n t-one -N t-snap -s
    both copy -n t-one -N t-snap2 -s -B overlay
    both copy -n t-snap -N t-snap3 -s
    both copy -n t-snap -N t-bad
}

test_rename_as_debian_does() {
    [ -x /usr/bin/lxc-copy ] || { skipped="Debian's lxc is not installed"; return; }
    for stage in clone destroy; do
        printf '#!/bin/sh\necho "$* $LXC_SRC_NAME $LXC_ROOTFS_PATH" >>"${0%%/*}/said-%s"\n' $stage >"$RUN/hook-$stage"
        chmod +x "$RUN/hook-$stage"
    done
    mkdir -p "$LXC/t-old"
    touch "$LXC/t-old/own-hook"
    twins t-old '# a comment' "lxc.hook.clone = $RUN/hook-clone" "lxc.hook.destroy = $RUN/hook-destroy" \
        "lxc.hook.stop = $LXC/t-old/own-hook" 'lxc.net.0.type = veth' 'lxc.net.0.hwaddr = 00:11:22:01:02:03'
    for dir in "$LXC" "$TWIN"; do
        echo t-old >"$dir/t-old/rootfs/etc/hostname"
        chmod 770 "$dir/t-old"
        chmod 640 "$dir/t-old/config"
    done
    both copy -n t-old -N t-new -R
    same hooks "$(grep -v "$LXC" "$RUN"/said-* | sed "s#$TWIN#$LXC#")" "$(grep -v "$TWIN" "$RUN"/said-*)"
    both copy -n t-old -N t-new -R
    both copy -n t-new -N t-snap -s
    both copy -n t-new -N t-newer -R
    both copy -n t-new -N t-both -R -s
    both destroy -n t-both
    both destroy -n t-snap
    both destroy -n t-new
}

test_ephemeral_copies() {
    container t-base
    mkdir -p "$RUN/share" "$RUN/lower"
    touch "$RUN/share/shared" "$RUN/lower/below"
    code 0 tool copy -n t-base -e -N t-throw -m "bind=$RUN/share:/mnt:ro,overlay=$RUN/lower:/tmp"
    same said 'Created t-throw as clone of t-base' "$(cat "$RUN/out")"
    same mounts '1 0' "$(tool attach -n t-throw -- sh -c 'touch /mnt/x 2>/dev/null; echo $? $(touch /tmp/x; echo $?)')"
    same 'the lower directory' below "$(ls "$RUN/lower")"
    same name t-throw "$(tool attach -n t-throw -- hostname)"
    code 1 tool destroy -n t-base
    says 'has clones'
    code 0 tool stop -k -n t-throw
    for _ in $(seq 50); do [ -e "$LXC/t-throw" ] && sleep 0.1; done
    same left t-base "$(ls "$LXC")"
    same 'noted in the source' 'config rootfs' "$(ls "$LXC/t-base" | xargs)"
    code 0 tool copy -n t-base -e -- sh -c 'echo hello >/file; cat /file; exit 3'
    same said hello "$(tail -1 "$RUN/out")"
    for _ in $(seq 50); do [ "$(ls "$LXC")" = t-base ] || sleep 0.1; done
    same left t-base "$(ls "$LXC")"
    code 0 tool copy -n t-base -e -t -N t-memory
    tool attach -n t-memory -- touch /written
    same 'on the disk' '' "$(find "$LXC/t-memory/overlay" -name written)"
    code 0 tool stop -k -n t-memory
    code 0 tool copy -n t-base -e -D -K -N t-stays
    same name t-base "$(tool attach -n t-stays -- hostname)"
    code 0 tool stop -k -n t-stays
    for _ in $(seq 50); do [ -e "$LXC/t-memory" ] && sleep 0.1; done
    same left 't-base t-stays' "$(ls "$LXC" | xargs)"
    same ephemeral 0 "$(grep -c ephemeral "$LXC/t-stays/config")"
    code 1 tool copy -n t-base -e -t -D -N t-bad
    code 1 tool copy -n t-base -e -m nfs=/a -N t-bad
    printf 'lxc.hook.pre-start = /bin/false\n' >>"$LXC/t-base/config"
    code 1 tool copy -n t-base -e -N t-bad
    says 'pre-start hook'
    same left 't-base t-stays' "$(ls "$LXC" | xargs)"
    code 0 tool destroy -n t-stays
}

# What a copy in memory is, whoever's ids its files have.
in_memory() { # NAME of a container to copy, which has an /etc/hostname
    code 0 tool copy -n "$1" -e -t -N t-memory
    code 0 tool attach -n t-memory -- sh -c 'echo new >/written && chown 3:4 /written && rm /etc/passwd && mkdir /bin/newer'
    same "in memory ($1)" '3:4 0:0 755 t-memory' "$(tool attach -n t-memory -- sh -c 'echo $(stat -c %u:%g /written; stat -c "%u:%g %a" /; cat /etc/hostname)')"
    same "on the disk ($1)" '' "$(find "$LXC/t-memory/overlay" -name written)"
    [ -e "$LXC/$1/rootfs/etc/passwd" ] || fail "a file of $1 is gone"
    code 0 tool stop -k -n t-memory
    for _ in $(seq 50); do [ -e "$LXC/t-memory" ] && sleep 0.1; done
    [ ! -e "$LXC/t-memory" ] || fail "left of a copy of $1: $(ls -A "$LXC/t-memory")"
}

test_copies_in_memory() {
    container t-plain
    echo old >"$LXC/t-plain/rootfs/etc/hostname"
    in_memory t-plain
    # What a clone has written on the disk is below that, and stays.
    code 0 tool copy -s -n t-plain -N t-clone
    echo clone >"$LXC/t-clone/overlay/delta/mine"
    mknod "$LXC/t-clone/overlay/delta/mnt" c 0 0
    echo 'lxc.rootfs.options = noatime,upper=tmpfs' >>"$LXC/t-clone/config"
    code 0 tool start -n t-clone
    same 'what the clone had written' 'clone 1' "$(tool attach -n t-clone -- sh -c 'echo $(cat /mine; ls -d /mnt >&- 2>&-; echo $?; rm /mine; touch /new)')"
    code 0 tool stop -k -n t-clone
    same 'what it has' 'etc mine mnt' "$(ls "$LXC/t-clone/overlay/delta" | xargs)"
    # Not where it would be a directory that is written.
    container t-wrong 'lxc.rootfs.options = upper=tmpfs'
    code 1 tool start -n t-wrong
    says 'only an overlay has a layer in memory'
}

test_copies_in_memory_with_ids() {
    container t-shown 'lxc.idmap = u 0 200000 65536' 'lxc.idmap = g 0 200000 65536' 'lxc.rootfs.options = noatime,idmap=container'
    echo old >"$LXC/t-shown/rootfs/etc/hostname"
    in_memory t-shown
    container t-mapped 'lxc.idmap = u 0 200000 65536' 'lxc.idmap = g 0 200000 65536'
    echo old >"$LXC/t-mapped/rootfs/etc/hostname"
    code 0 tool shift -n t-mapped
    in_memory t-mapped
}

# `user_world` is in cgroup-user.sh.
test_copies_in_memory_of_an_ordinary_user() {
    no_user_tools && return
    code 0 user_world '
        home=/home/t-user/.local/share/lxc
        echo old >$home/t-own/rootfs/etc/hostname && chown 300000:300000 $home/t-own/rootfs/etc/hostname
        as_user lxc-copy -n t-own -N t-own-memory -e -t
        echo "$(as_user "lxc-attach -n t-own-memory -- sh -c \"touch /written && stat -c %u:%g /written / && cat /etc/hostname\"" | xargs)"
        echo "on the disk $(find $home/t-own-memory/overlay -name written)"
        as_user lxc-stop -k -n t-own-memory
        for _ in $(seq 50); do [ -e $home/t-own-memory ] && sleep 0.1; done
        echo "left $(ls $home)$(gone)"'
    same 'what they saw' '0:0 0:0 t-own-memory|on the disk |left t-own' "$(grep -v -e ^Created -e tmpfs -e ^Rebooting "$RUN/out" | paste -sd '|')"
}

# A container whose copy takes long enough to be interrupted.
big() { # DIRECTORIES, of 200 files each
    container t-big
    mkdir "$LXC/t-big/rootfs/many"
    for dir in $(seq "$1"); do
        mkdir "$LXC/t-big/rootfs/many/$dir"
        (cd "$LXC/t-big/rootfs/many/$dir" && split -b 200 -a 3 <(head -c 40000 /dev/zero))
    done
}

test_interrupted_copies_leave_nothing() {
    big 60
    local before signal
    before=$(find "$LXC" -printf '%p %m %T@\n' | grep -v "^$LXC " | sort)
    for signal in INT TERM; do
        "$BIN" copy -P "$LXC" -n t-big -N t-cut 2>/dev/null &
        for _ in $(seq 200); do [ -e "$LXC/t-cut/rootfs/many" ] && break; sleep 0.005; done
        kill -$signal $!
        wait $!
        same "code after SIG$signal" 1 $?
        same "left by SIG$signal" "$before" "$(find "$LXC" -printf '%p %m %T@\n' | grep -v "^$LXC " | sort)"
    done
    "$BIN" copy -P "$LXC" -s -n t-big -N t-base 2>/dev/null
    # After kill -9 the next copy sweeps, whatever its name.
    "$BIN" copy -P "$LXC" -n t-big -N t-cut 2>/dev/null &
    for _ in $(seq 200); do [ -e "$LXC/t-cut/rootfs/many" ] && break; sleep 0.005; done
    kill -9 $!
    wait $! 2>/dev/null
    [ -e "$LXC/t-cut/partial" ] || fail 'it was not killed in time'
    code 1 tool start -n t-cut
    code 0 tool copy -n t-big -N t-whole -s
    same left 't-base t-big t-whole' "$(ls "$LXC" | xargs)"
    # A full disk.
    mkdir "$RUN/full" && mount -t tmpfs -o size=1m,nr_inodes=1000 tmpfs "$RUN/full"
    code 1 tool copy -n t-big -N t-full -p "$RUN/full"
    says ENOSPC
    same 'left on the full disk' '' "$(ls -A "$RUN/full")"
    umount "$RUN/full"
    rmdir "$RUN/full"
    # A hook that fails.
    printf 'lxc.hook.clone = /bin/false\n' >>"$LXC/t-big/config"
    code 1 tool copy -n t-big -N t-hooked -s
    says 'clone hook'
    same left 't-base t-big t-whole' "$(ls "$LXC" | xargs)"
    same clones 2 "$(sed -n 2~2p "$LXC/t-big/lxc_snapshots" | wc -l)"
}
