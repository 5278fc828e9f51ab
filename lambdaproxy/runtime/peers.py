"""Who holds the other end of a connection on this machine: Linux is asked about the one socket, and its processes.

What `/proc/net/tcp` says of all sockets takes 30 ms to read on a busy machine; `sock_diag` finds one of them at once,
whatever address of loopback it is bound to, and whether it is of IPv4 or of IPv6 with an address mapped into it
(sock_diag(7); `inet_diag_req_v2` and `inet_diag_msg` in linux/inet_diag.h).
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

from lambdaproxy.base.platform import children_of

KNOWN = sys.platform == "linux"
"""Whether the system can be asked at all."""

MOST_PROCESSES = 256
MOST_DESCRIPTORS = 16384
"""What is looked at of one worker's processes, and of one process: a function may start and open what it likes."""
FORGET_SECONDS = 10.0
_SOCK_DIAG, _BY_FAMILY, _REQUEST = 4, 20, 1
_ANY_COOKIE = b"\xff" * 8
_HEADER = struct.Struct("=IHHII")
_UID_AND_INODE = struct.Struct("=II")
_AT = _HEADER.size + 4 + 48 + 12  # the family and its like, the socket's id, expires and queues


def socket_of_peer(connection: socket.socket) -> tuple[int, int] | None:
    """User and inode of the socket that is connected to this one, an IPv4 one of ours; None where nobody knows."""
    try:
        theirs, own = connection.getpeername(), connection.getsockname()
        ends = b"".join(
            [struct.pack(">HH", theirs[1], own[1])]
            + [socket.inet_aton(one[0]).ljust(16, b"\0") for one in (theirs, own)]
        )
        body = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + ends + bytes(4) + _ANY_COOKIE
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _SOCK_DIAG) as asked:
            asked.send(_HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, 1, 0) + body)
            # The kernel answers within `send`.
            answer = asked.recv(4096)
        kind = _HEADER.unpack_from(answer)[1]
        found: tuple[int, int] = _UID_AND_INODE.unpack_from(answer, _AT)
    except (OSError, struct.error, AttributeError, IndexError):
        return None
    return found if kind == _BY_FAMILY and found[1] else None


def holds(pid: int, inode: int) -> bool:
    """Whether the process `pid`, one of its descendants, or another process of its session has this socket open."""
    if _has_open(pid, inode):
        return True
    return any(_has_open(one, inode) for one in _family(pid))


def _has_open(pid: int, inode: int) -> bool:
    wanted, folder = f"socket:[{inode}]", f"/proc/{pid}/fd/"
    try:
        for name in os.listdir(folder)[:MOST_DESCRIPTORS]:
            try:
                if os.readlink(folder + name) == wanted:
                    return True
            except OSError:
                continue
    except OSError:
        pass
    return False


def _family(pid: int) -> Iterator[int]:
    seen, found = {pid}, [pid]
    while found and len(seen) < MOST_PROCESSES:
        for child in children_of(found.pop()):
            if child not in seen:
                seen.add(child)
                found.append(child)
                yield child
    # What has lost its parent is still of the session; to look for it costs more.
    for one in _sessions.members(pid):
        if one not in seen:
            yield one


def _session(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # State, parent, process group, session.
            return int(file.read().rpartition(b")")[2].split()[3])
    except (OSError, ValueError, IndexError):
        return -1


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


class Sessions:
    """Which processes are of which session: each is read once, so that who connects again and again costs a listing.

    At most `most` are read in one call, the youngest first; the others have their turn at the next.
    """

    def __init__(
        self,
        pids: Callable[[], list[int]] = _pids,
        session: Callable[[int], int] = _session,
        clock: Callable[[], float] = time.monotonic,
        most: int = 1024,
    ) -> None:
        self._pids, self._session, self._clock, self._most = pids, session, clock, most
        self._known: dict[int, int] = {}
        self._since = 0.0

    def members(self, session: int) -> list[int]:
        """The processes of this session, `MOST_PROCESSES` at most."""
        now = self._clock()
        if now - self._since >= FORGET_SECONDS:
            # A process may have made a session of its own since.
            self._since = now
            self._known.clear()
        pids = self._pids()
        alive = set(pids)
        for gone in self._known.keys() - alive:
            del self._known[gone]
        unknown = sorted(alive - self._known.keys(), reverse=True)[: self._most]
        for pid in unknown:
            self._known[pid] = self._session(pid)
        found = [pid for pid, its in self._known.items() if its == session][:MOST_PROCESSES]
        # The number of one that has ended may be another's by now.
        return [pid for pid in found if self._session(pid) == session]


_sessions = Sessions()
