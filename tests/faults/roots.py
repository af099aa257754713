"""The root filesystems of the containers of a world: directories, subvolumes of btrfs, or images of file systems."""

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

APPLETS = "sh init true cat echo sleep halt reboot mkdir".split()
DIRS = "bin sbin dev etc proc sys tmp root mnt run data/many".split()
SIZE, LARGER = 8 << 20, 320 << 20


def must(*argv):
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, argv))}: exit code {done.returncode}: {done.stderr}")
    return done.stdout


def fill(root, version):
    """Makes the files of a container that has busybox for its init, and the data of a version."""
    for name in DIRS:
        (root / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", root / "bin/busybox")
    for applet in APPLETS:
        (root / "bin" / applet).symlink_to("busybox")
    (root / "sbin/init").symlink_to("../bin/busybox")
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/hostname").write_text("old\n")
    (root / "etc/inittab").write_text("::sysinit:/bin/true\n")
    (root / "data/version").write_text(f"{version}\n")
    (root / "data/blob").write_bytes(hashlib.shake_128(b"blob").digest(100_000))
    os.link(root / "data/blob", root / "data/linked")
    for number in range(12):
        (root / "data/many" / f"file-{number}").write_text(f"{number} of {version}\n")
    os.chown(root / "data/many/file-3", 1000, 1000)
    os.chmod(root / "data/many/file-4", 0o4711)


def age(root):
    """Changes the data of version 1 to that of version 2."""
    (root / "data/version").write_text("2\n")
    for path in (root / "data/many").iterdir():
        path.write_text(path.read_text().replace("of 1", "of 2"))


def digest(root):
    """The data in a root filesystem: names, owners, modes, contents."""
    total = hashlib.sha256()
    top = Path(root) / "data"
    for path in sorted([top, *top.rglob("*")]):
        info = path.lstat()
        total.update(f"{path.relative_to(top)} {info.st_mode:o} {info.st_uid} {info.st_gid}\n".encode())
        if stat.S_ISREG(info.st_mode):
            total.update(path.read_bytes())
    return total.hexdigest()


def is_subvolume(path):
    return path.is_dir() and path.stat().st_ino == 256


class Directories:
    """In the directory rootfs of each container."""

    backend = "dir"
    # Of the file system that they are in.
    file_system, mebibytes = "ext4", 96

    def place(self, home):
        return home / "rootfs"

    def make(self, home):
        self.place(home).mkdir()
        fill(self.place(home), 1)

    @contextlib.contextmanager
    def opened(self, home):
        """The directory with the files."""
        yield home / "rootfs"

    def replicate(self, source, target):
        """Copies a container's directory."""
        must("cp", "-a", source, target)


class Subvolumes(Directories):
    """Each rootfs is a subvolume."""

    backend = "btrfs"
    file_system, mebibytes = "btrfs", 256

    def make(self, home):
        must("btrfs", "-q", "subvolume", "create", self.place(home))
        fill(self.place(home), 1)

    def replicate(self, source, target):
        if is_subvolume(source):
            must("btrfs", "-q", "subvolume", "snapshot", source, target)
        elif source.is_dir() and not source.is_symlink():
            target.mkdir()
            shutil.copystat(source, target)
            for entry in source.iterdir():
                self.replicate(entry, target / entry.name)
        else:
            super().replicate(source, target)


class Images(Directories):
    """In images, which have an ext4 as those that the tools make."""

    backend = "loop"
    mebibytes = 256

    def place(self, home):
        return home / "rootdev"

    def make(self, home, size=SIZE, maker=("mkfs.ext4", "-q", "-F", "-E", "nodiscard")):
        (home / "rootfs").mkdir()
        with open(self.place(home), "xb") as image:
            image.truncate(size)
        must(*maker, self.place(home))
        with self.opened(home) as root:
            for entry in root.iterdir():
                entry.rmdir()
            fill(root, 1)

    @contextlib.contextmanager
    def opened(self, home):
        # It may be mounted to be written only: its journal may have to be replayed.
        with tempfile.TemporaryDirectory(prefix="flt-") as root:
            must("mount", "-o", "loop", self.place(home), root)
            try:
                yield Path(root)
            finally:
                must("umount", root)


# By the names of worlds.
KINDS = {"ext4": Directories(), "btrfs": Subvolumes(), "loop": Images()}
