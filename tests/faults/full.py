"""Operations for which the disk has no room: on a file system that is full, and by a fault at each call that may say so.

Nothing may be lost then, nothing left, and lxc-rs storage check finds nothing.
"""

import errno
import os
import time

from injections import judge, plan, run_one, sample
from operations import of_files
from tracer import Fault, Result
from world import must

# So many bytes more or less are an operation's own need of its journal.
_ROUND = 64 << 10


def run(worlds, template, findings, seed, calls, levels, wants):
    """`calls`: how many faults of each operation that is wanted; `levels`: what is left of the disk, as parts of what the
    operation takes."""
    begin, injected, filled = time.monotonic(), 0, 0
    for world in worlds:
        for operation in filter(lambda operation: wants(world, operation), of_files(template(world), world.kind)):
            faults = [fault for fault in plan(world, operation)[0] if fault.what == "ENOSPC"] if calls else []
            for fault in sample(faults, calls, seed, f"full {operation.name} {world.name}"):
                _, problems = run_one(world, operation, fault)
                only = f"{operation.name}@{world.kind}/{fault}"
                findings.tell(f"{operation.name} on {world.name}, {fault}", problems, f"FAULTS_ONLY={only} tests/faults/run inject")
                injected += 1
            need = taken(world, operation)
            for rest in sorted({int(need * level) // _ROUND * _ROUND for level in levels}):
                findings.tell(f"{operation.name} on {world.name} with {rest >> 10} KiB left of {need >> 10}", on_full_disk(world, operation, rest))
                filled += 1
    print(f"full: {injected} faults, {filled} full disks, seed {seed}, {time.monotonic() - begin:.0f} s")


def free(world):
    world.sync()
    found = os.statvfs(world.mount)
    return found.f_bavail * found.f_frsize


def taken(world, operation):
    """The bytes that the operation takes, where there is room."""
    world.populate(operation.needs)
    before = free(world)
    world.tool(*operation.argv)
    used = before - free(world)
    world.clear()
    return max(0, used)


def fill(world, rest):
    """Makes a file that takes all but `rest` bytes."""
    with open(world.mount / "fill", "wb") as file:
        step, size = 1 << 30, 0
        while step >= 4096:
            try:
                os.posix_fallocate(file.fileno(), size, step)
                size += step
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                step //= 2
        file.truncate(max(0, size - rest))
    world.sync()


def on_full_disk(world, operation, rest):
    world.populate(operation.needs)
    world.sync()
    fill(world, rest)
    done = world.tool(*operation.argv)
    must("rm", world.mount / "fill")
    result = Result(done.code, done.out, done.err, done.hung, injected=True)
    return judge(world, operation, Fault("tool", "disk", 1, "ENOSPC"), result) + world.clear()
