# Logical volumes: the storage back-end lvm, in a thin pool and without one. They are made in a volume group on a loop device,
# which takes a kernel with device mapper: that of the guest (tests/run vm-storage). `row` and its like are in
# storage-table.sh.

ROWS+=([lvm]='-B lvm --vgname rsplain --fssize 96M' [lvm-xfs]='-B lvm --vgname rsplain --fstype xfs --fssize 320M'
    [lvm-thin]='-B lvm --vgname rsthin --thinpool pool --fssize 96M')

# Without automatic activation: each change of the loop device would be one of all volumes.
lvm_begin() { # GROUP...
    local group device
    if ! command -v lvcreate >/dev/null || ! { modprobe -q dm-thin-pool && modprobe -q dm-snapshot && [ -e /dev/mapper/control ]; }; then
        skipped='no device mapper, or no lvm2'
        return 1
    fi
    for group in "$@"; do
        truncate -s 4G "$RUN/$group.img"
        device=$(losetup -f --show "$RUN/$group.img") && lvm_quiet vgcreate --setautoactivation n "$group" "$device" || fail "no group $group"
        [ "$group" != rsthin ] || lvm_quiet lvcreate --type thin-pool -L 3G -n pool "$group" || fail 'no thin pool'
    done
}
# It warns of each descriptor that it inherits.
lvm_quiet() { LVM_SUPPRESS_FD_WARNINGS=1 "$@" >/dev/null 2>"$RUN/lvm" || { cat "$RUN/lvm"; return 1; }; }
volumes_of() { LVM_SUPPRESS_FD_WARNINGS=1 lvs --noheadings -o lv_name "$1" 2>/dev/null | grep -vx ' *pool *' | xargs; }
lvm_end() { # GROUP...
    local group device
    for group in "$@"; do
        same "volumes left in $group" '' "$(volumes_of "$group")"
        device=$(losetup -j "$RUN/$group.img" | cut -d: -f1)
        lvm_quiet vgremove -f "$group"
        losetup -d "$device"
        rm "$RUN/$group.img"
    done
    same 'what these tools have attached' '' "$(ls /run/lxc/storage 2>/dev/null | grep -v '^lock$')"
}

test_every_operation_on_volumes() {
    lvm_begin rsplain rsthin || return
    table_template
    local name
    for name in lvm lvm-thin; do
        row $name dir loop same
    done
    lvm_end rsplain rsthin
}

volume_container() { # NAME GROUP OPTION...: --vgname GROUP
    local name=$1 group=$2
    shift 2
    [ -x "$RUN/template" ] || table_template
    code 0 tool create -n "$name" -t "$RUN/template" -f /dev/null -B lvm --vgname "$group" --fssize 96M "$@"
}
is_active() { [ -e "/dev/$1" ] && echo active; }

# The volume has the size, and both it and its file system grow while the container runs.
test_size_of_volumes() {
    local group pool said
    lvm_begin rsplain rsthin || return
    for group in rsplain rsthin; do
        pool=$([ $group != rsthin ] || echo '--thinpool pool')
        # shellcheck disable=SC2086
        volume_container t-a $group $pool --rootfs-size 98M
        same "the size in whole extents ($group)" $((100 << 20)) "$(tool info -n t-a --format json | jq .storage.limit_bytes)"
        code 0 tool start -n t-a
        said=$(write_all t-a)
        grep -qi 'no space' <<<"$said" || fail "the limit was not met ($group): $said"
        between "MiB that could be written ($group)" 60 99 "${said##* }"
        code 0 tool storage size t-a 160M
        said=$(write_all t-a)
        between "MiB after it grew ($group)" 120 159 "${said##* }"
        code 1 tool storage size t-a 64M
        says 'has 160 MiB and cannot shrink to 64 MiB'
        code 0 tool attach -n t-a -- rm /endless
        code 0 tool stop -k -n t-a
        # One that the group has no room for is refused by LVM, in its words.
        [ $group = rsthin ] || { code 1 tool storage size t-a 1T && says 'lvextend: Insufficient free space'; }
        # A growth that was killed between the two.
        sed -i 's/^lxc.rootfs.size.*/lxc.rootfs.size = 200M/' "$LXC/t-a/config"
        lvm_quiet lvextend -L 200M $group/t-a
        code 2 tool storage check
        grep -q 'a process was killed that let its volume grow' "$RUN/out" || fail "$(cat "$RUN/out")"
        code 0 tool storage check --fix
        clean_check "of $group"
        code 0 tool copy -n t-a -N t-b
        same "a copy ($group)" $((200 << 20)) "$(tool info -n t-b --format json | jq .storage.limit_bytes)"
        code 0 tool destroy -n t-b
        code 0 tool destroy -n t-a
    done
    lvm_end rsplain rsthin
}

# Whoever activated a volume deactivates it.
test_volumes_are_activated_and_released() {
    local pid
    lvm_begin rsplain || return
    volume_container t-a rsplain
    code 0 tool start -n t-a
    code 0 tool stop -k -n t-a
    same 'one that was active' active "$(is_active rsplain/t-a)"
    lvm_quiet lvchange -an rsplain/t-a
    same 'one that is not' '' "$(is_active rsplain/t-a)"
    for _ in 1 2; do
        code 0 tool start -n t-a
        same 'while it runs' active "$(is_active rsplain/t-a)"
        code 0 tool copy -a -n t-a -N t-b -B dir
        same 'while it runs and was copied' active "$(is_active rsplain/t-a)"
        code 0 tool destroy -n t-b
        code 0 tool stop -k -n t-a
        for _ in $(seq 50); do [ -n "$(is_active rsplain/t-a)" ] || break; sleep 0.1; done
        same 'after the stop' '' "$(is_active rsplain/t-a)"
    done
    # A copy, a size and a look into it need it no longer than they take.
    code 0 tool copy -n t-a -N t-b -B dir
    code 0 tool storage size t-a 100M
    code 0 tool cp t-a:/odd/file "$RUN/file"
    same 'the file' data "$(cat "$RUN/file")"
    code 0 tool copy -n t-a -N t-c
    same 'after all that' '' "$(is_active rsplain/t-a)"
    code 0 tool destroy -n t-c
    # The next command releases what a killed monitor has activated.
    code 0 tool start -n t-a
    pid=$(tool info -n t-a -pH)
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-a\$" | head -1)" && kill -9 "$pid" 2>/dev/null
    sleep 1
    code 0 tool start -n t-a
    code 0 tool stop -k -n t-a
    for _ in $(seq 50); do [ -n "$(is_active rsplain/t-a)" ] || break; sleep 0.1; done
    same 'after a kill, a start and a stop' '' "$(is_active rsplain/t-a)"
    code 0 tool destroy -n t-b
    code 0 tool destroy -n t-a
    lvm_end rsplain
}

# What LVM says is the error, and nothing is left.
test_volumes_that_cannot_be_are_refused() {
    lvm_begin rsplain || return
    table_template
    make() { tool create -n t-a -t "$RUN/template" -f /dev/null -B lvm "$@"; }
    code 1 make --vgname rsnone
    says 'lvs: Volume group "rsnone" not found'
    says 'hint: name a group with --vgname'
    code 1 make --vgname rsplain --thinpool none
    says 'there is no thin pool none in rsplain'
    code 1 make --vgname rsplain --fssize 1T
    says 'lvcreate: Volume group "rsplain" has insufficient free space'
    code 1 make --vgname rsplain --lvname 'a b'
    says 'is no name of a volume'
    code 1 make --vgname rsplain --fstype nofs
    says 'file system of the type nofs'
    same 'left of these' '' "$(ls -A "$LXC"; volumes_of rsplain)"
    # Somebody's volume is not touched.
    lvm_quiet lvcreate -y -L 8M -n theirs rsplain
    code 1 make --vgname rsplain --lvname theirs
    says 'the logical volume rsplain/theirs exists'
    same 'theirs' theirs "$(volumes_of rsplain)"
    volume_container t-b rsplain --lvname other
    same 'the path' lvm:/dev/rsplain/other "$(path_in t-b)"
    # A snapshot keeps its origin, and of a snapshot there is none.
    code 0 tool copy -s -n t-b -N t-c
    code 1 tool copy -s -n t-c -N t-d
    says 'is a snapshot, of which LVM takes none'
    code 1 tool destroy -n t-b
    says 'has clones'
    code 0 tool destroy -n t-c
    # One that is not there.
    sed -i 's#/dev/rsplain/other#/dev/rsplain/nowhere#' "$LXC/t-b/config"
    code 1 tool start -n t-b
    says 'lvs: Failed to find logical volume "rsplain/nowhere"'
    code 0 tool destroy -n t-b
    # It was made for a container that is gone now.
    code 2 tool storage check --fix
    grep -q 'lvm:/dev/rsplain/other was made for a container that is gone: --fix --remove' "$RUN/out" || fail "$(cat "$RUN/out")"
    code 0 tool storage check --fix --remove
    clean_check 'after that'
    same 'theirs is left alone' theirs "$(volumes_of rsplain)"
    lvm_quiet lvremove -f rsplain/theirs
    lvm_end rsplain
}

# However an operation ends, no volume is left that no container has, and none is lost. Each is killed CHECKS times, at a
# random moment within the time that it takes when it is left alone; a kill after its end does not count.
test_killed_operations_leave_no_volumes() { killed_operations rsplain; }
test_killed_operations_leave_no_thin_volumes() { killed_operations rsthin --thinpool pool; }

killed_operations() { # GROUP OPTION...
    local group=$1 options=${*:2} what
    lvm_begin "$group" || return
    # shellcheck disable=SC2086
    volume_container t-a "$group" $options
    code 0 tool snapshot -n t-a
    for what in "create -n t-b -t $RUN/template -f /dev/null -B lvm --vgname $group --fssize 96M $options" \
        'copy -n t-a -N t-b' 'copy -s -n t-a -N t-b' 'copy -R -n t-c -N t-b' 'snapshot -n t-a' 'snapshot -n t-a -d snap1' \
        'snapshot -n t-a -r snap0' 'storage size t-c 104M' 'destroy -n t-b'; do
        kill_rounds "$what"
        [ "$ok" = yes ] || { LVM_SUPPRESS_FD_WARNINGS=1 lvs; return; }
    done
    code 0 tool start -n t-a
    same 'its files' data "$(tool attach -n t-a -- cat /odd/file)"
    code 0 tool stop -k -n t-a
    code 0 tool destroy -s -n t-a
    lvm_end "$group"
}

# Kills `lxc-rs WHAT`.
kill_rounds() { # WHAT
    local wanted=${CHECKS:-6} pid took before at killed=0 round name
    for round in $(seq 0 $((wanted * 3))); do
        [ $killed -lt "$wanted" ] || break
        kill_scene "$1"
        before=${EPOCHREALTIME/[.,]/}
        # Itself: what runs it would be killed in its place.
        # shellcheck disable=SC2086
        "$BIN" ${1%% *} -P "$LXC" ${1#* } >"$RUN/out" 2>&1 &
        pid=$!
        if [ "$round" = 0 ]; then
            wait $pid || { fail "$1: $(cat "$RUN/out")"; return; }
            took=$((${EPOCHREALTIME/[.,]/} - before))
            continue
        fi
        at=$(((RANDOM * 32768 + RANDOM) % took))
        command sleep "$(printf '%d.%06d' $((at / 1000000)) $((at % 1000000)))"
        kill -9 $pid 2>/dev/null
        wait $pid 2>/dev/null
        [ $? != 137 ] || killed=$((killed + 1))
        # What its children were doing.
        for _ in $(seq 50); do pgrep -f '^(lv|/usr/sbin/lv|mkfs)' >/dev/null || break; command sleep 0.1; done
        tool storage check --fix >"$RUN/out" 2>&1
        clean_check "after '$1' was killed after $at us"
        [ "$ok" = yes ] || return
    done
    echo "    ${1//$RUN\//}: killed $killed times, takes $((took / 1000)) ms"
    [ $killed = "$wanted" ] || fail "it was killed only $killed times before its end"
    for name in t-b t-c; do ! tool info -n $name >/dev/null 2>&1 || code 0 tool destroy -n $name; done
}

# The containers of kill_rounds that WHAT is done with.
kill_scene() { # WHAT
    case $1 in
        create* | copy*-N\ t-b) tool destroy -n t-b >/dev/null 2>&1 ;;
        destroy*) tool info -n t-b >/dev/null 2>&1 || code 0 tool copy -s -n t-a -N t-b ;;
        snapshot*-d\ snap1) [ -e "$LXC/t-a/snaps/snap1" ] || code 0 tool snapshot -n t-a ;;
        'snapshot -n t-a') tool snapshot -n t-a -d snap1 >/dev/null 2>&1 ;;
    esac
    case $1 in
        *t-c*) tool destroy -n t-c >/dev/null 2>&1; code 0 tool copy -s -n t-a -N t-c ;;
    esac
}

# Debian's lxc-copy, with WORDS; what it logs is shown unless its exit code is CODE.
debian_copy() { # CODE WORD...
    rm -f "$RUN/debian.log"
    code "$1" debian copy "${@:2}" -l DEBUG -o "$RUN/debian.log"
    [ "$ok" = yes ] || { echo "    Debian's lxc-copy ${*:2}:" && tail -40 "$RUN/debian.log" | sed 's/^/        /'; }
}

# Debian's LXC beside ours: each starts, copies and destroys what the other made.
test_volumes_beside_debians() {
    local pool group
    command -v rsync >/dev/null || { skipped='no rsync, with which Debian copies'; return; }
    lvm_begin rsplain rsthin || return
    for group in rsplain rsthin; do
        pool=$([ $group != rsthin ] || echo '--thinpool pool')
        # shellcheck disable=SC2086
        volume_container t-ours $group $pool
        # shellcheck disable=SC2086
        code 0 debian create -n t-theirs -t busybox -f /dev/null -B lvm --vgname $group $pool --fssize 96M
        same path "lvm:/dev/$group/t-ours" "$(path_in t-ours)"
        same "Debian's path" "lvm:/dev/$group/t-theirs" "$(path_in t-theirs)"
        code 0 debian start -n t-ours
        code 0 tool start -n t-theirs
        same 'state of ours' RUNNING "$(state t-ours)"
        code 0 tool attach -n t-ours -- /bin/touch /by-ours
        code 0 debian attach -n t-theirs -- /bin/touch /by-theirs
        code 0 tool stop -k -n t-ours
        code 0 debian stop -k -n t-theirs
        code 0 tool copy -n t-theirs -N t-copy
        code 0 tool copy -s -n t-theirs -N t-clone
        if [ $group = rsthin ]; then
            # LVM activates no snapshot in a thin pool unless it is told to, and Debian's LXC, which mounts its clone, does
            # not tell it: it has no clones there, of its own containers neither, but where LVM's configuration says so.
            debian_copy 1 -s -n t-theirs -N t-cloned
            grep -q 'Failed to determine FSType for "/dev/rsthin/t-cloned"' "$RUN/debian.log" || fail "another reason: $(tail -3 "$RUN/debian.log")"
            mkdir -p "$RUN/lvm.conf" && echo 'activation { auto_set_activation_skip = 0 }' >"$RUN/lvm.conf/lvm.conf"
            LVM_SYSTEM_DIR=$RUN/lvm.conf debian_copy 0 -s -n t-ours -N t-cloned
        else
            debian_copy 0 -s -n t-ours -N t-cloned
        fi
        code 0 debian start -n t-copy
        code 0 debian start -n t-clone
        code 0 tool start -n t-cloned
        code 0 tool attach -n t-copy -- /bin/ls /by-theirs
        code 0 tool attach -n t-clone -- /bin/ls /by-theirs
        code 0 tool attach -n t-cloned -- /bin/ls /by-ours
        code 0 debian stop -k -n t-cloned
        code 0 tool stop -k -n t-copy
        code 0 tool stop -k -n t-clone
        code 0 debian destroy -n t-copy
        code 0 debian destroy -n t-clone
        code 0 tool destroy -n t-cloned
        code 0 debian destroy -n t-ours
        code 0 tool destroy -n t-theirs
        same "left of $group" '' "$(ls -A "$LXC")"
    done
    lvm_end rsplain rsthin
}

# Files have the ids of the container, whether they are shown so or are so on the disk.
test_volumes_with_ids() {
    local name
    lvm_begin rsplain || return
    table_template
    printf 'lxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\n' >"$RUN/ids.conf"
    code 0 tool create -n t-disk -t busybox -f "$RUN/ids.conf" -B lvm --vgname rsplain --fssize 96M
    echo 'lxc.rootfs.options = idmap=container' >>"$RUN/ids.conf"
    code 0 tool create -n t-shown -t "$RUN/template" -f "$RUN/ids.conf" -B lvm --vgname rsplain --fssize 96M
    for name in t-disk t-shown; do
        code 0 tool start -n $name
        code 0 tool attach -n $name -- sh -c 'touch /file /suid && chown 1000:1001 /suid'
        same "owners in $name" '0:0 1000:1001 0:0' "$(tool attach -n $name -- stat -c %u:%g /file /suid /bin | xargs)"
        code 0 tool stop -k -n $name
        code 0 tool copy -n $name -N t-copy
        code 0 tool start -n t-copy
        same "owners in a copy of $name" '0:0 1000:1001 0:0' "$(tool attach -n t-copy -- stat -c %u:%g /file /suid /bin | xargs)"
        code 0 tool stop -k -n t-copy
        code 0 tool destroy -n t-copy
        code 0 tool destroy -n $name
    done
    lvm_end rsplain
}

# Images that qemu-nbd connects.
ROWS+=([nbd]='-B nbd --fssize 96M')
nbd_begin() {
    if ! command -v qemu-nbd >/dev/null || ! modprobe -q nbd; then
        skipped='no module nbd, or no qemu-nbd'
        return 1
    fi
}
connected() { for disk in /sys/block/nbd*/pid; do [ ! -e "$disk" ] || echo "$disk"; done | xargs; }
none_connected() { # WHEN
    for _ in $(seq 50); do [ -n "$(connected)" ] || break; sleep 0.1; done
    same "connected $1" '' "$(connected)"
    same "noted $1" '' "$(ls /run/lxc/storage 2>/dev/null | grep -v '^lock$')"
}

test_every_operation_on_images_of_qemu() {
    nbd_begin || return
    table_template
    row nbd dir loop same
    none_connected 'at the end'
}

test_images_of_qemu() {
    local disk
    nbd_begin || return
    table_template
    code 0 tool create -n t-a -t "$RUN/template" -f /dev/null -B nbd --rootfs-size 80M
    none_connected 'after the creation'
    same 'the path' "nbd:$LXC/t-a/rootdev.qcow2" "$(path_in t-a)"
    same 'the size' $((80 << 20)) "$(tool info -n t-a --format json | jq .storage.limit_bytes)"
    code 0 tool start -n t-a
    code 1 tool storage size t-a 120M
    says 'is connected, and cannot grow meanwhile'
    code 0 tool stop -k -n t-a
    none_connected 'after the stop'
    code 0 tool storage size t-a 120M
    none_connected 'after it grew'
    code 0 tool start -n t-a
    between 'df inside' 90 120 "$(tool attach -n t-a -- df -m / | awk 'END { print $(NF - 4) }')"
    # What a killed monitor has left is released by the next command.
    kill -9 "$(pgrep -f "^\[lxc monitor\] $LXC t-a\$" | head -1)" && kill -9 "$(tool info -n t-a -pH)" 2>/dev/null
    sleep 1
    code 0 tool start -n t-a
    same 'devices' 1 "$(connected | wc -w)"
    code 0 tool stop -k -n t-a
    none_connected 'after a kill'
    code 0 tool cp t-a:/odd/file "$RUN/file"
    same 'the file' data "$(cat "$RUN/file")"
    none_connected 'after a look into it'
    # A raw image, in the second partition of it, that is not in the container's directory.
    truncate -s 200M "$RUN/disk.raw"
    # Two entries of a table of the classic kind: type, first sector, number of sectors.
    python3 - "$RUN/disk.raw" <<'END'
import struct, sys
with open(sys.argv[1], 'r+b') as disk:
    disk.seek(446)
    for first, count in (2048, 16384), (18432, 307200):
        disk.write(struct.pack('<4xB3xII', 0x83, first, count))
    disk.seek(510)
    disk.write(b'\x55\xaa')
END
    disk=$(losetup -f --show -o $((18432 * 512)) --sizelimit $((307200 * 512)) "$RUN/disk.raw")
    mkfs.ext4 -q "$disk" && mkdir -p "$RUN/part" && mount "$disk" "$RUN/part" && cp -a "$RUN/tree/." "$RUN/part/"
    umount "$RUN/part" && losetup -d "$disk"
    sed -i "s#^lxc.rootfs.path.*#lxc.rootfs.path = nbd:$RUN/disk.raw:2#; /^lxc.rootfs.size/d" "$LXC/t-a/config"
    code 0 tool start -n t-a
    same 'the file in a partition' data "$(tool attach -n t-a -- cat /odd/file)"
    code 0 tool stop -k -n t-a
    sed -i "s#disk.raw:2#disk.raw:7#" "$LXC/t-a/config"
    code 1 tool start -n t-a
    says 'the device /dev/nbd[0-9]*p7 did not appear'
    none_connected 'after a partition that is not there'
    sed -i "s#disk.raw:7#nowhere#" "$LXC/t-a/config"
    code 1 tool start -n t-a
    says "cannot use the root filesystem $RUN/nowhere"
    code 0 tool destroy -n t-a
    [ -e "$RUN/disk.raw" ] || fail 'an image of somebody else is gone'
    rm "$RUN/disk.raw"
    none_connected 'at the end'
}
