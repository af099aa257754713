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
