"""A client of the command socket as Proxmox VE's.

    proxmox.py asks ID    what it asks a running container
"""
import socket
import struct
import sys

what, name = sys.argv[1:]
wrong = []


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


if what == "asks":
    with open("/proc/self/cgroup") as f:
        controllers = [line.split(":")[1] for line in f]
    controller = next((c for c in ("pids", "cpu", "memory") if c in controllers), "pids")
    same("its control group", (0, f"/tc-pve/{name}/ns\0".encode()), ask(connect(), 6, controller.encode() + b"\0"))
    same("the limiting one", (0, f"/tc-pve/{name}\0".encode()), ask(connect(), 19, controller.encode() + b"\0"))
    same("state", (0, 2), ask(connect(), 3))
    same("name", (0, name.encode() + b"\0"), ask(connect(), 8))

print("\n".join(wrong), file=sys.stderr)
sys.exit(bool(wrong))
