"""Documents that would hold the loop are not parsed at once, and all others are."""

from __future__ import annotations

import gc
import json
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, ensureDeferred

from lambdaproxy.base import sliced, weight
from lambdaproxy.base.sliced import without_collector
from lambdaproxy.errors import MalformedResult

SIX = 6_000_000


class Turn:
    turns = 0

    def __await__(self):
        Turn.turns += 1
        yield


def finished(looking):
    """What a coroutine gives whose turn has always come."""
    try:
        while True:
            looking.send(None)
    except StopIteration as end:
        return end.value


def heavy(document: bytes) -> bool:
    """Whether it is not parsed at once, as the proxy asks."""
    return not finished(weight.is_light(document, Turn))


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
def test_what_would_hold_the_loop_is_heavy(document):
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
        patch.setattr(sliced, "SLICE", 3)
        patch.setattr(weight, "surely_light", lambda document, most=0: False)
        for most in (expected - 1, expected):
            patch.setattr(weight, "MOST", most)
            if not heavy(document):
                counted.append(most)
    assert counted == [expected]


def test_the_collector_rests_meanwhile_and_works_again():
    seen = []

    def call():
        seen.append(gc.isenabled())
        raise KeyError

    with pytest.raises(KeyError):
        without_collector(call)
    assert seen == [False] and gc.isenabled()
    gc.disable()
    try:
        without_collector(lambda: None)
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


def written(document: bytes) -> bytes:
    return document.replace(b" ", b"")


def outline(document: bytes, compact=None):
    return finished(weight.outline(document, compact, Turn))


@pytest.mark.slow
def test_the_outline_of_what_is_no_response_is_empty_and_its_bytes_go_out():
    for document in (listed(b"[]"), b" " + listed(b"{}", 300_000) + b"\n"):
        assert outline(document) == (weight.MANY_VALUES, document)
    value, document = outline(b'{"a": ' + listed(b'{"b": 1}') + b', "x": 1}')
    assert (value, document[:6]) == ({"a": None, "x": None}, b'{"a": ')
    assert outline(b'{"a": ' + listed(b"1, 2") + b"}", written)[1] == b'{"a":' + written(listed(b"1, 2")) + b"}"


def test_the_outline_of_a_response_has_what_it_is_made_of():
    document = b'{"x":%b,"statusCode": 201 , "headers":{"a":"b"},"body":"%b"}' % (listed(b"[]"), b"t" * 300_000)
    value, same = outline(document, written)
    assert value == {"statusCode": 201, "headers": {"a": "b"}, "body": "t" * 300_000, "x": None}
    assert same is document


@pytest.mark.slow
def test_heavy_members_are_stood_in_for_by_more_than_anybody_takes():
    many = b'{"statusCode":200,"headers":{%b},"cookies":%b,"body":%b}'
    document = many % (b",".join(b'"%d": ""' % number for number in range(100_000)), listed(b'""'), listed(b"[ ]"))
    value, _ = outline(document)
    assert value["headers"] is weight.MANY_FIELDS
    assert value["cookies"] is value["body"] is weight.MANY_VALUES
    assert outline(document, written)[0]["body"] == sliced.Written(listed(b"[ ]").replace(b" ", b""))


@pytest.mark.parametrize(
    "document",
    [
        listed(b"[]")[:-1],
        listed(b"[]") + b",1",
        listed(b"[]") + b"x",
        b"[" * SIX,
        listed(b'"\\x"'),
        listed(b"[}"),
        b'{"statusCode":200,"x":' + listed(b"01") + b"}",
        b'{"statusCode":200,"x":' + listed(b'"\xff"') + b"}",
    ],
    ids=lambda document: repr(document[-24:]),
)
def test_what_is_no_json_is_said_to_be_none(document):
    with pytest.raises(MalformedResult, match="no JSON document"):
        outline(document)


def test_in_each_round_of_the_loop_one_of_many_has_its_turn():
    calls: list[tuple[object, ...]] = []

    def one_round() -> None:
        now = calls[:]
        calls.clear()
        for delay, call in now:
            assert delay == 0
            call()  # type: ignore[operator]

    turns = weight.Turns(SimpleNamespace(callLater=lambda *call: calls.append(call)))  # type: ignore[arg-type]
    log: list[str] = []

    async def work(name: str) -> None:
        for _ in range(3):
            await turns()
            log.append(name)

    workers = [ensureDeferred(work(name)) for name in "abc"]
    workers[1].addErrback(lambda failure: failure.trap(CancelledError))
    one_round()
    assert log == ["a"]
    workers[1].cancel()
    for length in range(2, 7):
        one_round()
        assert len(log) == length, log
    assert log == ["a", "c", "a", "c", "a", "c"]
    one_round()
    assert not calls
    ensureDeferred(work("d"))
    one_round()
    assert log[-1] == "d"


LONG = 'x, "a\\": \\\\ {[é😀😀\n' * 25_000
# There is an escape wherever it may be cut, or may be one.
DENSE = "\\\\😀ü" * 20_000 + "\\" * 100_000


def as_json(value, **how) -> bytes:
    return json.dumps(value, **how).encode()


@pytest.mark.parametrize("pad", range(12))
@pytest.mark.parametrize(
    "result",
    [
        {"statusCode": 200, "body": LONG},
        {"body": LONG, "statusCode": 200, "headers": {"a": "\\"}, "isBase64Encoded": False},
        {"statusCode": 200, "body": '"' * 300_000, "z": ["\\", "{"]},
        {"statusCode": 200, "body": "YWJj" * 100_000, "isBase64Encoded": True},
        {"statusCode": 200, "body": LONG + DENSE + LONG},
    ],
    ids=lambda result: str(result)[:40],
)
def test_a_result_that_is_one_long_text_is_read_around_it(result, pad):
    document = as_json({"p": "x" * pad, **result}, ensure_ascii=bool(pad % 2))
    assert weight.one_text(document) == json.loads(document)


@pytest.mark.parametrize(
    "document",
    [
        as_json([LONG]),
        as_json(LONG),
        as_json({"body": LONG}),
        as_json({"statusCode": None, "body": LONG}),
        as_json({"statusCode": 200, "body": {"body": LONG}}),
        as_json({"statusCode": 200, "headers": {"body": LONG}, "body": ""}),
        as_json({"statusCode": 200, LONG: 1, "body": ""}),
        as_json({"statusCode": 200, "body": LONG, "x": LONG}),
        as_json({"x": LONG, "statusCode": 200, "body": LONG}),
        as_json({"statusCode": 200, "body": LONG})[:-1] + b',"body":"x"}',
        as_json({"statusCode": 200, "body": [1] * 200_000}),
        as_json({"statusCode": 200, "body": LONG}) + b"}",
        as_json({"statusCode": 200, "body": LONG})[:-2],
        with_body(b"x" * 200_000 + b"\n" + b"x" * 200_000),
        with_body(b"x" * 200_000 + b"\xff" + b"x" * 200_000),
        with_body(b"x" * 200_000 + b'","body":"' + b"x" * 200_000),
        with_body(b"x" * 200_000 + b'" "' + b"x" * 200_000),
        b"\\" * 400_000,
        b'"' + b"\\" * 400_000,
        b'"' * 400_000,
    ],
    ids=lambda document: repr(document[:24] + document[-24:]),
)
def test_what_is_not_one_long_text_is_left_to_others(document):
    assert weight.one_text(document) is None


_SOUP = st.lists(st.sampled_from(['"', "\\", "\\\\", '\\"', "x" * 70_000, "y", ",", "{", "}", "é", "\n"]), max_size=12)


@given(before=_SOUP, text=_SOUP, after=_SOUP)
def test_whatever_a_result_is_made_of_it_is_read_as_a_parser_reads_it(before, text, after):
    result = {"a": "".join(before), "statusCode": 200, "body": "".join(text) + "x" * 200_000, "z": "".join(after)}
    value = weight.one_text(as_json(result))
    assert value is None or value == result
    assert value is not None or len("".join(before + after)) > 60_000
    soup = b'{"statusCode":200,"body":"' + "".join([*before, "x" * 300_000, *after]).encode() + b'"}'
    try:
        value = json.loads(soup)
    except ValueError:
        value = None
    assert weight.one_text(soup) in (None, value)
