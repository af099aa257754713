"""Runs a program under ptrace, counts the system calls of each of its processes, and lets one of them fail.

strace can inject faults too, but it counts in every process by itself and injects in all of them: the
third openat fails in the command before the monitor gets to its third. Here a fault names its process:
"tool" is the command, "tool.1" its first child, "monitor" a container's monitor and "monitor.1" that
one's first child, which becomes init. A process that executes somebody else's program (init, a template, a hook) is let go.
For "tool" the numbers are those of strace -e inject=CALL:error=ERRNO:when=N.
"""

import ctypes
import errno
import fcntl
import os
import re
import signal
import termios
import time
from dataclasses import dataclass, field

POKEUSER, CONT, DETACH, SYSCALL = 6, 7, 17, 24
GETEVENTMSG, SEIZE, INTERRUPT, LISTEN, GET_SYSCALL_INFO = 0x4201, 0x4206, 0x4207, 0x4208, 0x420E
# System calls are told from signals; forks, vforks, clones and exec are reported; all die with the tracer.
OPTIONS = 0x1 | 0x2 | 0x4 | 0x8 | 0x10 | 0x100000
EVENT_FORK, EVENT_VFORK, EVENT_CLONE, EVENT_EXEC, EVENT_STOP = 1, 2, 3, 4, 128
ENTRY, EXIT = 1, 2
ORIG_RAX, RAX = 15 * 8, 10 * 8
WALL = 0x40000000


class SyscallInfo(ctypes.Structure):
    _fields_ = [
        ("op", ctypes.c_uint8),
        ("pad", ctypes.c_uint8 * 3),
        ("arch", ctypes.c_uint32),
        ("ip", ctypes.c_uint64),
        ("sp", ctypes.c_uint64),
        ("nr", ctypes.c_int64),
        ("args", ctypes.c_uint64 * 6),
        ("more", ctypes.c_uint64 * 2),
    ]


_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def _ptrace(request, pid, address=0, data=0):
    """Raises ProcessLookupError if the process was killed meanwhile."""
    if _libc.ptrace(request, pid, address, data) < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"ptrace {request}: {os.strerror(code)}")


def _names():
    header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
    with open(header) as lines:
        pairs = re.findall(r"#define __NR_(\w+)\s+(\d+)", lines.read())
    return {int(number): name for name, number in pairs}


NAMES = _names()


@dataclass(frozen=True)
class Fault:
    """What happens to the call number `nth` of `call` in `process`: an error, or a signal before it. With `text`, it
    is the first call that writes that; `victim`: the process that gets the signal, if it is another one."""

    process: str
    call: str
    nth: int
    what: str
    text: str = ""
    victim: str = ""

    def __str__(self):
        return f"{self.process}:{self.call}:{self.nth}:{self.what}"

    @classmethod
    def parse(cls, text):
        process, call, nth, what = text.split(":")
        return cls(process, call, int(nth), what)

    @property
    def is_signal(self):
        return self.what.startswith("SIG")


@dataclass(frozen=True)
class Call:
    process: str
    name: str
    nth: int
    creates: bool


@dataclass
class Result:
    """How a traced command went."""

    code: int = 0
    out: str = ""
    err: str = ""
    hung: bool = False
    injected: bool = False
    calls: list = field(default_factory=list)
    # Processes that a fault of their own ended: (process, signal or exit code)
    crashes: list = field(default_factory=list)


def _written(pid, info):
    """What the process is about to write."""
    with open(f"/proc/{pid}/mem", "rb") as memory:
        return os.pread(memory.fileno(), info.args[2], info.args[1]).decode(errors="replace")


def _always_works(name, info):
    """Unlocking does not wait, so that it is not interrupted; and a flag of an open file is set without memory (at a
    failure of that Rust's library panics)."""
    return name == "flock" and info.args[1] & fcntl.LOCK_UN or name == "ioctl" and info.args[1] == termios.FIONBIO


@dataclass
class _Process:
    role: str
    counts: dict = field(default_factory=dict)
    children: int = 0
    entered: bool = False
    pending: str = ""
    ready: bool = False


# How long a process may take to stop where it is.
_STOPS_WITHIN = 5


def _wait(pid, deadline):
    """What waitpid tells of the process, or of any with -1; None if that is nothing until `deadline`. SIGCHLD is
    blocked."""
    while True:
        found, status = os.waitpid(pid, WALL | os.WNOHANG)
        if found:
            return found, status
        left = deadline - time.monotonic()
        if left <= 0 or signal.sigtimedwait([signal.SIGCHLD], left) is None:
            return None


class Tracer:
    """One traced run."""

    def __init__(self, program, fault=None, record=False):
        self.program = program
        self.fault = fault
        self.record = record
        self.result = Result()
        self.processes = {}
        # Also of processes that were let go.
        self.pids = {}
        self.early = set()

    def run(self, argv, out, err, limit, monitor=None, grace=0.0):
        """Runs `argv`, with its output to the files `out` and `err`. `monitor`: a process that is traced as well.
        `grace`: how long the others are followed when the command has ended."""
        gate, opened = os.pipe()
        tool = os.fork()
        if tool == 0:
            try:
                os.close(opened)
                os.setpgid(0, 0)
                os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
                os.dup2(out.fileno(), 1)
                os.dup2(err.fileno(), 2)
                os.read(gate, 1)
                os.execv(argv[0], argv)
            finally:
                os._exit(127)
        os.close(gate)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        deadline = time.monotonic() + limit
        ended = False
        try:
            self._seize(tool, "tool")
            if monitor:
                self._seize(monitor, "monitor", ready=True)
                _ptrace(INTERRUPT, monitor)
            os.write(opened, b"x")
            while self.processes and (told := _wait(-1, deadline)):
                pid, status = told
                if self._ends(pid, status) and pid == tool:
                    self.result.code = os.waitstatus_to_exitcode(status)
                    ended, deadline = True, time.monotonic() + grace
        finally:
            os.close(opened)
            self.result.hung = not ended
            if not ended:
                os.kill(tool, signal.SIGKILL)
            self._detach_all()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        return self.result

    def _seize(self, pid, role, ready=False):
        self.processes[pid] = _Process(role, ready=ready)
        self.pids[role] = pid
        _ptrace(SEIZE, pid, 0, OPTIONS)

    def _detach_all(self):
        for pid in list(self.processes):
            try:
                _ptrace(INTERRUPT, pid)
                told = _wait(pid, time.monotonic() + _STOPS_WITHIN)
                if told and os.WIFSTOPPED(told[1]):
                    self._forward(DETACH, pid, told[1])
            except (ProcessLookupError, ChildProcessError):
                pass
        for pid in self.early:
            try:
                _ptrace(DETACH, pid)
            except ProcessLookupError:
                pass

    @staticmethod
    def _forward(request, pid, status):
        """Lets it go on, with the signal that stopped it unless that was ptrace's own."""
        number, event = os.WSTOPSIG(status), status >> 16
        _ptrace(request, pid, 0, 0 if event or number & 0x80 or number == signal.SIGTRAP else number)

    def _ends(self, pid, status):
        """Handles what waitpid told. Whether the process ended."""
        if not os.WIFSTOPPED(status):
            process = self.processes.pop(pid, None)
            self.early.discard(pid)
            if process:
                self._note_end(process, status)
            return True
        if pid not in self.processes:
            # Its parent has not been reported yet.
            self.early.add(pid)
            return False
        try:
            self._stopped(pid, self.processes[pid], status)
        except ProcessLookupError:
            pass
        return False

    def _note_end(self, process, status):
        code = os.waitstatus_to_exitcode(status)
        crash = [-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, 101]
        if code in crash:
            self.result.crashes.append((process.role, code))

    def _stopped(self, pid, process, status):
        number, event = os.WSTOPSIG(status), status >> 16
        if event in (EVENT_FORK, EVENT_VFORK, EVENT_CLONE):
            self._born(pid, process)
        elif event == EVENT_EXEC and not self._executed(pid, process):
            return
        if event == EVENT_STOP and number in (signal.SIGSTOP, signal.SIGTSTP):
            _ptrace(LISTEN, pid)
            return
        if number == signal.SIGTRAP | 0x80:
            self._called(pid, process)
        self._forward(SYSCALL if self._follows() else CONT, pid, status)

    def _follows(self):
        """Whether system calls are still of interest."""
        return self.record or any(p.pending for p in self.processes.values()) or not self.result.injected

    def _born(self, pid, parent):
        message = ctypes.c_ulong()
        _ptrace(GETEVENTMSG, pid, 0, ctypes.addressof(message))
        child = message.value
        parent.children += 1
        role = f"{parent.role}.{parent.children}"
        self.processes[child] = _Process(role, ready=parent.ready)
        self.pids[role] = child
        if child in self.early:
            self.early.discard(child)
            _ptrace(SYSCALL, child)

    def _executed(self, pid, process):
        """False if it is somebody else's program and was let go."""
        try:
            program = f"/proc/{pid}/exe"
            ours = os.path.samefile(program, self.program) or os.readlink(program).startswith("/memfd:")
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                title = file.read()
        except OSError:
            return True
        if not ours:
            del self.processes[pid]
            _ptrace(DETACH, pid)
            return False
        if title.startswith(b"[lxc monitor]"):
            process.role = "monitor"
            self.pids[process.role] = pid
        process.ready = False
        return True

    def _called(self, pid, process):
        info = SyscallInfo()
        _ptrace(GET_SYSCALL_INFO, pid, ctypes.sizeof(info), ctypes.addressof(info))
        if info.op == ENTRY:
            name = NAMES.get(info.nr, str(info.nr))
            nth = process.counts[name] = process.counts.get(name, 0) + 1
            if not process.ready:
                # What the dynamic loader does is not the program's.
                process.ready = name in ("prlimit64", "rseq")
            elif self.record and not _always_works(name, info):
                creates = name == "openat" and info.args[2] & os.O_CREAT != 0
                self.result.calls.append(Call(process.role, name, nth, creates))
            fault = self.fault
            if fault and not self.result.injected and (process.role, name) == (fault.process, fault.call):
                if fault.text in _written(pid, info) if fault.text else nth == fault.nth:
                    self._inject(pid, process)
        elif info.op == EXIT and process.pending:
            _ptrace(POKEUSER, pid, RAX, -getattr(errno, process.pending) & (2**64 - 1))
            process.pending = ""

    def _inject(self, pid, process):
        self.result.injected = True
        if self.fault.is_signal:
            os.kill(self.pids.get(self.fault.victim, pid), getattr(signal, self.fault.what))
        else:
            # A call that does not exist is made in its place.
            _ptrace(POKEUSER, pid, ORIG_RAX, 2**64 - 1)
            process.pending = self.fault.what
