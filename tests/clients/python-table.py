"""Calls every method of python3-lxc, and prints a line for each answer: on the containers NAME and OTHER."""
import os
import re
import sys
import time

import lxc

name, other = sys.argv[1:3]
QUIET = lxc.LXC_CREATE_QUIET


def show(value):
    if isinstance(value, lxc.Container):
        return f"container {value.name}"
    if isinstance(value, tuple):
        return f"({', '.join(show(one) for one in value)})"
    text = repr(value)
    text = re.sub(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d", "TIME", text)
    text = re.sub(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b", "MAC", text)
    text = re.sub(r"\bveth[0-9A-Za-z_]{6,}\b", "VETH", text)
    return text


def call(what, act):
    sys.stdout.flush()
    try:
        answer = show(act())
    except Exception as error:
        answer = f"{type(error).__name__}: {error}"
    print(f"{what}: {answer}", flush=True)


def is_positive(value):
    return value > 1


def written(function):
    """What is written to a pipe by FUNCTION(write end)."""
    read, write = os.pipe()
    code = function(write)
    os.close(write)
    with os.fdopen(read) as pipe:
        return code, pipe.read()


call("get_version", lambda: lxc.version)
for key in ("lxc.lxcpath", "lxc.default_config", "lxc.bdev.lvm.vg", "lxc.bdev.zfs.root", "lxc.nothing"):
    call(f"global {key}", lambda: lxc.get_global_config_item(key))
call("list", lambda: lxc.list_containers())
call("list objects", lambda: lxc.list_containers(as_object=True))
call("new with a bad name", lambda: lxc.Container("a/b"))

c = lxc.Container(name)
call("new", lambda: c)
for item in ("name", "config_file_name", "controllable", "defined", "init_pid", "running", "state"):
    call(f"undefined {item}", lambda: getattr(c, item))
for method in ("freeze", "unfreeze", "stop", "reboot", "start", "destroy", "save_config", "get_interfaces", "get_ips"):
    if method != "save_config":
        call(f"undefined {method}", lambda: getattr(c, method)())
call("undefined shutdown", lambda: c.shutdown(1))
call("undefined wait", lambda: c.wait("RUNNING", 0))
call("undefined wait for nothing", lambda: c.wait("STOPPED", 0))
call("undefined clone", lambda: c.clone(other))
call("undefined rename", lambda: c.rename(other))
call("undefined snapshot", lambda: c.snapshot())
call("undefined snapshot_list", lambda: c.snapshot_list())
call("undefined attach", lambda: c.attach_wait(lxc.attach_run_command, ["true"]))
call("undefined console_getfd", lambda: c.console_getfd(1))
call("undefined get_cgroup_item", lambda: c.get_cgroup_item("pids.max"))
call("undefined set_cgroup_item", lambda: c.set_cgroup_item("pids.max", "1"))
call("undefined get_running_config_item", lambda: c.get_running_config_item("lxc.uts.name"))
call("undefined get_config_item", lambda: c.get_config_item("lxc.uts.name"))
call("undefined add_device_node", lambda: c.add_device_node("/dev/null"))
call("undefined get_config_path", lambda: c.get_config_path())

call("set", lambda: c.set_config_item("lxc.uts.name", "table"))
call("set a bad key", lambda: c.set_config_item("lxc.nonsense", "1"))
call("set a bad value", lambda: c.set_config_item("lxc.tty.max", "many"))
call("get", lambda: c.get_config_item("lxc.uts.name"))
call("get a bad key", lambda: c.get_config_item("lxc.nonsense"))
call("set a list", lambda: c.set_config_item("lxc.cap.drop", ["sys_module", "sys_time"]))
call("append", lambda: c.append_config_item("lxc.cap.drop", "mac_admin"))
call("get a list", lambda: c.get_config_item("lxc.cap.drop"))
call("clear one", lambda: c.clear_config_item("lxc.cap.drop"))
call("get what is cleared", lambda: c.get_config_item("lxc.cap.drop"))
for key, value in (
    ("lxc.environment", "A=b"), ("lxc.tty.max", "2"), ("lxc.pty.max", "32"), ("lxc.mount.auto", "proc:mixed sys:ro"),
    ("lxc.signal.halt", "SIGUSR1"), ("lxc.arch", "x86_64"), ("lxc.start.auto", "1"), ("lxc.group", "table"),
    ("lxc.rootfs.options", "ro"), ("lxc.hook.version", "1"), ("lxc.log.level", "INFO"), ("lxc.autodev", "1"),
    ("lxc.cgroup2.pids.max", "500"), ("lxc.prlimit.nofile", "1000:2000"), ("lxc.sysctl.net.ipv4.ip_forward", "1"),
    ("lxc.proc.oom_score_adj", "10"), ("lxc.idmap", "u 0 100000 65536"), ("lxc.mount.entry", "none mnt tmpfs size=1m 0 0"),
    ("lxc.seccomp.profile", "/nowhere"), ("lxc.console.buffer.size", "64kB"), ("lxc.monitor.unshare", "1"),
    ("lxc.net.0.type", "veth"), ("lxc.net.0.link", "lxcbr0"), ("lxc.net.0.flags", "up"), ("lxc.net.0.name", "eth5"),
    ("lxc.net.0.hwaddr", "00:16:3e:01:02:03"), ("lxc.net.0.ipv4.address", "10.0.3.77/24"), ("lxc.net.0.mtu", "1400"),
    ("lxc.net.1.type", "empty"), ("lxc.init.cmd", "/sbin/init"), ("lxc.ephemeral", "0"), ("lxc.no_new_privs", "1"),
    ("lxc.execute.cmd", "/bin/true"), ("lxc.namespace.clone", "mnt pid"), ("lxc.uts.name", ""),
):
    call(f"set {key}", lambda: c.set_config_item(key, value))
    call(f"get {key}", lambda: c.get_config_item(key))
# Ours has more, in another order.
some = {"lxc.uts.name", "lxc.net", "lxc.apparmor.profile", "lxc.prlimit", "lxc.cgroup2", "lxc.tty.max"}
call("keys that are missing", lambda: some - {key.removesuffix(".*") for key in c.get_keys()})
some = {
    "flags", "hwaddr", "ipv4.address", "ipv4.gateway", "ipv6.address", "ipv6.gateway", "link", "mtu", "name",
    "script.down", "script.up", "type", "veth.ipv4.route", "veth.ipv6.route", "veth.pair", "veth.vlan.id",
}
call("keys of a net that are missing", lambda: some - set(c.get_keys("lxc.net.0")))
call("keys of nothing", lambda: c.get_keys("lxc.nothing"))
call("networks", lambda: len(c.network))
call("a network's type", lambda: (c.network[0].type, c.network[0].link, c.network[0].hwaddr, c.network[1].type))
call("add a network", lambda: c.network.add("empty"))
call("networks then", lambda: len(c.network))
call("remove a network", lambda: c.network.remove(2))
call("save elsewhere", lambda: c.save_config("/home/run/saved.conf"))
call("clear all", lambda: c.clear_config())
call("get what is gone", lambda: c.get_config_item("lxc.group"))
call("load", lambda: c.load_config("/home/run/saved.conf"))
call("get what is back", lambda: c.get_config_item("lxc.group"))
call("load what is not there", lambda: c.load_config("/nowhere"))
call("clear all again", lambda: c.clear_config())

for key, value in (("lxc.net.0.type", "veth"), ("lxc.net.0.link", "lxcbr0"), ("lxc.net.0.flags", "up"),
                   ("lxc.net.0.ipv4.address", "10.0.3.77/24"), ("lxc.tty.max", "2"), ("lxc.signal.halt", "SIGUSR1"),
                   ("lxc.mount.auto", "proc:mixed sys:ro cgroup:mixed"), ("lxc.environment", "A=b"),
                   ("lxc.console.buffer.size", "64kB")):
    call(f"set {key}", lambda: c.set_config_item(key, value))
call("create", lambda: c.create("busybox", QUIET, {"busybox-path": "/bin/busybox"}))
call("create again", lambda: c.create("busybox", QUIET))
for item in ("name", "config_file_name", "controllable", "defined", "init_pid", "running", "state"):
    call(f"defined {item}", lambda: getattr(c, item))
call("list defined", lambda: lxc.list_containers(active=False))
call("list active", lambda: lxc.list_containers(defined=False))
call("rootfs", lambda: c.get_config_item("lxc.rootfs.path"))

call("want_daemonize", lambda: c.want_daemonize(True))
call("want_close_all_fds", lambda: c.want_close_all_fds(True))
call("start", lambda: c.start())
call("wait", lambda: c.wait("RUNNING", 10))
for item in ("controllable", "defined", "running", "state"):
    call(f"running {item}", lambda: getattr(c, item))
call("running init_pid", lambda: is_positive(c.init_pid))
call("list active then", lambda: lxc.list_containers(defined=False))
call("start again", lambda: c.start())
call("destroy what runs", lambda: c.destroy())
call("rename what runs", lambda: c.rename(other))
call("clone what runs", lambda: c.clone(other))
call("get_interfaces", lambda: sorted(c.get_interfaces()))
call("get_ips", lambda: c.get_ips())
call("get_ips inet", lambda: c.get_ips(family="inet"))
call("get_ips inet6", lambda: c.get_ips(family="inet6"))
call("get_ips lo", lambda: c.get_ips(interface="lo"))
call("get_ips of nothing", lambda: c.get_ips(interface="nothing"))
call("get_ips with a scope", lambda: c.get_ips(interface="lo", scope=1))
for key in ("lxc.uts.name", "lxc.net.0.link", "lxc.net", "lxc.rootfs.path", "lxc.environment", "lxc.nonsense", "lxc.cgroup2"):
    call(f"get_running_config_item {key}", lambda: c.get_running_config_item(key))
call("set_cgroup_item", lambda: c.set_cgroup_item("pids.max", "123"))
call("get_cgroup_item", lambda: c.get_cgroup_item("pids.max"))
call("set_cgroup_item badly", lambda: c.set_cgroup_item("pids.max", "many"))
call("set_cgroup_item of nothing", lambda: c.set_cgroup_item("pids.nothing", "1"))
call("get_cgroup_item of nothing", lambda: c.get_cgroup_item("pids.nothing"))
call("freeze", lambda: c.freeze())
call("frozen state", lambda: c.state)
call("freeze again", lambda: c.freeze())
call("unfreeze", lambda: c.unfreeze())
call("thawed state", lambda: c.state)
call("unfreeze again", lambda: c.unfreeze())

run = lxc.attach_run_command
call("attach a command", lambda: c.attach_wait(run, ["sh", "-c", "exit 7"]))
call("attach one that is killed", lambda: c.attach_wait(run, ["sh", "-c", "kill -9 $$"]))
call("attach what is not there", lambda: c.attach_wait(run, ["/nowhere"]))
call("attach with another name", lambda: c.attach_wait(run, ["sh", "-c", "true"], extra_env_vars=["X=1"]))
call("attach a shell", lambda: written(lambda write: c.attach_wait(
    lxc.attach_run_shell, stdin=os.open("/dev/null", os.O_RDONLY), stdout=write)))
call("attach output", lambda: written(lambda write: c.attach_wait(
    run, ["sh", "-c", "pwd; id -u; id -g; hostname; echo $A $container; cat /proc/self/attr/current 2>/dev/null; true"], stdout=write)))
call("attach with options", lambda: written(lambda write: c.attach_wait(
    run, ["sh", "-c", "id -u; id -g; pwd; env | sort"], stdout=write, uid=1000, gid=1001, initial_cwd="/tmp",
    env_policy=lxc.LXC_ATTACH_CLEAR_ENV, extra_env_vars=["B=c d"], extra_keep_env=["HOME"])))
call("attach a function", lambda: written(lambda write: c.attach_wait(
    lambda text: os.write(write, f"{text} {os.uname().nodename} {os.getuid()} {os.getcwd()}".encode()) and 5, "given")))
call("attach to some namespaces", lambda: written(lambda write: c.attach_wait(
    run, ["sh", "-c", "hostname"], stdout=write, namespaces=lxc.CLONE_NEWUTS)))
call("attach personality", lambda: written(lambda write: c.attach_wait(
    run, ["uname", "-m"], stdout=write, personality=lxc.arch_to_personality("x86"))))
call("attach without capabilities dropped", lambda: c.attach_wait(
    run, ["true"], attach_flags=lxc.LXC_ATTACH_DEFAULT & ~lxc.LXC_ATTACH_DROP_CAPABILITIES))
pid = c.attach(run, ["sleep", "1000"])
call("attach in the background", lambda: pid > 1)
os.kill(pid, 9)
os.waitpid(pid, 0)
call("attach_interface", lambda: (os.system("ip link add tc-table type veth peer name tc-peer"), c.add_device_net("tc-table", "eth9"))[1])
call("interfaces then", lambda: sorted(c.get_interfaces()))
call("detach_interface", lambda: c.remove_device_net("eth9", "tc-table"))
call("detach what is not there", lambda: c.remove_device_net("eth99", "tc-table"))
os.system("ip link del tc-table 2>/dev/null")
call("add_device_node", lambda: c.add_device_node("/dev/null", "/dev/tc-null"))
call("the node", lambda: c.attach_wait(run, ["test", "-c", "/dev/tc-null"]))
call("remove_device_node", lambda: c.remove_device_node("/dev/null", "/dev/tc-null"))
call("the node then", lambda: c.attach_wait(run, ["test", "-c", "/dev/tc-null"]))
call("add what is no device", lambda: c.add_device_node("/etc/passwd"))
call("console_getfd", lambda: os.isatty(c.console_getfd(1)))
call("console_getfd of one too many", lambda: c.console_getfd(9))
# A signal that comes before init awaits it is lost.
time.sleep(1)
first = c.init_pid
call("reboot", lambda: c.reboot())
for _ in range(100):
    if c.init_pid not in (-1, first):
        break
    time.sleep(0.1)
call("wait after reboot", lambda: c.wait("RUNNING", 10))
time.sleep(1)
call("shutdown", lambda: c.shutdown(20))
call("state after shutdown", lambda: (c.state, c.running, c.init_pid))
call("start a command", lambda: c.start(cmd=("/bin/sleep", "600")))
call("stop", lambda: c.stop())
call("state after stop", lambda: c.state)
call("start what is not there", lambda: c.start(cmd=("/nowhere",)))
call("start with init", lambda: c.start(useinit=True, cmd=("/bin/sleep", "600")))
call("stop that", lambda: c.stop())
call("wait for STOPPED", lambda: c.wait("STOPPED", 10))

d = c.clone(other)
call("clone", lambda: (d, d.defined, d.get_config_item("lxc.uts.name"), d.get_config_item("lxc.rootfs.path")))
call("clone to the same name", lambda: c.clone(other))
call("rename the clone", lambda: d.rename(other + "2"))
d = lxc.Container(other + "2")
call("the renamed", lambda: (d.defined, lxc.Container(other).defined, d.get_config_item("lxc.rootfs.path")))
call("destroy the renamed", lambda: d.destroy())
e = c.clone(other, flags=lxc.LXC_CLONE_SNAPSHOT)
call("clone as snapshot", lambda: (e, e and e.get_config_item("lxc.rootfs.path")))
call("destroy the source", lambda: c.destroy())
call("destroy the snapshot", lambda: e.destroy())
with open("/home/run/comment", "w") as comment:
    comment.write("a comment\n")
call("snapshot", lambda: c.snapshot())
call("snapshot with a comment", lambda: c.snapshot("/home/run/comment"))
call("snapshot_list", lambda: tuple(sorted(c.snapshot_list())))
call("snapshot_restore", lambda: c.snapshot_restore("snap1", other))
call("the restored", lambda: lxc.Container(other).defined)
call("snapshot_restore in place", lambda: c.snapshot_restore("snap0"))
call("snapshot_restore of nothing", lambda: c.snapshot_restore("snap9", other))
call("snapshot_destroy", lambda: c.snapshot_destroy("snap0"))
call("snapshot_destroy of nothing", lambda: c.snapshot_destroy("snap0"))
call("destroy with a snapshot", lambda: c.destroy())
call("snapshot_destroy the other", lambda: c.snapshot_destroy("snap1"))
call("destroy the restored", lambda: lxc.Container(other).destroy())
call("set_config_path", lambda: c.set_config_path("/var/lib/lxc"))
call("get_config_path", lambda: c.get_config_path())
call("destroy", lambda: c.destroy())
call("destroy again", lambda: c.destroy())
call("defined at the end", lambda: c.defined)
call("list at the end", lambda: lxc.list_containers())
