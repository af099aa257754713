# What root inside could do about a limit of size, and what prevents that. `sized_begin` and its like are in storage_size.sh.

# Root inside cannot lift it: not by the project of a file, a flag of a directory, a subvolume, the quotas, blocks that are
# shared, or a loop device.
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
def reflink():
    # Blocks that are shared at first and then written: more than the limit, if they all count as those of one file.
    size = 15 << 20
    names = [f'/out/file{number}' for number in range(5)]
    try:
        with open(names[0], 'wb') as first:
            first.write(os.urandom(size))
        for name in names[1:]:
            with open(names[0], 'rb') as first, open(name, 'wb') as copy:
                fcntl.ioctl(copy, 0x40049409, first.fileno())
                copy.write(os.urandom(size))
                copy.flush()
                os.fsync(copy)
    finally:
        for name in filter(os.path.exists, names):
            os.unlink(name)
        os.sync()
def loop_device():
    os.mknod('/out/loop-control', 0o20600, os.makedev(10, 237))
    os.open('/out/loop-control', os.O_RDWR)
attempt('project', project)
attempt('project by number with high bits', high_bits)
attempt('flag', flag)
attempt('file_setattr', lambda: call(469, fd, b'', struct.pack('QIIII', 0, 0, 0, 0, 0), 24, 0x1000))
attempt('quotactl_fd', lambda: call(443, fd, 0x800008 << 8 | 2, PROJECT, struct.pack('QQQQQQQQI4x', 0, 0, 0, 0, 0, 0, 0, 0, 1)))
attempt('subvolume', lambda: call(16, fd, 0x5000940e, struct.pack('q4088s', 0, b'sub')))
attempt('snapshot', lambda: call(16, fd, 0x50009401, struct.pack('q4088s', fd, b'snap')))
attempt('group', lambda: fcntl.ioctl(fd, 0x8030942b, struct.pack('QQQQQQ', 0, 1, 2**64 - 1, 0, 0, 0)))
attempt('quotas off', lambda: fcntl.ioctl(fd, 0xc0109428, struct.pack('QQ', 2, 0)))
attempt('reflink', reflink)
# The host's root may have devices, if its container lets it.
if open('/proc/self/uid_map').read().split()[2] != '4294967295':
    attempt('loop device', loop_device)
print('lifted:', ' '.join(done))
END
    sed -i "s/PROJECT/$((0x4c580000))/" "$RUN/lift.py"
    code 0 tool start -n t-a
    # python3 is the host's.
    said=$(tool attach -n t-a -- env PYTHONHOME=/host/usr /host/usr/bin/python3 /lift.py 2>&1)
    # btrfs has no projects, and says nothing of them.
    [ "$1" != btrfs ] || said=$(sed 's/ project.*file_setattr//' <<<"$said")
    same 'what root inside could do' 'lifted:' "$(tail -1 <<<"$said" | xargs)"
    grep -qE '^reflink (ENOSPC|EDQUOT|ENOTSUP)' <<<"$said" || fail "shared blocks: $said"
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
