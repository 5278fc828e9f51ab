"""How the answer of a shadow differs from the one that counts: read, and looked at, in slices of a few milliseconds.

Nobody waits for this, so nobody else may be kept waiting by it: whatever is longer than `TINY` is done in a turn of the
loop of its own, and what would take longer than a turn is not looked at (`Unread`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, TypeAlias

import orjson

from lambdaproxy.base import weight
from lambdaproxy.base.sliced import without_collector
from lambdaproxy.errors import FunctionError, LambdaProxyError, let_go
from lambdaproxy.interfaces import IEventCodec
from lambdaproxy.messages import InvocationResult, Match, Request, Response

TINY = 8 * 1024
"""Bytes that are read and compared at once, in well under a millisecond."""

MOST_AT_ONCE = 4_000_000
"""Nanoseconds that reading a result may take."""

SLICE = 256 * 1024
"""Bytes of a body whose digest is taken at once."""

MOST_PATHS, MOST_NAMES, MOST_VALUES = 5, 20, 1000
"""Paths that are told, names of one that are written out, and values that are compared in one turn."""

_LEFT_OUT = frozenset((b"date", b"set-cookie", b"content-length", b"connection", b"apigw-requestid", b"x-request-id"))
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,39}")
_DIGIT = re.compile(r"[0-9]")
MOST_PLAIN = 16
"""Characters of a key with digits that is shown: a longer one may be somebody's id, or a secret."""
_LONG = re.compile(rb"[0-9]{17,}")
"""Digits of which a double has no more; integers of 64 bits are compared whole."""
_MISSING = object()

_Name: TypeAlias = str | int | None
"""The key or the place of a value; that of a whole document is None."""

_Pair: TypeAlias = tuple[_Name, Any, Any]


class Unread(Exception):
    """A result that is too large, or holds too many values, to be compared; the text says which."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Status, the values of header fields that are not other each time, and the body or, of a large one, its digest."""

    status: int
    fields: Mapping[bytes, tuple[bytes, ...]]
    size: int
    body: bytes | None
    digest: bytes


async def read(
    result: InvocationResult, most: int, codec: IEventCodec, request: Request, match: Match, turn: weight.Turn
) -> Response:
    """What a client would have been sent; `Unread` if that is too much."""
    payload = result.payload
    if not isinstance(payload, bytes):
        raise Unread("its result is a stream")
    if len(payload) > most:
        raise Unread(f"its result of {len(payload)} bytes is too large to be compared; max-result is {most}")
    try:
        if result.function_error is not None:
            return codec.error_response(FunctionError(), request)
        if len(payload) > TINY:
            await turn()
        if len(payload) > weight.SMALL:
            value = weight.one_text(payload) if len(payload) > 2 * weight.SMALL + 64 else None
            if value is not None:
                result = replace(result, outline=value)
            elif not await weight.is_light(payload, turn, MOST_AT_ONCE):
                raise Unread(f"its result of {len(payload)} bytes holds too many JSON values to be compared")
            await turn()
            return without_collector(codec.decode_result, result, request, match)
        return codec.decode_result(result, request, match)
    except LambdaProxyError as error:
        let_go(error)
        return codec.error_response(error, request)


async def summary(response: Response, turn: weight.Turn) -> Summary:
    """What is kept of an answer."""
    body = response.body if isinstance(response.body, bytes) else b""
    kept: dict[bytes, tuple[bytes, ...]] = {}
    for name, value in response.headers:
        name = name.lower()
        if name not in _LEFT_OUT and not name.startswith(b"x-amz"):
            # The order of the values of one field means something, and so does a value that stands twice.
            kept[name] = (*kept.get(name, ()), value)
    if len(body) <= weight.SMALL:
        return Summary(response.status, kept, len(body), body, b"")
    digest = sha256()
    with memoryview(body) as view:
        for at in range(0, len(body), SLICE):
            await turn()
            digest.update(view[at : at + SLICE])
    return Summary(response.status, kept, len(body), None, digest.digest())


async def differences(ours: Summary, theirs: Summary, turn: weight.Turn) -> list[str]:
    """In what two answers differ, each beginning with status, headers or body."""
    found = []
    if ours.status != theirs.status:
        found.append(f"status {theirs.status}, not {ours.status}")
    names = sorted(name for name in {*ours.fields, *theirs.fields} if ours.fields.get(name) != theirs.fields.get(name))
    if names:
        found.append(f"headers {', '.join(name.decode('latin-1') for name in names[:10])}")
    if (ours.size, ours.body, ours.digest) != (theirs.size, theirs.body, theirs.digest):
        body = await _of_bodies(ours, theirs, turn)
        if body:
            found.append(body)
    return found


async def _of_bodies(ours: Summary, theirs: Summary, turn: weight.Turn) -> str:
    otherwise = f"body of {theirs.size} bytes, not {ours.size}"
    if ours.size == theirs.size:
        otherwise = f"body of {ours.size} bytes, of the same length"
    if ours.body is None or theirs.body is None:
        return otherwise
    try:
        mine = await _parsed(ours.body, turn)
        its = await _parsed(theirs.body, turn)
    except ValueError:
        return otherwise
    found: list[str] = []
    for path in paths(mine, its):
        if path is None:
            await turn()
        else:
            found.append(path)
            if len(found) == MOST_PATHS:
                break
    if not found and _LONG.findall(ours.body) != _LONG.findall(theirs.body) and _longs(ours) != _longs(theirs):
        found.append("has numbers of more digits than are compared, which differ")
    return f"body {', '.join(found)}" if found else ""


def _longs(answer: Summary) -> list[bytes]:
    """Whatever the order of keys is."""
    return sorted(_LONG.findall(answer.body or b""))


async def _parsed(body: bytes, turn: weight.Turn) -> Any:
    if len(body) > TINY:
        await turn()
    return without_collector(orjson.loads, body)


def paths(ours: Any, theirs: Any) -> Iterator[str | None]:
    """Where two JSON values differ, without the values: they are nobody's business but the function's.

    None stands where somebody else may have a turn.
    """
    levels: list[Iterator[_Pair]] = [iter(((None, ours, theirs),))]
    names: list[_Name] = [None]
    seen = 0
    while levels:
        pair = next(levels[-1], None)
        if pair is None:
            levels.pop()
            names.pop()
            continue
        seen += 1
        if not seen % MOST_VALUES:
            yield None
        name, mine, its = pair
        kind = type(mine)
        if kind is type(its) and kind is dict:
            names.append(name)
            levels.append(_of_objects(mine, its))
        elif kind is type(its) and kind is list and len(mine) == len(its):
            names.append(name)
            levels.append(_of_lists(mine, its))
        elif kind is type(its) and kind is list:
            yield f"{_path(names, name)} has {len(its)} members, not {len(mine)}"
        elif kind is not type(its) or mine != its:
            path = _path(names, name)
            yield f"{path} is missing" if its is _MISSING else f"{path} is new" if mine is _MISSING else path


def _of_lists(ours: list[Any], theirs: list[Any]) -> Iterator[_Pair]:
    for at, (mine, its) in enumerate(zip(ours, theirs, strict=True)):
        yield at, mine, its


def _of_objects(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[_Pair]:
    for key, value in ours.items():
        yield key, value, theirs.get(key, _MISSING)
    for key, value in theirs.items():
        if key not in ours:
            yield key, _MISSING, value


def _path(names: list[_Name], last: _Name) -> str:
    """The names of what is open, without the first, which is none, and of what was found; not too many."""
    every = (*names[1:], last)
    return ".".join(map(_written, every[:MOST_NAMES])) + (" ..." if len(every) > MOST_NAMES else "")


def _written(name: _Name) -> str:
    if name is None:
        return "$"
    if isinstance(name, int):
        return str(name)
    return name if _KEY.fullmatch(name) and not (len(name) > MOST_PLAIN and _DIGIT.search(name)) else "*"
