# Every operation on every storage back-end: create, start, stop, copy to each of the others, clone, snapshot, restore,
# rename, destroy; beside Debian's LXC where that has the back-end. `btrfs_begin` is in storage_btrfs.sh.

# The rows, by the options that create them.
declare -A ROWS=(
    [dir]='-B dir'
    [overlay]='-B overlay'
    [btrfs]='-B btrfs'
    [loop-ext4]='-B loop --fssize 64M'
    [loop-xfs]='-B loop --fstype xfs --fssize 300M'
    [loop-btrfs]='-B loop --fstype btrfs --fssize 120M'
    [squashfs]='-B squashfs'
    [erofs]='-B erofs'
)
# What is copied to, by the options of lxc-copy.
declare -A COLUMNS=(
    [dir]='-B dir'
    [btrfs]='-B btrfs'
    [loop]='-B loop -L 320M'
    [squashfs]='-B squashfs'
    [erofs]='-B erofs'
    [same]=''
)

# Loop devices of this run's containers.
loops() { grep -l "$LXC/" /sys/block/loop*/loop/backing_file 2>/dev/null | cut -d/ -f4 | xargs; }
no_loops() { # WHEN: what was mounted in a mount namespace that has ended is gone a moment later
    for _ in $(seq 50); do [ -n "$(loops)" ] || return 0; sleep 0.1; done
    fail "loop devices $1: $(loops)"
}

# A template that needs nothing of the host, and makes entries of every kind.
table_template() {
    rm -rf "$RUN/tree"
    rootfs "$RUN/tree"
    mkdir -p "$RUN/tree/odd/deep/er"
    printf data >"$RUN/tree/odd/file" && ln "$RUN/tree/odd/file" "$RUN/tree/odd/deep/second"
    ln -s ../nowhere "$RUN/tree/odd/link" && mkfifo "$RUN/tree/odd/fifo" && mknod "$RUN/tree/odd/null" c 1 3
    truncate -s 3M "$RUN/tree/odd/hole" && printf x | dd of="$RUN/tree/odd/hole" bs=1 seek=1500000 conv=notrunc status=none
    head -c 900000 /dev/urandom >"$RUN/tree/odd/large"
    printf x >"$RUN/tree/odd/suid" && chown 1000:1001 "$RUN/tree/odd/suid" && chmod 6755 "$RUN/tree/odd/suid"
    cat >"$RUN/template" <<TEMPLATE
#!/bin/sh
for word; do case \$word in --path=*) path=\${word#*=} ;; --rootfs=*) root=\${word#*=} ;; --name=*) name=\${word#*=} ;; esac; done
[ -z "\$(ls -A "\$root")" ] || { echo "not empty: \$root"; exit 1; }
cp -a $RUN/tree/. "\$root" || exit 1
printf 'lxc.uts.name = %s\nlxc.mount.auto = proc:mixed sys:mixed\nlxc.signal.halt = SIGUSR1\nlxc.pty.max = 8\n' "\$name" >>"\$path/config"
TEMPLATE
    chmod 755 "$RUN/template"
}

# What the running container sees of the template's files.
seen_in() { # NAME
    tool attach -n "$1" -- /bin/sh -c 'cd /odd && find . | sort | while read f; do
            # A directory has as many names as its file system counts.
            if [ -d "$f" ]; then stat -c "%n %F %a %u:%g" "$f"; else stat -c "%n %F %a %u:%g %h %t:%T" "$f"; fi
        done
        for f in file hole large suid; do stat -c "%s %Y" $f; md5sum <$f; done; readlink link; stat -c "%a %u:%g" /' 2>&1
}

starts_with_all() { # NAME WHEN: it starts, has its name and all files, and stops; nothing is left mounted
    code 0 tool start -n "$1"
    same "files $2" "$wanted" "$(seen_in "$1")"
    same "name $2" "$1" "$(tool attach -n "$1" -- hostname)"
    code 0 tool stop -k -n "$1"
    no_loops "$2"
}

# A clone of a row; `wanted` is the caller's.
row_clone() { # ROW
    local row=$1
    code 0 tool copy -s -n t-row -N t-rowclone
    starts_with_all t-rowclone "of a clone of $row"
    code 0 tool copy -n t-rowclone -N t-rowcopy -B dir
    starts_with_all t-rowcopy "of a copy of a clone of $row"
    code 0 tool destroy -n t-rowcopy
    case $row in
        # Those that share no file with what they were made of.
        btrfs | squashfs | erofs | lvm-thin | zfs) ;;
        *) code 1 tool destroy -n t-row && says 'has clones' ;;
    esac
    code 0 tool destroy -n t-rowclone
}

# Creation to destruction of one row; the directory of containers is there.
row() { # ROW COLUMN...
    local row=$1 column wanted='' options
    shift
    # shellcheck disable=SC2086
    code 0 tool create -n t-row -t "$RUN/template" -f /dev/null ${ROWS[$row]}
    [ "$ok" = yes ] || return 0
    no_loops "after the creation ($row)"
    code 0 tool info -n t-row
    code 0 tool start -n t-row
    wanted=$(seen_in t-row)
    grep -q '^./null character special file 644 0:0 1 1:3$' <<<"$wanted" || fail "files of $row: $wanted"
    code 1 tool copy -n t-row -N t-rowcopy
    says 'is running'
    code 0 tool copy -n t-row -N t-rowlive -a ${COLUMNS[dir]}
    code 0 tool stop -k -n t-row
    no_loops "after the stop ($row)"
    starts_with_all t-rowlive "of a copy of $row while it runs"
    code 0 tool destroy -n t-rowlive
    for column in "$@"; do
        # A layer is not a copy.
        if [ "$row/$column" = overlay/same ]; then continue; fi
        # shellcheck disable=SC2086
        code 0 tool copy -n t-row -N t-rowcopy ${COLUMNS[$column]}
        starts_with_all t-rowcopy "of $row copied to $column"
        code 0 tool destroy -n t-rowcopy
    done
    case $row in
        nbd | rbd) code 1 tool copy -s -n t-row -N t-rowclone && says 'no snapshots' ;;
        *) row_clone "$row" ;;
    esac
    if [[ $row = loop* ]]; then
        # One that shares the blocks of the file, where files can.
        if [ "$(stat -f -c %T "$LXC")" = btrfs ]; then
            code 0 tool copy -s -B loop -n t-row -N t-rowclone
            starts_with_all t-rowclone "of $row that shares blocks"
            code 0 tool destroy -n t-rowclone
        else
            code 1 tool copy -s -B loop -n t-row -N t-rowclone
            says 'cannot share blocks'
        fi
    fi
    code 0 tool start -n t-row
    code 0 tool attach -n t-row -- /bin/sh -c 'echo kept >/kept'
    code 0 tool stop -k -n t-row
    code 0 tool snapshot -n t-row
    code 0 tool start -n t-row
    code 0 tool attach -n t-row -- /bin/sh -c 'rm /kept /odd/file; echo new >/new'
    code 0 tool stop -k -n t-row
    code 0 tool snapshot -n t-row -r snap0
    code 0 tool snapshot -n t-row -r snap0 -N t-rowcopy
    for column in t-row t-rowcopy; do
        code 0 tool start -n $column
        same "$column restored ($row)" 'kept data' "$(tool attach -n $column -- /bin/sh -c 'echo $(cat /kept /odd/file /new 2>&-)')"
        code 0 tool attach -n $column -- /bin/rm /kept
        code 0 tool stop -k -n $column
    done
    code 0 tool destroy -n t-rowcopy
    code 0 tool snapshot -n t-row -d ALL
    wanted=$(seen_after t-row)
    code 0 tool copy -R -n t-row -N t-rownew
    starts_with_all t-rownew "of $row renamed"
    code 0 tool destroy -n t-rownew
    same "left of $row" '' "$(ls -A "$LXC")"
    no_loops "at the end ($row)"
}
seen_after() {
    code 0 tool start -n "$1"
    seen_in "$1"
    code 0 tool stop -k -n "$1"
}

# Those that the host can make.
can_be_made() { # ROW
    local program
    case $1 in
        loop-xfs) program=mkfs.xfs ;;
        loop-btrfs) program=btrfstune ;;
        squashfs) program=mksquashfs ;;
        erofs) program=mkfs.erofs ;;
        *) return 0 ;;
    esac
    command -v $program >/dev/null || { echo "    without $1: $program is not installed"; return 1; }
}

columns() { # COLUMN...: those that the host can make
    local column
    for column in "$@"; do can_be_made "$column" >/dev/null && echo "$column"; done
}

test_every_operation_on_every_storage() {
    table_template
    local name
    for name in dir overlay loop-ext4 loop-xfs loop-btrfs squashfs erofs; do
        can_be_made $name || continue
        row $name $(columns dir loop same squashfs erofs)
    done
}

# There all copies of images share their blocks.
test_every_operation_on_every_storage_on_btrfs() {
    btrfs_begin || return
    table_template
    local name
    for name in dir overlay btrfs loop-ext4 loop-xfs loop-btrfs squashfs erofs; do
        can_be_made $name || continue
        row $name $(columns dir btrfs loop same squashfs erofs)
    done
    btrfs_end
}
