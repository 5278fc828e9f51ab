"""Heads whose names came often are read by an expression of their own, and mean what they meant before."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.http1 import shape
from lambdaproxy.http1.grammar import HeadLimits, Malformed
from lambdaproxy.http1.head import RequestParser, ResponseParser, parse_request, parse_response
from tests.examples import examples
from tests.http1.cases import BAD, GOOD

REQUEST = (
    b"POST /add?test=true HTTP/1.1\r\nHost: api.example.com\r\nAccept: */*\r\nX-Empty: \r\nConnection: keep-alive\r\n"
    b"Content-Type: application/json\r\nX-Forwarded-For:192.0.2.1\r\nContent-Length: 7\r\n\r\n"
)
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2028 00:00:00 GMT\r\nContent-Length: 12\r\nConnection: keep-alive\r\n"
    b"x-amzn-RequestId: 5f0e2a54-8d1c-4c4a-9a2e-0123456789ab\r\nX-Amz-Executed-Version: $LATEST\r\n\r\n"
)
PIECES = [
    *(
        b" ",
        b"\t",
        b":",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b"\0",
        b"\x7f",
        b"\xe9",
        b",",
        b"a",
        b"9",
        b"_",
        b"-",
        b"\x0b",
    ),
    *(b"Host: b\r\n", b"Content-Length: 8\r\n", b"Content_Length: 8\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"close", b"HTTP/1.0", b"HTTP/1.2", b"CONNECT", b"TRACE", b"http://api.example.com/", b"*", b"#", b"204", b"100"),
]


def verdict(parse, block):
    try:
        return parse(block)
    except Malformed as error:
        return error.status, error.reason, error.detail


def expecting(parser, block):
    """A parser that has read this head often."""
    for _ in range(shape.OFTEN + 1):
        verdict(parser.parse, block)
    return parser


@pytest.mark.parametrize(("kind", "block"), [(RequestParser, REQUEST), (ResponseParser, RESPONSE)])
def test_an_expression_is_made_of_names_that_come_often(kind, block):
    parser = kind()
    for times in range(1, shape.OFTEN + 1):
        shape.of_request.clear() if times == 1 else None
        shape.of_response.clear() if times == 1 else None
        parser.parse(block)
        assert (parser._expected.groups(block) is not None) == (times == shape.OFTEN)
    other = kind()
    first = other.parse(block)
    assert other._expected is parser._expected, "one for all connections"
    assert other.parse(block) == first == parser.parse(block)


@pytest.mark.parametrize("data", [row[1] for row in GOOD + BAD], ids=[row[0][:60] for row in GOOD + BAD])
def test_all_cases_mean_the_same_to_whoever_expects_them_or_something_else(data):
    block = data[: data.find(b"\r\n\r\n") + 4] if b"\r\n\r\n" in data else data
    alone = verdict(parse_request, block)
    assert verdict(expecting(RequestParser(), block).parse, block) == alone
    assert verdict(expecting(RequestParser(), REQUEST).parse, block) == alone


@pytest.mark.slow
@examples(1500)
@given(
    st.sampled_from([(RequestParser, parse_request, REQUEST), (ResponseParser, parse_response, RESPONSE)]),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 12), st.sampled_from(PIECES)), min_size=1, max_size=3),
)
def test_whatever_is_changed_in_a_head_it_means_what_it_means_alone(kind, edits):
    make, alone, block = kind
    parser = expecting(make(), block)
    for at, out, piece in edits:
        block = block[:at] + piece + block[at + out :]
    assert verdict(parser.parse, block) == verdict(alone, block)


def test_limits_hold_for_what_is_expected_too():
    limits = HeadLimits(section=400, fields=8, line=300, target=40)
    parser = expecting(RequestParser(limits), REQUEST)
    long = REQUEST.replace(b"/add?test=true", b"/" + b"a" * 40)
    for block in (long, REQUEST.replace(b"*/*", b"a" * 290), REQUEST.replace(b"*/*", b"a" * 250)):
        assert verdict(parser.parse, block) == verdict(lambda block: parse_request(block, limits), block)
        assert verdict(parser.parse, block)[0] in (414, 431)


def test_names_that_never_come_again_cost_no_expression():
    for number in range(200):
        parser = RequestParser()
        parser.parse(b"GET / HTTP/1.1\r\nHost: h\r\nX-%d: 1\r\n\r\n" % number)
        assert parser._expected is not None and parser._expected.groups(REQUEST) is None
