"""The operations that faults are injected in: how to run each, and how to tell that what it said is true."""

from dataclasses import dataclass
from typing import Callable

from roots import LARGER, SIZE
from world import BASE, CLONE, NEW, PLAIN, SMALL, SOLO, TREE, eventually

# Written by a command inside, which ends with a code of its own.
RAN = "ran"
SCRIPT = f"echo yes >/{RAN}; exit 7"


@dataclass(frozen=True)
class Case:
    """One run of an operation, to be judged."""

    world: object
    # exit code, out, err
    result: object
    fault: object

    @property
    def succeeded(self):
        return self.result.code == 0

    @property
    def hit_tool(self):
        return self.fault is not None and self.fault.process.startswith("tool")

    @property
    def killed(self):
        """Whether a process was killed, which cannot undo anything."""
        return self.fault is not None and self.fault.is_signal and self.result.injected

    @property
    def lost_monitor(self):
        return self.killed and not self.hit_tool


@dataclass(frozen=True)
class Operation:
    """`needs`: the containers it wants; `running`: which of them is started before, whose monitor is traced with it;
    `stored`: whether it changes what is on the disk, which lxc-rs storage check looks at then."""

    name: str
    argv: tuple
    needs: tuple
    judge: Callable
    running: str = ""
    grace: float = 0.0
    prepare: tuple = ()
    success: int = 0
    stored: bool = False


def state_is(case, wanted):
    """A problem unless the container is, or is soon, in one of the states."""

    def problems():
        state = case.world.state(SOLO)
        return [] if state in wanted else [f"state {state}, not {' or '.join(wanted)}"]

    return eventually(problems)


def started(case):
    if case.killed:
        return state_is(case, ("RUNNING", "STOPPED"))
    return state_is(case, ("RUNNING",) if case.succeeded else ("STOPPED",))


def stopped(case):
    if case.succeeded:
        return state_is(case, ("STOPPED",))
    return state_is(case, ("RUNNING", "STOPPED"))


def still_runs(case):
    """Operations that look, or act inside, do not harm the container."""
    return state_is(case, ("RUNNING", "STOPPED") if case.lost_monitor else ("RUNNING",))


def ran(case):
    ran = (case.world.rootfs(SOLO) / RAN).exists()
    return [f"exit code 7, but the command did not run"] if case.result.code == 7 and not ran else []


def attached(case):
    return ran(case) + still_runs(case)


def executed(case):
    return ran(case) + state_is(case, ("STOPPED",))


def freezer(world):
    """What the kernel says."""
    import glob

    for path in glob.glob(f"/sys/fs/cgroup/freezer/**/lxc.payload.{SOLO}*/freezer.state", recursive=True):
        with open(path) as file:
            return file.read().strip()
    for path in glob.glob(f"/sys/fs/cgroup/**/lxc.payload.{SOLO}*/cgroup.freeze", recursive=True):
        with open(path) as file:
            return "FROZEN" if file.read().strip() == "1" else "THAWED"
    return "THAWED"


def kernel_says(case, wanted):
    found = freezer(case.world)
    return [] if found == wanted else [f"the freezer is {found}, not {wanted}"]


def frozen(case):
    if case.killed:
        return state_is(case, ("RUNNING", "FROZEN", "FREEZING", "STOPPED"))
    if case.succeeded:
        return state_is(case, ("FROZEN",)) + kernel_says(case, "FROZEN")
    return state_is(case, ("RUNNING",)) + kernel_says(case, "THAWED")


def thawed(case):
    if case.succeeded and not case.lost_monitor:
        return state_is(case, ("RUNNING",)) + kernel_says(case, "THAWED")
    return state_is(case, ("RUNNING", "FROZEN", "THAWED", "STOPPED"))


def told(case):
    problems = still_runs(case)
    if case.succeeded and not case.lost_monitor and "RUNNING" not in case.result.out:
        problems.append(f"exit code 0, but it said {case.result.out!r}")
    return problems


def listed(case):
    problems = still_runs(case)
    if case.succeeded:
        # A state that could not be asked for is none, and the reason is told.
        row = next((line for line in case.result.out.splitlines() if line.startswith(SOLO)), "")
        is_unknown = row.split()[1:2] == ["-"] and case.result.err
        if "RUNNING" not in row and not is_unknown and not case.lost_monitor:
            problems.append(f"exit code 0, but it said {row!r}")
        problems += [f"{name} is not listed" for name in (SOLO, BASE, CLONE) if name not in case.result.out]
    return problems


def has(case, name, *versions):
    """Problems unless the container is complete, with the data of one of `versions`."""
    world = case.world
    if not world.is_defined(name) or world.is_partial(name):
        return [f"{name} is not complete"]
    found = world.version(name)
    problems = [] if found in versions else [f"data of {name}: {found}"]
    config = (world.lxcpath / name / "config").read_text()
    if f":{world.roots_of(name).place(world.lxcpath / name)}" not in config:
        problems.append(f"the configuration of {name} has another root filesystem")
    return problems


def is_absent(case, name):
    """Problems if there is anything of the container; a killed maker may leave what is marked or not defined yet."""
    world = case.world
    home = world.lxcpath / name
    if not home.exists():
        return []
    if case.killed and (world.is_partial(name) or not world.is_defined(name)):
        return []
    return [f"{name} is there: {sorted(path.name for path in home.iterdir())}"]


def either(*choices):
    """Problems of the first if all have some."""
    return [] if any(not choice for choice in choices) else min(choices, key=len)


def made(case, source, version=1, name=NEW):
    problems = has(case, source, 1, 2)
    done, undone = has(case, name, version), is_absent(case, name)
    if case.succeeded:
        return problems + done
    return problems + (either(done, undone) if case.killed else undone)


def created(case):
    return made(case, BASE)


def copied(case):
    return made(case, SOLO, 2)


def restored_beside(case):
    return made(case, SOLO, 1)


def cloned(case):
    """An overlay clone has the base's data, and the base cannot be destroyed."""
    world = case.world
    problems = has(case, BASE, 1)
    complete = world.is_defined(NEW) and not world.is_partial(NEW)
    if case.succeeded and not complete:
        problems.append(f"{NEW} is not complete")
    if not case.succeeded and not case.killed:
        problems += is_absent(case, NEW)
    if complete:
        done = world.tool("destroy", "-n", BASE)
        if done.code != 1 or world.version(BASE) != 1:
            problems.append(f"a base with a clone was destroyed (exit code {done.code})")
        noted = (world.lxcpath / BASE / "lxc_snapshots").read_text().split("\n")[1::2]
        if NEW not in noted:
            problems.append(f"{BASE} does not know its clone")
    return problems


def snapped(case):
    snapshots = case.world.snapshots(SOLO)
    home = case.world.lxcpath / SOLO / "snaps"
    problems = has(case, SOLO, 2)
    if "snap0" not in snapshots:
        problems.append(f"snapshots: {snapshots}")
    for name, version in (("snap0", 1), ("snap1", 2)):
        if name in snapshots and case.world.version(f"{SOLO}/snaps/{name}") != version and not (home / name / "partial").exists():
            problems.append(f"data of {name}: {case.world.version(f'{SOLO}/snaps/{name}')}")
    if case.succeeded and "snap1" not in snapshots:
        problems.append(f"exit code 0, but the snapshots are {snapshots}")
    if not case.succeeded and not case.killed and "snap1" in snapshots:
        problems.append(f"exit code {case.result.code}, but snap1 is there")
    return problems


def restored(case):
    # One that failed may have been done: the disk did not say.
    versions = (1,) if case.succeeded else (1, 2)
    snap = case.world.version(f"{SOLO}/snaps/snap0")
    return has(case, SOLO, *versions) + ([] if snap == 1 else [f"data of snap0: {snap}"])


def snapshot_removed(case):
    problems = has(case, SOLO, 2)
    if case.succeeded and (case.world.lxcpath / SOLO / "snaps/snap0").exists():
        problems.append("snap0 is there")
    return problems


def packed(case):
    return made(case, TREE)


def unpacked(case):
    return made(case, SOLO, 2)


def resized(case):
    """It has the one size or the other, and no less than its configuration says."""
    home = case.world.lxcpath / SMALL
    image, config = case.world.roots.place(home), (home / "config").read_text()
    size = image.stat().st_size
    problems = has(case, SMALL, 1)
    if case.succeeded and f"lxc.rootfs.size = {LARGER >> 20}M\n" not in config:
        problems.append("exit code 0, but the configuration has no such size")
    if size != LARGER and (case.succeeded or "lxc.rootfs.size" in config):
        problems.append(f"the image has {size} bytes, and the configuration has another size")
    return problems


def renamed(case):
    done = has(case, NEW, 1) + is_absent(case, PLAIN)
    undone = has(case, PLAIN, 1) + is_absent(case, NEW)
    # One that failed may have been done: the disk did not say.
    return done if case.succeeded else either(done, undone)


def clone_renamed(case):
    """The base knows its clone by one of the names, and not less."""
    name = next((name for name in (NEW, CLONE) if case.world.is_defined(name)), None)
    if name is None:
        return ["neither name is defined"]
    problems = [] if name == NEW or not case.succeeded else [f"exit code 0, but it is {name}"]
    done = case.world.tool("destroy", "-n", BASE)
    if done.code != 1:
        problems.append(f"a base with a clone was destroyed (exit code {done.code}: {done.err.strip()})")
    return problems + has(case, BASE, 1)


def destroyed(case):
    there = (case.world.lxcpath / PLAIN).exists()
    return [f"exit code 0, but {PLAIN} is there"] if case.succeeded and there else []


def all_destroyed(case):
    there = [name for name in (BASE, CLONE) if (case.world.lxcpath / name).exists()]
    if case.succeeded:
        return [f"exit code 0, but there is {there}"] if there else []
    # The clone goes first: without the base it has lost its data.
    return [f"{CLONE} is left without {BASE}"] if there == [CLONE] else []


def operations(template, world):
    """All that make sense in the world; `template`: a script that makes a root filesystem."""
    life = alive()
    return (life[:1] if world.kind == "loop" else life) + of_files(template, world.kind)


def alive():
    """Those of containers that run."""
    solo = ("-n", SOLO)
    return [
        Operation("start", ("start", *solo), (SOLO,), started, grace=0.05),
        Operation("execute", ("execute", *solo, "--", "/bin/sh", "-c", SCRIPT), (SOLO,), executed, success=7),
        Operation("attach", ("attach", *solo, "--", "/bin/sh", "-c", SCRIPT), (SOLO,), attached, SOLO, success=7),
        Operation("stop", ("stop", *solo, "-t", "5"), (SOLO,), stopped, SOLO, grace=1.0),
        Operation("kill", ("stop", "-k", *solo), (SOLO,), stopped, SOLO, grace=1.0),
        Operation("freeze", ("freeze", *solo), (SOLO,), frozen, SOLO),
        Operation("unfreeze", ("unfreeze", *solo), (SOLO,), thawed, SOLO, prepare=("freeze", *solo)),
        Operation("info", ("info", *solo), (SOLO,), told, SOLO),
        Operation("ls", ("ls", "-f"), (SOLO, BASE, CLONE), listed, SOLO),
    ]


def of_files(template, kind):
    """Those that change what is on the disk."""
    solo = ("-n", SOLO)
    image = ("-B", "loop", "--fssize", f"{SIZE >> 20}M") if kind == "loop" else ()

    def stored(*fields):
        return Operation(*fields, stored=True)

    found = [
        stored("create", ("create", "-n", NEW, "-f", "/dev/null", "-t", template, *image), (BASE, CLONE), created),
        stored("copy", ("copy", *solo, "-N", NEW), (SOLO,), copied),
        stored("clone", ("copy", "-n", BASE, "-N", NEW, "-B", "overlay", "-s"), (BASE, CLONE), cloned),
        stored("snapshot", ("snapshot", *solo), (SOLO,), snapped),
        stored("restore", ("snapshot", *solo, "-r", "snap0"), (SOLO,), restored),
        stored("restore-new", ("snapshot", *solo, "-r", "snap0", "-N", NEW), (SOLO,), restored_beside),
        stored("snapshot-d", ("snapshot", *solo, "-d", "snap0"), (SOLO,), snapshot_removed),
        stored("rename", ("copy", "-n", PLAIN, "-R", "-N", NEW), (PLAIN,), renamed),
        stored("rename-clone", ("copy", "-n", CLONE, "-R", "-N", NEW), (BASE, CLONE), clone_renamed),
        stored("destroy", ("destroy", "-n", PLAIN), (PLAIN, BASE, CLONE), destroyed),
        stored("destroy-s", ("destroy", "-s", "-n", BASE), (BASE, CLONE, PLAIN), all_destroyed),
    ]
    if kind == "loop":
        found += [
            stored("pack", ("copy", "-n", TREE, "-N", NEW, "-B", "loop", "-L", f"{SIZE >> 20}M"), (TREE,), packed),
            stored("unpack", ("copy", *solo, "-N", NEW, "-B", "dir"), (SOLO,), unpacked),
            stored("resize", ("storage", "size", SMALL, f"{LARGER >> 20}M"), (SMALL,), resized),
        ]
    return found


def bystanders(operation):
    """Containers that are there and have nothing to do with it."""
    named = set(operation.argv)
    return [name for name in operation.needs if name not in named and (BASE not in named or name != CLONE)]
