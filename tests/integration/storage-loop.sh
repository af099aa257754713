# Images: the storage back-ends loop, squashfs and erofs, beside Debian's LXC, with ids, with faults. `loops`, `no_loops` and
# `table_template` are in storage-table.sh.

loop_container() { # NAME OPTION...
    local name=$1
    shift
    [ -x "$RUN/template" ] || table_template
    code 0 tool create -n "$name" -t "$RUN/template" -f /dev/null -B loop --fssize 64M "$@"
}

test_loop_containers_beside_debians() {
    local type ours theirs
    command -v rsync >/dev/null || { skipped='no rsync, with which Debian copies'; return; }
    for type in ext4 xfs btrfs; do
        command -v mkfs.$type >/dev/null || continue
        loop_container t-ours --fstype $type --fssize 320M
        code 0 debian create -n t-theirs -t busybox -f /dev/null -B loop --fstype $type --fssize 320M
        same path "loop:$LXC/t-ours/rootdev" "$(path_in t-ours)"
        same "Debian's path" "loop:$LXC/t-theirs/rootdev" "$(path_in t-theirs)"
        same files "$(cd "$LXC/t-theirs" && stat -c '%n %a %U' config rootdev rootfs)" "$(cd "$LXC/t-ours" && stat -c '%n %a %U' config rootdev rootfs)"
        # Each starts what the other made, and both see it.
        code 0 debian start -n t-ours
        code 0 tool start -n t-theirs
        same 'state of ours' RUNNING "$(state t-ours)"
        same 'state of theirs' RUNNING "$(debian info -n t-theirs -sH)"
        code 0 tool attach -n t-ours -- /bin/touch /by-ours
        code 0 debian attach -n t-theirs -- /bin/touch /by-theirs
        code 0 tool stop -k -n t-ours
        code 0 debian stop -k -n t-theirs
        no_loops "after $type"
        # Copies by either start under the other.
        code 0 tool copy -n t-theirs -N t-copy
        code 0 debian copy -n t-ours -N t-copied
        code 0 debian start -n t-copy
        code 0 tool start -n t-copied
        code 0 tool attach -n t-copy -- /bin/ls /by-theirs
        code 0 tool attach -n t-copied -- /bin/ls /by-ours
        code 0 debian stop -k -n t-copied
        code 0 tool stop -k -n t-copy
        code 0 debian destroy -n t-copy
        code 0 tool destroy -n t-copied
        code 0 debian copy -R -n t-ours -N t-moved
        code 0 tool start -n t-moved
        code 0 tool stop -k -n t-moved
        code 0 debian destroy -n t-moved
        code 0 tool destroy -n t-theirs
        same "left of $type" '' "$(ls -A "$LXC")"
    done
    no_loops 'at the end'
}

test_loop_of_a_killed_monitor_and_init_is_gone() {
    local pid init
    loop_container t-loop
    for _ in 1 2 3; do
        code 0 tool start -n t-loop
        # There is one device of an image, however often it is read.
        code 0 tool copy -a -n t-loop -N t-copy -B dir
        same 'loop devices while it runs' 1 "$(loops | wc -w)"
        code 0 tool destroy -n t-copy
        pid=$(pgrep -f "^\[lxc monitor\] $LXC t-loop")
        init=$(tool info -n t-loop -pH)
        kill -9 "$pid"
        for _ in $(seq 50); do [ -d "/proc/$init" ] || break; sleep 0.1; done
        no_loops 'after kill -9 of the monitor'
        # At once.
        code 0 tool start -n t-loop
        code 0 tool stop -k -n t-loop
        code 0 tool start -n t-loop
        code 0 tool stop -r -t 10 -n t-loop
        kill -9 "$(tool info -n t-loop -pH)"
        code 0 tool wait -n t-loop -s STOPPED -t 10
        no_loops 'after kill -9 of init'
    done
    # A failed start holds nothing.
    echo 'lxc.hook.mount = /bin/false' >>"$LXC/t-loop/config"
    code 1 tool start -n t-loop
    no_loops 'after a failed start'
    code 0 tool destroy -n t-loop
}

test_loop_options_and_discard() {
    local before
    loop_container t-loop
    echo 'lxc.rootfs.options = nosuid,noatime,discard,commit=7' >>"$LXC/t-loop/config"
    code 0 tool start -n t-loop
    same 'options of the mount' rw,nosuid,noatime "$(tool attach -n t-loop -- /bin/sh -c 'grep " / / " /proc/self/mountinfo' | cut -d' ' -f6)"
    tool attach -n t-loop -- grep -q '^/dev/loop[0-9]* / ext4 .*discard.*commit=7' /proc/mounts || fail "options: $(tool attach -n t-loop -- grep ' / ' /proc/mounts)"
    before=$(stat -c %b "$LXC/t-loop/rootdev")
    code 0 tool attach -n t-loop -- /bin/sh -c 'dd if=/dev/urandom of=/large bs=1M count=20 2>/dev/null; sync; rm /large; sync'
    code 0 tool stop -k -n t-loop
    no_loops 'after the stop'
    # The kernel discards the blocks some time later.
    for _ in $(seq 100); do
        [ "$(stat -c %b "$LXC/t-loop/rootdev")" -ge $((before + 8000)) ] || break
        sleep 0.1
    done
    [ "$(stat -c %b "$LXC/t-loop/rootdev")" -lt $((before + 8000)) ] || fail 'what was removed still takes room'
    sed -i 's/^lxc.rootfs.options.*/lxc.rootfs.options = ro/' "$LXC/t-loop/config"
    code 0 tool start -n t-loop
    code 1 tool attach -n t-loop -- /bin/touch /file
    says 'Read-only'
    code 0 tool stop -k -n t-loop
    sed -i 's/^lxc.rootfs.options.*/lxc.rootfs.options = no-such-option/' "$LXC/t-loop/config"
    code 1 tool start -n t-loop
    says 'no-such-option'
    code 0 tool destroy -n t-loop
}

test_loop_says_what_is_wrong() {
    table_template
    local options
    create() { code 1 tool create -n t-bad -t "$RUN/template" -f /dev/null "$@"; }
    create -B loop --fstype nofs
    says 'nofs'
    says 'hint: there are ext4'
    create -B loop --fssize 7q
    says 'wrong size 7q'
    create -B loop --fssize 1000B
    says 'mkfs.ext4'
    create -B loop --fssize 9999999T
    says 'wrong size 9999999T'
    create -B loop --fssize 4000000T
    says 'EFBIG'
    create -B loop --fssize 3M
    says 'ENOSPC'
    create -B squashfs --fssize 3M
    says 'only valid with block devices'
    same 'left of what failed' '' "$(ls -A "$LXC")"
    no_loops 'of what failed'
    loop_container t-loop
    code 1 tool copy -n t-loop -N t-small -L 2M
    says 'ENOSPC'
    says 'hint: the copy has 2 MiB'
    code 0 tool copy -n t-loop -N t-large -L 200M
    code 0 tool start -n t-large
    [ "$(tool attach -n t-large -- df -m / | awk 'END { print $2 }')" -gt 150 ] || fail 'the copy has not the size that was asked for'
    code 0 tool stop -k -n t-large
    code 0 tool destroy -n t-large
    cp "$LXC/t-loop/rootdev" "$RUN/saved.img"
    dd if=/dev/zero of="$LXC/t-loop/rootdev" bs=1k count=64 conv=notrunc status=none
    code 1 tool start -n t-loop
    says 'there is no file system on'
    code 1 tool copy -n t-loop -N t-copy -B dir
    says 'there is no file system on'
    # Only its magic number.
    printf '\123\357' | dd of="$LXC/t-loop/rootdev" bs=1 seek=1080 conv=notrunc status=none
    code 1 tool start -n t-loop
    says 'cannot mount the ext4 on'
    rm "$LXC/t-loop/rootdev"
    code 1 tool start -n t-loop
    says 'ENOENT'
    mkfifo "$LXC/t-loop/rootdev"
    code 1 tool start -n t-loop
    says 'neither a file nor a block device'
    rm "$LXC/t-loop/rootdev"
    cp "$RUN/saved.img" "$LXC/t-loop/rootdev"
    no_loops 'after failed starts'
    # By an ordinary user.
    setpriv --reuid 65534 --clear-groups "$BIN" create -P "$RUN" -n t-user -t busybox -B loop >/dev/null 2>"$RUN/err"
    same 'code of an ordinary user' 1 $?
    code 0 tool destroy -n t-loop
    same left '' "$(ls -A "$LXC")"
}

test_loop_with_ids() {
    local row
    table_template
    for row in $(columns loop squashfs erofs); do
        # Shown with its ids, as the file systems can do that.
        code 0 tool create -n t-ids -t "$RUN/template" -f /dev/null -B $row --idmap auto
        grep -q idmap=container "$LXC/t-ids/config" || fail "no idmap=container for $row: $(cat "$LXC/t-ids/config")"
        code 0 tool start -n t-ids
        same "owners in $row" '6755 1000:1001 0:0' "$(tool attach -n t-ids -- /bin/sh -c 'echo $(stat -c "%a %u:%g" /odd/suid; stat -c %u:%g /)')"
        code 1 tool attach -n t-ids -- /bin/sh -c 'cat /odd/null >/dev/null'
        code 0 tool attach -n t-ids -- /bin/sh -c 'touch /new && rm /odd/suid && mkdir /odd/deep/new'
        code 0 tool stop -k -n t-ids
        code 0 tool copy -n t-ids -N t-copy -B dir
        same "owner in the copy of $row" '0:0' "$(stat -c %u:%g "$LXC/t-copy/rootfs/new")"
        code 0 tool destroy -n t-copy
        # Its ids on the disk.
        code 0 tool copy -n t-ids -N t-copy
        sed -i 's/,*idmap=container//; /^lxc.rootfs.options = *$/d' "$LXC/t-copy/config"
        if [ $row = loop ]; then
            code 0 tool shift -n t-copy
            code 0 tool start -n t-copy
            same 'owners on the disk' '0:0 0:0' "$(tool attach -n t-copy -- /bin/sh -c 'echo $(stat -c "%u:%g" /new /odd/file)')"
            code 1 tool attach -n t-copy -- /bin/sh -c 'cat /odd/null >/dev/null'
            code 0 tool stop -k -n t-copy
        fi
        code 0 tool destroy -n t-copy
        code 0 tool destroy -n t-ids
        no_loops "with ids ($row)"
    done
}

# `squashfs:IMAGE` alone is only read; an overlay may be over any image.
test_images_that_are_only_read() {
    table_template
    local type name
    for type in squashfs erofs; do
        command -v "$([ $type = erofs ] && echo mkfs.erofs || echo mksquashfs)" >/dev/null || continue
        code 0 tool create -n t-low -t "$RUN/template" -f /dev/null -B $type
        same path "$type:$LXC/t-low/rootfs.$type:$LXC/t-low/overlay/delta" "$(path_in t-low)"
        same 'left of the template' '' "$(ls -A "$LXC/t-low/rootfs")"
        mv "$LXC/t-low/rootfs.$type" "$RUN/image.$type"
        mkdir "$LXC/t-read" && sed "s#^lxc.rootfs.path.*#lxc.rootfs.path = $type:$RUN/image.$type#; s/t-low/t-read/" "$LXC/t-low/config" >"$LXC/t-read/config"
        code 0 tool start -n t-read
        code 1 tool attach -n t-read -- /bin/touch /file
        says 'Read-only'
        # Several use one image, and it has one loop device.
        mkdir -p "$LXC/t-over/delta" && sed "s#^lxc.rootfs.path.*#lxc.rootfs.path = overlay:$RUN/image.$type:$LXC/t-over/delta#; s/t-low/t-over/" "$LXC/t-low/config" >"$LXC/t-over/config"
        code 0 tool start -n t-over -l INFO
        code 0 tool attach -n t-over -- /bin/touch /file
        same 'loop devices' 1 "$(grep -l "$RUN/image\." /sys/block/loop*/loop/backing_file | wc -l)"
        code 0 tool copy -a -n t-over -N t-copy -B dir
        [ -e "$LXC/t-copy/rootfs/file" ] || fail 'the copy lacks what was written'
        code 0 tool stop -k -n t-over
        code 0 tool stop -k -n t-read
        for name in t-copy t-over t-low t-read; do code 0 tool destroy -n $name; done
        # The image was named by hand, and lies elsewhere.
        [ ! -e "$RUN/image.$type" ] || fail 'the image of a container that was destroyed is left'
    done
    same left '' "$(ls -A "$LXC")"
}

# kill -9 of the tool at random moments of every operation: whatever is left is complete or goes with the container, and no
# loop device, mount or file stays. IMAGE_ROUNDS: how often for each operation.
killed_at_random() { # ROUNDS TOOL ARG...: each time PREPARED, then the tool, killed, then CHECKED
    local rounds=$1 took pid
    shift
    for _ in $(seq "$rounds"); do
        $prepared
        took=$((RANDOM * longest / 32768))
        "$BIN" "$1" -P "$LXC" "${@:2}" >/dev/null 2>&1 &
        pid=$!
        command sleep "$(printf '%d.%03d' $((took / 1000)) $((took % 1000)))"
        kill -9 $pid 2>/dev/null
        wait $pid 2>/dev/null
        at="kill -9 of $* after $took ms"
        $checked
        [ "$ok" = yes ] || { echo "    at $at"; return 1; }
    done
}
measured() { # TOOL ARG...: how many milliseconds it takes
    local begin
    begin=$(date +%s%N)
    code 0 tool "$@"
    longest=$((($(date +%s%N) - begin) / 1000000 * 11 / 10 + 1))
}
random_low() {
    random_clear
    cp -a --reflink=auto "$RUN/pattern" "$LXC/t-one"
}
random_low_with_snapshot() {
    random_clear
    cp -a --reflink=auto "$RUN/pattern-snap" "$LXC/t-one"
}
random_clear() {
    local name
    # The program that makes a file system may outlive the tool for a moment.
    no_loops "at $at"
    for name in t-one t-two; do
        [ ! -e "$LXC/$name" ] || code 0 tool destroy -s -n $name
    done
    same "left at $at" '' "$(ls -A "$LXC")"
}
random_usable() { # one of both is the container, complete
    local name
    for name in t-one t-two; do
        [ -e "$LXC/$name/config" ] && [ ! -e "$LXC/$name/partial" ] || continue
        code 0 tool start -n $name
        same "data at $at" data "$(tool attach -n $name -- /bin/cat /odd/file)"
        code 0 tool stop -k -n $name
    done
    random_clear
}
random_completed() { # as another operation finds it
    local name
    for name in t-one t-two; do
        [ ! -d "$LXC/$name" ] || tool copy -n $name -N t-three -B dir 2>/dev/null
    done
    [ -e "$LXC/t-three/rootfs/odd/file" ] || fail "the container is lost at $at: $(ls -A "$LXC")"
    code 0 tool destroy -n t-three
    random_clear
}
test_killed_operations_on_images_leave_nothing() {
    local words rounds=${IMAGE_ROUNDS:-4} longest at=begin prepared checked options
    table_template
    for options in '-B loop --fssize 64M' '-B squashfs'; do
        # shellcheck disable=SC2086
        set -- create -n t-one -t "$RUN/template" -f /dev/null $options
        measured "$@"
        rm -rf "$RUN/pattern" "$RUN/pattern-snap"
        cp -a "$LXC/t-one" "$RUN/pattern"
        code 0 tool snapshot -n t-one
        cp -a "$LXC/t-one" "$RUN/pattern-snap"
        prepared=random_clear checked=random_usable
        killed_at_random "$rounds" "$@" || return
        prepared=random_low checked=random_usable
        for words in 'copy -n t-one -N t-two' 'copy -n t-one -N t-two -B loop -L 70M' 'copy -s -n t-one -N t-two' 'snapshot -n t-one'; do
            random_low
            # shellcheck disable=SC2086
            measured $words
            # shellcheck disable=SC2086
            killed_at_random "$rounds" $words || return
        done
        random_low
        measured copy -R -n t-one -N t-two
        checked=random_completed
        killed_at_random "$rounds" copy -R -n t-one -N t-two || return
        prepared=random_low_with_snapshot
        random_low_with_snapshot
        measured snapshot -n t-one -r snap0
        killed_at_random "$rounds" snapshot -n t-one -r snap0 || return
        random_low_with_snapshot
        measured destroy -s -n t-one
        checked=random_clear
        killed_at_random "$rounds" destroy -s -n t-one || return
        random_clear
    done
}

# The disk that images lie on has no room for what is written into them.
test_images_on_a_full_disk() {
    table_template
    truncate -s 40M "$RUN/disk.img" && mkfs.ext4 -q "$RUN/disk.img" && mount -o loop "$RUN/disk.img" "$LXC" ||
        { skipped='no ext4 on a loop device'; return; }
    rmdir "$LXC/lost+found"
    sed -i 's/^cp -a.*/&\ndd if=\/dev\/urandom of="$root\/large" bs=1M count=60 2>\&- || :/' "$RUN/template"
    code 1 tool create -n t-full -t "$RUN/template" -f /dev/null -B loop --fssize 100M
    says 'ENOSPC\|disk is full'
    same 'left of a creation' '' "$(ls -A "$LXC")"
    sed -i /large/d "$RUN/template"
    code 0 tool create -n t-one -t "$RUN/template" -f /dev/null -B loop --fssize 100M
    dd if=/dev/zero of="$LXC/fill" bs=1M 2>/dev/null
    code 1 tool copy -n t-one -N t-copy
    says 'ENOSPC\|disk is full'
    code 1 tool copy -n t-one -N t-copy -L 120M
    code 1 tool snapshot -n t-one
    code 1 tool create -n t-more -t "$RUN/template" -f /dev/null -B loop --fssize 100M
    same 'left of what failed' 'fill t-one' "$(ls -A "$LXC" | xargs)"
    same 'left in it' 'config rootdev rootfs' "$(ls -A "$LXC/t-one" | xargs)"
    no_loops 'on a full disk'
    code 0 tool destroy -n t-one
    rm "$LXC/fill"
    umount "$LXC" || fail 'the disk is in use'
    rm "$RUN/disk.img"
}
