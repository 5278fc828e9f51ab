"""JSON objects, a line each, over a Unix stream socket, with file descriptors beside them where one is given away.

What the supervisor and its workers speak, and what the control socket speaks; nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import socket
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

MOST_FDS = 8
PIECE = 64 * 1024
_NOT_FOR_CHILDREN = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


class TooLong(Exception):
    """A line is longer than the reader takes."""


class Wire:
    """One end: `send` keeps what does not fit, `receive` gives what is there. `most` bounds a line, in bytes."""

    def __init__(self, end: socket.socket, most: int = 64 * 1024 * 1024) -> None:
        self.socket, self._most = end, most
        self._in = bytearray()
        self._fds: deque[int] = deque()
        self._out: deque[tuple[bytes, tuple[int, ...]]] = deque()

    def fileno(self) -> int:
        return self.socket.fileno()

    @property
    def waiting(self) -> bool:
        """Whether something is still to be sent."""
        return bool(self._out)

    def send(self, message: dict[str, Any], fds: Sequence[int] = ()) -> None:
        """Send an object, now or by `flush`; raises `OSError` where nobody is at the other end."""
        if fds:
            message = {**message, "fds": len(fds)}
        self._out.append((json.dumps(message, separators=(",", ":")).encode() + b"\n", tuple(fds)))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as it fits; the descriptors go with the first byte of their message."""
        while self._out:
            data, fds = self._out[0]
            try:
                sent = socket.send_fds(self.socket, [data[:PIECE]], fds) if fds else self.socket.send(data)
            except BlockingIOError:
                return
            if sent == len(data):
                self._out.popleft()
            else:
                self._out[0] = (data[sent:], ())

    def receive(self) -> list[tuple[dict[str, Any], list[int]]] | None:
        """Read once: the messages that are whole by now, or None at the end. Raises `TooLong`, `ValueError`."""
        try:
            data, fds, _, _ = socket.recv_fds(self.socket, PIECE, MOST_FDS, _NOT_FOR_CHILDREN)
        except BlockingIOError:
            return []
        except OSError:
            return None
        self._fds.extend(fds)
        if not data:
            return None
        self._in += data
        return list(self._messages())

    def _messages(self) -> Iterator[tuple[dict[str, Any], list[int]]]:
        *lines, rest = self._in.split(b"\n")
        self._in = bytearray(rest)
        if len(rest) > self._most:
            raise TooLong
        for line in lines:
            try:
                message = json.loads(line)
            except RecursionError:
                raise ValueError("a message nests too deeply") from None
            if not isinstance(message, dict):
                raise ValueError("a message is a JSON object")
            count = message.pop("fds", 0)
            if type(count) is not int or not 0 <= count <= MOST_FDS:
                raise ValueError(f"a message has 0 to {MOST_FDS} descriptors beside it")
            yield message, [self._fds.popleft() for _ in range(count) if self._fds]

    def close(self) -> None:
        self.socket.close()
        for descriptor in self._fds:  # given with nothing that asked for them
            os.close(descriptor)
        self._fds.clear()
