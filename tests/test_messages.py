"""The values of every request are frozen, whatever their quick way of being made."""

from dataclasses import fields, replace
from typing import Any

import pytest

from lambdaproxy import messages
from lambdaproxy.http1.head import RequestHead, ResponseHead, parse_request, parse_response
from lambdaproxy.messages import Function, Head, Invocation, InvocationResult, Match, Request, Response, Tls
from lambdaproxy.testing import REQUEST
from lambdaproxy.web.forwarded import Origin
from tests.memory import HEAD

VALUES: list[Any] = [
    HEAD,
    REQUEST,
    Response(200, ((b"A", b"b"),), b"body"),
    Tls("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    Function("aws", "f", "live"),
    Match("/a/{b}", (), (("b", "c"),)),
    Invocation(Function("aws", "f"), b"{}", 1.0, "id", "trace"),
    InvocationResult(b"{}", content_type=b"text/plain"),
    Origin("https", "h", 443, "192.0.2.1"),
    parse_request(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
    parse_response(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
]
OTHER: dict[type, Any] = {str: "other", bytes: b"other", int: 599}
KINDS: dict[str, type] = {
    each.__name__: each
    for each in (
        *(Function, Head, Invocation, InvocationResult, Match, Request, Response, Tls),
        *(Origin, RequestHead, ResponseHead),
    )
}


def test_as_a_dataclass_would_make_them():
    assert Response(200) == Response(status=200, headers=(), body=b"", outcome="ok")
    assert repr(Function("aws", "f")) == "Function(invoker='aws', name='f', qualifier=None)"
    assert replace(HEAD, method="GET").method == "GET"
    assert {Function("aws", "f"), Function("aws", "f", None)} == {Function("aws", "f")}
    assert InvocationResult(b"").executed_version == "$LATEST"
    assert Match().methods == ()
    assert [getattr(HEAD, each.name) for each in fields(HEAD)][:2] == ["POST", b"/add?test=true"]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_frozen(value):
    before = replace(value)
    for name in [*(each.name for each in fields(value)), "more"]:
        with pytest.raises(AttributeError):
            setattr(value, name, "x")
        with pytest.raises(AttributeError):
            delattr(value, name)
    assert value == before and hash(value) == hash(before)


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_is_made_of_a_value_is_one_like_it(value):
    again = replace(value)
    assert again is not value and (type(again), repr(again)) == (type(value), repr(value))
    assert isinstance(again, KINDS[type(value).__name__])
    field = fields(value)[0].name
    other = replace(value, **{field: OTHER.get(type(getattr(value, field)), Function("x", "y"))})
    assert other != value and type(other) is type(value)
    with pytest.raises(AttributeError):
        setattr(other, field, "x")


@pytest.mark.parametrize("arguments", [(), (1, 2, 3, 4, 5)])
def test_wrong_numbers_of_arguments(arguments):
    with pytest.raises(TypeError, match=r"__init__\(\)"):
        messages.Response(*arguments)


def test_functions_of_one_name_have_hashes_of_their_own():
    assert len({hash(Function("aws", "f", f"v{number}")) for number in range(1000)}) > 990
    assert hash(Function("aws", "f")) == hash(Function("aws", "f", None))
