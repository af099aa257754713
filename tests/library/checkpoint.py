"""Writes a container to files and makes it again, by the C interface (python3-lxc has no such methods):

    checkpoint.py LIBRARY LXCPATH NAME DIR

It counts in /tmp/n. Prints what each call gives, and whether the count went on from where it was.
"""
import ctypes
import sys
import time
from ctypes import POINTER, Structure, byref, c_bool, c_char_p, c_int, c_uint, c_uint64, c_void_p, sizeof


class Options(Structure):
    """struct migrate_opts"""
    _fields_ = [("directory", c_char_p), ("verbose", c_bool), ("stop", c_bool), ("predump_dir", c_char_p),
                ("pageserver_address", c_char_p), ("pageserver_port", c_char_p), ("preserves_inodes", c_bool),
                ("action_script", c_char_p), ("disable_skip_in_flight", c_bool), ("ghost_limit", c_uint64),
                ("features_to_check", c_uint64)]


library, lxcpath, name, directory = sys.argv[1:]
library = ctypes.CDLL(library)
library.lxc_container_new.restype = c_void_p
container = library.lxc_container_new(name.encode(), lxcpath.encode())
PRE_DUMP, DUMP, RESTORE, FEATURE_CHECK = range(4)
MEM_TRACK = 1


def method(offset, result, *arguments):
    """A member of struct lxc_container."""
    function = ctypes.CFUNCTYPE(result, c_void_p, *arguments)
    return lambda *given: function(c_void_p.from_address(container + offset).value)(container, *given)


state = method(88, c_char_p)
wait = method(184, c_bool, c_char_p, c_int)
checkpoint = method(464, c_bool, c_char_p, c_bool, c_bool)
restore = method(472, c_bool, c_char_p, c_bool)
call_migrate = method(496, c_int, c_uint, POINTER(Options), c_uint)


def migrate(command, **given):
    options = Options(**given)
    return call_migrate(command, byref(options), sizeof(options)), options.features_to_check


def error():
    text = c_char_p.from_address(container + 56).value
    return text.decode().splitlines()[0] if text else None


def count():
    for _ in range(100):
        with open(f"{lxcpath}/{name}/rootfs/tmp/n", encoding="ascii") as file:
            number = file.read().strip()
        if number:
            return int(number)
        time.sleep(0.01)
    raise RuntimeError("it does not count")


def goes_on(before):
    """Whether it counts on from there: at ten a second."""
    time.sleep(1)
    return before < count() < before + 100


def say(what, *values):
    print(what, *values, state().decode(), flush=True)


def path(last):
    return f"{directory}/{last}".encode()


say("features", *migrate(FEATURE_CHECK, features_to_check=MEM_TRACK))
say("stays", checkpoint(path("stays"), False, True), goes_on(count()))
if state() == b"RUNNING" and error():
    sys.exit(f"failed: {error()}")
say("checkpoint", checkpoint(path("one"), True, True), wait(b"STOPPED", 20))
last = count()
say("restore", restore(path("one"), True), goes_on(last))
say("before", *migrate(PRE_DUMP, directory=path("before")))
say("dump", *migrate(DUMP, directory=path("two"), predump_dir=b"../before", stop=True), wait(b"STOPPED", 20))
last = count()
say("remade", *migrate(RESTORE, directory=path("two")), goes_on(last))
