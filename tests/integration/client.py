"""A client of the command socket that behaves as no client of ours does.

    client.py silent ADDRESS COUNT    connects COUNT times, says nothing and stays
    client.py half ADDRESS            as silent, but after half a request
    client.py fds ADDRESS COUNT       sends COUNT times half a request with 100 descriptors
    client.py deaf ADDRESS            asks for the console's buffer and does not read the answer
    client.py ask ADDRESS COMMAND     prints the answer's return value, or "closed"
    client.py end ADDRESS FILE        connects, waits for the end of the stream, prints FILE's content
"""

import array
import resource
import signal
import socket
import struct
import sys

action, address, *rest = sys.argv[1:]
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def connect():
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect("\0" + address)
    return connection


def request(command, data=b""):
    return struct.pack("<iiq", command, len(data), 0) + data


def stay(connections):
    print("ready", flush=True)
    signal.pause()


if action == "silent":
    stay([connect() for _ in range(int(rest[0]))])
elif action == "half":
    connection = connect()
    connection.send(request(3)[:7])
    stay(connection)
elif action == "fds":
    held = array.array("i", [0] * 100)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, held)]
    connections = []
    for _ in range(int(rest[0])):
        connection = connect()
        try:
            connection.sendmsg([request(3)[:7]], rights)
        except OSError:
            pass  # it made room for another one
        connections.append(connection)
    stay(connections)
elif action == "deaf":
    connection = connect()
    connection.send(request(11, struct.pack("<??6xQ?7x", False, True, 0, False)))
    stay(connection)
elif action == "ask":
    connection = connect()
    connection.send(request(int(rest[0])))
    answer = connection.recv(16)
    print(struct.unpack("<i", answer[:4])[0] if answer else "closed")
elif action == "end":
    connection = connect()
    print("ready", flush=True)
    while connection.recv(1):
        pass
    print(open(rest[0]).read().strip())
