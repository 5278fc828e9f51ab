"""The last of what functions wrote, kept for whoever asks for it, and passed on as it comes to those who follow."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from lambdaproxy.web.open_body import OpenBody

MOST_KEPT = 1024 * 1024
"""Bytes of records that are kept, all functions together."""
MOST_BEHIND = 256 * 1024
"""Bytes that wait for one who follows and reads slowly; then records are left out, and it is told."""
MOST_FOLLOWERS = 16


class Kept:
    """Records of functions, the newest at the end; a sink that `runtime.logs` knows as such."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._records: deque[tuple[str, bytes]] = deque()
        self._size = 0
        self._followers: set[Follower] = set()

    def __call__(self, function: str, record: str) -> None:
        now = self._wall()
        stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now * 1000) % 1000:03d}Z {function} "
        text = stamp + record.rstrip("\t").replace("\n", f"\n{stamp}") + "\n"
        data = text.encode("utf-8", "backslashreplace")
        self._records.append((function, data))
        self._size += len(data)
        while self._size > MOST_KEPT and len(self._records) > 1:
            self._size -= len(self._records.popleft()[1])
        for follower in tuple(self._followers):
            if follower.function in (None, function):
                follower.send(data)

    def last(self, function: str | None) -> bytes:
        """What is kept of one function, or of all."""
        return b"".join(data for name, data in self._records if function in (None, name))

    def follow(self, function: str | None) -> Follower | None:
        """What is kept, and then what comes; None where as many follow as may."""
        if len(self._followers) >= MOST_FOLLOWERS:
            return None
        return Follower(self._followers, function, self.last(function))

    def close(self) -> None:
        """Nothing more comes."""
        for follower in tuple(self._followers):
            follower.end()


class Follower(OpenBody):
    """The body of one answer that goes on for as long as its reader likes."""

    def __init__(self, followers: set[Follower], function: str | None, begun: bytes) -> None:
        super().__init__()
        self.function = function
        self._followers, self._waiting = followers, [begun]
        self._size, self._left_out = len(begun), 0
        followers.add(self)

    def send(self, data: bytes) -> None:
        """Write, or keep it until the reader has room."""
        if self._consumer is not None and not self._paused:
            self._consumer.write(data)
        elif self._size + len(data) > MOST_BEHIND:
            self._left_out += 1
        else:
            self._waiting.append(data)
            self._size += len(data)

    def _begin(self) -> None:
        self._catch_up()

    def _catch_up(self) -> None:
        while self._waiting and not self._paused and self._consumer is not None:
            data = self._waiting.pop(0)
            self._size -= len(data)
            if data:
                self._consumer.write(data)
        if not self._waiting and not self._paused and self._left_out and self._consumer is not None:
            left_out, self._left_out = self._left_out, 0
            self._consumer.write(b"(%d records were left out, because they were not read)\n" % left_out)

    def _left(self) -> None:
        self._followers.discard(self)
        self._waiting, self._size = [], 0
