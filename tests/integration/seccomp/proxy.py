#!/usr/bin/env python3
"""Answers system calls that containers leave to it (lxc.seccomp.notify.proxy):

    proxy.py SOCKET answer    makes the device node 1:3 for mknod and mknodat, where the caller's root is;
                              refuses others with EACCES
    proxy.py SOCKET hang      never answers
    proxy.py SOCKET rubbish   answers what is no answer
    proxy.py SOCKET strange   answers another call
    proxy.py SOCKET close     hangs up

Says on standard output what it was asked: the cookie, the call, the path.
"""
import array
import os
import socket
import struct
import sys

HEAD = struct.Struct("<QiiHHHHQ")
CALL = struct.Struct("<QIIiIQ6Q")
ANSWER = struct.Struct("<QqiI")
MKNOD, MKNODAT = 133, 259


def text(memory, address):
    data = os.pread(memory, 4096 - address % 4096, address)
    return data.split(b"\0")[0].decode()


def answer(message, fds):
    reserved, monitor, init, *sizes, _, cookie = HEAD.unpack_from(message)
    assert reserved == 0 and sizes == [CALL.size, ANSWER.size, 64], (reserved, sizes)
    call, pid, _, number, _, _, *arguments = CALL.unpack_from(message, HEAD.size)
    assert ANSWER.unpack_from(message, HEAD.size + CALL.size) == (call, 0, 0, 0)
    end = HEAD.size + CALL.size + ANSWER.size
    assert len(message) == end + cookie
    process, memory, listener = fds
    names = [os.readlink(f"/proc/self/fd/{fd}") for fd in fds]
    assert names == [f"/proc/{pid}", f"/proc/{pid}/mem", "anon_inode:seccomp notify"], names
    for known in (monitor, init):
        os.kill(known, 0)
    error = -13
    path = None
    if number == MKNODAT:
        arguments = arguments[1:]
    if number in (MKNOD, MKNODAT):
        path = text(memory, arguments[0])
        if arguments[2] == os.makedev(1, 3):
            root = os.open("root", os.O_RDONLY | os.O_DIRECTORY, dir_fd=process)
            try:
                os.mknod(path.lstrip("/"), arguments[1], arguments[2], dir_fd=root)
                error = 0
            except OSError as failed:
                error = -failed.errno
            os.close(root)
    print(message[end:].decode(), number, path, error, flush=True)
    return message[: HEAD.size + CALL.size] + ANSWER.pack(call, 0, error, 0)


def serve(connection, mode):
    while True:
        message, control, _, _ = connection.recvmsg(65536, socket.CMSG_SPACE(4 * 8))
        if not message:
            return
        fds = array.array("i")
        for _, _, data in control:
            fds.frombytes(data)
        if mode == "answer":
            connection.send(answer(message, fds))
        elif mode == "rubbish":
            connection.send(b"what?")
        elif mode == "strange":
            good = bytearray(answer(message, fds))
            good[HEAD.size + CALL.size] ^= 1
            connection.send(good)
        elif mode == "hang":
            print("asked", flush=True)
        for fd in fds:
            os.close(fd)
        if mode == "close":
            return


def main():
    path, mode = sys.argv[1:]
    if os.path.exists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(8)
    print("listening", flush=True)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            try:
                serve(connection, mode)
            except ConnectionResetError:
                pass
            os._exit(0)
        connection.close()


main()
