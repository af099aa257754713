"""A client of the command socket as Proxmox VE's: it connects first and sends later, if at all.

    proxmox.py asks ID              what it asks a running container
    proxmox.py ends ID COMMAND...   a silent connection ends when COMMAND has stopped the container, and hooks are done
    proxmox.py stops ID             the same for a connection that asks the monitor itself to stop it
"""
import socket
import struct
import subprocess
import sys
import time

what, name, command = sys.argv[1], sys.argv[2], sys.argv[3:]
wrong = []
HOOKS = "/home/run/hooks"


def same(label, wanted, got):
    if wanted != got:
        wrong.append(f"{label}: wanted {wanted!r}, got {got!r}")


def connect():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.connect(f"\0/var/lib/lxc/{name}/command")
    s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    s.settimeout(30)
    return s


def ask(s, number, data=b""):
    """The result and the data. The request goes first, and then what belongs to it, in a message of its own."""
    s.sendall(struct.pack("=iiQ", number, len(data), 0))
    if data:
        s.sendall(data)
    head = s.recv(16, socket.MSG_WAITALL)
    if len(head) < 16:
        return "end of file", b""
    result, length, value = struct.unpack("=iiQ", head)
    return result, s.recv(length, socket.MSG_WAITALL) if length > 0 else value


def post_stops():
    try:
        with open(HOOKS) as f:
            return f.read().count("post-stop")
    except FileNotFoundError:
        return 0


def ended(s, before):
    """The connection has nothing more to say, and that only when the hook after the stop has run."""
    try:
        same("end of the connection", b"", s.recv(1))
    except TimeoutError:
        wrong.append("the connection stays open")
    same("post-stop hooks that had run then", before + 1, post_stops())


if what == "asks":
    with open("/proc/self/cgroup") as f:
        controllers = [line.split(":")[1] for line in f]
    controller = next((c for c in ("pids", "cpu", "memory") if c in controllers), "pids")
    same("its control group", (0, f"/tc-pve/{name}/ns\0".encode()), ask(connect(), 6, controller.encode() + b"\0"))
    same("the limiting one", (0, f"/tc-pve/{name}\0".encode()), ask(connect(), 19, controller.encode() + b"\0"))
    same("state", (0, 2), ask(connect(), 3))
    same("name", (0, name.encode() + b"\0"), ask(connect(), 8))
    # Any number of connections that say nothing, or half of something, keep nobody else waiting.
    silent = [connect() for _ in range(50)]
    half = connect()
    half.sendall(struct.pack("=i", 3))
    began = time.monotonic()
    for _ in range(20):
        same("state beside silent connections", (0, 2), ask(connect(), 3))
    subprocess.run(["lxc-info", "-n", name, "-pH"], check=True, stdout=subprocess.DEVNULL, timeout=5)
    same("they keep nobody waiting", True, time.monotonic() - began < 2)
    time.sleep(6)
    same("a question that comes late", (0, 2), ask(silent[7], 3))
    for s in silent[:7]:
        s.close()
    s = silent[8]
    s.setblocking(False)
    try:
        same("a silent connection", "open", s.recv(1))
    except BlockingIOError:
        pass
elif what == "ends":
    before = post_stops()
    silent = connect()
    subprocess.run(command, check=True, timeout=40)
    ended(silent, before)
elif what == "stops":
    before = post_stops()
    stopping = connect()
    stopping.sendall(struct.pack("=iiQ", 2, 0, 0))
    ended(stopping, before)

print("\n".join(wrong), file=sys.stderr)
sys.exit(bool(wrong))
