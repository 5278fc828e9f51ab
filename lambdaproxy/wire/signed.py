"""What API Gateway and function URLs say of signed requests (AuthType AWS_IAM): verified, or refused in their words.

The signature is Signature Version 4, in the Authorization header or in the query ("Authenticating requests" of the IAM
guide). The texts were recorded on AWS; where a service's own are not known they are those of its siblings.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import unquote

from lambdaproxy.messages import Headers
from lambdaproxy.wire.sigv4 import ALGORITHM, MOST_SKEW, Keys, amz_date, canonical_prefix, signature, signing_key

UNSIGNED = b"UNSIGNED-PAYLOAD"
MOST_EXPIRES = 604_800
"""Seconds that a signature in a query may hold."""

MOST_SIGNED = 64
"""Names of headers that are looked at."""

MISSING, INCOMPLETE = "MissingAuthenticationTokenException", "IncompleteSignatureException"
INVALID, UNKNOWN = "InvalidSignatureException", "UnrecognizedClientException"
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_EXPIRED = "Signature {word}: {date} is now {than} {bound} ({now} {sign} 5 min.)"


class Refusal(Exception):
    """A request whose signature does not hold; `code` and `text` are AWS's."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


@dataclass(frozen=True, slots=True)
class Presented:
    """A signature as it was sent; `expires` is in seconds, for one that stands in the query."""

    access_key: str
    day: bytes
    region: bytes
    service: bytes
    names: bytes
    signature: bytes
    date: bytes
    token: bytes
    target: bytes
    expires: int | None = None


def no_pair(value: bytes) -> Refusal:
    """For an Authorization that is no signature at all."""
    hashed = base64.b64encode(sha256(value).digest()).decode()
    return Refusal(
        INCOMPLETE,
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with "
        f"Base64): '{hashed}'.",
    )


def not_signed(headers: Headers) -> Refusal | None:
    """What a REST API says of a request with an Authorization that is no signature; None where there is none."""
    values = [value for name, value in headers if len(name) == 13 and name.lower() == b"authorization"]
    if len(values) != 1 or not values[0] or values[0].startswith(ALGORITHM + b" "):
        return None
    return no_pair(values[0])


def presented(target: bytes, headers: Headers) -> Presented:
    """The signature of a request; `Refusal` where there is none, or none that can be understood."""
    values = [value for name, value in headers if name.lower() == b"authorization"]
    if len(values) == 1 and values[0]:
        return _in_header(values[0], target, headers)
    if not values and b"X-Amz-Signature=" in target:
        return _in_query(target)
    raise Refusal(MISSING, "Missing Authentication Token")


def _in_header(value: bytes, target: bytes, headers: Headers) -> Presented:
    algorithm, _, rest = value.partition(b" ")
    if algorithm != ALGORITHM:
        raise no_pair(value)
    pairs = [part.strip().partition(b"=") for part in rest.split(b",")]
    if not all(equal for _, equal, _ in pairs):
        raise no_pair(value)
    parts = {name: text for name, _, text in pairs}
    dates = [date for name, date in headers if name.lower() == b"x-amz-date"]
    lacking = [
        f"Authorization header requires '{name.decode()}' parameter. "
        for name in (b"Credential", b"Signature", b"SignedHeaders")
        if not parts.get(name)
    ]
    if len(dates) != 1:
        lacking.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. ")
    if lacking or len(parts) != len(pairs):
        raise Refusal(INCOMPLETE, "".join(lacking) or "Authorization header names a parameter twice. ")
    tokens = b",".join(token for name, token in headers if name.lower() == b"x-amz-security-token")
    return _made(parts[b"Credential"], parts[b"SignedHeaders"], parts[b"Signature"], dates[0], tokens, target, None)


def _in_query(target: bytes) -> Presented:
    path, _, query = target.partition(b"?")
    kept, found = [], dict[bytes, bytes]()
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name.startswith(b"X-Amz-"):
            if name in found:
                raise Refusal(INCOMPLETE, "A parameter of the signature is given twice. ")
            found[name] = unquote(value.decode("latin-1"), "latin-1").encode("latin-1")
        if name != b"X-Amz-Signature":
            kept.append(part)
    wanted = ("Algorithm", "Credential", "Signature", "SignedHeaders", "Date", "Expires")
    lacking = [name for name in wanted if not found.get(b"X-Amz-" + name.encode())]
    if lacking:
        raise Refusal(INCOMPLETE, "".join(f"AWS query-string parameters must include 'X-Amz-{n}'. " for n in lacking))
    expires = found[b"X-Amz-Expires"]
    if found[b"X-Amz-Algorithm"] != ALGORITHM or not expires.isdigit() or not 0 < int(expires[:9]) <= MOST_EXPIRES:
        raise Refusal(INCOMPLETE, "X-Amz-Algorithm or X-Amz-Expires cannot be used. ")
    return _made(
        found[b"X-Amz-Credential"],
        found[b"X-Amz-SignedHeaders"],
        found[b"X-Amz-Signature"],
        found[b"X-Amz-Date"],
        found.get(b"X-Amz-Security-Token", b""),
        path + b"?" + b"&".join(kept),
        int(expires[:9]),
    )


def _made(
    credential: bytes, names: bytes, given: bytes, date: bytes, token: bytes, target: bytes, expires: int | None
) -> Presented:
    scope = credential.split(b"/")
    if len(scope) != 5 or scope[4] != b"aws4_request":
        raise Refusal(
            INCOMPLETE, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term. "
        )
    key, day, region, service, _ = scope
    return Presented(key.decode("latin-1"), day, region, service, names, given, date.strip(), token, target, expires)


def verify(
    method: str,
    target: bytes,
    headers: Headers,
    body: bytes,
    keys: Callable[[str], Keys | None],
    now: float,
    service: str,
    region: str,
    unsigned_payload: bool = False,
) -> str:
    """The access key that a request is signed with; `Refusal` if the signature does not hold.

    `target` and `headers` are those of the wire, `now` is in epoch seconds. Host and every `x-amz-*` header must be
    signed. The payload's hash is that of the body, whatever `x-amz-content-sha256` says; only where `unsigned_payload`
    is permitted may it be `UNSIGNED-PAYLOAD`. Signatures of chunks (`STREAMING-...`) are S3's alone.
    """
    sent = presented(target, headers)
    wrong = "" if sent.region == region.encode() else "Credential should be scoped to a valid region. "
    if sent.service != service.encode():
        wrong += f"Credential should be scoped to correct service: '{service}'. "
    if wrong:
        raise Refusal(INVALID, wrong)
    known = keys(sent.access_key)
    if known is None or not hmac.compare_digest((known.token or "").encode(), sent.token):
        raise Refusal(UNKNOWN, "The security token included in the request is invalid.")
    _check_date(sent, now)
    names = sent.names.split(b";")
    by_name: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        by_name.setdefault(name.lower(), []).append(value)
    must = {b"host", *(name for name in by_name if name.startswith(b"x-amz-"))}
    if len(names) > MOST_SIGNED or not must <= set(names) or not set(names) <= by_name.keys():
        raise Refusal(INVALID, _MISMATCH)
    payload = sha256(body).hexdigest().encode()
    said = by_name.get(b"x-amz-content-sha256")
    if unsigned_payload and said == [UNSIGNED]:
        payload = UNSIGNED
    elif said is not None and said != [payload]:
        raise Refusal(INVALID, _MISMATCH)
    wanted = set(names)
    fields = [(name, value) for name, value in headers if name.lower() in wanted]
    canonical, canonical_names = canonical_prefix(method, sent.target, fields)
    key = signing_key(known.secret_key, sent.day, sent.region, sent.service)
    scope = b"/".join((sent.day, sent.region, sent.service, b"aws4_request"))
    expected = signature(key, sent.date, scope, sha256(canonical + payload).hexdigest().encode())
    if canonical_names != sent.names or not hmac.compare_digest(expected, sent.signature):
        raise Refusal(INVALID, _MISMATCH)
    return sent.access_key


def _check_date(sent: Presented, now: float) -> None:
    try:
        then = datetime.strptime(sent.date.decode("ascii"), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refusal(
            INCOMPLETE, "Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601. "
        ) from None
    if sent.date[:8] != sent.day:
        raise Refusal(
            INVALID, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP."
        )
    until = MOST_SKEW if sent.expires is None else sent.expires
    if -MOST_SKEW <= now - then <= until:
        return
    late = now > then
    text = _EXPIRED.format(
        word="expired" if late else "not yet current",
        date=sent.date.decode(),
        than="earlier than" if late else "later than",
        bound=amz_date(now - MOST_SKEW if late else now + MOST_SKEW).decode(),
        now=amz_date(now).decode(),
        sign="-" if late else "+",
    )
    raise Refusal(INVALID, text)
