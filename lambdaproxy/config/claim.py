"""The setting `claim-check`: where bodies are kept that are too large for an event."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lambdaproxy.config import values
from lambdaproxy.messages import MOST_EVENT

MIB = 1024 * 1024
MOST_BODY = 5 * 1024 * MIB
"""Bytes of a body for a route that sets no `max-body` itself."""

LARGEST = 5 * 1024 * 1024 * MIB
"""Bytes of an object at most (S3 guide, multipart upload limits)."""

ABOVE, ABOVE_ASYNC = 4 * MIB, 768 * 1024
"""Bytes of body up to which an event has room even if they become base64: of 6 MiB, and of 1 MiB (`invoke-mode`
event)."""

MOST_EXPIRES = 604_800.0

_BUCKET = re.compile(r"(?!xn--|sthree-|\d+\.\d+\.\d+\.\d+\Z)[a-z0-9](?:[a-z0-9-]|\.(?!\.)){1,61}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9!_.*'()/=-]*")
_ACCOUNT = re.compile(r"\d{12}")


@dataclass(frozen=True, slots=True)
class Place:
    """Objects of a bucket whose keys begin so."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"{self.bucket}/{self.prefix}"

    def has(self, bucket: str, key: str) -> bool:
        """Whether an object is one of these; names with dots for segments are none, as other stores resolve them."""
        steps = {".", ".."} & {*key.split("/")}
        return bucket == self.bucket and key.startswith(self.prefix) and key != "" and not steps


@dataclass(frozen=True, slots=True)
class ClaimCheck:
    """Bodies above `above` bytes go to `place`; results may be objects of `place` and of `results`.

    `region`, `endpoint_url` and `invoker` are None where they are as for Lambda. `expires` and `upload_timeout` are in
    seconds; `above` is None for what an event has room for.
    """

    place: Place
    above: int | None = None
    region: str | None = None
    endpoint_url: str | None = None
    invoker: str | None = None
    owner: str | None = None
    expires: float = 3600.0
    upload_timeout: float = 3600.0
    at_once: int = 32
    results: tuple[Place, ...] = ()

    def table(self) -> dict[str, Any]:
        """What stands in a file."""
        said: dict[str, Any] = {"bucket": self.place.bucket, "prefix": self.place.prefix}
        for each in fields(self)[1:]:
            value = getattr(self, each.name)
            if value != each.default:
                said[each.name.replace("_", "-")] = [str(one) for one in value] if each.name == "results" else value
        return said


def claim_check(text: str) -> ClaimCheck:
    """`BUCKET/PREFIX`; all else is as usual."""
    return ClaimCheck(_place(text, "bucket"))


def claim_check_of_table(table: Mapping[str, Any]) -> ClaimCheck:
    """A bucket with all that can be said."""
    for key in table:
        if key not in _KEYS:
            raise values.no_key(key, _KEYS)
    if not isinstance(table.get("bucket"), str):
        raise ValueError('it needs a bucket, as in bucket = "my-uploads"')
    made: dict[str, Any] = {}
    for key, value in table.items():
        try:
            made[key.replace("-", "_")] = _KEYS[key](value)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from None
    return ClaimCheck(Place(made.pop("bucket"), made.pop("prefix", "lambdaproxy/")), **made)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{value!r} is no text")
    return value


def _bucket(value: object) -> str:
    text = _text(value)
    if text.startswith("arn:") or not _BUCKET.fullmatch(text):
        raise ValueError(
            f"{text!r} is no name of a bucket: 3 to 63 lower-case letters, digits, hyphens and dots; of an access "
            "point write the alias"
        )
    return text


def _prefix(value: object) -> str:
    if not isinstance(value, str) or value.startswith("/") or not _PREFIX.fullmatch(value) or len(value) > 512:
        raise ValueError(
            f"{value!r} is no beginning of a key such as uploads/: letters, digits and !_.*'()=- with slashes between "
            "them, none at its beginning"
        )
    if {".", "..", ""} & {*value.removesuffix("/").split("/")} and value:
        raise ValueError(f"{value!r}: a step of it is empty, or has dots only")
    # Without it `uploads` would stand for `uploads-of-others/`, too.
    return value if not value or value.endswith("/") else f"{value}/"


def _place(text: str, what: str) -> Place:
    bucket, slash, prefix = text.removeprefix("s3://").partition("/")
    try:
        return Place(_bucket(bucket), _prefix(prefix) if slash else "lambdaproxy/" if what == "bucket" else "")
    except ValueError as error:
        raise ValueError(f"{error}; write BUCKET/PREFIX") from None


def _above(value: object) -> int:
    text = str(value).strip()
    size = 0 if text == "0" else values.size(text)
    if size > MOST_EVENT:
        raise ValueError(f"{size} is more than an event has room for; write {MOST_EVENT} or less, in bytes")
    return size


def _region(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2}", text):
        raise ValueError(f"{text!r} is no AWS region such as eu-west-1")
    return text


def _owner(value: object) -> str:
    if not isinstance(value, str) or not _ACCOUNT.fullmatch(value):
        raise ValueError(f"{value!r} is no account of AWS: twelve digits, in quotes")
    return value


def _expires(value: object) -> float:
    seconds = values.seconds(str(value))
    if not 1 <= seconds <= MOST_EXPIRES:
        raise ValueError(f"{value!r} is out of range: 1 second to 7 days, which S3 permits")
    return seconds


def _results(value: object) -> tuple[Place, ...]:
    items = value if isinstance(value, list) else [value]
    return tuple(_place(_text(item), "results") for item in items)


_KEYS: dict[str, Any] = {
    "bucket": _bucket,
    "prefix": _prefix,
    "above": _above,
    "region": _region,
    "endpoint-url": lambda value: values.endpoint_url(_text(value)),
    "invoker": lambda value: values.plugin_name(_text(value)),
    "owner": _owner,
    "expires": _expires,
    "upload-timeout": lambda value: values.seconds(str(value)),
    "at-once": lambda value: values.whole(1, 1000)(str(value)),
    "results": _results,
}
