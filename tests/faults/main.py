"""Runs the parts of the fault tests that were asked for: main.py DIRECTORY PROGRAM [PART...]"""

import os
import platform
import random
import sys
import time
import uuid
from pathlib import Path

import full
import injections
import powercut
import resources
import storm
from operations import of_files, operations
from tracer import Fault
from world import World

SEED = os.environ.get("FAULTS_SEED", "1")
LONG = os.environ.get("FAULTS") == "long"
ONLY = os.environ.get("FAULTS_ONLY", "")
COUNT = int(os.environ.get("FAULTS_COUNT", 3000 if LONG else 210))
KILLS = int(os.environ.get("FAULTS_COUNT", 200 if LONG else 2))
TEMPLATE = """#!/bin/sh
for word; do case $word in --rootfs=*) root=${word#*=} ;; esac; done
exec cp -a "%s/." "$root"
"""


def wants(world, operation):
    """Whether FAULTS_ONLY names it, or nothing."""
    name, _, kind = ONLY.partition("/")[0].partition("@")
    return name in ("", operation.name) and kind in ("", world.kind)


class Findings:
    """What was found, told at once and counted."""

    def __init__(self):
        self.passed = self.failed = 0

    def tell(self, title, problems, again=""):
        if not problems:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAILED: {title}")
        for problem in problems:
            print(f"    {problem}")
        if again:
            print(f"    again: {again}")


def worlds(run, binary, orders, others=("btrfs", "loop")):
    """The file systems: ext4 with directories in so many orders, and others: btrfs, ext4 with images."""
    seeds = random.Random(SEED)
    uuids = [str(uuid.UUID(int=seeds.getrandbits(128), version=4)) for _ in range(orders)]
    return [World(run, binary, "ext4", seed) for seed in uuids] + [World(run, binary, kind) for kind in others]


def template(run, world):
    path = run / f"template-{world.name}"
    path.write_text(TEMPLATE % (world.mount / "tree"))
    path.chmod(0o755)
    return str(path)


def inject(run, binary, findings):
    everywhere = worlds(run, binary, 3)
    wanted, _, one = ONLY.partition("/")
    name, _, kind = wanted.partition("@")
    begin, done, hit = time.monotonic(), 0, 0
    plans = []
    alike = [world for world in everywhere if world.kind != "loop"]
    for index, world in enumerate(everywhere):
        if kind and world.kind != kind:
            continue
        # Those with directories share the operations: they differ in the order of names, and in what a copy is.
        for number, operation in enumerate(operations(template(run, world), world)):
            if name and operation.name != name:
                continue
            if not LONG and not kind and world in alike and number % len(alike) != index:
                continue
            if one:
                faults = [Fault.parse(one)]
            else:
                faults, problems = injections.plan(world, operation)
                findings.tell(f"{operation.name} on {world.name}, no fault", problems)
            plans.append((world, operation, faults))
    share = max(1, COUNT // max(1, len(plans)))
    for world, operation, faults in plans:
        for fault in injections.sample(faults, share, SEED, f"{operation.name} {world.name}"):
            injected, problems = injections.run_one(world, operation, fault, bool(one))
            done, hit = done + 1, hit + injected
            only = f"{operation.name}@{world.kind}/{fault}"
            findings.tell(f"{operation.name} on {world.name}, {fault}", problems, f"FAULTS_ONLY={only} tests/faults/run inject")
    print(f"inject: {done} faults, {hit} of them injected, of {sum(len(p[2]) for p in plans)}, seed {SEED}, {time.monotonic() - begin:.0f} s")
    for world in everywhere:
        world.close()


def kills(run, binary, findings):
    """Every operation on files, ended by SIGKILL at so many of its calls, on each file system."""
    begin, total = time.monotonic(), 0
    for world in worlds(run, binary, 1):
        for operation in of_files(template(run, world), world.kind):
            if wants(world, operation):
                total += kill(world, operation, findings)
        world.close()
    print(f"kill: {total} kills, seed {SEED}, {time.monotonic() - begin:.0f} s")


def kill(world, operation, findings):
    """How often it was killed."""
    faults = [fault for fault in injections.plan(world, operation)[0] if fault.what == "SIGKILL"]
    killed = 0
    for fault in injections.sample(faults, KILLS, SEED, f"kill {operation.name} {world.name}"):
        injected, problems = injections.run_one(world, operation, fault)
        only = f"{operation.name}@{world.kind}/{fault}"
        findings.tell(f"{operation.name} on {world.name}, {fault}", problems, f"FAULTS_ONLY={only} tests/faults/run inject")
        killed += injected
    print(f"kill: {operation.name} on {world.name} at {killed} of {len(faults)} calls")
    return killed


def filled(run, binary, findings):
    everywhere = worlds(run, binary, 1)
    calls, levels = (10**6, [step / 12 for step in range(13)]) if LONG else (0, [0, 0.6])
    full.run(everywhere, lambda world: template(run, world), findings, SEED, calls, levels, wants)
    for world in everywhere:
        world.close()


def held(run, binary, findings):
    [world] = worlds(run, binary, 1, ())
    resources.run(world, findings)
    world.close()


def storms(run, binary, findings):
    for world in worlds(run, binary, 1, ("btrfs", "loop") if LONG else ("btrfs",)):
        storm.run(world, findings, SEED, 30 if LONG else 5)
        world.close()


def powercuts(run, binary, findings):
    kinds = ("ext4", "btrfs", "loop") if LONG else ("ext4", "btrfs")
    powercut.run(run, binary, template, findings, SEED, kinds, 30 if LONG else 1, wants)


PARTS = {"inject": inject, "kill": kills, "full": filled, "resources": held, "storm": storms, "powercut": powercuts}


def main():
    run, binary, *wanted = sys.argv[1:]
    if platform.machine() != "x86_64":
        print("skipped: faults are injected with the registers of x86-64")
        return 0
    sys.stdout.reconfigure(line_buffering=True)
    findings = Findings()
    for name in wanted or PARTS:
        PARTS[name](Path(run), binary, findings)
    print(f"{findings.passed} passed, {findings.failed} failed")
    return 1 if findings.failed else 0


sys.exit(main())
