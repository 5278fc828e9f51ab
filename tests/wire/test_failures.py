"""Error types for the log: whatever the document holds, and however large it is."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.wire.failures import MOST_PARSED, MOST_TYPE, error_type, printable

HOSTILE = "E\r\nREPORT RequestId: x\tStatus: ok\x1b[2J\x85\u2028\0"
TYPES = ["E", "my.Error", "Größe", HOSTILE, "x" * 3_000_000, "\U0001f600" * 200, '"', "\\", ""]


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("given_type", TYPES, ids=range(len(TYPES)))
def test_a_type_is_printable_and_short(given_type, ascii_only, large):
    import json

    message = '"errorType": "in a text"' + "x" * (MOST_PARSED if large else 0)
    document = json.dumps({"errorMessage": message, "errorType": given_type}, ensure_ascii=ascii_only).encode()
    found = error_type(document)
    assert found == printable(given_type)
    assert len(found) <= MOST_TYPE
    assert found.isprintable()


NONE = {
    "no JSON": b"\x01" * 6_000_000,
    "another type": b'{"errorType":7}',
    "a list": b"[]",
    "lists": b"[" + b"[]," * 1_999_998 + b"[]]",
    "names without a text": b'{"a":[' + b'"errorType",' * 100_000 + b"1]}",
    "empty": b"",
}


@pytest.mark.parametrize("name", NONE)
def test_no_type(name):
    assert error_type(NONE[name]) == ""


def test_a_large_document_is_not_parsed(monkeypatch):
    sizes: list[Any] = []
    loads = orjson.loads
    monkeypatch.setattr(orjson, "loads", lambda text: sizes.append(len(text)) or loads(text))  # type: ignore[func-returns-value]
    document = b'{"a":' + NONE["lists"] + b',"errorType":"E"}'
    assert error_type(document) == "E"
    assert max(sizes) < 1000


@given(st.binary(max_size=200), st.sampled_from([b"", b"x" * MOST_PARSED]))
def test_any_bytes(data, more):
    assert error_type(b'{"errorType":"' + data + more).isprintable()
    assert error_type(data + more).isprintable()
