"""The few things that depend on the platform or on Twisted's insides, each with a way that always works."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Any

from twisted.internet import tcp
from twisted.internet.interfaces import IPullProducer
from zope.interface import implementer

from lambdaproxy.base.reactor import GatheringReactor

if TYPE_CHECKING:
    from twisted.internet.interfaces import ITransport

try:
    import fcntl
    import termios

    _OUTQ: int | None = termios.TIOCOUTQ
except (ImportError, AttributeError):
    _OUTQ = None

_PLAIN: frozenset[type] = frozenset((tcp.Server, tcp.Client))
try:
    from twisted.internet import unix

    _PLAIN |= {unix.Server, unix.Client}
except ImportError:  # no Unix sockets here
    pass
try:  # what reactor.listenTCP makes may be a private subclass
    _PLAIN |= {tcp.Port.transport}
except AttributeError:
    pass


_ATTACH_FILTER = getattr(socket, "SO_ATTACH_FILTER", 26)


def send_now(transport: ITransport, data: Any) -> Any:
    """Hand `data`, bytes or a view of some, to the kernel at once, if nothing else waits; gives what is left of it.

    None means that the kernel has everything. It is done for exactly those transports whose `write` is known to end in
    `socket.send`: TLS transports pass unknown attributes on to the plain one beneath, so a test for attributes would
    send plain text. Errors of the socket are left for the reactor to find.
    """
    if type(transport) not in _PLAIN:
        return data
    plain: Any = transport
    if (
        type(plain.reactor) is GatheringReactor  # it sends at the end of this turn, and once for all
        or plain._tempDataLen
        or plain.dataBuffer
        or not plain.connected
        or plain.TLS
        or plain.disconnecting
        or plain._writeDisconnected
        or plain._writeDisconnecting
    ):
        return data
    try:
        sent: int = plain.socket.send(data)
    except OSError:
        return data
    return None if sent == len(data) else data[sent:]


def write_now(transport: ITransport, data: bytes) -> bool:
    """Write `data`, without waiting for a turn of the reactor where nothing else waits; whether the kernel has it all.

    That saves two `epoll_ctl` calls and a turn for each answer. Where our reactor gathers what is written, it is noted
    as `write` of a transport would do it in the state that it nearly always has, without the three calls of that.
    """
    if type(transport) in _PLAIN:
        plain: Any = transport
        reactor = plain.reactor
        if (
            type(reactor) is GatheringReactor
            and plain.producer is None
            and plain.connected
            and data
            and not (plain.TLS or plain.disconnecting or plain._writeDisconnected or plain._writeDisconnecting)
        ):
            plain._tempDataBuffer.append(data)
            plain._tempDataLen += len(data)
            if plain not in reactor._noted and plain.fileno() not in reactor._writes:
                reactor._noted[plain] = None
            return False
    rest = send_now(transport, data)
    if rest is None:
        return True
    transport.write(rest)
    return False


AT_ONCE, MUCH_AT_ONCE = 64 * 1024, 256 * 1024
"""Bytes that a transport reads at once: Twisted's figure, and that for a body that is longer."""


def expect(transport: Any, size: int) -> None:
    """So many bytes are to come; where they are many, a turn of the reactor reads more of them. 0: nothing special."""
    transport.bufferSize = AT_ONCE if size <= AT_ONCE else MUCH_AT_ONCE


def _beneath(transport: Any) -> Any:
    """The plain transport under TLS and other wrappers, or None where there is no such thing."""
    for _ in range(4):
        if type(transport) in _PLAIN:
            return transport
        transport = getattr(transport, "transport", None)
    return None


def buffered(transport: ITransport) -> int:
    """Bytes that were written but that the kernel has not taken yet; 0 where nobody knows."""
    if type(transport) in _PLAIN:
        nothing_above: Any = transport
        size: int = len(nothing_above.dataBuffer) - nothing_above.offset + nothing_above._tempDataLen
        return size
    plain = _beneath(transport)
    if plain is None:
        return 0
    above = getattr(transport, "_appSendBuffer", ())
    return int(len(plain.dataBuffer) - plain.offset + plain._tempDataLen + sum(map(len, above)))


def unsent(transport: ITransport) -> int:
    """Bytes that the peer has not acknowledged, as far as one can know: those of `buffered` and the kernel's.

    It is what tells a slow reader from one that does not read: a socket's buffer may hold megabytes.
    """
    count = buffered(transport)
    plain = _beneath(transport)
    if plain is not None and _OUTQ is not None:
        try:
            count += int.from_bytes(fcntl.ioctl(plain.fileno(), _OUTQ, bytes(4)), sys.byteorder)
        except (OSError, ValueError):
            pass
    return count


def has_input(transport: ITransport) -> bool:
    """Whether the kernel holds bytes that we have not read yet."""
    plain = _beneath(transport)
    if plain is None:
        return False
    try:
        return bool(plain.socket.recv(1, socket.MSG_PEEK))
    except (OSError, AttributeError):
        return False


def half_close(transport: Any) -> None:
    """Say that nothing more will be written, after what waits, and go on reading.

    Through TLS and other wrappers there is no such thing; `loseConnection` then sends what waits, and with TLS reads on
    until the peer has closed its side too.
    """
    if type(transport) in _PLAIN and not transport.TLS:
        transport.loseWriteConnection()
    else:
        transport.loseConnection()


def accept_last(port: Any, given: bool = False) -> None:
    """Accept what waits in the kernel, and let nothing more in: closing a port resets the connections that wait.

    On Linux a socket filter drops the first packet of every new connection; its client tries again a second later, and
    then is refused or reaches our successor. A socket that we were given, by systemd, is left alone: it outlives us;
    unless it ends with us, which `given` says.
    """
    if not isinstance(port, tcp.Port) or not port.connected:
        return
    if not getattr(port, "_shouldShutdown", True) and not given:
        return
    try:
        _drop_everything(port.socket)
    except (OSError, AttributeError, ValueError):
        pass
    port.numberAccepts = 65536
    port.doRead()


def _drop_everything(listening: socket.socket) -> None:
    """Attach the shortest of all filters: return 0, so much is kept of a packet (socket(7), SO_ATTACH_FILTER)."""
    if sys.platform != "linux" or listening.family not in (socket.AF_INET, socket.AF_INET6):
        return
    instruction = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    program = struct.pack("HL", 1, ctypes.addressof(instruction))
    listening.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, program)


def use_monotonic_clock(reactor: Any) -> None:
    """Let a reactor count seconds that nobody sets; calls that wait already keep the time that is left to them.

    Twisted's reactors count by `time.time`: when that is set back no time limit fires, and when it is set forward all
    of them do at once. All of them look at the time through `reactor.seconds`, which is replaced for this one. What
    needs the time of day (stamps, signatures, the end of credentials) asks for it by itself.
    """
    if reactor.seconds is monotonic:
        return
    ahead = monotonic() - reactor.seconds()
    reactor.seconds = monotonic
    for name in ("_pendingTimedCalls", "_newTimedCalls"):
        # All are moved by the same, so a heap stays one.
        for call in getattr(reactor, name, ()):
            call.time += ahead
            call.seconds = monotonic


def on_terminal() -> bool:
    """Whether our standard output is a terminal; twistd puts something else in its place, which has none."""
    try:
        return sys.__stdout__ is not None and os.isatty(sys.__stdout__.fileno())
    except (OSError, ValueError):
        return False


def keep_from_children() -> None:
    """Let no process that we start have the files that we were born with: they are none of its business.

    And where one's number is above the limit of open files, as that of a shell's script under `ulimit -n 128`,
    `posix_spawn` cannot close it, and starts nothing at all.
    """
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            numbers = [int(name) for name in os.listdir(folder)]
        except (OSError, ValueError):
            continue
        for number in numbers:
            with suppress(OSError):
                if number > 2:
                    os.set_inheritable(number, False)
        return


def children_of(pid: int) -> list[int]:
    """The processes that a process has started, from whichever of its threads; empty where the system does not tell."""
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                found += map(int, file.read().split())
    return found


def open_files() -> int | None:
    """How many files this process may have open at once; None where nobody says."""
    try:
        import resource
    except ImportError:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_open_files(wanted: int) -> tuple[int, int] | None:
    """Raise the soft limit of open files to `wanted`, or as far as the hard one allows; before and after, if it rose.

    The usual soft limit, 1,024, is for programs that still use select(2), which sees no more; the hard one is what an
    administrator means (systemd.exec(5), LimitNOFILE=).
    """
    try:
        import resource
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return None
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # macOS says unlimited and allows less
        return None
    return soft, most


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
MAPPED = 16 * 1024 * 1024
"""Bytes from which a block of memory is a mapping of its own: more than any block of what Lambda takes and gives."""

SPARE = 64 * 1024 * 1024
"""Bytes that may be free at the end of the heap until it is trimmed: those of several large bodies at once."""


def _libc() -> Any:
    """The C library where it is glibc, else None: others give memory back by themselves, or cannot be told to."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        library = ctypes.CDLL(None)
        return library if hasattr(library, "gnu_get_libc_version") else None
    except OSError:
        return None


def reuse_blocks() -> None:
    """Let the memory of one body become that of the next one, until the heap is trimmed.

    A block that is a mapping of its own comes without pages and goes back at once: half of what 4 MB cost was the
    kernel's work for the pages of four such blocks. To set one threshold ends glibc's care for both. What small
    objects keep from the end of the heap is no loss: `trim_memory` gives back all pages that are free, wherever.
    """
    library = _libc()
    if library is not None:
        library.mallopt(_M_MMAP_THRESHOLD, MAPPED)
        library.mallopt(_M_TRIM_THRESHOLD, SPARE)


def trim_memory() -> None:
    """Give the free pages of the heap back to the system."""
    library = _libc()
    if library is not None:
        library.malloc_trim(0)


def when_flushed(transport: ITransport, call: Callable[[], object]) -> None:
    """Call once when the kernel has taken everything that was written.

    For a transport without a producer, of which `buffered` knows something; if it is lost first, nothing is called.
    """
    plain = _beneath(transport)
    if plain is not None:
        plain.registerProducer(_Flushed(plain, call), False)


@implementer(IPullProducer)
class _Flushed:
    """A pull producer, which a transport asks for more when it has nothing left."""

    def __init__(self, transport: Any, call: Callable[[], object]) -> None:
        self._transport, self._call = transport, call
        self._asked = False

    def resumeProducing(self) -> None:
        if not self._asked:
            self._asked = True  # transports ask once at registration
            if buffered(self._transport):
                return
        self._transport.unregisterProducer()
        self._call()

    def stopProducing(self) -> None:
        """The connection is lost; its protocol will be told."""


def share_of_files(part: int, most: int) -> int:
    """How many connections a listener may have that gets one of so many parts of the open files, and never more."""
    files = open_files()
    return most if files is None else max(4, min(most, files // part))
