"""Injects faults in operations, one at a time, and judges what is left of each."""

import random
import tempfile
import time
from zlib import crc32

from operations import Case, bystanders
from tracer import Fault, Tracer
from world import LIMIT, SOLO, alarm

# What a call may fail with. Calls without a line (memory of the process, its own ids, signal masks) do not fail.
_ERRORS = {
    "ENOSPC EIO ENOMEM": "mkdir mkdirat mknodat symlinkat linkat rename renameat renameat2 write pwrite64 ftruncate "
    "fallocate sendfile copy_file_range setxattr fsetxattr lsetxattr mount",
    "EIO ENOSPC": "fsync fdatasync syncfs fchmod fchmodat chmod chown fchown lchown fchownat utimensat",
    "EIO ENOMEM": "read pread64 getdents64 newfstatat fstat stat lstat statx statfs fstatfs readlink readlinkat access "
    "faccessat2 unlink unlinkat rmdir lgetxattr llistxattr getxattr listxattr flistxattr fgetxattr ioctl lseek chdir fchdir",
    "EMFILE ENOMEM EIO": "open openat openat2",
    "EMFILE ENOMEM": "socket socketpair accept4 pipe2 eventfd2 epoll_create1 timerfd_create signalfd4 memfd_create dup "
    "dup2 dup3 pidfd_open inotify_init1 open_tree fsopen fsmount",
    "EAGAIN ENOMEM": "clone clone3 fork vfork execve execveat connect",
    "ENOMEM EPERM": "move_mount umount2 mount_setattr pivot_root unshare setns fsconfig sethostname setsid capset seccomp",
    "ENOMEM EINTR": "sendmsg sendto recvmsg recvfrom bind listen",
    "EINTR": "poll ppoll epoll_wait epoll_pwait wait4 waitid flock nanosleep clock_nanosleep",
    "EIO": "prctl fcntl keyctl pidfd_send_signal kill prlimit64 setsockopt getsockopt getsockname shutdown",
}
ERRORS = {call: errors.split() for errors, calls in _ERRORS.items() for call in calls.split()}
SIGNALS = ("SIGKILL", "SIGTERM")
# Signals come at calls that do something.
_QUIET = ("prctl", "fcntl", "lseek", "prlimit64", "getsockopt", "setsockopt", "getsockname")


def faults_of(call):
    """The faults that make sense at this call."""
    if call.name not in ERRORS:
        return []
    errors = ERRORS[call.name] + (["ENOSPC"] if call.creates else [])
    signals = () if call.name in _QUIET else SIGNALS
    return [Fault(call.process, call.name, call.nth, what) for what in (*errors, *signals)]


def traced(world, operation, fault=None, record=False, settle=None):
    """Runs the operation on its fresh containers under the tracer, after `settle`. Its result, or None with problems."""
    world.populate(operation.needs)
    if operation.running:
        started = world.tool("start", "-n", operation.running)
        if started.code != 0:
            return None, [f"cannot prepare: start: {started.err.strip()}"]
    if operation.prepare:
        world.tool(*operation.prepare)
    monitor = world.monitor(operation.running) if operation.running else None
    if settle:
        settle()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        tracer = Tracer(world.binary, fault, record)
        result = tracer.run(world.argv(*operation.argv), out, err, LIMIT, monitor, operation.grace)
        out.seek(0)
        err.seek(0)
        result.out, result.err = out.read(), err.read()
    return result, []


def judge(world, operation, fault, result):
    """All that is wrong."""
    problems = []
    # A command inside ended with the code of success: nobody has to explain it.
    problems += [] if result.code == operation.success and not result.err else alarm(result, operation.name)
    problems += [f"{role} ended with {code}" for role, code in result.crashes]
    if fault is None and result.code != operation.success:
        problems.append(f"exit code {result.code} without a fault: {result.err.strip()}")
    if fault and not fault.is_signal and result.injected and operation.success and result.code == 0:
        problems.append("exit code 0, which the command did not give")
    if operation.stored:
        problems += checked(world, fault)
    elif fault and not operation.running:
        world.settle()
    problems += operation.judge(Case(world, result, fault))
    for name in bystanders(operation):
        if name in world.original and world.version(name) != world.original[name]:
            problems.append(f"data of {name}: {world.version(name)}")
    if fault and operation.running and fault.process == "monitor" and not fault.is_signal:
        problems += spins(world)
    return problems


def checked(world, fault):
    """What lxc-rs storage check finds that is not to be: anything, or what it could not fix after a fault."""
    problems = []
    if fault is None or fault.what == "ENOSPC":
        problems += found(world, "after the operation")
    elif crc32(str(fault).encode()) % 2:
        # The next operation may come before anyone looks.
        world.settle()
    done = world.tool("storage", "check", "--fix")
    problems += alarm(done, "storage check --fix")
    return problems + found(world, "after it was fixed")


def found(world, when):
    done = world.tool("storage", "check")
    return [f"storage check {when}: exit code {done.code}: {done.out}{done.err}"] if done.code else []


def spins(world, seconds=0.25):
    """Whether the monitor is busy with nothing."""
    monitor = world.monitor(SOLO)
    if monitor is None:
        return []
    try:
        before = cpu(monitor)
        time.sleep(seconds)
        used = cpu(monitor) - before
    except OSError:
        return []
    return [f"the monitor used {used:.2f} s of {seconds} s"] if used > seconds / 4 else []


def cpu(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def run_one(world, operation, fault, verbose=False):
    """One case from fresh containers to an empty directory. (was it injected, the problems)"""
    result, problems = traced(world, operation, fault)
    if result:
        problems += judge(world, operation, fault, result)
        if verbose:
            print(f"exit code {result.code}, injected {result.injected}\n{result.out}{result.err}")
    problems += world.clear()
    return bool(result and result.injected), problems


def plan(world, operation):
    """Every fault that can be injected in the operation. (faults, problems without any)"""
    result, problems = traced(world, operation, record=True)
    if result:
        problems += judge(world, operation, None, result)
    problems += world.clear()
    calls = result.calls if result else []
    return [fault for call in calls for fault in faults_of(call)], problems


def sample(faults, count, seed, key):
    """`count` of the faults, the same for the same seed, none of them twice."""
    chosen = random.Random(f"{seed} {key}")
    # By kind of call first: a copy has hundreds of one and few of another.
    kinds = {}
    for fault in faults:
        kinds.setdefault((fault.process, fault.call), []).append(fault)
    for group in kinds.values():
        chosen.shuffle(group)
    groups = list(kinds.values())
    picked = []
    while groups and len(picked) < count:
        chosen.shuffle(groups)
        picked += [group.pop() for group in groups][: count - len(picked)]
        groups = [group for group in groups if group]
    return picked
