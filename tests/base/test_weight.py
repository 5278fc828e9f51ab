"""Documents that would hold the loop are refused before they are parsed, and no others."""

from __future__ import annotations

import gc
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.base import weight
from lambdaproxy.errors import MalformedResult

SIX = 6_000_000


class Turn:
    turns = 0

    def __await__(self):
        Turn.turns += 1
        yield


def heavy(document: bytes) -> bool:
    """Whether it is refused, as the proxy asks."""
    if weight.surely_light(document):
        return False
    looking = weight.check(document, Turn)  # type: ignore[arg-type]
    try:
        while True:
            looking.send(None)
    except StopIteration:
        return False
    except MalformedResult as error:
        assert "more JSON values than can be read at once" in str(error)
        return True


def listed(item: bytes, size: int = SIX) -> bytes:
    return b"[" + b",".join([item] * (size // (len(item) + 1))) + b"]"


def with_body(text: bytes) -> bytes:
    return b'{"statusCode":200,"body":"' + text + b'"}'


@pytest.mark.parametrize(
    "document",
    [
        *map(listed, (b"[]", b"{}", b"1", b'""', b'{"a":1}', b'"a b", "c"')),
        b"[" * SIX,
        b'{"a":' * (SIX // 5),
        with_body(b"x\\\\")[:-1] + b',"x":' + listed(b"[]") + b"}",
    ],
    ids=lambda document: repr(document[:24]),
)
def test_what_would_hold_the_loop_is_refused(document):
    assert heavy(document)


@pytest.mark.parametrize(
    "document",
    [
        with_body(text * (SIX // len(text)))
        for text in (b"x", b",", b'\\",', b"\\\\,[{:", b"\\u0001,", b'{\\"a\\":[1, 2]},', b"\\\\")
    ]
    + [listed(b"[]", 300_000), b"7" * SIX, b"not JSON", b'"' * 10, b"\\" * SIX, b"," + b"\\" * SIX],
    ids=lambda document: repr(document[24:48]),
)
def test_text_may_be_long_and_lists_may_be_what_a_page_holds(document):
    assert not heavy(document)


def test_a_large_document_is_looked_at_piece_by_piece():
    before = Turn.turns
    assert not heavy(with_body(b"," * SIX))
    assert Turn.turns - before > 20


@given(st.recursive(st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_only_what_stands_outside_of_text_counts(value):
    """With a slice of a few bytes every cut there is happens."""
    counted: list[int] = []
    document = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()

    def count(found) -> int:
        if isinstance(found, dict):
            return len(found) * 380 + max(0, len(found) - 1) * 60 + 130 + sum(map(count, found.values()))
        if isinstance(found, list):
            return max(0, len(found) - 1) * 60 + 130 + sum(map(count, found))
        return 0

    def quotes(found) -> int:
        if isinstance(found, dict):
            return 2 * len(found) + sum(map(quotes, found.values()))
        return sum(map(quotes, found)) if isinstance(found, list) else 2 * isinstance(found, str)

    expected = count(value) + 40 * quotes(value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(weight, "_SLICE", 3)
        for most in (expected - 1, expected):
            patch.setattr(weight, "MOST", most)
            looking = weight.check(document, Turn)  # type: ignore[arg-type]
            try:
                while True:
                    looking.send(None)
            except StopIteration:
                counted.append(most)
            except MalformedResult:
                pass
    assert counted == [expected]


def test_the_collector_rests_meanwhile_and_works_again():
    seen = []

    def call():
        seen.append(gc.isenabled())
        raise KeyError

    with pytest.raises(KeyError):
        weight.without_collector(call)
    assert seen == [False] and gc.isenabled()
    gc.disable()
    try:
        weight.without_collector(lambda: None)
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("document", "text"),
    [
        (b'{"errorType":"ValueError"}', "ValueError"),
        (b'{"other":"a"}', "a"),
        (b'{"errorType":""}', ""),
        (b'{"errorType":[1,2]}', ""),
        (b'{"errorType":{}}', ""),
        (b"[]", ""),
        (b"no", ""),
        (b'{"errorType":"x","y":' + listed(b"[]") + b"}", ""),
        (b'{"errorType":' + listed(b"[]", 60_000) + b"}", ""),
    ],
)
def test_what_an_error_says_of_itself(document, text):
    assert weight.text_of(document, "errorType", "other") == text
