"""The public keys of an issuer: fetched off the way of requests, kept while the issuer is away, bounded.

Requests ask for a key that is there, or wait for the one look that is on its way. Whoever sends tokens with invented
key ids makes no more than one look in `PAUSE` seconds, and the others do not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

_log = Logger(__name__)

FRESH = 7200.0
"""Seconds after which keys are fetched again when they are used; the old ones serve meanwhile."""

PAUSE = 30.0
"""Seconds between two looks for a key id that nobody knows."""

MOST_BYTES = 150_000
"""Bytes of a key set (API Gateway guide, quotas of JWT authorizers)."""

MOST_WAITING = 1000
"""Requests that may wait for one look; those that come later are answered by what is known."""

AT_ONCE = 8
"""Of those who wait, so many are answered in one turn of the loop: all at once would hold up everybody else."""

_PUBLIC = ("kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y")
"""Members of a key that verify signatures (RFC 7518, 6). A private key takes long to check."""

DISCOVERY = "/.well-known/openid-configuration"

Fetch = Callable[[str], Deferred[bytes]]


class KeySet:
    """The keys of one issuer, `most` at most.

    `fetch` gives the body of a URL, or fails; `url` is that of the keys, if it is known.
    """

    def __init__(
        self, clock: IReactorTime, fetch: Fetch, issuer: str, url: str | None = None, most: int | None = None
    ) -> None:
        self._most = most
        self._later = clock.callLater
        self._seconds, self._fetch, self._issuer, self._url = clock.seconds, fetch, issuer, url
        self._known_url = url
        self._found: dict[str, Mapping[str, Any]] | None = None
        self._imported: dict[str, Any] = {}
        self._fetched = self._tried = float("-inf")
        self._failures = 0
        self._waiting: list[Deferred[None]] = []
        self._looking: Deferred[Any] | None = None
        self.stopped = False
        #: Changes when keys do: what was judged by others has to be judged again.
        self.generation = 0

    @property
    def any(self) -> bool:
        """Whether keys were ever found."""
        return self._found is not None

    def get(self, key_id: str) -> Any:
        """The key, or None. Stale ones are given too, while fresh ones are fetched."""
        if self._found is None or key_id not in self._found:
            return None
        self.refresh()
        key = self._imported.get(key_id)
        if key is None and key_id in self._found:
            key = self._imported[key_id] = _import(self._found[key_id])
        return key

    def refresh(self) -> None:
        """Fetch keys again that are used and stale."""
        if self._seconds() - self._fetched > FRESH:
            self.look()

    def may_change(self) -> bool:
        """Whether it is worth to wait: a look is on its way, or may be begun now, and not too many wait already."""
        return len(self._waiting) < MOST_WAITING and (self._looking is not None or self._due())

    def _due(self) -> bool:
        pause = PAUSE if self.any else min(2.0 ** min(self._failures - 1, 5), PAUSE)
        return not self.stopped and self._seconds() - self._tried >= (pause if self._failures or self.any else 0.0)

    def look(self) -> None:
        """Begin to fetch the keys, unless that is being done or was done a moment ago."""
        if self._looking is None and self._due():
            self._tried = self._seconds()
            self._looking = looking = Deferred.fromCoroutine(self._look())
            looking.addBoth(self._looked)

    def changed(self) -> Deferred[None]:
        """Fires when the look on its way has ended, well or not."""
        self.look()
        waiting: Deferred[None] = Deferred(self._leave)
        self._waiting.append(waiting)
        if self._looking is None:
            self._wake()
        return waiting

    def _leave(self, waiting: Deferred[None]) -> None:
        """The client of a request that waited has gone."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)

    async def _look(self) -> None:
        try:
            url = self._known_url or await self._discover()
            document = orjson.loads(await self._fetch(url))
            keys = document["keys"]
            found: dict[str, Mapping[str, Any]]
            found = {key["kid"]: key for key in keys if isinstance(key, dict) and isinstance(key.get("kid"), str)}
            if self._most is not None and len(found) > self._most:
                raise ValueError(f"there are {len(found)} keys; at most {self._most} are taken")
            if found != self._found:
                self._found, self._imported = found, {}
                self.generation += 1
            self._fetched = self._seconds()
        except Exception as error:
            self._failures += 1
            _log.warn(
                "The keys of {issuer} could not be fetched: {why}{left}",
                event="issuer-keys-failed",
                issuer=self._issuer,
                why=_reason(error),
                left="; those that are known go on serving" if self.any else "",
            )
        else:
            if self._failures:
                _log.info("The keys of {issuer} are there again", event="issuer-keys-again", issuer=self._issuer)
            self._failures = 0

    async def _discover(self) -> str:
        document = orjson.loads(await self._fetch(self._issuer.rstrip("/") + DISCOVERY))
        if document.get("issuer") != self._issuer:
            raise ValueError("its discovery document names another issuer")
        url = document["jwks_uri"]
        if not isinstance(url, str):
            raise ValueError("its discovery document has no jwks_uri")
        if self._issuer.startswith("https:") and not url.startswith("https:"):
            raise ValueError("its discovery document names keys that do not come by https")
        self._known_url = url
        return url

    def _looked(self, result: object) -> None:
        self._looking = None
        if self._failures:
            # Where the keys are may have changed, too.
            self._known_url = self._url
        self._wake()

    def _wake(self) -> None:
        # Who comes from now on waits for the next look.
        waiting, self._waiting = self._waiting, []
        self._answer(waiting)

    def _answer(self, waiting: list[Deferred[None]]) -> None:
        """A few in each turn; what one does may make another's client leave, and who has left is waked no more."""
        for each in waiting[:AT_ONCE]:
            if not each.called:
                each.callback(None)
        if len(waiting) > AT_ONCE:
            self._later(0, self._answer, waiting[AT_ONCE:])

    def stop(self) -> None:
        """No look follows; whoever waits is told."""
        self.stopped = True
        if self._looking is not None:
            self._looking.cancel()


def _import(key: Mapping[str, Any]) -> Any:
    """The key, or False where it is none that verifies signatures."""
    from joserfc.errors import JoseError
    from joserfc.jwk import JWKRegistry

    if key.get("use", "sig") != "sig" or key.get("kty") == "oct":
        return False
    try:
        return JWKRegistry.import_key({name: key[name] for name in _PUBLIC if name in key})
    except (JoseError, ValueError, TypeError, KeyError):
        return False


def _reason(error: Exception) -> str:
    """What happened, in a line, without anything that the issuer wrote."""
    if isinstance(error, orjson.JSONDecodeError):
        return "the answer is no JSON"
    if isinstance(error, KeyError | TypeError | AttributeError):
        return "the answer lacks what it must have"
    return str(error)[:200] or type(error).__name__
