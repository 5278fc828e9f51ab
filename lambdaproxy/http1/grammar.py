"""The words of HTTP/1.1: names, values, hosts, lists, and the error that says which of them is wrong.

Every expression is anchored or starts at a line end, and repeats possessively, so that none costs more than one look at
each byte. Where RFC 9110 and 9112 let a recipient choose between repairing and refusing, we refuse.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address

from lambdaproxy.messages import Headers

TCHAR = rb"!#$%&'*+\-.^_`|~0-9A-Za-z"
VCHAR = rb"\t\x20-\x7e\x80-\xff"

REQUEST_LINE = re.compile(rb"([%s]{1,64}+) ([\x21\x22\x24-\x7e]++) HTTP/1\.([01])(?=\r\n)" % TCHAR)
STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9][0-9])(?: [%s]*+)?(?=\r\n)" % VCHAR)
TOKEN = re.compile(rb"[%s]++\Z" % TCHAR)
FIELD_LINE = re.compile(rb"([%s]++):[ \t]*+([%s]*+)\Z" % (TCHAR, VCHAR))
VALUE = rb"[%s]*+(?<![ \t])|" % VCHAR
FIELDS = re.compile(rb"\r\n([%s]++):[ \t]*+(%s)(?=\r\n)" % (TCHAR, VALUE))
"""All field lines of a head but those whose value ends in white space, which has to be taken off."""
LIST = re.compile(rb"[ \t,]*+(?:[%s]++(?:[ \t]*+,[ \t,]*+|[ \t]*+\Z))*\Z" % TCHAR)

_HOST = re.compile(rb"(?:([A-Za-z0-9._~\-]{1,255})|\[([0-9A-Fa-f:.]{2,45})\])(?::([0-9]{0,5}))?\Z")
_KEPT = 1024


class Malformed(Exception):
    """A message that is not what the grammar or a limit allows.

    `status` is the status for a client (of a response: what a gateway answers); `reason` is one short word, from a
    closed set, fit for a metric label; `detail` says more, for a log.
    """

    def __init__(self, status: int, reason: str, detail: str = "") -> None:
        super().__init__(status, reason, detail)
        self.status, self.reason, self.detail = status, reason, detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """How much of a header section is read: bytes of all of it, number of fields, bytes of a line and of the target."""

    section: int = 16 * 1024
    fields: int = 100
    line: int = 16 * 1024
    target: int = 8 * 1024
    #: The least of the sizes: what is no longer than this is not too long in any way.
    least: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "least", min(self.section, self.line, self.target))


DEFAULT_LIMITS = HeadLimits()


def header(headers: Headers, name: bytes) -> bytes | None:
    """The value of the first field of that lower-case name, or None."""
    for key, value in headers:
        if key.lower() == name:
            return value
    return None


def tokens(value: bytes) -> list[bytes]:
    """The elements of a `Connection` or `Transfer-Encoding` list, in lower case; empty elements do not count."""
    if not LIST.match(value):
        raise Malformed(400, "list", "not a list of tokens")
    return [token for token in value.lower().replace(b"\t", b" ").replace(b" ", b"").split(b",") if token]


def length(value: bytes) -> int:
    """A Content-Length: 1 to 18 digits and nothing else."""
    if not value.isdigit() or len(value) > 18:
        raise Malformed(400, "content-length", "not 1 to 18 digits")
    return int(value)


_hosts: dict[bytes, str] = {}


def host(value: bytes) -> str:
    """A Host value or the authority of a target: a registered name, an IPv4 address or `[IPv6]`, and at most a port.

    An empty port loses its colon. Sub-delimiters and percent-encoding, which RFC 3986 would allow in a name, are
    refused: no name in DNS has them, and caches and routers disagree about them. So are empty labels, but the root's.
    """
    known = _hosts.get(value)
    if known is not None:
        return known
    found = _HOST.match(value)
    if found is None:
        raise Malformed(400, "host", "not a host and port")
    if b".." in value or value[:1] == b".":
        # To one it is another host than without, to the next the same; nginx refuses it, too.
        raise Malformed(400, "host", "an empty label")
    port = found[3]
    if port and int(port) > 65535:
        raise Malformed(400, "host", "port out of range")
    if found[2] is not None:
        try:
            IPv6Address(found[2].decode("ascii"))
        except ValueError:
            raise Malformed(400, "host", "not an IPv6 address") from None
    text = value.decode("ascii").removesuffix(":")
    if len(_hosts) < _KEPT:
        _hosts[value] = text
    return text


# Names that decide framing, persistence or who the client is. What merely looks like one of them to a reader that
# treats `_` as `-` (every CGI and WSGI server does), or to one that skips odd characters, is refused.
GUARDED = frozenset(
    (
        b"host",
        b"connection",
        b"content-length",
        b"content-type",
        b"expect",
        b"forwarded",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-proto",
        b"x-real-ip",
    )
)
_FOLDED = {bytes(c for c in name if c not in b"-"): name for name in GUARDED}
_NOT_LETTERS = bytes(c for c in range(256) if not (chr(c).isascii() and chr(c).isalnum()))


def field_name(name: bytes) -> bytes:
    """The lower-case form of a field name that the grammar allows; look-alikes of guarded names are refused."""
    lower = name.lower()
    guarded = _FOLDED.get(lower.translate(None, _NOT_LETTERS))
    if guarded is not None and guarded != lower:
        raise Malformed(400, "field-name", "looks like " + guarded.decode())
    return lower
