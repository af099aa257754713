"""Kills a monitor, or its init, at each thing that the container holds on the host: the next command releases all of it.

What there is to be held is read from the log of a start and a stop that nothing disturbs, so that a new kind is covered
as soon as it exists.
"""

import os
import re
import tempfile
import time

from tracer import Fault, Tracer
from world import LIMIT, PLAIN, alarm, cgroups

PAIR = "fltpair0"
# The others go with their network namespace; one of a fixed name is in the way of the next start.
FIXED = f"lxc.net.0.veth.pair = {PAIR}\n"
# Processes that do not die with their init, and one that would not die at all without a monitor.
SHARED = FIXED + """lxc.namespace.keep = pid
lxc.init.cmd = /bin/sh -c "sleep 1000 & sleep 1000"
"""
CONFIGURATIONS = {"pid namespace": FIXED, "no pid namespace": SHARED}
# What the tracer calls init.
INIT = "monitor.1"
GRACE = 3.0


def run(world, findings):
    begin, done = time.monotonic(), 0
    for title, lines in CONFIGURATIONS.items():
        acquired, released, problems = discover(world, lines)
        findings.tell(f"resources, {title}, undisturbed", problems)
        points = [("acquired", name, victim) for name in acquired for victim in ("monitor", INIT)]
        points += [("released", name, "monitor") for name in released]
        for number, (event, name, victim) in enumerate(points):
            if event == "acquired" and victim == INIT and acquired.index(name) < acquired.index("init"):
                continue
            for tool in ("start", "destroy"):
                problems = kill_at(world, lines, Fault("monitor", "write", 0, "SIGKILL", f"{event} {name}\n", victim), tool)
                problems += world.clear()
                findings.tell(f"{title}: {victim} killed at {event} {name}, then {tool}", problems)
                done += 1
    print(f"resources: {done} kills, {time.monotonic() - begin:.0f} s")


def arguments(world):
    return ["start", "-n", PLAIN, "-o", world.mount / "log", "-l", "DEBUG", "-p", world.mount / "pid"]


def populate(world, lines):
    world.populate((PLAIN,))
    config = world.lxcpath / PLAIN / "config"
    config.write_text(config.read_text() + lines)


def discover(world, lines):
    """What is acquired by a start and released by a stop, in their order; and problems."""
    populate(world, lines)
    problems, log = [], world.mount / "log"
    for words in (arguments(world), ["stop", "-k", "-n", PLAIN]):
        done = world.tool(*words)
        problems += [f"{words[0]}: exit code {done.code}: {done.err.strip()}"] if done.code else []
    problems += world.clear()
    text = log.read_text()
    log.unlink()
    acquired, released = (re.findall(rf" - {event} (.*)$", text, re.M) for event in ("acquired", "released"))
    if sorted(acquired) != sorted(released) or len(set(acquired)) < len(acquired):
        problems.append(f"acquired {acquired}, released {released}")
    problems += [f"no {kind} in {acquired}" for kind in ("cgroups", "links", "init") if kind not in acquired]
    return acquired, released, problems


def kill_at(world, lines, fault, tool):
    """Kills at the fault's place, and has the next command, `tool`, release what is left."""
    populate(world, lines)
    argv, monitor = world.argv(*arguments(world)), None
    if fault.text.startswith("released"):
        done = world.tool(*arguments(world))
        if done.code != 0:
            return [f"start: exit code {done.code}: {done.err.strip()}"]
        argv, monitor = world.argv("stop", "-k", "-n", PLAIN), world.monitor(PLAIN)
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        result = Tracer(world.binary, fault).run(argv, out, err, LIMIT, monitor, GRACE)
        err.seek(0)
        result.err = err.read()
    problems = alarm(result, argv[1])
    if not result.injected:
        problems.append("nothing was killed")
    next = world.tool(tool, "-n", PLAIN)
    if next.code != 0:
        problems.append(f"{tool}: exit code {next.code}: {next.err.strip()}")
    elif tool == "start":
        problems += strangers(world)
    else:
        problems += [f"after destroy, {left}" for left in world.left()]
    for name in ("log", "pid"):
        (world.mount / name).unlink(missing_ok=True)
    return problems


def strangers(world):
    """What there is beside the container that was started anew."""
    names = {os.path.basename(path) for path in cgroups()}
    wanted = {f"lxc.payload.{PLAIN}", f"lxc.monitor.{PLAIN}"}
    return [f"left: cgroup {name}" for name in names if name.startswith("lxc.") and name not in wanted]
