"""Takes the power away after an operation, or in the middle of one, and looks at what the disk has."""

import signal

from injections import judge, plan, sample, traced
from operations import of_files
from tracer import Fault
from world import World

# What was removed may come back, as long as it can be removed again.
REMOVALS = ("snapshot-d", "destroy", "destroy-s")
KILLED = Fault("tool", "power", 1, "SIGKILL")


def cut(world, operation, fault):
    """The operation, or its beginning up to a SIGKILL; then the disk as it is then, with its journal
    replayed, is in the place of the running one."""
    result, problems = traced(world, operation, fault, settle=world.sync)
    if not result:
        return problems
    world.cut_power()
    if operation.name in REMOVALS:
        fault, result.code, result.injected = KILLED, -signal.SIGKILL, True
    return judge(world, operation, fault, result) + world.clear()


def run(run_dir, binary, template, findings, seed, kinds, count):
    """Every operation to its end, and up to `count` points on the way."""
    cuts = 0
    for kind in kinds:
        # Nothing is written but what is asked for.
        world = World(run_dir, binary, kind, "5f0c2a6e-6d0f-4c55-8f6b-0d6a4e1b7a11", options="commit=600")
        for operation in of_files(template(run_dir, world), kind):
            faults, problems = plan(world, operation)
            kills = [fault for fault in faults if fault.what == "SIGKILL"]
            for fault in [None, *sample(kills, count, seed, f"power {operation.name}")]:
                problems += cut(world, operation, fault)
                cuts += 1
                findings.tell(f"{operation.name} on {world.name}, power cut at {fault or 'its end'}", problems)
                problems = []
        world.close()
    print(f"powercut: {cuts} cuts, seed {seed}")
