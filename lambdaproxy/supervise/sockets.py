"""The listening sockets: bound once, kept over every generation of workers, closed when no generation wants them."""

from __future__ import annotations

import errno
import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class Bound:
    """A socket, and the path and file that it made if it is a Unix one."""

    socket: socket.socket
    path: str = ""
    made: os.stat_result | None = None

    def close(self) -> None:
        self.socket.close()
        with suppress(OSError):
            if self.made is not None and os.path.samestat(os.lstat(self.path), self.made):
                os.unlink(self.path)


class Sockets:
    """The sockets by what was asked for: an option's name and where it is to listen."""

    def __init__(self) -> None:
        self._bound: dict[str, Bound] = {}

    def get(self, key: str, where: dict[str, Any]) -> socket.socket:
        """The socket of this key, bound when it is first asked for; raises `OSError`."""
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bound[key] = _unix(where) if where["kind"] == "unix" else _inet(where)
        return bound.socket

    def others(self, keys: set[str]) -> list[str]:
        """The keys that are open, but for these."""
        return [key for key in self._bound if key not in keys]

    def close(self, keys: list[str]) -> None:
        for key in keys:
            self._bound.pop(key).close()


def _inet(where: dict[str, Any]) -> Bound:
    # As Twisted binds: an address with a colon is IPv6, and an empty one is every address of IPv4.
    family = socket.AF_INET6 if ":" in where["host"] else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        host, port = where["host"], where["port"]
        if family == socket.AF_INET6:  # with a scope, as in fe80::1%eth0
            numeric = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
            listening.bind(socket.getaddrinfo(host, port, family, flags=numeric)[0][4])
        else:
            listening.bind((host, port))
        listening.listen(where["backlog"])
    except BaseException:
        listening.close()
        raise
    return Bound(listening)


def _unix(where: dict[str, Any]) -> Bound:
    path, mode = where["path"], where["mode"]
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listening.setblocking(False)
        bind_unix(listening, path, mode)
        listening.listen(where["backlog"])
        return Bound(listening, path, os.lstat(path))
    except BaseException:
        listening.close()
        raise


def bind_unix(listening: socket.socket, path: str, mode: int) -> None:
    """Bind to a path, which is never open to more than `mode` says; a socket that nobody listens at is replaced."""
    _remove_dead(path)
    before = os.umask(0o777 & ~mode)
    try:
        listening.bind(path)
    finally:
        os.umask(before)
    os.chmod(path, mode)


def _remove_dead(path: str) -> None:
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise OSError(errno.ENOTSOCK, "there is a file of this name that is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except FileNotFoundError:
            return
    raise OSError(errno.EADDRINUSE, "another program listens there")
