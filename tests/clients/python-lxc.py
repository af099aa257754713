"""What programs do with liblxc to a container that runs; it is rebooted and shut down at the end."""
import os
import subprocess
import sys
import time

import lxc

name = sys.argv[1]
c = lxc.Container(name)
wrong = []


def same(what, wanted, got):
    if wanted != got:
        wrong.append(f"{what}: wanted {wanted!r}, got {got!r}")


same("list", (name,), lxc.list_containers(active=True, defined=False))
same("defined, controllable, running", (True, True, True), (c.defined, c.controllable, c.running))
same("state", "RUNNING", c.state)
with open(f"/proc/{c.init_pid}/comm") as f:
    same("init", "init\n", f.read())

same("running item", name, c.get_running_config_item("lxc.uts.name"))
same("running net", "lxcbr0", c.get_running_config_item("lxc.net.0.link"))
pair = c.get_running_config_item("lxc.net.0.veth.pair")
same("host's link", True, os.path.exists(f"/sys/class/net/{pair}"))
same("stored item", "10.0.3.8/24", c.get_config_item("lxc.net.0.ipv4.address"))
same("interfaces", ("eth0", "lo"), tuple(sorted(c.get_interfaces())))
same("addresses", ("10.0.3.8",), c.get_ips(family="inet", timeout=10))

same("set cgroup item", True, c.set_cgroup_item("pids.max", "77"))
same("cgroup item", "77", c.get_cgroup_item("pids.max"))

same("attach a command", 7 << 8, c.attach_wait(lxc.attach_run_command, ["sh", "-c", "exit 7"]))
read, write = os.pipe()
same("attach a function", 0, c.attach_wait(lambda _: os.write(write, os.uname().nodename.encode()) and 0, None))
same("written by it", name.encode(), os.read(read, 100))
same(
    "attach with an environment",
    0,
    c.attach_wait(
        lxc.attach_run_command,
        ["sh", "-c", '[ "$A" = b ] && [ -z "$HOME" ] && [ $(id -u) = 1000 ]'],
        env_policy=lxc.LXC_ATTACH_CLEAR_ENV,
        extra_env_vars=["A=b"],
        uid=1000,
        gid=1000,
    ),
)
pid = c.attach(lxc.attach_run_command, ["sleep", "1000"])
same("attach in the background", True, pid > 0)
os.kill(pid, 9)
os.waitpid(pid, 0)

fd = c.console_getfd(1)
same("a terminal", True, os.isatty(fd))
os.close(fd)

same("freeze", True, c.freeze())
same("frozen", "FROZEN", c.state)
same("unfreeze", True, c.unfreeze())
same("thawed", "RUNNING", c.state)

os.system("ip link add tc-link type veth peer name tc-peer")
same("add a link", True, c.add_device_net("tc-link", "eth9"))
same("links", ("eth0", "eth9", "lo"), tuple(sorted(c.get_interfaces())))

first = c.init_pid
same("reboot", True, c.reboot())
for _ in range(100):
    if c.init_pid not in (-1, first) and c.state == "RUNNING":
        break
    time.sleep(0.1)
same("another init", True, c.init_pid not in (-1, first))
same("wait for RUNNING", True, c.wait("RUNNING", 10))

# In a process of its own: it keeps Python's other threads from running.
waiter = subprocess.Popen([sys.executable, "-c", f"import lxc, sys; sys.exit(not lxc.Container('{name}').wait('STOPPED', 30))"])
time.sleep(0.3)
same("shutdown", True, c.shutdown(20))
same("wait for STOPPED", 0, waiter.wait())
same("after shutdown", ("STOPPED", False, -1), (c.state, c.running, c.init_pid))

print("\n".join(wrong), file=sys.stderr)
sys.exit(bool(wrong))
