"""Tells open pages of requests as they come: server-sent events (HTML standard, 9.2), a body without an end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from lambdaproxy.web.open_body import OpenBody

MOST_PAGES = 16
"""Pages that are open at once."""


class Feed:
    """All open pages."""

    def __init__(self, watched: Callable[[bool], object] = bool) -> None:
        self._pages: set[Page] = set()
        #: Told when somebody begins to look, and when nobody does any more.
        self._watched = watched

    def open(self) -> Page | None:
        """The body for another page; None if there are too many."""
        return Page(self) if len(self._pages) < MOST_PAGES else None

    def enter(self, page: Page) -> None:
        self._pages.add(page)
        self._watched(True)

    def leave(self, page: Page) -> None:
        self._pages.discard(page)
        self._watched(bool(self._pages))

    @property
    def watched(self) -> bool:
        return bool(self._pages)

    def tell(self, kind: str, value: Any) -> None:
        """Send an event to every page. A page that does not read learns of it when it asks for the list again."""
        if self._pages:
            data = f"event: {kind}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n".encode()
            for page in tuple(self._pages):
                page.send(data)

    def close(self) -> None:
        """End all."""
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
