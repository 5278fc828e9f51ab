"""Counts of keys that outlive us and are those of all workers: a small file that everybody has mapped.

A record is 64 bytes: the digest of a name, and the number of a period with the counts of it and of the one before. Who
counts locks the file for that. Where somebody holds it for longer, as a process that was stopped does, counting goes on
without after a millisecond, and two that count at the very same moment may count one request once.

While a name has much left, some are counted ahead: the next ones cost no look at the file. So never more are let in
than the limit says; who dies takes what he had counted ahead with him, and what nobody used for a second is given back.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from twisted.logger import Logger

from lambdaproxy.base.locks import lock_soon, unlock

_log = Logger(__name__)

_MAGIC = b"lambdaproxy quota 1\n".ljust(32, b"\0")
_RECORD = 64
_BIRTH = slice(len(_MAGIC), len(_MAGIC) + 8)
"""Where the head says which file it is: one that was emptied may have the same names in the same places again."""
_NUMBERS = struct.Struct("<QQQ")
_AT = 32
MOST = 100_000
"""Names: 6.4 MB."""
MOST_SIZE = (MOST + 1) * _RECORD
"""Of a longer file, which is not our doing, the rest is left alone: to read gigabytes would keep everybody waiting."""

MOST_AHEAD, AHEAD_OF = 64, 100
"""Counted ahead are one in so many of what a name has left, and so many at most."""

PAUSE = 1.0
"""Seconds after which what was counted ahead, and not used, is given back."""

MOST_GIVEN_BACK, SOON = 500, 0.02
"""Names whose counts are given back at once, and seconds until the next ones are: that is 4 ms in which nobody is
served and no other worker has the file."""


class _Ahead:
    """What is counted in the file already: how many may still come in a period, and whether any came lately."""

    __slots__ = ("lately", "left", "period")

    def __init__(self, period: int, left: int) -> None:
        self.period, self.left, self.lately = period, left, True


class Tally:
    """Counts by name in the file at `path`, or in memory of our own where there is none.

    With `later`, a reactor's `callLater`, names that have much left are counted ahead.
    """

    def __init__(
        self, path: str | None = None, later: Callable[[float, Callable[[], None]], Any] | None = None
    ) -> None:
        self._later, self._call = later, None
        self._ahead: dict[str, _Ahead] = {}
        self._of: dict[bytes, int] = {}
        self._memory: dict[str, tuple[int, int, int]] = {}
        self._file, self._path = -1, path
        self._map: mmap.mmap | None = None
        self._birth = b""
        self._told = self._full = False
        if path is not None:
            self._open(path)

    def _open(self, path: str) -> None:
        """`OSError` if it cannot be had, `ValueError` if it is something else."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            locked = lock_soon(self._file)
            try:
                size = os.fstat(self._file).st_size
                if not size:
                    _write(self._file, _head(), 0)
                elif os.pread(self._file, len(_MAGIC), 0) != _MAGIC:
                    raise ValueError(f"{path} is no file of counts; name one that is not there yet")
                self._read_on()
            finally:
                if locked:
                    unlock(self._file)
        except BaseException:
            self.close()
            raise

    def _read_on(self) -> None:
        """Map the file as long as it is now, and find the names that others have added."""
        size = min(os.fstat(self._file).st_size // _RECORD * _RECORD, MOST_SIZE)
        known = 0 if self._map is None else len(self._map)
        if size <= known:
            return
        if self._map is not None:
            self._map.close()
        self._map = mmap.mmap(self._file, size)
        self._birth = self._map[_BIRTH]
        for at in range(max(known, _RECORD), size, _RECORD):
            self._of[self._map[at : at + _AT]] = at + _AT

    def _stay(self) -> None:
        """Go on in the file of our name: where it was deleted, moved or replaced, some would count here, some there."""
        assert self._path is not None
        ours = os.fstat(self._file)
        try:
            named = os.stat(self._path)
            if (named.st_ino, named.st_dev) == (ours.st_ino, ours.st_dev):
                return
        except OSError:
            pass
        before = self._file, self._map, self._of
        self._file, self._map, self._of = -1, None, {}
        try:
            self._open(self._path)
        except (OSError, ValueError) as error:
            self._file, self._map, self._of = before
            if not self._told:
                why = "counts of quotas go on in a file that has no name any more: {why}"
                _log.error(why, event="quota-file-lost", why=str(error))
            self._told = True
            return
        self._ahead.clear()
        self._told = False
        _log.warn("{path} was deleted or replaced; quotas begin anew", event="quota-file-anew", path=self._path)
        if before[1] is not None:
            before[1].close()
        os.close(before[0])

    def _follow(self, digest: bytes) -> None:
        """Read all anew if somebody has emptied or cut the file: what was mapped behind its end would kill us."""
        size = os.fstat(self._file).st_size
        if self._map is not None:
            at = self._of.get(digest)
            known = size >= len(self._map) and self._map[_BIRTH] == self._birth
            if known and (at is None or self._map[at - _AT : at] == digest):
                return
            self._map.close()
            self._map, self._of = None, {}
            self._ahead.clear()
        if size < _RECORD:
            _write(self._file, _head(), 0)
        self._read_on()

    def _place(self, digest: bytes, locked: bool) -> int | None:
        """Where the numbers of a name are; None where there is no room for one more, or others may be adding one."""
        self._follow(digest)
        at = self._of.get(digest)
        if at is None:
            self._read_on()
            at = self._of.get(digest)
        if at is None and locked and len(self._of) < MOST:
            size = os.fstat(self._file).st_size // _RECORD * _RECORD
            if size >= MOST_SIZE:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            _write(self._file, digest + bytes(_RECORD - _AT), size)
            self._read_on()
            at = self._of.get(digest)
        return at

    def take(self, name: str, period: int, limit: int, part: float = 0.0) -> bool:
        """Count one in a period, unless there are as many as the limit already; `part` of the period before counts."""
        if self._path is None:
            return self._take_here(name, period, limit, part)
        ahead = self._ahead.get(name)
        if ahead is not None and ahead.left and ahead.period == period:
            ahead.left -= 1
            ahead.lately = True
            return True
        self._stay()
        locked = lock_soon(self._file)
        try:
            try:
                at = self._place(_digest(name), locked)
            except OSError as error:
                self._cannot(error)
                return self._take_here(name, period, limit, part)
            if at is None:
                return not locked
            if self._memory:
                self._carry(name, at, period)
            before, here = self._at(at, period)
            if here + before * part + 1 > limit:
                return False
            assert self._map is not None
            # Whose clock is behind counts in the period that others are in already.
            then, more = max(period, _NUMBERS.unpack_from(self._map, at)[0]), 1
            if locked and then == period and self._later is not None:
                more = max(1, min(MOST_AHEAD, int((limit - here - before * part) // AHEAD_OF)))
            _NUMBERS.pack_into(self._map, at, then, here + more, before)
            if more > 1:
                self._ahead[name] = _Ahead(period, more - 1)
                if self._call is None and self._later is not None:
                    self._call = self._later(PAUSE, self._settle)
            return True
        finally:
            if locked:
                unlock(self._file)

    def _settle(self) -> None:
        """Give back what nobody used lately, and look again later if there is more."""
        self._call = None
        self._stay()
        self._look_again()
        unused = [name for name, ahead in self._ahead.items() if not ahead.lately]
        self._give_back(unused[:MOST_GIVEN_BACK])
        if len(unused) > MOST_GIVEN_BACK and self._later is not None:
            self._call = self._later(SOON, self._settle)
            return
        for ahead in self._ahead.values():
            ahead.lately = False
        if self._ahead and self._later is not None:
            self._call = self._later(PAUSE, self._settle)

    def _look_again(self) -> None:
        """Forget what was counted ahead in a file that somebody has emptied: nobody else counts it any more."""
        locked = bool(self._ahead) and lock_soon(self._file)
        if locked:
            try:
                self._follow(b"")
            except OSError as error:
                self._cannot(error)
            finally:
                unlock(self._file)

    def _give_back(self, names: list[str]) -> None:
        """What was counted ahead for these names is not counted any more, if the file can be had now."""
        locked = bool(names) and lock_soon(self._file)
        if not locked:
            return
        try:
            for name in names:
                digest = _digest(name)
                self._follow(digest)
                ahead, at = self._ahead.pop(name, None), self._of.get(digest)
                if ahead is None or at is None or self._map is None:
                    continue  # the file was begun anew
                then, here, before = _NUMBERS.unpack_from(self._map, at)
                if then == ahead.period:
                    _NUMBERS.pack_into(self._map, at, then, max(0, here - ahead.left), before)
                elif then == ahead.period + 1:
                    _NUMBERS.pack_into(self._map, at, then, here, max(0, before - ahead.left))
        except OSError as error:
            self._cannot(error)
        finally:
            unlock(self._file)

    def _take_here(self, name: str, period: int, limit: int, part: float) -> bool:
        before, here = _moved(self._memory.get(name, (0, 0, 0)), period)
        if here + before * part + 1 > limit:
            return False
        self._memory[name] = max(period, self._memory.get(name, (0,))[0]), here + 1, before
        return True

    def _cannot(self, error: OSError) -> None:
        """A full disc has no room for one more name: said once, and counted here until there is."""
        if not self._full:
            _log.error(
                "{path} cannot be written: {why}; keys that are new to it are counted by each process for itself",
                event="quota-file-unwritable",
                path=self._path,
                why=error.strerror,
            )
        self._full = True

    def _carry(self, name: str, at: int, period: int) -> None:
        """What was counted here while the disc was full, in addition."""
        ours = self._memory.pop(name, None)
        if ours is not None and self._map is not None:
            (before, here), (more_before, more) = self._at(at, period), _moved(ours, period)
            then = max(period, _NUMBERS.unpack_from(self._map, at)[0])
            _NUMBERS.pack_into(self._map, at, then, here + more, before + more_before)
        if self._full and not self._memory:
            self._full = False
            _log.info("{path} can be written again", event="quota-file-writable", path=self._path)

    def seen(self, name: str, period: int) -> tuple[int, int]:
        """How many there were in the period before, and how many there are in this one."""
        if self._path is not None:
            digest = _digest(name)
            self._stay()
            try:
                self._follow(digest)
                if digest not in self._of:
                    self._read_on()
            except OSError as error:
                self._cannot(error)
            at = self._of.get(digest)
            if at is not None:
                return self._at(at, period)
        return _moved(self._memory.get(name, (0, 0, 0)), period)

    def _at(self, at: int, period: int) -> tuple[int, int]:
        assert self._map is not None
        return _moved(_NUMBERS.unpack_from(self._map, at), period)

    def close(self) -> None:
        """What was counted is in the file, and no more than that."""
        if self._call is not None:
            self._call.cancel()
            self._call = None
        if self._ahead and self._file >= 0:
            self._stay()
            self._give_back(list(self._ahead))
        if self._map is not None:
            self._map.close()
            self._map = None
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def _write(file: int, data: bytes, at: int) -> None:
    """All of it or nothing; `OSError` on a full disc."""
    if os.pwrite(file, data, at) < len(data):
        os.ftruncate(file, at)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _head() -> bytes:
    return (_MAGIC + os.urandom(8)).ljust(_RECORD, b"\0")


def _digest(name: str) -> bytes:
    return sha256(name.encode("utf-8", "surrogatepass")).digest()


def _moved(numbers: tuple[int, int, int], period: int) -> tuple[int, int]:
    """The counts of the period before a period and of itself; a clock that was set back changes nothing."""
    at, here, before = numbers
    if at == period or at > period:
        return before, here
    return (here if at == period - 1 else 0), 0
