"""Everything at once on containers that depend on each other."""

import random
import threading
import time

from world import BASE, CLONE, PREFIX, SOLO, alarm

CLONES = [f"{PREFIX}c{number}" for number in range(3)]
COPIES = [f"{PREFIX}d{number}" for number in range(3)]
WORKERS = 4


def command(chance):
    """One of the things that may go on, and exit codes that it may have."""
    clone, copy, other = chance.choice(CLONES), chance.choice(COPIES), chance.choice(COPIES)
    any_one = chance.choice([*CLONES, *COPIES, CLONE])
    return chance.choice(
        [
            ("copy", "-n", BASE, "-N", clone, "-B", "overlay", "-s"),
            ("copy", "-n", BASE, "-N", clone, "-B", "overlay", "-s"),
            ("copy", "-n", SOLO, "-N", copy),
            ("copy", "-n", copy, "-N", other),
            ("copy", "-n", copy, "-R", "-N", other),
            ("copy", "-n", clone, "-R", "-N", chance.choice(CLONES)),
            ("snapshot", "-n", copy),
            ("snapshot", "-n", SOLO, "-r", "snap0", "-N", copy),
            ("snapshot", "-n", copy, "-r", "snap0"),
            ("snapshot", "-n", copy, "-d", "snap0"),
            ("snapshot", "-n", copy, "-L"),
            ("destroy", "-n", clone),
            ("destroy", "-s", "-n", copy),
            ("destroy", "-f", "-n", any_one if any_one != CLONE else clone),
            ("destroy", "-n", BASE),
            ("start", "-n", any_one),
            ("start", "-n", any_one),
            ("stop", "-k", "-n", any_one),
            ("freeze", "-n", any_one),
            ("unfreeze", "-n", any_one),
            ("attach", "-n", any_one, "--", "/bin/true"),
            ("info", "-n", any_one),
            ("ls", "-f"),
        ]
    )


def work(world, chance, until, problems, counts):
    while time.monotonic() < until:
        words = command(chance)
        done = world.tool(*words)
        counts.append(done.code)
        # What enters a frozen container goes on when that is thawed.
        if not (done.hung and words[0] == "attach" and world.state(words[2]) == "FROZEN"):
            problems += alarm(done, " ".join(words))
        if words == ("destroy", "-n", BASE) and done.code == 0:
            problems.append("a base with clones was destroyed")
        if words[0] == "ls" and done.code != 0:
            problems.append(f"ls: exit code {done.code}: {done.err.strip()}")


def run(world, findings, seed, seconds):
    world.populate((SOLO, BASE, CLONE))
    problems, counts = [], []
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=work, args=(world, random.Random(f"{seed} storm {number}"), until, problems, counts))
        for number in range(WORKERS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    problems += settled(world) + world.clear()
    findings.tell(f"storm on {world.name}", problems)
    good = counts.count(0)
    print(f"storm: {len(counts)} commands on {world.name}, {good} of them successful, seed {seed}")


def settled(world):
    """What is wrong with the containers once it is quiet."""
    problems = [f"data of {name}: {world.version(name)}" for name in (SOLO, BASE) if world.version(name) != world.original[name]]
    there = [name for name in (*CLONES, *COPIES, CLONE) if world.is_defined(name) and not world.is_partial(name)]
    if CLONE not in there:
        problems.append(f"{CLONE} is gone")
    for name in there:
        if name in COPIES and world.version(name) not in (1, 2):
            problems.append(f"data of {name}: {world.version(name)}")
        problems += [f"{name}: {problem}" for problem in starts(world, name)]
    return problems


def starts(world, name):
    """Problems unless the container starts and has the data inside."""
    world.tool("stop", "-k", "-n", name)
    started = world.tool("start", "-n", name)
    if started.code != 0:
        return [f"does not start: {started.err.strip()}"]
    inside = world.tool("attach", "-n", name, "--", "/bin/cat", "/data/version")
    world.tool("stop", "-k", "-n", name)
    return [] if inside.out.strip() in ("1", "2") else [f"inside: {inside.out!r} {inside.err.strip()}"]
