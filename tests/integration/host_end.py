"""What gets from a container's network namespace to the host's, and back.

    host_end.py frames PID BRIDGE MAC IPV4 IPV6      names of the frames, sent inside, that arrive on BRIDGE
    host_end.py rate PID in|out OURS THEIRS          bits per second of UDP towards the container, or from it

It starts in the host's namespace and enters that of PID for the sockets inside, as the container's root could.
"""
import ctypes
import ipaddress
import os
import socket
import struct
import sys
import time

ETH_P_ALL = 3
CLONE_NEWNET = 0x40000000
BROADCAST = b"\xff" * 6
OTHER_MAC = bytes.fromhex("02aabbccddee")
OTHER_IPV4 = socket.inet_aton("10.198.7.77")
OTHER_IPV6 = socket.inet_pton(socket.AF_INET6, "fd77::77")
UNSPECIFIED = bytes(16)
ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")


def enter(namespace):
    if ctypes.CDLL(None, use_errno=True).setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def in_namespace(pid, make):
    """What `make` returns, made in the network namespace of `pid`."""
    own, inside = (os.open(f"/proc/{one}/ns/net", os.O_RDONLY) for one in ("self", pid))
    enter(inside)
    made = make()
    enter(own)
    return made


def ethernet(source, protocol, payload, tags=b""):
    return BROADCAST + source + tags + struct.pack("!H", protocol) + payload


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ipv4(source, payload):
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), 1, 0, 64, 253, 0, source, b"\xff" * 4)
    return header[:10] + struct.pack("!H", checksum(header)) + header[12:] + payload


def arp(mac, address):
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 2, mac, address, BROADCAST, address)


def ipv6(source, payload, header=253):
    return struct.pack("!IHBB16s16s", 6 << 28, len(payload), header, 255, source, ALL_NODES) + payload


def icmp(source, kind, target, marker):
    """An ICMPv6 message about `target`, with the marker behind it (an option nobody knows)."""
    body = struct.pack("!BBHI16s", kind, 0, 0, 0, target) + b"\xfd" + bytes([len(marker) // 8]) + marker[2:]
    pseudo = source + ALL_NODES + struct.pack("!II", len(body), 58)
    return body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]


def frames(mac, own4, own6):
    local = ipaddress.IPv6Address("fe80::") + 0
    local = local.packed[:8] + bytes([mac[0] ^ 2, mac[1], mac[2], 0xFF, 0xFE]) + mac[3:]
    tag = bytes.fromhex("81000005")
    service_tag = bytes.fromhex("88a80005")

    def about(source, kind, target):
        return lambda mark: ethernet(mac, 0x86DD, ipv6(source, icmp(source, kind, target, mark), 58))

    def options(mark):
        return ipv6(own6, b"\x3a\0\x01\x04\0\0\0\0" + icmp(own6, 136, OTHER_IPV6, mark), 0)

    def fragment(mark):
        # Nothing of the target is in the first fragment.
        return ipv6(own6, b"\x3a\0\0\x01" + mark[-4:] + icmp(own6, 136, OTHER_IPV6, mark)[:8], 44)

    return {
        "ipv4": lambda mark: ethernet(mac, 0x0800, ipv4(own4, mark)),
        "ipv4-other": lambda mark: ethernet(mac, 0x0800, ipv4(OTHER_IPV4, mark)),
        "ipv4-none": lambda mark: ethernet(mac, 0x0800, ipv4(bytes(4), mark)),
        "arp": lambda mark: ethernet(mac, 0x0806, arp(mac, own4) + mark),
        "arp-other": lambda mark: ethernet(mac, 0x0806, arp(mac, OTHER_IPV4) + mark),
        "arp-other-mac": lambda mark: ethernet(mac, 0x0806, arp(OTHER_MAC, own4) + mark),
        "arp-strange": lambda mark: ethernet(mac, 0x0806, b"\0\x06" + arp(mac, OTHER_IPV4)[2:] + mark),
        "mac-other": lambda mark: ethernet(OTHER_MAC, 0x0800, ipv4(own4, mark)),
        "ipv6": lambda mark: ethernet(mac, 0x86DD, ipv6(own6, mark)),
        "ipv6-local": lambda mark: ethernet(mac, 0x86DD, ipv6(local, mark)),
        "ipv6-other": lambda mark: ethernet(mac, 0x86DD, ipv6(OTHER_IPV6, mark)),
        "ipv6-none": lambda mark: ethernet(mac, 0x86DD, ipv6(UNSPECIFIED, mark)),
        "nd-advert": about(own6, 136, own6),
        "nd-advert-other": about(own6, 136, OTHER_IPV6),
        "nd-advert-from-other": about(OTHER_IPV6, 136, OTHER_IPV6),
        "nd-solicit": about(own6, 135, OTHER_IPV6),
        "nd-probe": about(UNSPECIFIED, 135, own6),
        "nd-probe-other": about(UNSPECIFIED, 135, OTHER_IPV6),
        "nd-router": about(local, 134, UNSPECIFIED),
        "nd-redirect": about(local, 137, own6),
        "nd-advert-behind-options": lambda mark: ethernet(mac, 0x86DD, options(mark)),
        "nd-advert-fragment": lambda mark: ethernet(mac, 0x86DD, fragment(mark)),
        "tagged": lambda mark: ethernet(mac, 0x0800, ipv4(own4, mark), tag),
        "tagged-other": lambda mark: ethernet(mac, 0x0800, ipv4(OTHER_IPV4, mark), tag),
        "tagged-arp-other": lambda mark: ethernet(mac, 0x0806, arp(mac, OTHER_IPV4) + mark, tag),
        "tagged-ipv6-other": lambda mark: ethernet(mac, 0x86DD, ipv6(OTHER_IPV6, mark), tag),
        "tagged-mac-other": lambda mark: ethernet(OTHER_MAC, 0x0800, ipv4(own4, mark), tag),
        "service-tagged-other": lambda mark: ethernet(mac, 0x0800, ipv4(OTHER_IPV4, mark), service_tag),
        "tagged-twice-other": lambda mark: ethernet(mac, 0x0800, ipv4(OTHER_IPV4, mark), service_tag + tag),
        "unknown": lambda mark: ethernet(mac, 0x88B5, mark + bytes(40)),
    }


def sent_and_seen(pid, bridge, mac, own4, own6):
    def packet(link):
        made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        made.bind((link, ETH_P_ALL))
        return made

    seen = packet(bridge)
    seen.settimeout(0.3)
    inside = in_namespace(pid, lambda: packet("eth0"))
    markers = {}
    for number, (name, make) in enumerate(frames(mac, own4, own6).items()):
        markers[name] = struct.pack("!HH", 0xFD02, 0xBEEF) + b"lxcframe" + struct.pack("!I", 0xC0DE1200 + number)
        inside.send(make(markers[name]))
    arrived = set()
    try:
        while True:
            frame = seen.recv(65536)
            arrived |= {name for name, marker in markers.items() if marker[-4:] in frame}
    except socket.timeout:
        print(*(name for name in markers if name in arrived))


def rate(pid, direction, ours, theirs):
    """Sends five times as fast as 8 Mbit/s for a second."""
    family = socket.AF_INET6 if ":" in ours else socket.AF_INET

    def udp(address):
        made = socket.socket(family, socket.SOCK_DGRAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        made.bind((address, 5001))
        made.setblocking(False)
        return made

    host, inside = udp(ours), in_namespace(pid, lambda: udp(theirs))
    sender, receiver, to = (host, inside, theirs) if direction == "in" else (inside, host, ours)
    payload = bytes(1200)
    length = len(payload) + 14 + 8 + (40 if family == socket.AF_INET6 else 20)

    def drain():
        count = 0
        try:
            while True:
                count += len(receiver.recv(2048)) > 100
        except BlockingIOError:
            return count

    # Neighbours are found before it counts.
    for _ in range(50):
        sender.sendto(b"x", (to, 5001))
        time.sleep(0.02)
        try:
            receiver.recv(2048)
            break
        except BlockingIOError:
            pass
    received, sent, begin = 0, 0, time.monotonic()
    while (passed := time.monotonic() - begin) < 1:
        while sent * length * 8 < passed * 40e6:
            try:
                sender.sendto(payload, (to, 5001))
            except (BlockingIOError, OSError):
                pass
            sent += 1
        received += drain()
        time.sleep(0.001)
    print(round(received * length * 8 / (time.monotonic() - begin)))


if sys.argv[1] == "frames":
    sent_and_seen(
        sys.argv[2],
        sys.argv[3],
        bytes.fromhex(sys.argv[4].replace(":", "")),
        socket.inet_aton(sys.argv[5]),
        socket.inet_pton(socket.AF_INET6, sys.argv[6]),
    )
else:
    rate(*sys.argv[2:])
