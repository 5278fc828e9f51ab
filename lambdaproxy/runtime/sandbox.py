"""Gives a worker the folders that it has on Lambda: `/var/task`, `/opt`, and a `/tmp` of its own with its size.

Runs in the worker process before anything of the function does: a mount namespace of its own (mount_namespaces(7)),
for those who are not root inside a user namespace of its own, in which a user keeps his number and loses every
capability again. Standard library only, Python 3.8 and later. The C library is called through `_ctypes`: to import
`ctypes` takes ten times as long as all that is done here.

A plan is text of lines, each a word and a value: `task FOLDER`, `opt FOLDER` (any number, the first one wins where two
have the same file), `tmp MEGABYTES` or `share FOLDER` (which becomes
/tmp), `keep PATH` (stays visible though it is below /tmp), `hosts FILE`.
"""
# mypy: ignore-errors

import os
import sys

_NEW_MOUNTS, _NEW_USER = 0x20000, 0x10000000
_READ_ONLY, _NO_SUID, _NO_DEVICES, _REMOUNT = 0x1, 0x2, 0x4, 0x20
_BIND, _RECURSIVE, _SLAVE = 0x1000, 0x4000, 0x80000
_CAPABILITIES = b"\x22\x05\x08\x20" + bytes(4)  # version 3, of this process
WORDS = ("task", "opt", "tmp", "share", "keep", "hosts")
MOST_FILES = 100000
"""Files in /tmp: each costs memory, however small."""


class Refused(Exception):
    """The system does not let us; the text says what."""


class _Calls:
    def __init__(self):
        import _ctypes

        self._library, self._symbol, self._call = _ctypes.dlopen(None, 0), _ctypes.dlsym, _ctypes.call_function

    def __call__(self, name, *arguments):
        return self._call(self._symbol(self._library, name), arguments)

    def mount(self, what, source, target, kind, flags, data=None):
        encoded = [None if one is None else os.fsencode(one) for one in (source, target, kind)]
        if self("mount", *encoded, flags, None if data is None else data.encode()):
            raise Refused("cannot mount %s at %s" % (what, target))  # noqa: UP031


def enter(plan):
    """Do what the plan says, for this process and those that it will start; raises `Refused` or `OSError`."""
    lines = [line.split(" ", 1) for line in plan.splitlines()]
    calls = _Calls()
    alone = _unshare(calls)
    # Nothing of ours reaches the others; what is mounted outside later is seen here, too.
    calls.mount("anything privately", "none", "/", None, _RECURSIVE | _SLAVE)
    opened = {}

    def path(folder):
        # What hides below a mount of ours is still to be had by its descriptor.
        if folder not in opened:
            opened[folder] = os.open(folder, os.O_PATH)
        return "/proc/self/fd/%d" % opened[folder]  # noqa: UP031

    for word, value in lines:
        if word in WORDS and word != "tmp":
            path(value)
    opt = [path(value) for word, value in lines if word == "opt"]
    for word, value in lines:
        if word == "task":
            if not os.path.isdir("/var/task"):
                _make_room(calls, path)
            calls.mount("the function", path(value), "/var/task", None, _BIND | _RECURSIVE)
        elif word == "tmp":
            data = "size=%dm,mode=1777,nr_inodes=%d" % (int(value), MOST_FILES)  # noqa: UP031
            calls.mount("a folder for temporary files", "tmpfs", "/tmp", "tmpfs", _NO_SUID | _NO_DEVICES, data)  # noqa: S108
        elif word == "share":
            calls.mount("a folder for temporary files", path(value), "/tmp", None, _BIND)  # noqa: S108
        elif word == "hosts":
            calls.mount("names of hosts", path(value), "/etc/hosts", None, _BIND)
    if len(opt) == 1:
        calls.mount("the layer", opt[0], "/opt", None, _BIND | _RECURSIVE)
        try:
            calls.mount("it read-only", "none", "/opt", None, _REMOUNT | _BIND | _READ_ONLY)
        except Refused:
            pass  # the file system below it has flags that this user may not change
    elif opt:
        calls.mount("the layers", "overlay", "/opt", "overlay", _READ_ONLY, "lowerdir=" + ":".join(opt))
    for word, value in lines:
        if word == "keep":
            folder = os.path.isdir(path(value))
            os.makedirs(value if folder else os.path.dirname(value), exist_ok=True)
            if not folder:
                open(value, "a").close()
            calls.mount("what is needed", path(value), value, None, _BIND | _RECURSIVE)
    for descriptor in opened.values():
        os.close(descriptor)
    if alone and calls("capset", _CAPABILITIES, bytes(24)):
        raise Refused("cannot give up the rights of the namespace")


def _unshare(calls):
    """A mount namespace; true if that took a user namespace."""
    user, group = os.geteuid(), os.getegid()
    if user == 0 and calls("unshare", _NEW_MOUNTS) == 0:
        return False
    if calls("unshare", _NEW_MOUNTS | _NEW_USER):
        raise Refused("the system gives no namespaces to this user")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open("/proc/self/" + name, "w") as file:
            file.write(text)
    return True


def _make_room(calls, path):
    """A /var that shows what was there, and has a place for the function."""
    old = path("/var")
    names = os.listdir(old)
    calls.mount("/var anew", "tmpfs", "/var", "tmpfs", _NO_SUID | _NO_DEVICES, "size=1m,mode=755")
    for name in names:
        source, target = old + "/" + name, "/var/" + name
        if os.path.islink(source):
            os.symlink(os.readlink(source), target)
        elif os.path.isdir(source):
            os.mkdir(target)
            calls.mount("what is in /var", source, target, None, _BIND | _RECURSIVE)
    os.mkdir("/var/task")


def main():
    """Try a plan, and say in one line what the system refused."""
    try:
        enter(sys.argv[1].replace("\\n", "\n"))
    except (Refused, OSError, ImportError) as problem:
        print(problem)
        sys.exit(1)


if __name__ == "__main__":
    main()
