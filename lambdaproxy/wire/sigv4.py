"""AWS Signature Version 4: signing and verifying, as pure functions.

The rules are those of the AWS guide "Signature Version 4 for API requests" and of the published AWS test suite. Request
targets are given as they stand on the wire; every service but S3 signs their path encoded once more, so a colon that
travels as `%3A` is signed as `%253A`.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime
from urllib.parse import quote, unquote_to_bytes

from lambdaproxy.messages import Headers

ALGORITHM = b"AWS4-HMAC-SHA256"
MOST_SKEW = 300.0
"""Seconds that a request's date may differ from the verifier's clock, as AWS has it."""

_INNER = bytes(byte ^ 0x36 for byte in range(256))
_OUTER = bytes(byte ^ 0x5C for byte in range(256))
_EXPIRED = "Signature {word}: {date} is now {than} {bound} ({now} {sign} 5 min.)"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)


@dataclass(frozen=True, slots=True)
class Keys:
    """A set of credentials; `repr` shows the access key only."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


class SignatureError(Exception):
    """A request whose signature does not hold; `status`, `code` and `message` are what AWS answers."""

    def __init__(self, code: str, message: str, status: int = 403) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def amz_date(epoch: float) -> bytes:
    """Epoch seconds -> `20150830T123600Z`."""
    return strftime("%Y%m%dT%H%M%SZ", gmtime(epoch)).encode()


def canonical_path(path: bytes) -> bytes:
    """The path as sent -> dot segments and doubled slashes removed, and everything reserved encoded once more."""
    kept: list[bytes] = []
    for segment in path.split(b"/"):
        if segment == b"..":
            del kept[-1:]
        elif segment not in (b"", b"."):
            kept.append(segment)
    end = b"/" if kept and path.endswith(b"/") else b""
    return quote(b"/" + b"/".join(kept) + end, safe="/-_.~").encode()


def canonical_query(query: bytes) -> bytes:
    """The query as sent, without its `?` -> its parameters in canonical encoding and order."""
    if not query:
        return b""
    pairs = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        pairs.append((_encoded(name), _encoded(value)))
    return b"&".join(name + b"=" + value for name, value in sorted(pairs))


def _encoded(text: bytes) -> bytes:
    return quote(unquote_to_bytes(text), safe="-_.~").encode()


def canonical_headers(headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Header fields -> (canonical header lines, their names joined by `;`); repeated names join with a comma."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name.lower(), []).append(b" ".join(value.split()))
    names = sorted(values)
    return b"".join(name + b":" + b",".join(values[name]) + b"\n" for name in names), b";".join(names)


def canonical_prefix(method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """Everything of the canonical request that precedes the payload's hash, and the signed header names."""
    path, _, query = target.partition(b"?")
    lines, names = canonical_headers(headers)
    parts = (method.encode(), canonical_path(path), canonical_query(query), lines, names)
    return b"\n".join(parts) + b"\n", names


@lru_cache(maxsize=64)
def signing_key(secret_key: str, day: bytes, region: bytes, service: bytes) -> bytes:
    """The key of one day (`20150830`), region and service; kept, because making it costs four HMACs."""
    key = hmac.digest(b"AWS4" + secret_key.encode(), day, "sha256")
    for part in (region, service, b"aws4_request"):
        key = hmac.digest(key, part, "sha256")
    return key


def signature(key: bytes, date: bytes, scope: bytes, canonical_hash: bytes) -> bytes:
    """The hexadecimal signature of a canonical request's hash (hexadecimal, too)."""
    return hmac.digest(key, b"\n".join((ALGORITHM, date, scope, canonical_hash)), "sha256").hex().encode()


def authorization(
    keys: Keys,
    region: str,
    service: str,
    method: str,
    target: bytes,
    headers: Headers,
    body: bytes,
) -> bytes:
    """The value of `Authorization` for a request whose `headers` (the ones to sign) include Host and X-Amz-Date.

    The caller puts `keys.token` into the headers as X-Amz-Security-Token. For many requests of one kind use `Template`.
    """
    date = next(value.strip() for name, value in headers if name.lower() == b"x-amz-date")
    kept = tuple(field for field in headers if field[0].lower() != b"x-amz-date")
    template = Template(keys, region, service, method, target, kept)
    return template.prefix(date) + template.signature(body, date)


class Template:
    """Signatures of requests that differ only in time and payload; what is the same within a second is kept.

    `headers` are the signed ones except X-Amz-Date, which is added here; the request must carry both.
    """

    __slots__ = (
        "_canonical",
        "_date",
        "_headers",
        "_inner",
        "_keys",
        "_method",
        "_outer",
        "_prefix",
        "_region",
        "_service",
        "_target",
    )

    def __init__(
        self,
        keys: Keys,
        region: str,
        service: str,
        method: str,
        target: bytes,
        headers: Headers,
    ) -> None:
        self._keys, self._region, self._service = keys, region.encode(), service.encode()
        self._method, self._target, self._headers = method, target, headers
        self._date = b""

    def prefix(self, date: bytes) -> bytes:
        """What precedes the signature in the value of Authorization; `date` as `amz_date` makes it."""
        if date != self._date:
            self._prepare(date)
        return self._prefix

    def signature(self, body: bytes, date: bytes) -> bytes:
        """The signature of a request with this body at this date."""
        if date != self._date:
            self._prepare(date)
        canonical, inner, outer = self._canonical(), self._inner(), self._outer()
        canonical.update(sha256(body).hexdigest().encode())
        # HMAC by hand: hmac.digest sets up its key for every message, which takes twice as long.
        inner.update(canonical.hexdigest().encode())
        outer.update(inner.digest())
        return outer.hexdigest().encode()

    def _prepare(self, date: bytes) -> None:
        canonical, names = canonical_prefix(self._method, self._target, (*self._headers, (b"x-amz-date", date)))
        scope = b"/".join((date[:8], self._region, self._service, b"aws4_request"))
        key = signing_key(self._keys.secret_key, date[:8], self._region, self._service).ljust(64, b"\0")
        # What each signature begins with, as functions that give a copy to go on with.
        self._canonical = sha256(canonical).copy
        self._inner = sha256(key.translate(_INNER) + b"\n".join((ALGORITHM, date, scope, b""))).copy
        self._outer = sha256(key.translate(_OUTER)).copy
        self._prefix = b"%s Credential=%s/%s, SignedHeaders=%s, Signature=" % (
            ALGORITHM,
            self._keys.access_key.encode(),
            scope,
            names,
        )
        self._date = date


def verify(
    method: str,
    target: bytes,
    headers: Headers,
    body: bytes | None,
    *,
    secret: Callable[[str], Keys | None],
    now: float,
    service: str = "lambda",
    region: str | None = None,
) -> str:
    """Check the signature of a request and give its access key; raise `SignatureError` if it does not hold.

    `target` and `headers` are those of the wire, `secret` gives the keys for an access key or None, `now` is in epoch
    seconds. Any region is accepted where `region` is None. Host and every `x-amz-*` header must be signed, the date be
    within five minutes, and a content hash, where one is sent, be that of the body.

    Without a body (None) everything else is checked: whether it is worth to take the body at all.
    """
    values = [value for name, value in headers if name.lower() == b"authorization"]
    if len(values) != 1:
        raise SignatureError("MissingAuthenticationTokenException", "Missing Authentication Token")
    access_key, scope, names, given = _parse(values[0])
    by_name: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        by_name.setdefault(name.lower(), []).append(value)
    date = b"".join(by_name.get(b"x-amz-date", ()))
    day, its_region, its_service = scope
    keys = secret(access_key)
    if keys is None or (keys.token or "").encode() != b"".join(by_name.get(b"x-amz-security-token", ())):
        raise SignatureError("UnrecognizedClientException", "The security token included in the request is invalid.")
    if its_service != service.encode() or (region is not None and its_region != region.encode()):
        what = service if its_service != service.encode() else region
        raise SignatureError("InvalidSignatureException", f"Credential should be scoped to '{what}'.")
    _check_date(date, day, now)
    signed = set(names.split(b";"))
    must = {b"host", *(name for name in by_name if name.startswith(b"x-amz-"))}
    if not must <= signed or not signed <= by_name.keys():
        raise SignatureError("InvalidSignatureException", _MISMATCH)
    if body is None:
        return access_key
    body_hash = sha256(body).hexdigest().encode()
    if by_name.get(b"x-amz-content-sha256", [body_hash]) != [body_hash]:
        raise SignatureError("InvalidSignatureException", _MISMATCH)
    fields = tuple((name, value) for name, value in headers if name.lower() in signed)
    canonical, canonical_names = canonical_prefix(method, target, fields)
    key = signing_key(keys.secret_key, day, its_region, its_service)
    scope_text = b"/".join((day, its_region, its_service, b"aws4_request"))
    expected = signature(key, date, scope_text, sha256(canonical + body_hash).hexdigest().encode())
    if canonical_names != names or not hmac.compare_digest(expected, given):
        raise SignatureError("InvalidSignatureException", _MISMATCH)
    return access_key


def _parse(value: bytes) -> tuple[str, tuple[bytes, bytes, bytes], bytes, bytes]:
    """`Authorization` -> access key, (day, region, service), signed names, signature."""
    algorithm, _, rest = value.partition(b" ")
    parts = dict(part.strip().partition(b"=")[::2] for part in rest.split(b","))
    credential = parts.get(b"Credential", b"").split(b"/")
    names, given = parts.get(b"SignedHeaders", b""), parts.get(b"Signature", b"")
    if algorithm != ALGORITHM or len(credential) != 5 or credential[4] != b"aws4_request" or not names or not given:
        raise SignatureError(
            "IncompleteSignatureException",
            "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' of AWS4-HMAC-SHA256.",
            400,
        )
    return credential[0].decode("latin-1"), (credential[1], credential[2], credential[3]), names, given


def _check_date(date: bytes, day: bytes, now: float) -> None:
    try:
        then = datetime.strptime(date.decode("ascii"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise SignatureError(
            "IncompleteSignatureException",
            "Authorization header requires existence of a valid 'X-Amz-Date' header.",
            400,
        ) from None
    if date[:8] != day:
        raise SignatureError("InvalidSignatureException", "Date in Credential scope does not match X-Amz-Date.")
    if abs(now - then) <= MOST_SKEW:
        return
    late = now > then
    raise SignatureError(
        "InvalidSignatureException",
        _EXPIRED.format(
            word="expired" if late else "not yet current",
            date=date.decode(),
            than="earlier than" if late else "later than",
            bound=amz_date(now - MOST_SKEW if late else now + MOST_SKEW).decode(),
            now=amz_date(now).decode(),
            sign="-" if late else "+",
        ),
    )
