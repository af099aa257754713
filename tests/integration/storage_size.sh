# Limits of size: project quotas on ext4 and XFS, quota groups on btrfs, each in a file of the test's own. A kernel
# without the quotas skips its tests: the guests (tests/run vm) have all of them.

# The directory of containers is a file system with quotas until the test ends with sized_end.
sized_begin() { # ext4 | xfs | btrfs [MOUNT-OPTION]
    local fstype=$1 options=${2-prjquota} make
    case $fstype in
        ext4) make='mkfs.ext4 -q -O quota,project -E quotatype=prjquota' ;;
        xfs) make='mkfs.xfs -q' ;;
        btrfs) make='mkfs.btrfs -q' options='' ;;
    esac
    command -v "mkfs.$fstype" >/dev/null || { skipped="mkfs.$fstype is not installed"; return 1; }
    truncate -s 600M "$RUN/sized.img"
    $make "$RUN/sized.img" >"$RUN/out" 2>&1 || { skipped="mkfs.$fstype fails: $(tail -1 "$RUN/out")"; rm "$RUN/sized.img"; return 1; }
    if ! mount -o "loop${options:+,$options}" "$RUN/sized.img" "$LXC" 2>"$RUN/err"; then
        skipped="this kernel has no $fstype with ${options:-quotas}: $(tail -1 "$RUN/err")"
        rm "$RUN/sized.img"
        return 1
    fi
    [ "$fstype" != btrfs ] || btrfs quota enable "$LXC" || fail 'no quotas of btrfs'
    # A kernel may know the option and not the quotas.
    if [ "$fstype" = xfs ] && [ -n "$options" ] && ! grep " $LXC " /proc/self/mounts | grep -q prjquota; then
        umount "$LXC"
        rm "$RUN/sized.img"
        skipped='this kernel has no quotas of XFS'
        return 1
    fi
}
sized_end() {
    same 'containers left' '' "$(ls -A "$LXC" | grep -v '^lost+found$')"
    umount "$LXC" || fail 'the file system is in use'
    rm "$RUN/sized.img"
}

# Each project of ours with a limit or a file: its number, limit and files.
projects() {
    python3 - "$LXC" <<'END'
import ctypes, os, struct, sys
libc, fd, number = ctypes.CDLL(None, use_errno=True), os.open(sys.argv[1], os.O_RDONLY), 0x4c580000
while True:
    data = ctypes.create_string_buffer(72)
    if libc.syscall(443, fd, 0x800009 << 8 | 2, number, data) != 0:
        break
    hard, _, used, _, _, files, _, _, _, number = struct.unpack('QQQQQQQQII', data.raw)
    if hard or files:
        print(hex(number), hard * 1024, files)
    number += 1
END
}

# A container with a network of its own and ids where that is said; its limit is 40 MiB.
sized() { # NAME ids|root [CONFIG-LINE...]
    local name=$1 whose=$2 lines=('lxc.net.0.type = empty')
    shift 2
    if [ "$whose" = ids ]; then
        lines+=('lxc.idmap = u 0 200000 65536' 'lxc.idmap = g 0 200000 65536' 'lxc.rootfs.options = idmap=container')
    else
        lines+=('lxc.cap.drop = sys_resource')
    fi
    container "$name" "${lines[@]}" 'lxc.rootfs.size = 40M' "$@"
}

# Writes without end, as root inside; how many MiB there are then, and what the kernel said.
write_all() { # NAME
    tool attach -n "$1" -- sh -c 'dd if=/dev/zero of=/endless bs=1M 2>&1 | grep -o -e "No space left on device" -e "quota exceeded"
        echo $(($(stat -c %s /endless) >> 20))' | xargs
}
between() { # WHAT LOW HIGH GOT
    [ "$4" -ge "$2" ] 2>/dev/null && [ "$4" -le "$3" ] || fail "$1: wanted $2 to $3, got '$4'"
}

# What a container is that has a limit, of either kind of ids, made by the caller as t-a.
size_holds() { # FSTYPE
    local said used
    container t-b 'lxc.net.0.type = empty'
    code 0 tool start -n t-a
    code 0 tool start -n t-b
    said=$(write_all t-a)
    used=${said##* }
    grep -qi -e 'no space' -e quota <<<"$said" || fail "the limit was not met: $said"
    between 'MiB that could be written' 20 40 "$used"
    code 1 tool attach -n t-a -- sh -c 'dd if=/dev/zero of=/more bs=1M count=4 2>/dev/null'
    # The host and a neighbour go on.
    code 0 dd if=/dev/zero of="$LXC/host" bs=1M count=8
    code 0 tool attach -n t-b -- dd if=/dev/zero of=/fine bs=1M count=60
    rm "$LXC/host"
    tool info -n t-a -H >"$RUN/out"
    grep -q '^Disk use: *[0-9]*$' "$RUN/out" || fail "lxc-info: $(cat "$RUN/out")"
    grep -q "^Disk limit: *$((40 << 20))\$" "$RUN/out" || fail "lxc-info: $(cat "$RUN/out")"
    same 'JSON' $((40 << 20)) "$(tool info -n t-a --format json | jq .storage.limit_bytes)"
    same 'JSON of one without' null "$(tool info -n t-b --format json | jq .storage)"
    ! python3 -c 'import jsonschema' 2>/dev/null || tool info -n t-a --format json | tests/integration/validate info ||
        fail 'the JSON is not as its schema says'
    # df inside shows the limit where the kernel has that.
    [ "$1" = btrfs ] || same 'df inside' 40 "$(tool attach -n t-a -- df -m / | awk 'END { print $(NF - 4) }')"
    # It grows at once, also in the configuration, and shrinks no further than to what is used.
    code 0 tool storage size t-a 60M
    same 'the configuration' 'lxc.rootfs.size = 60M' "$(tool info -n t-a -c lxc.rootfs.size)"
    said=$(write_all t-a)
    between 'MiB after it grew' 41 60 "${said##* }"
    code 1 tool storage size t-a 20M
    says 'takes .* already, more than 20 MiB'
    says 'EDQUOT'
    same 'after a refusal' 'lxc.rootfs.size = 60M' "$(tool info -n t-a -c lxc.rootfs.size)"
    code 0 tool attach -n t-a -- sh -c 'rm -f /endless /more; sync'
    sync -f "$LXC"
    code 0 tool storage size t-a 30M
    said=$(write_all t-a)
    between 'MiB after it shrank' 10 30 "${said##* }"
    code 1 tool storage size t-b 30M
    says 'was started without a limit'
    code 0 tool attach -n t-a -- rm -f /endless
    code 0 tool stop -k -n t-a
    code 0 tool stop -k -n t-b
    code 0 tool storage size t-b none
}

# Copies, snapshots and renames have limits of their own.
size_follows() {
    local said
    sync -f "$LXC"
    code 0 tool copy -n t-a -N t-copy
    code 0 tool copy -R -n t-copy -N t-name
    code 0 tool start -n t-name
    said=$(write_all t-name)
    between 'MiB of a copy that was renamed' 10 30 "${said##* }"
    code 0 tool attach -n t-name -- rm -f /endless
    code 0 tool stop -k -n t-name
    sync -f "$LXC"
    code 0 tool snapshot -n t-name
    code 0 tool snapshot -n t-name -r snap0
    code 0 tool start -n t-name
    said=$(write_all t-name)
    between 'MiB after a restore' 10 30 "${said##* }"
    code 0 tool stop -k -n t-name
    code 0 tool snapshot -n t-name -r snap0 -N t-snap
    code 0 tool storage size t-snap
    grep -q ' of 31457280 bytes$' "$RUN/out" || fail "a copy of a snapshot: $(cat "$RUN/out")"
    code 0 tool storage size t-snap none
    same 'no limit' 't-snap: no limit' "$(tool storage size t-snap)"
    code 0 tool destroy -n t-snap
    code 0 tool destroy -s -n t-name
    code 0 tool destroy -n t-a
    code 0 tool destroy -n t-b
}

no_projects() {
    for _ in $(seq 30); do
        [ -n "$(projects)" ] || return
        sleep 0.2
    done
    fail "projects are left: $(projects | xargs)"
}

size_of_directories() { # FSTYPE
    local whose said
    for whose in ids root; do
        sized t-a $whose
        size_holds "$1"
        # The layer of a copy in memory has the limit as well.
        code 0 tool copy -e -t -n t-a -N t-memory
        said=$(write_all t-memory)
        between 'MiB of a copy in memory' 20 30 "${said##* }"
        code 0 tool stop -k -n t-memory
        for _ in $(seq 50); do [ -e "$LXC/t-memory" ] || break; sleep 0.1; done
        [ ! -e "$LXC/t-memory" ] || fail 'the copy in memory is left'
        size_follows
        no_projects
    done
}

test_size_of_directories_on_ext4() {
    sized_begin ext4 || return
    size_of_directories ext4
    sized_end
}

test_size_of_directories_on_xfs() {
    sized_begin xfs || return
    size_of_directories xfs
    sized_end
}

size_of_overlays() { # FSTYPE
    local said
    container t-base
    sized t-a ids
    rm -r "$LXC/t-a/rootfs"
    mkdir -p "$LXC/t-a/overlay/delta"
    sed -i "s#^lxc.rootfs.path.*#lxc.rootfs.path = overlay:$LXC/t-base/rootfs:$LXC/t-a/overlay/delta#" "$LXC/t-a/config"
    size_holds "$1"
    # What is changed of the layer below is copied into the limited one.
    code 0 tool start -n t-a
    code 0 tool attach -n t-a -- sh -c 'echo more >>/etc/passwd && mv /etc/passwd /etc/moved && mkdir /new && mv /etc/moved /new/'
    code 0 tool stop -k -n t-a
    code 0 tool copy -s -n t-a -N t-copy
    code 0 tool start -n t-copy
    said=$(write_all t-copy)
    between 'MiB of a snapshot' 10 30 "${said##* }"
    code 0 tool stop -k -n t-copy
    code 0 tool destroy -n t-copy
    code 0 tool destroy -n t-a
    code 0 tool destroy -n t-b
    code 0 tool destroy -n t-base
    no_projects
}

test_size_of_overlays_on_ext4() {
    sized_begin ext4 || return
    size_of_overlays ext4
    sized_end
}

test_size_of_overlays_on_xfs() {
    sized_begin xfs || return
    size_of_overlays xfs
    sized_end
}

test_size_of_subvolumes() {
    sized_begin btrfs || return
    local whose groups
    for whose in ids root; do
        mkdir "$LXC/t-a"
        btrfs subvolume create "$LXC/t-a/rootfs" >/dev/null
        sized t-a $whose
        sed -i 's/= dir:/= btrfs:/' "$LXC/t-a/config"
        size_holds btrfs
        size_follows
        sync -f "$LXC"
        groups=$(btrfs qgroup show "$LXC" 2>/dev/null | grep -c '^0/2[0-9][0-9]')
        for _ in $(seq 30); do
            [ "$groups" != 0 ] || break
            sleep 0.5
            btrfs subvolume sync "$LXC" >/dev/null 2>&1
            groups=$(btrfs qgroup show "$LXC" 2>/dev/null | grep -c '^0/2[0-9][0-9]')
        done
        same 'groups left' 0 "$groups"
    done
    # What a limit would not hold for, and a file system without quotas.
    mkdir "$LXC/t-a"
    btrfs subvolume create "$LXC/t-a/rootfs" >/dev/null
    sized t-a ids
    sed -i 's/= dir:/= btrfs:/' "$LXC/t-a/config"
    btrfs subvolume create "$LXC/t-a/rootfs/srv" >/dev/null
    code 1 tool start -n t-a
    says 'there are subvolumes in it'
    btrfs subvolume delete "$LXC/t-a/rootfs/srv" >/dev/null
    btrfs quota disable "$LXC"
    code 1 tool start -n t-a
    says 'its btrfs has no quotas'
    says "hint: btrfs quota enable"
    code 0 tool destroy -n t-a
    sized_end
}

test_size_of_a_new_container() {
    sized_begin ext4 || return
    local said
    code 1 tool create -n t-new -t busybox -f /dev/null --rootfs-size 1P
    says '1P is not a size'
    code 1 tool create -n t-new -t busybox -f /dev/null --rootfs-size 40M
    says 'ext4 lets root'
    [ ! -e "$LXC/t-new" ] || fail 'the failed creation left a directory'
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\n' >"$RUN/new.conf"
    code 0 tool create -n t-new -t busybox -f "$RUN/new.conf" --rootfs-size 40M
    same 'the configuration' 'lxc.rootfs.size = 40M' "$(tool info -n t-new -c lxc.rootfs.size)"
    code 0 tool start -n t-new
    said=$(write_all t-new)
    between 'MiB of a new container' 20 40 "${said##* }"
    code 0 tool stop -k -n t-new
    # The template is held as well.
    code 1 tool create -n t-small -t busybox -f "$RUN/new.conf" --rootfs-size 100K
    [ ! -e "$LXC/t-small" ] || fail 'the failed creation left a directory'
    code 0 tool destroy -n t-new
    no_projects
    sized_end
}

# Where nothing holds a limit, it is refused with the reason and the fix.
test_size_is_refused_where_nothing_holds_it() {
    local reason
    mkdir -p "$LXC/t-ram"
    mount -t tmpfs none "$LXC/t-ram"
    container t-ram 'lxc.rootfs.size = 40M'
    code 1 tool start -n t-ram
    says 'its file system (tmpfs) has no quotas of projects'
    says 't-ram/config:[0-9]*:[0-9]*$'
    says 'hint: ext4 and XFS have them'
    umount "$LXC/t-ram"
    container t-root 'lxc.rootfs.size = 0'
    code 1 tool start -n t-root
    says 'write a number of bytes above 0'
    rm -r "$LXC/t-root" "$LXC/t-ram"
    command -v mkfs.xfs >/dev/null || { skipped='mkfs.xfs is not installed'; return; }
    sized_begin xfs '' || return
    sized t-a ids
    code 1 tool start -n t-a
    says 'its file system has no quotas of projects'
    says "hint: mount it ($LXC) with the option prjquota"
    same 'nothing runs' STOPPED "$(state t-a)"
    code 0 tool destroy -n t-a
    sized_end
}
