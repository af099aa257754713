"""Who connects sees which address it has there.

serve PORT...         on all addresses, TCP and UDP
serve-on HOST PORT    TCP, on one address
ask PROTO:HOST:PORT... what each of them says: an address, `refused` or `silent`
many COUNT HOST PORT  so many connections, 50 at once: how many got which answer
"""
import collections
import concurrent.futures
import selectors
import socket
import sys


def serve(sockets):
    selector = selectors.DefaultSelector()
    for one in sockets:
        selector.register(one, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            one = key.fileobj
            if one.type == socket.SOCK_DGRAM:
                _, peer = one.recvfrom(100)
                one.sendto(peer[0].encode(), peer)
            else:
                connection, peer = one.accept()
                connection.sendall(peer[0].encode())
                connection.close()


def listen(family, kind, host, port):
    one = socket.socket(family, kind)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    one.bind((host, port))
    if kind == socket.SOCK_STREAM:
        one.listen(1000)
    return one


def ask(protocol, host, port):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(family, kind) as one:
        one.settimeout(3)
        try:
            one.connect((host, port))
            if protocol == "udp":
                one.send(b"?")
            return one.recv(100).decode()
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "silent"


verb, words = sys.argv[1], sys.argv[2:]
if verb == "serve":
    families = [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    kinds = [socket.SOCK_STREAM, socket.SOCK_DGRAM]
    serve([listen(f, k, host, int(port)) for f, host in families for k in kinds for port in words])
elif verb == "serve-on":
    serve([listen(socket.AF_INET, socket.SOCK_STREAM, words[0], int(words[1]))])
elif verb == "ask":
    for word in words:
        protocol, rest = word.split(":", 1)
        host, port = rest.rsplit(":", 1)
        print(ask(protocol, host, int(port)))
elif verb == "many":
    count, host, port = int(words[0]), words[1], int(words[2])
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = collections.Counter(pool.map(lambda _: ask("tcp", host, port), range(count)))
    print(" ".join(f"{number} {answer}" for answer, number in answers.items()))
