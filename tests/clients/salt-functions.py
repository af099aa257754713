"""The functions of Salt's module lxc, in one minion; the file of its configuration is the argument."""
import logging
import os
import sys

import salt.client
import salt.config

logging.disable(logging.ERROR)
caller = salt.client.Caller(mopts=salt.config.minion_config(sys.argv[1]))
wrong = []


def same(wanted, function, *arguments, **named):
    try:
        got = caller.cmd("lxc." + function, *arguments, **named)
    except Exception as error:
        got = error
    if wanted != got:
        wrong.append(f"{function} {arguments} {named}: wanted {wanted!r}, got {got!r}")


def changed(old, new, **more):
    return {"result": True, "state": {"old": old, "new": new}, **more}


same("5.0.2", "version")
same(changed(None, "stopped"), "create", "tc-salt", template="busybox", backing="dir")
with open("/var/lib/lxc/tc-salt/config", "a") as f:
    f.write("lxc.signal.halt = SIGUSR1\n")
# Salt looks there whether a container can be attached to.
env = "/var/lib/lxc/tc-salt/rootfs/usr/bin/env"
if not os.path.lexists(env):
    os.symlink("/bin/busybox", env)
same(True, "exists", "tc-salt")
same("stopped", "state", "tc-salt")
same(["tc-salt"], "ls")
same(changed("stopped", "running"), "start", "tc-salt")
same("running", "state", "tc-salt")
same(["tc-salt"], "ls", active=True)
same("tc-salt", "run_stdout", "tc-salt", "hostname", python_shell=False)
same(3, "retcode", "tc-salt", "sh -c 'exit 3'", ignore_retcode=True)
same(True, "set_parameter", "tc-salt", "pids.max", 66)
same("66", "get_parameter", "tc-salt", "pids.max")
info = caller.cmd("lxc.info", "tc-salt")
if info["state"] != "running" or not info["memory_limit"] or not info["size"] or "127.0.0.1" not in info["ips"]:
    wrong.append(f"info: {info}")
same({"running": ["tc-salt"], "stopped": [], "frozen": []}, "list")
same(changed("running", "frozen"), "freeze", "tc-salt")
same({"running": [], "stopped": [], "frozen": ["tc-salt"]}, "list")
same(changed("frozen", "running"), "unfreeze", "tc-salt")
same(changed("running", "stopped"), "stop", "tc-salt")
same(changed(None, "stopped"), "clone", "tc-twin", "tc-salt")
same(changed(None, "stopped"), "clone", "tc-thin", "tc-salt", snapshot=True, backing="overlayfs")
same(changed("stopped", "running"), "start", "tc-twin")
same(changed("running", "running", restarted=True), "restart", "tc-twin", force=True)
same(changed("running", "stopped"), "stop", "tc-twin", kill=True)
same(changed("stopped", "running"), "start", "tc-thin")
for name, state in [("tc-thin", "running"), ("tc-twin", "stopped"), ("tc-salt", "stopped")]:
    same({"result": True, "state": {"old": state, "new": None}}, "destroy", name, stop=True)
same([], "ls")
same([], "ls", path="/home/elsewhere")
same(changed(None, "stopped"), "create", "tc-else", template="busybox", path="/home/elsewhere")
same(changed("stopped", "running"), "start", "tc-else", path="/home/elsewhere")
same({"result": True, "state": {"old": "running", "new": None}}, "destroy", "tc-else", path="/home/elsewhere", stop=True)
if os.listdir("/home/elsewhere"):
    wrong.append(f"left: {os.listdir('/home/elsewhere')}")

print("\n".join(wrong), file=sys.stderr)
sys.exit(bool(wrong))
