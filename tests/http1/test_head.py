"""The request and response grammar, over one table of cases and over every way to cut them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.http1 import shape
from lambdaproxy.http1.body import ChunkedReader, LengthReader
from lambdaproxy.http1.grammar import FIELDS, HeadLimits, Malformed, header
from lambdaproxy.http1.head import RequestHead, parse_request, parse_response
from lambdaproxy.http1.reader import HeadReader
from tests.examples import examples
from tests.http1.cases import BAD, GOOD, H, get

MOST = 1 << 20


def read(segments, limits=None):
    """What a server would see: the requests, and the refusal (status, reason) that ended it, if one did."""
    limits = limits or HeadLimits()
    requests: list[tuple[str, bytes, bytes]] = []
    heads = HeadReader(limits)
    head: RequestHead | None = None
    bodies: LengthReader | ChunkedReader = LengthReader(0)
    body = b""
    try:
        for data in segments:
            while data:
                if head is None:
                    block = heads.feed(data)
                    if block is None:
                        break
                    data = heads.rest
                    head = parse_request(block, limits)
                    size = head.content_length
                    body, heads = b"", HeadReader(limits)
                    bodies = ChunkedReader(limits, most=MOST) if size is None else LengthReader(size)
                if not bodies.done:
                    body += bodies.feed(data)
                    data = bodies.rest
                if not bodies.done:
                    break
                requests.append((head.method, head.target, body))
                head = None
    except Malformed as error:
        return requests, (error.status, error.reason)
    return requests, None


@pytest.mark.parametrize(("data", "requests"), [row[1:] for row in GOOD], ids=[row[0][:60] for row in GOOD])
def test_good(data, requests):
    assert read([data]) == (requests, None)


@pytest.mark.parametrize(("data", "status", "reason"), [row[1:] for row in BAD], ids=[row[0][:60] for row in BAD])
def test_bad(data, status, reason):
    assert read([data]) == ([], (status, reason))
    after = read([data + get(target=b"/after")])
    assert after == ([], (status, reason)), "what follows changes nothing"


@pytest.mark.parametrize("data", [row[1] for row in GOOD + BAD], ids=[row[0][:60] for row in GOOD + BAD])
def test_byte_by_byte(data):
    data = data[:40000]
    whole = read([data])
    assert read([data[i : i + 1] for i in range(len(data))]) == whole
    for middle in range(min(len(data), 600)):
        assert read([data[:middle], data[middle:]]) == whole


@pytest.mark.slow
@examples(300)
@given(st.data())
def test_every_split_is_the_same(data):
    rows = data.draw(st.lists(st.sampled_from(GOOD), max_size=2))
    rows.append(data.draw(st.sampled_from(GOOD + BAD)))
    stream = b"".join(row[1] for row in rows)
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=12)))
    segments = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(segments) == read([stream])


def test_request_head():
    head = parse_request(b"POST /p?q HTTP/1.1\r\nhOST: A:80\r\nX-a:  b \r\nx-A: c\r\nContent-Length: 7\r\n\r\n")
    assert head == RequestHead(
        "POST",
        b"/p?q",
        "HTTP/1.1",
        ((b"hOST", b"A:80"), (b"X-a", b"b"), (b"x-A", b"c"), (b"Content-Length", b"7")),
        "A:80",
        7,
        True,
        False,
    )
    assert header(head.headers, b"x-a") == b"b"
    assert header(head.headers, b"x-b") is None


@pytest.mark.parametrize(
    ("fields", "keep_alive"),
    [
        (b"", True),
        (b"Connection: keep-alive\r\n", True),
        (b"Connection: close\r\n", False),
        (b"Connection: CLOSE\r\n", False),
        (b"Connection: foo,close\r\n", False),
        (b"Connection: close, te\r\n", False),
        (b"Connection:close\t,\tte\r\n", False),
        (b"Connection: x\r\nConnection: close\r\n", False),
        (b"Connection: keep-alive\r\nConnection: close\r\n", False),
        (b"Connection: close\r\nConnection: keep-alive\r\n", False),
        (b"Connection: ,, x-close\r\n", True),
        (b"Connection:\r\n", True),
    ],
)
def test_persistence(fields, keep_alive):
    assert parse_request(get(fields)).keep_alive is keep_alive
    assert parse_request(get(fields, version=b"HTTP/1.0")).keep_alive is False


@pytest.mark.parametrize(
    ("fields", "version", "expected"),
    [
        (b"Expect: 100-Continue\r\nContent-Length: 5\r\n", b"HTTP/1.1", True),
        (b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", b"HTTP/1.1", True),
        (b"Expect: 100-continue\r\n", b"HTTP/1.1", False),
        (b"Expect: 100-continue\r\nContent-Length: 5\r\n", b"HTTP/1.0", False),
        (b"", b"HTTP/1.1", False),
    ],
)
def test_expect(fields, version, expected):
    assert parse_request(get(fields, version=version)).expect_continue is expected


@pytest.mark.parametrize(
    ("target", "host", "expected"),
    [
        (b"/", b"Host: A.Example:8011\r\n", "A.Example:8011"),
        (b"/", b"Host: a:\r\n", "a"),
        (b"/", b"Host: [::1]:80\r\n", "[::1]:80"),
        (b"http://B/", b"Host: b:80\r\n", "B"),
        (b"https://b:443/", b"Host: b\r\n", "b:443"),
    ],
)
def test_host(target, host, expected):
    assert parse_request(get(target=target, host=host)).host == expected


def test_larger_limits():
    limits = HeadLimits(section=1 << 21, fields=100, line=1 << 21, target=8192)
    head = parse_request(get(b"X-Big: " + b"a" * 1_100_000 + b"\r\n"), limits)
    assert len(header(head.headers, b"x-big") or b"") == 1_100_000


def test_smaller_limits():
    limits = HeadLimits(section=100, fields=2, line=50, target=10)
    assert parse_request(get(b"X: y\r\n"), limits).method == "GET"
    for fields, target, status in [
        (b"X: y\r\nY: z\r\n", b"/", 431),
        (b"X: " + b"y" * 60 + b"\r\n", b"/", 431),
        (b"", b"/" * 11, 414),
        (b"", b"/" * 50, 414),
    ]:
        with pytest.raises(Malformed) as caught:
            parse_request(get(fields, target=target), limits)
        assert caught.value.status == status


def test_a_name_that_was_seen_often_is_still_checked():
    for _ in range(3):
        with pytest.raises(Malformed):
            parse_request(get(b"Content_Type: x\r\n"))


def test_unfinished_heads_are_bounded():
    for data, status in [(b"GET /" + b"a" * 20000, 414), (b"GET / HTTP/1.1\r\nA: " + b"a" * 20000, 431)]:
        reader = HeadReader()
        with pytest.raises(Malformed) as caught:
            for i in range(0, len(data), 100):
                assert reader.feed(data[i : i + 100]) is None
        assert caught.value.status == status


@pytest.mark.parametrize("response", [False, True])
def test_a_line_end_where_a_head_should_begin(response):
    reader = HeadReader(response=response)
    with pytest.raises(Malformed, match="CRLF"):
        reader.feed(b"\nGET / HTTP/1.1")


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", (200, 5, False, True)),
        (b"HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n", (200, 5, False, True)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", (200, None, True, True)),
        (b"HTTP/1.1 200 OK\r\n\r\n", (200, None, False, False)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, 0, False, True)),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n", (304, 0, False, True)),
        (b"HTTP/1.1 100 Continue\r\n\r\n", (100, 0, False, True)),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", (200, 0, False, False)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", (200, 0, False, False)),
        (b"HTTP/1.0 200 OK\r\nConnection: no list\r\nContent-Length: 0\r\n\r\n", (200, 0, False, False)),
    ],
)
def test_response_head(block, expected):
    head = parse_response(block)
    assert (head.status, head.content_length, head.chunked, head.keep_alive) == expected


@pytest.mark.parametrize(
    "block",
    [
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200 O\x00K\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\nb\r\n\r\n",
        b"HTTP/1.1 200 OK\nX: a\n\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20000 + b"\r\n\r\n",
    ],
)
def test_bad_response_head(block):
    with pytest.raises(Malformed) as caught:
        parse_response(block)
    assert caught.value.status == 502


def test_response_reader():
    reader = HeadReader(response=True)
    assert reader.empty
    assert reader.feed(b"HTTP/1.1 200 OK\r") is None
    assert not reader.empty
    block = reader.feed(b"\n\r\nrest")
    assert block is not None
    assert (parse_response(block).status, reader.rest) == (200, b"rest")
    with pytest.raises(Malformed):
        HeadReader(response=True).feed(b"nonsense\r\n")


def test_labels_are_a_closed_set():
    """Reasons become metric labels."""
    reasons = {reason for _, _, _, reason in BAD}
    assert all(reason.replace("-", "").isalpha() and len(reason) < 20 for reason in reasons)
    assert len(H) and len(reasons) < 25


def test_known_names_are_read_like_new_ones():
    # What names say is remembered; whatever was seen before, the same bytes give the same.
    for rows in (GOOD, BAD, BAD, GOOD):
        for _, data, *_ in rows:
            again = read([data])
            shape.of_request.clear()
            assert read([data]) == again == read([data])


def test_empty_values_are_read_the_fast_way():
    # "Name: " and nothing more is what many clients make of an empty value.
    found = FIELDS.findall(b"\r\nA: \r\nB:\r\nC:\t \r\nD: d d\r\nE: e \r\n\r\n")
    assert found == [(b"A", b""), (b"B", b""), (b"C", b""), (b"D", b"d d")]
    fields = ((b"Host", b"h"), (b"A", b""), (b"E", b"e"))
    assert parse_request(b"GET / HTTP/1.1\r\nHost: h\r\nA: \r\nE: e \t\r\n\r\n").headers == fields
