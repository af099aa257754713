"""Who connects sees which address it has there.

serve PORT...         on all addresses, TCP and UDP
serve-on HOST PORT    TCP, on one address
ask PROTO:HOST:PORT... what each of them says: an address, `refused` or `silent`
say WORD PORT         to whatever comes, on all addresses, TCP and UDP
keep FILE PROTO:HOST:PORT  asks over one socket, five times a second; the file has the last answer, `refused`, `reset`
                      or `silent`, and the TCP connection's end is the end
many COUNT HOST PORT  so many connections, 50 at once: how many got which answer
"""
import collections
import concurrent.futures
import os
import selectors
import socket
import sys
import time


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


def say(sockets, word):
    selector = selectors.DefaultSelector()
    for one in sockets:
        selector.register(one, selectors.EVENT_READ)
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            one = key.fileobj
            if one.type == socket.SOCK_DGRAM:
                _, peer = one.recvfrom(100)
                one.sendto(word.encode(), peer)
            elif one in sockets:
                selector.register(one.accept()[0], selectors.EVENT_READ)
            elif one.recv(100):
                one.sendall(word.encode())
            else:
                selector.unregister(one)


def keep(file, protocol, host, port):
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as one:
        one.settimeout(0.2)
        one.connect((host, port))
        answer = ""
        while answer != "reset":
            try:
                one.send(b"?")
                answer = one.recv(100).decode()
                time.sleep(0.2)
            except ConnectionRefusedError:
                answer = "refused"
            except ConnectionResetError:
                answer = "reset"
            # Nobody answers, or the network is gone.
            except OSError:
                answer = "silent"
            with open(file + ".new", "w") as new:
                new.write(answer)
            os.rename(file + ".new", file)


def endpoint(word):
    protocol, rest = word.split(":", 1)
    host, port = rest.rsplit(":", 1)
    return protocol, host, int(port)


def everywhere(ports):
    families = [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
    kinds = [socket.SOCK_STREAM, socket.SOCK_DGRAM]
    return [listen(f, k, host, int(port)) for f, host in families for k in kinds for port in ports]


verb, words = sys.argv[1], sys.argv[2:]
if verb == "serve":
    serve(everywhere(words))
elif verb == "serve-on":
    serve([listen(socket.AF_INET, socket.SOCK_STREAM, words[0], int(words[1]))])
elif verb == "ask":
    for word in words:
        print(ask(*endpoint(word)))
elif verb == "say":
    say(everywhere(words[1:]), words[0])
elif verb == "keep":
    keep(words[0], *endpoint(words[1]))
elif verb == "many":
    count, host, port = int(words[0]), words[1], int(words[2])
    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        answers = collections.Counter(pool.map(lambda _: ask("tcp", host, port), range(count)))
    print(" ".join(f"{number} {answer}" for answer, number in answers.items()))
