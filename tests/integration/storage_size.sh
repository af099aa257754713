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
        # The layer of a copy in memory has the limit as well. Its hook cannot be reached by root with ids.
        if [ $whose = root ]; then
            code 0 tool copy -e -t -n t-a -N t-memory
            said=$(write_all t-memory)
            between 'MiB of a copy in memory' 20 30 "${said##* }"
            code 0 tool stop -k -n t-memory
            for _ in $(seq 50); do [ -e "$LXC/t-memory" ] || break; sleep 0.1; done
            [ ! -e "$LXC/t-memory" ] || fail 'the copy in memory is left'
        fi
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

# Root inside cannot lift it: not by the project of a file, a flag of a directory, a subvolume or the quotas.
size_is_kept_from_root() { # FSTYPE
    local said
    cat >"$RUN/lift.py" <<'END'
import ctypes, errno, fcntl, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
os.makedirs('/out', exist_ok=True)
fd = os.open('/out', os.O_RDONLY)
done = []
def attempt(what, act):
    try:
        act()
        done.append(what)
    except OSError as error:
        print(what, errno.errorcode[error.errno])
def project():
    data = bytearray(28)
    fcntl.ioctl(fd, 0x801c581f, data)
    flags, extsize, extents, _ = struct.unpack_from('IIII', data)
    fcntl.ioctl(fd, 0x401c5820, struct.pack('IIII12x', flags & ~0x200, extsize, extents, 0))
def high_bits():
    data = struct.pack('IIII12x', 0, 0, 0, 0)
    if libc.syscall(16, fd, ctypes.c_ulong(0x1_401c5820), data) != 0:
        raise OSError(ctypes.get_errno(), 'ioctl')
def flag():
    data = bytearray(8)
    fcntl.ioctl(fd, 0x80086601, data)
    flags, = struct.unpack_from('I', data)
    if not flags & 0x20000000:
        raise OSError(errno.ENODATA, 'no flag')
    fcntl.ioctl(fd, 0x40086602, struct.pack('Q', flags & ~0x20000000))
def call(number, *words):
    if libc.syscall(number, *words) < 0:
        raise OSError(ctypes.get_errno(), 'call')
attempt('project', project)
attempt('project by number with high bits', high_bits)
attempt('flag', flag)
attempt('file_setattr', lambda: call(469, fd, b'', struct.pack('QIIII', 0, 0, 0, 0, 0), 24, 0x1000))
attempt('quotactl_fd', lambda: call(443, fd, 0x800008 << 8 | 2, PROJECT, struct.pack('QQQQQQQQI4x', 0, 0, 0, 0, 0, 0, 0, 0, 1)))
attempt('subvolume', lambda: call(16, fd, 0x5000940e, struct.pack('q4088s', 0, b'sub')))
attempt('snapshot', lambda: call(16, fd, 0x50009401, struct.pack('q4088s', fd, b'snap')))
attempt('group', lambda: fcntl.ioctl(fd, 0x8030942b, struct.pack('QQQQQQ', 0, 1, 2**64 - 1, 0, 0, 0)))
attempt('quotas off', lambda: fcntl.ioctl(fd, 0xc0109428, struct.pack('QQ', 2, 0)))
print('lifted:', ' '.join(done))
END
    sed -i "s/PROJECT/$((0x4c580000))/" "$RUN/lift.py"
    code 0 tool start -n t-a
    # python3 is the host's.
    said=$(tool attach -n t-a -- env PYTHONHOME=/host/usr /host/usr/bin/python3 /lift.py 2>&1)
    # btrfs has no projects, and says nothing of them.
    [ "$1" != btrfs ] || said=$(sed 's/ project.*file_setattr//' <<<"$said")
    same 'what root inside could do' 'lifted:' "$(tail -1 <<<"$said" | xargs)"
    said=$(write_all t-a)
    between 'MiB after that' 20 40 "${said##* }"
    code 0 tool stop -k -n t-a
    code 0 tool destroy -n t-a
}
size_tried() { # FSTYPE ids|root
    local bind='none bind,ro,create=dir 0 0'
    [ "$1" != btrfs ] || { mkdir -p "$LXC/t-a" && btrfs subvolume create "$LXC/t-a/rootfs" >/dev/null; }
    sized t-a "$2" "lxc.mount.entry = /usr host/usr $bind" "lxc.mount.entry = $RUN/lift.py lift.py none bind,ro,create=file 0 0" \
        "lxc.mount.entry = /lib lib $bind" "lxc.mount.entry = /lib64 lib64 $bind,optional"
    [ "$1" != btrfs ] || sed -i 's/= dir:/= btrfs:/' "$LXC/t-a/config"
    : >"$RUN/lift.py"
    chmod 755 "$RUN" && chmod 644 "$RUN/lift.py"
    size_is_kept_from_root "$1"
}

test_size_is_kept_from_root_on_ext4() {
    sized_begin ext4 || return
    size_tried ext4 ids
    size_tried ext4 root
    # ext4 lets whoever has this capability have more.
    sized t-a root
    sed -i '/sys_resource/d' "$LXC/t-a/config"
    code 1 tool start -n t-a
    says 'ext4 lets root of this container have more'
    says 'hint: lxc.cap.drop = sys_resource'
    code 2 tool check t-a
    grep -q 'ext4 lets root of this container have more' "$RUN/out" || fail "check: $(cat "$RUN/out")"
    code 0 tool destroy -n t-a
    sized_end
}

test_size_is_kept_from_root_on_xfs() {
    sized_begin xfs || return
    size_tried xfs ids
    size_tried xfs root
    sized_end
}

test_size_is_kept_from_root_on_btrfs() {
    sized_begin btrfs || return
    size_tried btrfs ids
    size_tried btrfs root
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

# A container that is a layer over those of the image $RUN/image, made as lxc-create does.
sized_layers() { # NAME OPTION-OF-LXC-CREATE...
    LXC_CACHE_PATH=$RUN/cache tool create -n "$1" -t oci "${@:2}" -- --url "oci:$RUN/image:app"
}

# The layer of a container that shares the layers of its image is limited, from the creation on; what is shared is not counted.
size_of_layers() { # FSTYPE
    local said LXC_LAYERS_PATH=$LXC/.layers
    image image
    head -c 50M </dev/urandom >"$RUN/image.layers/3/large"
    rm -rf "$RUN/image"
    tests/images/make.py "$RUN/image" app '{}' "$RUN/image.layers"/{1,2,3}
    printf 'lxc.net.0.type = empty\nlxc.idmap = u 0 200000 65536\nlxc.idmap = g 0 200000 65536\n' >"$RUN/new.conf"
    code 0 sized_layers t-a -f "$RUN/new.conf" --rootfs-size 40M
    grep -q '^lxc.rootfs.path = overlay:' "$LXC/t-a/config" || fail "it is not a layer: $(cat "$LXC/t-a/config")"
    same 'the configuration' 'lxc.rootfs.size = 40M' "$(tool info -n t-a -c lxc.rootfs.size)"
    size_holds "$1"
    # A second one of the same image has a limit of its own, and one without has none.
    code 0 sized_layers t-c -f "$RUN/new.conf" --rootfs-size 20M
    code 0 sized_layers t-d -f "$RUN/new.conf"
    for name in t-c t-d; do code 0 tool start -n $name; done
    said=$(write_all t-c)
    between 'MiB of a second container' 10 20 "${said##* }"
    code 0 tool attach -n t-d -- dd if=/dev/zero of=/fine bs=1M count=60
    for name in t-c t-d; do
        code 0 tool stop -k -n $name
        code 0 tool destroy -n $name
    done
    # A limit for one that was made without.
    code 0 sized_layers t-c -f "$RUN/new.conf"
    code 0 tool storage size t-c 20M
    code 0 tool start -n t-c
    said=$(write_all t-c)
    between 'MiB of a limit that came later' 10 20 "${said##* }"
    code 0 tool stop -k -n t-c
    for name in t-a t-b t-c; do code 0 tool destroy -n $name; done
    no_projects
    rm -rf "$LXC/.layers"
}

test_size_of_layers_on_ext4() {
    sized_begin ext4 || return
    size_of_layers ext4
    sized_end
}

test_size_of_layers_on_xfs() {
    sized_begin xfs || return
    size_of_layers xfs
    sized_end
}

# A subvolume has a group, but the layer over others is a directory of one that holds more.
test_size_of_layers_is_refused_where_nothing_holds_it() {
    local LXC_LAYERS_PATH=$LXC/.layers
    sized_begin btrfs || return
    image image
    printf 'lxc.net.0.type = empty\nlxc.cap.drop = sys_resource\n' >"$RUN/new.conf"
    code 1 sized_layers t-a -f "$RUN/new.conf" --rootfs-size 40M
    says 'its file system (btrfs) has no quotas of projects'
    says 'hint: '
    [ ! -e "$LXC/t-a" ] || fail 'the failed creation left a directory'
    code 0 sized_layers t-a -f "$RUN/new.conf"
    echo 'lxc.rootfs.size = 40M' >>"$LXC/t-a/config"
    code 1 tool start -n t-a
    says 'its file system (btrfs) has no quotas of projects'
    says "t-a/config:[0-9]*:[0-9]*\$"
    same 'nothing runs' STOPPED "$(state t-a)"
    sed -i '/rootfs.size/d' "$LXC/t-a/config"
    code 1 tool storage size t-a 40M
    says 'its file system (btrfs) has no quotas of projects'
    code 0 tool execute -n t-a
    code 0 tool destroy -n t-a
    rm -rf "$LXC/.layers"
    sized_end
}

# The size of an image is its file's, and both it and its file system grow while the container runs.
test_size_of_images() {
    local type first second third least said
    table_template
    printf 'lxc.net.0.type = empty\n' >"$RUN/new.conf"
    for type in ext4 xfs btrfs; do
        command -v mkfs.$type >/dev/null || { echo "    without $type: mkfs.$type is not installed"; continue; }
        # Without this capability the kernel lets no ext4 grow.
        if [ $type = ext4 ] && ! capsh --has-p=cap_sys_resource 2>/dev/null; then echo '    without ext4: no capability sys_resource'; continue; fi
        case $type in
            ext4) first=40 second=60 third=80 ;;
            *) first=300 second=360 third=400 ;;
        esac
        code 0 tool create -n t-a -t "$RUN/template" -f "$RUN/new.conf" -B loop --fstype $type --rootfs-size ${first}M
        same "the image ($type)" $((first << 20)) "$(stat -c %s "$LXC/t-a/rootdev")"
        code 0 tool start -n t-a
        said=$(write_all t-a)
        grep -qi 'no space' <<<"$said" || fail "the limit was not met ($type): $said"
        between "MiB that could be written ($type)" $((first / 4)) $((first - 1)) "${said##* }"
        # What a file system needs for itself is not much more of a larger one.
        least=$((${said##* } - first - 10))
        same JSON $((first << 20)) "$(tool info -n t-a --format json | jq .storage.limit_bytes)"
        code 0 tool storage size t-a ${second}M
        same 'the configuration' "lxc.rootfs.size = ${second}M" "$(tool info -n t-a -c lxc.rootfs.size)"
        same "the image that has grown ($type)" $((second << 20)) "$(stat -c %s "$LXC/t-a/rootdev")"
        said=$(write_all t-a)
        between "MiB after it grew ($type)" $((second + least)) $((second - 1)) "${said##* }"
        [ $type != ext4 ] || between 'df inside' $((second - 20)) $second "$(tool attach -n t-a -- df -m / | awk 'END { print $(NF - 4) }')"
        code 1 tool storage size t-a ${first}M
        says "has $second MiB and cannot shrink to $first MiB"
        same 'after a refusal' "lxc.rootfs.size = ${second}M" "$(tool info -n t-a -c lxc.rootfs.size)"
        code 0 tool attach -n t-a -- rm -f /endless
        code 0 tool stop -k -n t-a
        # Copies, renamed ones and snapshots have the size, and grow for themselves.
        code 0 tool copy -n t-a -N t-copy
        code 0 tool copy -R -n t-copy -N t-name
        code 0 tool snapshot -n t-name
        code 0 tool storage size t-name ${third}M
        same "a copy ($type)" $((third << 20)) "$(stat -c %s "$LXC/t-name/rootdev")"
        same 'its source' $((second << 20)) "$(stat -c %s "$LXC/t-a/rootdev")"
        code 0 tool start -n t-name
        said=$(write_all t-name)
        between "MiB of a copy ($type)" $((third + least)) $((third - 1)) "${said##* }"
        code 0 tool stop -k -n t-name
        code 0 tool snapshot -n t-name -r snap0
        same "restored ($type)" "$((second << 20)) ${second}M" "$(stat -c %s "$LXC/t-name/rootdev") $(tool info -n t-name -c lxc.rootfs.size | sed 's/.* //')"
        code 0 tool destroy -s -n t-name
        # One that is made of files has it as well, from the beginning.
        sed -i '/^lxc.rootfs.size/d' "$LXC/t-a/config"
        code 0 tool copy -n t-a -N t-dir -B dir
        printf 'lxc.rootfs.size = %sM\n' $third >>"$LXC/t-dir/config"
        code 0 tool copy -n t-dir -N t-image -B loop
        same 'of files' $((third << 20)) "$(stat -c %s "$LXC/t-image/rootdev")"
        code 0 tool destroy -n t-image
        code 0 tool destroy -n t-dir
        # A growth that was killed is seen, and completed by the next start or when that is asked for.
        no_loops "after copies of $type"
        clean_check "of $type"
        for said in check start; do
            second=$((second + 64))
            sed -i '/^lxc.rootfs.size/d' "$LXC/t-a/config" && echo "lxc.rootfs.size = ${second}M" >>"$LXC/t-a/config"
            truncate -s ${second}M "$LXC/t-a/rootdev"
            code 2 tool storage check
            grep -q 'a process was killed that let its image grow: --fix' "$RUN/out" || fail "$(cat "$RUN/out")"
            if [ $said = check ]; then code 0 tool storage check --fix; else code 0 tool start -n t-a && code 0 tool stop -k -n t-a; fi
            no_loops "after the growth of $type"
            clean_check "after a growth of $type by $said of $second"
        done
        code 0 tool storage size t-a none
        code 0 tool start -n t-a
        code 0 tool stop -k -n t-a
        code 0 tool destroy -n t-a
        no_loops "at the end of $type"
        same "left of $type" '' "$(ls -A "$LXC")"
    done
    # What cannot grow says so.
    code 1 tool create -n t-a -t "$RUN/template" -f "$RUN/new.conf" -B loop --fssize 80M --rootfs-size 40M
    says 'has 80 MiB and cannot shrink to 40 MiB'
    code 1 tool create -n t-a -t "$RUN/template" -f "$RUN/new.conf" -B squashfs --rootfs-size 40M
    says 'cannot limit the size of .*: storage of type squashfs has none'
    same 'left of refused ones' '' "$(ls -A "$LXC")"
}

# What another tool left of an image, and an image that no configuration names.
test_storage_check_knows_images() {
    local device
    loop_container t-loop
    code 0 tool storage check
    device=$(losetup -f --show "$LXC/t-loop/rootdev")
    code 2 tool storage check
    grep -q "another tool has left the loop device $device of its image: --fix removes it" "$RUN/out" || fail "$(cat "$RUN/out")"
    # One that somebody has mounted is in use.
    mkdir "$RUN/mounted" && mount "$device" "$RUN/mounted"
    code 0 tool storage check
    umount "$RUN/mounted"
    code 0 tool storage check --fix
    no_loops 'after it was fixed'
    cp --sparse=always "$LXC/t-loop/rootdev" "$RUN/kept"
    code 0 tool destroy -n t-loop
    files_only t-dir
    mv "$RUN/kept" "$LXC/t-dir/rootdev"
    code 2 tool storage check --fix
    grep -q 'rootdev: storage that its configuration does not name' "$RUN/out" || fail "$(cat "$RUN/out")"
    code 0 tool storage check --fix --remove
    [ ! -e "$LXC/t-dir/rootdev" ] || fail 'the image is left'
    code 0 tool destroy -n t-dir
}
