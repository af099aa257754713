"""A file system of the run's own on a loop device, with containers, and the questions whether all is well there.

The whole run is in a pid, mount and network namespace of its own: what it leaves ends with it, however
it ends. Cgroups and the directory of the run are removed by the next.
"""

import contextlib
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from roots import KINDS, LARGER, Directories, age, digest, fill, is_subvolume, must

PREFIX = "flt-"
BRIDGE = "fltbr0"
LIMIT = 20
# ioctl(2) of btrfs (linux/btrfs.h): begins to commit a transaction, and waits for one.
START_SYNC, WAIT_SYNC = 0x80089418, 0x40089416
SOLO, PLAIN, BASE, CLONE, NEW, TREE, SMALL = (PREFIX + word for word in "solo plain base clone new tree small".split())
CONFIG = f"""lxc.rootfs.path = {{rootfs}}
lxc.uts.name = {{name}}
lxc.pty.max = 32
lxc.mount.auto = proc:mixed sys:mixed cgroup:mixed
lxc.signal.halt = SIGUSR1
lxc.cap.drop = sys_module mac_admin mac_override sys_time
lxc.cgroup2.pids.max = 64
lxc.net.0.type = veth
lxc.net.0.link = {BRIDGE}
lxc.net.0.flags = up
"""


class Done:
    """How an ordinary command went."""

    def __init__(self, code, out, err, hung):
        self.code, self.out, self.err, self.hung = code, out, err, hung


def command(*argv, limit=LIMIT):
    """Runs a command to its end or `limit`."""
    # Not a pipe: a monitor that kept it open would hold up the reader.
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            out, err = run.communicate(timeout=limit)
            return Done(run.returncode, out, err, False)
        except subprocess.TimeoutExpired:
            waiting = processes_of(run.pid)
            run.kill()
            return Done(-signal.SIGKILL, "", waiting, True)


def processes_of(pid):
    """The process and its descendants, one a line: where in the kernel each waits, and whether its cgroup is frozen."""

    def text(path):
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            return error.strerror

    def read(name):
        return text(f"/proc/{pid}/{name}")

    lines = [f"{pid} {read('comm').strip()} {read('wchan')} syscall {read('syscall').strip()}"]
    for group in read("cgroup").splitlines():
        controllers, path = (group.split(":", 2) + ["", ""])[1:3]
        if "freezer" in controllers:
            lines[0] += f" in {path}: {text(f'/sys/fs/cgroup/freezer{path}/freezer.state').strip()}"
    for child in read(f"task/{pid}/children").split():
        lines += processes_of(child).splitlines() if child.isdigit() else []
    return "\n".join(lines)


def eventually(problems, seconds=3.0):
    """The last answer of `problems`, which has until then to be empty."""
    end = time.monotonic() + seconds
    pause = 0.005
    while (found := problems()) and time.monotonic() < end:
        time.sleep(pause)
        pause = min(pause * 2, 0.1)
    return found


class World:
    """Containers below one mount point."""

    def __init__(self, run, binary, kind, seed=None, options="defaults"):
        self.binary = str(binary)
        self.kind = kind
        self.roots = KINDS[kind]
        self.name = f"{kind}-{seed[:8]}" if kind == "ext4" else kind
        self.options = f"loop,{options}"
        self.image = run / f"{self.name}.img"
        self.mount = run / self.name
        self.lxcpath = self.mount / "lxc"
        self.template = self.mount / "template"
        self.mount.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(self.roots.mebibytes << 20)
        if self.roots.file_system == "btrfs":
            must("mkfs.btrfs", "-q", self.image)
        else:
            order = f"hash_seed={seed}," if seed else ""
            must("mkfs.ext4", "-q", "-E", f"{order}lazy_itable_init=0,lazy_journal_init=0", "-m", "0", self.image)
        must("mount", "-o", self.options, self.image, self.mount)
        self.lxcpath.mkdir()
        fill(self.mount / "tree", 1)
        self._make_template()

    def unmount(self):
        """Also where a process of a container that was just killed still has to let go of the file system."""
        def busy():
            done = command("umount", self.mount, limit=120)
            return done.code != 0 and done.err.strip()

        if problem := eventually(busy, 10.0):
            raise SystemExit(f"{problem}\n{self.users()}")

    def users(self):
        """The processes that have files of the file system open."""
        mine = os.stat(self.mount).st_dev
        found = []
        for entry in (entry for entry in os.listdir("/proc") if entry.isdigit()):
            held = set()
            for link in ("cwd", "root", "exe", *(f"fd/{fd}" for fd in listed(f"/proc/{entry}/fd"))):
                try:
                    if os.stat(f"/proc/{entry}/{link}").st_dev == mine:
                        held.add(f"{link} {os.readlink(f'/proc/{entry}/{link}')}")
                except OSError:
                    pass
            if held:
                found.append(f"process {entry}: {', '.join(sorted(held))}")
        return "\n".join(found) or "no process has a file there"

    def close(self):
        self.unmount()
        self.mount.rmdir()
        self.image.unlink()

    def sync(self):
        must("sync", "-f", self.mount)

    def commit(self):
        """Lets the file system write names and sizes, and what is in files not: as it may at any time."""
        with open(self.mount / "other", "wb", buffering=0) as other:
            if self.roots.file_system == "btrfs":
                transaction = bytearray(8)
                fcntl.ioctl(other, START_SYNC, transaction)
                fcntl.ioctl(other, WAIT_SYNC, transaction)
            else:
                # All that was done before is in the journal before this.
                other.write(b"other")
                os.fsync(other)

    def cut_power(self):
        """Goes on with the disk as it is now, without what the file system has not written yet."""
        disk = self.image.with_suffix(".cut")
        must("cp", "--sparse=always", self.image, disk)
        self.unmount()
        disk.rename(self.image)
        must("mount", "-o", self.options, self.image, self.mount)

    def _make_template(self):
        """The containers that a case begins with, as the tools make them."""
        for name in (SOLO, PLAIN, BASE):
            self._make(name, self.roots)
        if self.kind == "loop":
            self._make(TREE, Directories())
            # An ext4 grows only for who has a capability that the machine may not give.
            self._make(SMALL, self.roots, LARGER - (16 << 20), ("mkfs.btrfs", "-q"))
        self.data = {1: digest(self.mount / "tree")}
        for words in (["snapshot", "-n", SOLO], ["copy", "-n", BASE, "-N", CLONE, "-B", "overlay", "-s"]):
            done = self.tool(*words)
            if done.code != 0:
                raise SystemExit(f"{' '.join(words)}: {done.err}")
        with self.roots.opened(self.lxcpath / SOLO) as root:
            age(root)
            self.data[2] = digest(root)
        self.original = {name: self.version(name) for name in (SOLO, PLAIN, BASE)}
        self.lxcpath.rename(self.template)
        self.lxcpath.mkdir()

    def _make(self, name, roots, *how):
        home = self.lxcpath / name
        home.mkdir(mode=0o770)
        roots.make(home, *how)
        (home / "config").write_text(CONFIG.format(rootfs=f"{roots.backend}:{roots.place(home)}", name=name))

    def rootfs(self, name):
        """Where the files of a directory or a subvolume are."""
        return self.lxcpath / name / "rootfs"

    def roots_of(self, name):
        """What the root filesystem of the container is."""
        home = self.lxcpath / name
        return self.roots if self.roots.place(home).exists() else Directories()

    def populate(self, names):
        """Lays out the containers `names` as they were made."""
        for name in names:
            self.roots.replicate(self.template / name, self.lxcpath / name)

    def tool(self, tool, *words, limit=LIMIT):
        return command(*self.argv(tool, *words), limit=limit)

    def argv(self, tool, *words):
        # A command in parts has what they share before them: storage -P LXCPATH check.
        return [self.binary, tool, "-P", str(self.lxcpath), *map(str, words)]

    def state(self, name):
        done = self.tool("info", "-n", name, "-sH")
        return done.out.strip() if done.code == 0 else f"unknown ({done.err.strip()})"

    def monitor(self, name):
        """The process id of the container's monitor."""
        title = f"[lxc monitor] {self.lxcpath} {name}"
        for pid, text in processes():
            if text == title:
                return pid
        return None

    def version(self, name):
        """Which data the container has: 1, 2, or what is wrong with it."""
        roots, home = self.roots_of(name), self.lxcpath / name
        if not roots.place(home).exists():
            return "no root filesystem"
        try:
            with roots.opened(home) as root:
                found = digest(root)
        except (OSError, SystemExit) as error:
            return f"unreadable: {error}"
        return next((version for version, data in self.data.items() if data == found), "damaged")

    def is_defined(self, name):
        return (self.lxcpath / name / "config").exists()

    def is_partial(self, name):
        return (self.lxcpath / name / "partial").exists()

    def settle(self):
        """Lets the next operation, a start, complete or undo what was cut off in the middle."""
        for name in os.listdir(self.lxcpath):
            if self.is_partial(name) and self.is_defined(name):
                self.tool("start", "-n", name)
                self.tool("stop", "-k", "-n", name)

    def snapshots(self, name):
        done = self.tool("snapshot", "-n", name, "-L")
        return re.findall(r"^(snap\d+) ", done.out, re.M) if done.code == 0 else [f"unknown ({done.err.strip()})"]

    def clear(self):
        """Removes all containers with the tools. What did not work or is left."""
        problems = []

        def use(tool, *words, good=(0,)):
            done = self.tool(tool, *words)
            problems.extend(alarm(done, f"afterwards {tool} {' '.join(words)}"))
            if done.code not in good:
                problems.append(f"afterwards {tool} {' '.join(words)}: exit code {done.code}: {done.err.strip()}")

        names = lambda: sorted(os.listdir(self.lxcpath))
        for name in names():
            if self.is_defined(name):
                use("stop", "-k", "-n", name, good=(0, 2))
        for name in names():
            if any((self.lxcpath / name).glob("snaps/snap*")):
                use("snapshot", "-n", name, "-d", "ALL")
        for name in names():
            if (self.lxcpath / name).exists():
                use("destroy", "-s", "-n", name)
        problems.extend(f"left: {name}: {sorted(os.listdir(self.lxcpath / name))}" for name in names())
        problems.extend(eventually(self.left))
        if problems:
            self.force()
        return problems

    def left(self):
        """Processes, mounts, cgroups and links that should be gone."""
        own = str(self.lxcpath) + "/"
        with open("/proc/self/mountinfo") as mounts:
            left = [f"left: mount {line.split()[4]}" for line in mounts if own in line]
        left += [f"left: process {pid} {text[:100]}" for pid, text in processes()]
        left += [f"left: loop device of {image}" for image in loop_devices() if image.startswith(own)]
        left += [f"left: cgroup {path}" for path in cgroups()]
        left += [f"left: link {name}" for _, name in socket.if_nameindex() if name not in ("lo", BRIDGE)]
        return left

    def force(self):
        """Removes what the tools did not."""
        for pid, _ in processes():
            # It may just have ended.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for state in (Path(path) / "freezer.state" for path in cgroups()):
            if state.exists():
                state.write_text("THAWED")
        eventually(processes)
        command("umount", "-qR", *self.lxcpath.iterdir())
        for path in cgroups():
            try:
                os.rmdir(path)
            except OSError:
                pass
        for path in self.lxcpath.iterdir():
            remove(path)


def listed(directory):
    try:
        return os.listdir(directory)
    except OSError:
        return []


def remove(path):
    for root, dirs, _ in os.walk(path):
        for name in dirs:
            inner = Path(root) / name
            if not inner.is_symlink() and is_subvolume(inner):
                command("btrfs", "-q", "subvolume", "delete", inner)
    shutil.rmtree(path, ignore_errors=True)


def processes():
    """What runs in this pid namespace besides the run itself: (pid, title)."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) in (1, os.getpid()):
            continue
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                title = file.read().rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
            with open(f"/proc/{entry}/stat") as file:
                state = file.read().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state != "Z":
            found.append((int(entry), title))
    return found


def loop_devices():
    """The images that have one."""
    images = []
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        # It may just be going.
        with contextlib.suppress(OSError):
            images.append(path.read_text().strip())
    return images


def cgroups():
    """The cgroups of this run's containers, deepest first."""
    found = []
    for root, dirs, _ in os.walk("/sys/fs/cgroup"):
        if root.count("/") > 7:
            dirs.clear()
        if re.search(rf"/lxc\.(payload|monitor)\.{PREFIX}", root):
            found.append(root)
    return sorted(found, reverse=True)


def alarm(done, what):
    """What no command may do, whatever happened to it."""
    problems = []
    if done.hung:
        problems.append(f"{what}: did not end within {LIMIT} s: {done.err}")
    if "panicked" in done.err:
        problems.append(f"{what}: panicked: {done.err.strip()}")
    elif done.code in (101, 134, 139, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS):
        problems.append(f"{what}: ended with {done.code}")
    # A command inside that was killed needs no message: 128 + the signal.
    elif done.code > 0 and done.code - 128 not in (signal.SIGKILL, signal.SIGTERM) and not done.err.strip():
        problems.append(f"{what}: exit code {done.code} without a message")
    return problems
