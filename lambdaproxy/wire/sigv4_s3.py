"""Signature Version 4 as S3 wants it: paths are signed as they are sent, and payloads may be left out.

Part of the payload's integrity are the checksums of S3's own, which stand in headers that are signed (S3 API reference,
"Authenticating requests"; "Checking object integrity").
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import quote

from lambdaproxy.messages import Headers
from lambdaproxy.wire.sigv4 import ALGORITHM, Keys, amz_date, canonical_headers, canonical_query, signature, signing_key

UNSIGNED = b"UNSIGNED-PAYLOAD"
EMPTY = sha256(b"").hexdigest().encode()
MOST_EXPIRES = 604_800
"""Seconds that a presigned URL may be good for (S3 API reference)."""


def path_of(key: str) -> bytes:
    """The path of a key, percent-encoded."""
    return b"/" + quote(key, safe="/-_.~", errors="surrogatepass").encode()


def query_of(pairs: Iterable[tuple[str, str]]) -> bytes:
    """Parameters as a query."""
    return "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs).encode()


def signed(
    keys: Keys,
    region: str,
    method: str,
    authority: bytes,
    target: bytes,
    headers: Headers,
    payload_hash: bytes,
    now: float,
) -> Headers:
    """All header fields of a request: Host, those of the signature, and `headers`.

    `target` is that of the wire; `payload_hash` is hexadecimal, or `UNSIGNED`.
    """
    date = amz_date(now)
    fields: Headers = ((b"Host", authority), *headers, (b"X-Amz-Content-Sha256", payload_hash), (b"X-Amz-Date", date))
    if keys.token:
        fields += ((b"X-Amz-Security-Token", keys.token.encode()),)
    path, _, query = target.partition(b"?")
    lines, names = canonical_headers(fields)
    canonical = b"\n".join((method.encode(), path, canonical_query(query), lines, names, payload_hash))
    scope = _scope(date, region)
    key = signing_key(keys.secret_key, date[:8], region.encode(), b"s3")
    made = signature(key, date, scope, sha256(canonical).hexdigest().encode())
    value = b"%b Credential=%b/%b, SignedHeaders=%b, Signature=%b" % (
        ALGORITHM,
        keys.access_key.encode(),
        scope,
        names,
        made,
    )
    return (*fields, (b"Authorization", value))


def presigned(
    keys: Keys, region: str, method: str, base: str, authority: bytes, path: bytes, expires: int, now: float
) -> str:
    """A URL that lets whoever has it do this for `expires` seconds; `base` is its scheme and authority."""
    date = amz_date(now)
    scope = _scope(date, region)
    pairs = [
        ("X-Amz-Algorithm", ALGORITHM.decode()),
        ("X-Amz-Credential", f"{keys.access_key}/{scope.decode()}"),
        ("X-Amz-Date", date.decode()),
        ("X-Amz-Expires", str(expires)),
        ("X-Amz-SignedHeaders", "host"),
    ]
    if keys.token:
        pairs.append(("X-Amz-Security-Token", keys.token))
    query = query_of(sorted(pairs))
    lines, names = canonical_headers(((b"host", authority),))
    canonical = b"\n".join((method.encode(), path, canonical_query(query), lines, names, UNSIGNED))
    key = signing_key(keys.secret_key, date[:8], region.encode(), b"s3")
    made = signature(key, date, scope, sha256(canonical).hexdigest().encode())
    return f"{base}{path.decode()}?{query.decode()}&X-Amz-Signature={made.decode()}"


def _scope(date: bytes, region: str) -> bytes:
    return b"/".join((date[:8], region.encode(), b"s3", b"aws4_request"))
