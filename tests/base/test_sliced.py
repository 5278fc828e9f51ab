"""A document looked at in slices is what the parser says of it at once, wherever it is cut."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.base import sliced

TEXTS = st.text('ab,"\\[]{}: é\n\U0001f600', max_size=5)
KEYS = st.sampled_from(["body", "statusCode", "x", "", "b\\", 'st"', "é"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
)
ASKED = frozenset({"body", "statusCode", "é"})


def look(document: bytes) -> sliced.Outline | None:
    found = sliced.Outline(document, ASKED, orjson.loads)
    try:
        for _ in found.steps():
            pass
    except sliced.NotJson:
        return None
    return found


def same(document: bytes) -> None:
    """Cut anywhere, it is JSON or not as the parser says, and has the members that the parser finds."""
    try:
        value, valid = orjson.loads(document), True
    except ValueError:
        value, valid = None, False
    for size in (1, 3, 8, 1000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sliced, "SLICE", size)
            found = look(document)
        assert (found is not None) == valid, (document, size)
        if found is not None and isinstance(value, dict):
            members = {key: orjson.loads(document[begin:end]) for key, (begin, end) in found.members.items()}
            assert members == {key: member for key, member in value.items() if key in ASKED}
            assert set(found.others) == value.keys() - ASKED


@given(VALUES, st.sampled_from([(",", ":"), (" , ", " :\n")]), st.booleans())
def test_documents(value, separators, ascii_only):
    same(json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode())


BITS = [b",", b'"', b"\\", b"[", b"]", b"{", b"}", b":", b"1", b" ", b"\xff", b"null", b'""', b""]


@given(VALUES, st.integers(0, 200), st.integers(0, 3), st.sampled_from(BITS))
def test_what_is_almost_a_document(value, place, cut, bit):
    document = json.dumps(value, ensure_ascii=False).encode()
    place %= len(document) + 1
    same(document[:place] + bit + document[place + cut :])


@pytest.mark.parametrize(
    "document",
    [b"", b" ", b",", b"[,]", b"[1,]", b"[,1]", b'{"a":1,}', b'{,"a":1}', b"1,2", b"[1],[2]", b"[1]]", b"[1}", b'["]']
    + [b'{"body":1,"body":[2,3],"x":4}', b'{"bo\\u0064y":1,"a":{"body":2}}', b'{"a","b"}', b'{"a":1:2,"b":3}']
    + [b"[" * depth + b"1," * 9 + b"1" + b"]" * depth for depth in (1023, 1024, 1025)]
    + [b'{"a":' * depth + b"1" + b"}" * depth for depth in (1023, 1024, 1025)],
    ids=lambda document: repr(document[:30]),
)
def test_corners(document):
    same(document)


def test_the_member_of_an_object_as_it_was_written():
    document = b'{"x": 1, "body": {"a": [1.50, "\\u00e9"]} , "statusCode": 200}'
    assert sliced.member(document, "body", orjson.loads) == b'{"a": [1.50, "\\u00e9"]}'


@pytest.mark.parametrize("unit", [b'["', b'{"":', b'"" ', b'"', b'{"a":"b"'])
def test_strings_without_a_comma_are_refused_before_all_of_them_are_taken_apart(unit: bytes) -> None:
    document = b"{" + unit * (3_000_000 // len(unit))
    found = sliced.Outline(document, ASKED, orjson.loads)
    looks = 0
    with pytest.raises(sliced.NotJson):
        for _ in found.steps():
            looks += 1
    assert looks < 16


def test_the_deepest_document_has_few_quotes() -> None:
    deepest = b'{"a":' * 1000 + b'"b"' + b"}" * 1000
    assert look(deepest) is not None
    assert deepest.count(b'"') < sliced.MOST_QUOTES
