"""Credentials that are resolved once for all workers: one of them asks the providers, the others ask that one."""

from __future__ import annotations

import threading
from functools import partial
from itertools import count
from time import monotonic
from typing import Any

from lambdaproxy.aws.credentials import FETCH_SECONDS
from lambdaproxy.aws.source import Fetched, NoCredentials
from lambdaproxy.aws.threads import in_thread
from lambdaproxy.start.link import Link
from lambdaproxy.wire.sigv4 import Keys

ASK = FETCH_SECONDS / 2
"""Seconds for which another worker is waited for; what is left of a fetch's time is for the providers."""

FRESH = 5.0
"""Seconds for which one answer of the providers is good for every worker that asks."""


class Sharing:
    """A worker's side of it, as the one that is asked and as one that asks; call it to wrap an invoker's source."""

    def __init__(self, reactor: Any, link: Link) -> None:
        self._reactor, self._link = reactor, link
        self._sources: dict[str, SharedSource] = {}
        self._ids = count()
        self._waiting: dict[int, _Waiting] = {}
        self._alone = False

    def __call__(self, name: str, source: Any) -> SharedSource:
        # By all that decides what the providers give: a worker of another generation may have been told otherwise.
        key = f"{name} {source.identity}"
        shared = self._sources[key] = SharedSource(self, key, source)
        return shared

    def ask(self, name: str, anew: bool) -> dict[str, Any] | None:
        """What the worker that is to ask the providers has, or None if that is this one; blocks, in a thread."""
        waiting = _Waiting()
        self._reactor.callFromThread(self._send, waiting, name, anew)
        waiting.done.wait(ASK)
        return waiting.answer

    def _send(self, waiting: _Waiting, name: str, anew: bool) -> None:
        if self._alone:
            waiting.done.set()
            return
        number = next(self._ids)
        self._waiting[number] = waiting
        self._link.want_credentials(number, name, anew)
        self._reactor.callLater(2 * FETCH_SECONDS, self._waiting.pop, number, None)

    def alone(self) -> None:
        """Nobody can be asked any more: let everybody ask the providers."""
        self._alone = True
        for number in list(self._waiting):
            self.take(number, None)

    def take(self, number: int, answer: dict[str, Any] | None) -> None:
        """The answer to what was asked under this number."""
        waiting = self._waiting.pop(number, None)
        if waiting is not None:
            waiting.answer = answer
            waiting.done.set()

    def give(self, number: int, name: str, anew: bool) -> None:
        """Another worker asks."""
        source = self._sources.get(name)
        if source is None:
            self._link.answer(number, None)
            return
        in_thread(self._reactor, partial(source.packed, anew)).addCallbacks(
            partial(self._link.answer, number), lambda _: self._link.answer(number, None)
        )


class _Waiting:
    """A thread that waits for an answer."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: dict[str, Any] | None = None


class SharedSource:
    """A source of credentials that asks another worker first; `fetch` blocks, as that of any source."""

    def __init__(self, sharing: Sharing, name: str, source: Any) -> None:
        self._sharing, self._name, self._source = sharing, name, source
        self._lock = threading.Lock()
        self._last: tuple[float, Fetched] | None = None

    def give_up(self) -> None:
        self._source.give_up()

    def changed(self) -> bool:
        return bool(self._source.changed())

    def fetch(self, anew: bool) -> Fetched:
        """Raises `NoCredentials`, whoever says so."""
        answer = self._sharing.ask(self._name, anew)
        if not answer:
            return self._own(anew)
        self._source.seen()
        if "error" in answer:
            raise NoCredentials(answer["error"])
        return Fetched(Keys(*answer["keys"]), answer["expires"], answer["method"])

    def _own(self, anew: bool) -> Fetched:
        """Ask the providers, once for all that ask at a time."""
        asked = monotonic()
        with self._lock:
            if self._last is not None:
                since, last = self._last
                if since > asked or (since > asked - FRESH and not anew and not self._source.changed()):
                    return last
            fetched: Fetched = self._source.fetch(anew)
            self._last = (monotonic(), fetched)
            return fetched

    def packed(self, anew: bool) -> dict[str, Any]:
        """What `fetch` of another worker takes."""
        try:
            found = self._own(anew)
        except NoCredentials as error:
            return {"error": str(error)}
        keys = [found.keys.access_key, found.keys.secret_key, found.keys.token]
        return {"keys": keys, "expires": found.expires, "method": found.method}
