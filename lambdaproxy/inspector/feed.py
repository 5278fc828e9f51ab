"""Tells open pages of requests as they come: server-sent events (HTML standard, 9.2), a body without an end.

Requests that begin or end within a moment are told together, each once: who looks at a busy proxy must not cost its
clients an event and a write for every step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from lambdaproxy.web.open_body import OpenBody

MOST_PAGES = 16
"""Pages that are open at once."""

GATHER_SECONDS = 0.1
"""How long changes are gathered: short for who looks, and longer than most requests, which are told once then."""


class Feed:
    """All open pages.

    `lines` makes what is told of the requests with these numbers, in their order, of those that are still known;
    `watched` is told when somebody begins to look, and when nobody does any more. `reactor` has `callLater`.
    """

    def __init__(
        self, reactor: Any, lines: Callable[[Iterable[int]], list[Any]], watched: Callable[[bool], object] = bool
    ) -> None:
        self._reactor, self._lines, self._watched = reactor, lines, watched
        self._pages: set[Page] = set()
        self._changed: set[int] = set()
        self._waiting: Any = None

    def open(self) -> Page | None:
        """The body for another page; None if there are too many."""
        return Page(self) if len(self._pages) < MOST_PAGES else None

    def enter(self, page: Page) -> None:
        self._pages.add(page)
        self._watched(True)

    def leave(self, page: Page) -> None:
        self._pages.discard(page)
        self._watched(bool(self._pages))

    def changed(self, number: int) -> None:
        """A request began, or something of it is new: pages hear of it soon."""
        self._changed.add(number)
        if self._waiting is None:
            self._waiting = self._reactor.callLater(GATHER_SECONDS, self._tell_changed)

    def _tell_changed(self) -> None:
        self._waiting = None
        numbers, self._changed = sorted(self._changed), set()
        lines = self._lines(numbers) if self._pages else []
        if lines:
            self.tell("requests", lines)

    def tell(self, kind: str, value: Any) -> None:
        """Send an event to every page. A page that does not read learns of it when it asks for the list again."""
        if self._pages:
            data = f"event: {kind}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n".encode()
            for page in tuple(self._pages):
                page.send(data)

    def close(self) -> None:
        """End all."""
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        for page in tuple(self._pages):
            page.end()


class Page(OpenBody):
    """The stream of one page."""

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self._feed = feed
        self._missed = False

    def send(self, data: bytes) -> None:
        """Write, unless the page is behind: then it is told so when it reads again."""
        if self._paused:
            self._missed = True
        elif self._consumer is not None:
            self._consumer.write(data)

    def _begin(self) -> None:
        self._feed.enter(self)
        self._consumer.write(b"retry: 1000\n\n")

    def _catch_up(self) -> None:
        if self._missed and self._consumer is not None:
            self._missed = False
            self._consumer.write(b"event: missed\ndata: {}\n\n")

    def _left(self) -> None:
        self._feed.leave(self)
