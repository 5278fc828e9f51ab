"""Lets in who has one of our keys: what a REST API does with `ApiKeyRequired`.

The file of keys has a line for each: a name, and the SHA-256 of the key in hexadecimal. So it holds no secret, and a
key cannot be found by trying: keys are long and random.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from lambdaproxy.authorizers.quotas import Plan
from lambdaproxy.authorizers.sources import Source
from lambdaproxy.authorizers.watched import Watched
from lambdaproxy.errors import UnknownKey
from lambdaproxy.interfaces import IAuthorizer
from lambdaproxy.messages import Grant, Match, Request

SHORTEST, LONGEST = 20, 128
"""Characters of a key (API Gateway guide, "API keys")."""

_LINE = re.compile(r"([A-Za-z0-9._@-]{1,128})\s+([0-9a-f]{64})")


def read_keys(path: str | None, more: Sequence[str] = ()) -> Mapping[bytes, str]:
    """Digest -> name; `ValueError` with the line that is wrong, `OSError` if the file cannot be read.

    `more` are lines that stand elsewhere.
    """
    found: dict[bytes, str] = {}
    names: set[str] = set()
    _read_lines(more, "key", found, names)
    if path is not None:
        with open(path, encoding="utf-8-sig") as file:
            _read_lines(file, path, found, names)
    return found


def _read_lines(lines: Iterable[str], path: str, found: dict[bytes, str], names: set[str]) -> None:
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{path}:{number}: this is no name and SHA-256 in hexadecimal; printf %s KEY | sha256sum gives it"
            )
        name, digest = match[1], bytes.fromhex(match[2])
        if digest in found or name in names:
            raise ValueError(f"{path}:{number}: this name or this key stands in the file already")
        found[digest] = name
        names.add(name)


@implementer(IAuthorizer)
class ApiKeyAuthorizer:
    """Knows keys by their digests; notices when the file changes, at most once in a second."""

    def __init__(
        self,
        path: str | None,
        source: Source,
        seconds: Callable[[], float],
        plan: Plan | None = None,
        more: Sequence[str] = (),
    ) -> None:
        self._source = source
        self._keys = Watched(path, lambda path: read_keys(path, more), seconds)
        self._plan = plan
        #: What keys that were used give; one for each of the file at most.
        self._grants: dict[bytes, Grant] = {}

    def start(self) -> None:
        """Nothing has to be fetched."""

    def authorize(self, request: Request, match: Match, scopes: Sequence[str]) -> Grant:
        """Whose key it is, counted."""
        grant = self.recognise(request, match, scopes)
        self.count(grant)
        return grant

    def count(self, grant: Grant) -> None:
        """Count a request that is let in; raises `RateExceeded` or `QuotaExceeded`."""
        if self._plan is not None:
            self._plan.charge(grant.key_id or "")

    def recognise(self, request: Request, match: Match, scopes: Sequence[str]) -> Grant:
        """Whose key it is. The digest is looked up, so how long that takes says nothing of the keys."""
        sent = self._source.read(request)
        if sent is None:
            raise UnknownKey(f"there is no key in {self._source.text}")
        if self._keys.refresh():
            self._grants = {}
        if not SHORTEST <= len(sent) <= LONGEST:
            raise UnknownKey(f"the key in {self._source.text} is none of ours")
        digest = hashlib.sha256(sent.encode("utf-8", "surrogatepass")).digest()
        grant = self._grants.get(digest)
        if grant is None:
            name = self._keys.value.get(digest)
            if name is None:
                raise UnknownKey(f"the key in {self._source.text} is none of ours")
            grant = self._grants[digest] = Grant("api-key", key=sent, key_id=name)
        return grant

    def stop(self) -> Deferred[None]:
        if self._plan is not None:
            self._plan.close()
        return succeed(None)
