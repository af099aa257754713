"""Takes the power away after an operation, or in the middle of one, and looks at what the disk has."""

import signal
import time

from injections import judge, plan, sample, traced
from operations import of_files
from tracer import Fault
from world import World

# What was removed may come back, as long as it can be removed again.
REMOVALS = ("snapshot-d", "destroy", "destroy-s")
KILLED = Fault("tool", "power", 1, "SIGKILL")


def cut(world, operation, fault, committed):
    """The operation, or its beginning up to a SIGKILL; then the disk as it is then, with its journal
    replayed, is in the place of the running one. `committed`: what the file system knows by then is in the journal, too."""
    result, problems = traced(world, operation, fault, settle=world.sync)
    if not result:
        return problems
    if committed:
        world.commit()
    world.cut_power()
    if operation.name in REMOVALS:
        fault, result.code, result.injected = KILLED, -signal.SIGKILL, True
    return judge(world, operation, fault, result) + world.clear()


def run(run_dir, binary, template, findings, seed, kinds, count, wants):
    """Every operation that is wanted, to its end and up to `count` points on the way."""
    cuts, begin = 0, time.monotonic()
    for kind in kinds:
        # Nothing is written but what is asked for.
        world = World(run_dir, binary, kind, "5f0c2a6e-6d0f-4c55-8f6b-0d6a4e1b7a11", options="commit=600")
        for operation in of_files(template(run_dir, world), kind):
            if not wants(world, operation):
                continue
            faults, problems = plan(world, operation)
            kills = [fault for fault in faults if fault.what == "SIGKILL"]
            for fault in [None, *sample(kills, count, seed, f"power {operation.name}")]:
                for committed in (False, True):
                    problems += cut(world, operation, fault, committed)
                    cuts += 1
                    when = f"power cut at {fault or 'its end'}{', after a commit' * committed}"
                    findings.tell(f"{operation.name} on {world.name}, {when}", problems)
                    problems = []
        world.close()
    print(f"powercut: {cuts} cuts, seed {seed}, {time.monotonic() - begin:.0f} s")
