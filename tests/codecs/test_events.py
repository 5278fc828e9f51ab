"""Events that come back as requests: what is no event of a dialect is a `ValueError` that names the key."""

from __future__ import annotations

from typing import Any

import pytest

from lambdaproxy.codecs._reverse import event_bytes, is_text_type, result_body, spellings
from lambdaproxy.messages import Response
from tests.codecs.dialects import CODECS, event

MANY = ("alb-multi", "apigateway-v1", "payload1")
TWO = ("apigateway-v2", "apigateway-v2-stage", "function-url")


def of(name: str, **changes: Any) -> dict[str, Any]:
    """An event of a dialect with other members."""
    return {**event(CODECS[name], "POST", b"/a?b=c", [(b"Host", b"h"), (b"X-A", b"1")], b"hi"), **changes}


@pytest.mark.parametrize("name", CODECS)
def test_members_of_another_kind(name: str) -> None:
    codec = CODECS[name]
    method = "method" if name.startswith("lattice") else "httpMethod"
    wrong: list[dict[str, Any]] = [{"headers": [], "multiValueHeaders": None}, {"body": 7}, {"body": ["x"]}]
    if name in TWO:
        wrong += [{"rawPath": 7}, {"rawQueryString": []}, {"requestContext": []}, {"requestContext": {"http": "x"}}]
        wrong += [{"headers": {}, "cookies": "a=b"}, {"headers": {}, "cookies": [7]}]
    else:
        wrong += [{method: None}, {method: 7}]
    if name in MANY:
        for key in ("multiValueHeaders", "multiValueQueryStringParameters"):
            wrong += [{key: []}, {key: {"a": "b"}}, {key: {"a": 7}}, {key: {"a": [7]}}]
    for changes in wrong:
        with pytest.raises(ValueError, match="of the event"):
            codec.decode_event(of(name, **changes))


@pytest.mark.parametrize("name", ["alb", "lattice", "payload1"])
def test_values_that_are_no_texts(name: str) -> None:
    values: tuple[Any, ...] = (7, None, {})
    for value in values:
        changes = {"headers": {"a": value}, "multiValueHeaders": None}
        with pytest.raises(ValueError, match="of the event"):
            CODECS[name].decode_event(of(name, **changes))


@pytest.mark.parametrize("name", TWO)
def test_cookies_are_a_header_unless_there_is_one(name: str) -> None:
    for headers, cookies in (
        ({}, [b"a=b; c=d"]),
        ({"cookie": "x=y"}, [b"x=y"]),
        ({"Cookie": "x=y"}, [b"x=y"]),
    ):
        back = CODECS[name].decode_event(of(name, headers=headers, cookies=["a=b", "c=d"]))
        assert [value for key, value in back.headers if key.lower() == b"cookie"] == cookies


@pytest.mark.parametrize(
    ("body", "encoded", "found"),
    [
        (None, False, b""),
        (None, True, b""),
        ("é", False, "é".encode()),
        ("\ud800", False, b"\xed\xa0\x80"),
        ("aGk=", True, b"hi"),
        ("aGk=", "true", b"aGk="),
        ("aG\r\nk=\n", True, b"hi"),
        (b"caf\xe9", False, "café".encode()),
    ],
)
def test_bodies(body: Any, encoded: Any, found: bytes) -> None:
    assert event_bytes({"body": body, "isBase64Encoded": encoded}) == found


@pytest.mark.parametrize("body", ["a", "aGk", "é", "aGk=aGk="])
def test_what_is_no_base64(body: str) -> None:
    with pytest.raises(ValueError, match="declared as base64"):
        event_bytes({"body": body, "isBase64Encoded": True})


@pytest.mark.parametrize(
    ("kind", "body", "encoded"),
    [
        (b"text/html; charset=utf-8", "é".encode(), False),
        (b"text/html", b"\xff", True),
        (b"application/problem+json", b"{}", False),
        (b"image/svg+xml", b"<svg/>", False),
        (b"image/png", b"x", True),
        (None, b"x", True),
        (b"image/png", b"", False),
    ],
)
def test_how_the_body_of_a_program_travels(kind: bytes | None, body: bytes, encoded: bool) -> None:
    headers = ((b"Content-Type", kind),) if kind else ()
    assert result_body(Response(200, headers, body), ("text/*",))[1] == encoded
    assert result_body(Response(200, (*headers, (b"content-encoding", b"br")), body), ("text/*",))[1] == bool(body)
    utf8 = body != b"\xff"
    assert result_body(Response(200, headers, body), None)[1] == (not utf8)


def test_a_stream_is_no_result() -> None:
    stream: Any = iter(())
    with pytest.raises(TypeError, match="only a whole body"):
        result_body(Response(200, (), stream), ("text/*",))


def test_text_types() -> None:
    for kind, said in (("TEXT/plain", True), ("application/json ;x=y", True), ("application/jsonx", False)):
        assert is_text_type(kind, ("text/*", "application/json")) == said


def test_spellings_differ_in_case_only() -> None:
    found = spellings("set-cookie", 100)
    assert len(set(found)) == 100
    assert {each.lower() for each in found} == {"set-cookie"}
    assert spellings("a-1", 9) == ["a-1", "A-1"], "there are no more"


@pytest.mark.parametrize("name", ["lattice", "lattice-1"])
def test_a_path_without_its_query_gets_it_of_the_parameters(name: str) -> None:
    first = name == "lattice-1"
    changes = {
        "raw_path" if first else "path": "/a",
        "query_string_parameters" if first else "queryStringParameters": {"b": "c" if first else ["c", "d"]},
    }
    if not first:
        changes["requestContext"] = {"timeEpoch": "soon"}
    back = CODECS[name].decode_event(of(name, **changes))
    assert back.target == (b"/a?b=c" if first else b"/a?b=c&b=d")
    assert back.received == 0.0
