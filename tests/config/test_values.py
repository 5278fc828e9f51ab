"""Parsers of values: what they take, and the sentence for what they do not."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.config import values
from lambdaproxy.config.values import Spec


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (values.seconds, "30", 30.0),
        (values.seconds, "1.5s", 1.5),
        (values.seconds, "250ms", 0.25),
        (values.seconds, "15m", 900.0),
        (values.seconds, "1 h", 3600.0),
        (values.size, "6291456", 6291456),
        (values.size, "6MiB", 6291456),
        (values.size, "512k", 524288),
        (values.size, "1 G", 1024**3),
        (values.yes_no, "Yes", True),
        (values.yes_no, "off", False),
        (values.whole(1, 5), "5", 5),
        (values.port, "8011", "8011"),
        (values.port, "unix:/run/x.sock", "unix:/run/x.sock"),
        (values.endpoint, "9100", "tcp:9100:interface=127.0.0.1"),
        (values.header_name, "X-Fn", "X-Fn"),
        (values.header_name, "none", None),
        (values.network, "10.1.2.3/8", ip_network("10.0.0.0/8")),
        (values.network, "::1", ip_network("::1/128")),
        (values.network, "none", None),
        (values.endpoint_url, "https://lambda.example.com/", "https://lambda.example.com"),
        (values.endpoint_url, "http://127.0.0.1:9001", "http://127.0.0.1:9001"),
        (values.endpoint_url, "http://[::1]:9001", "http://[::1]:9001"),
        (values.log_file, "off", "off"),
        (values.file, "/x/../y", "/y"),
        (values.spec, "alb", Spec("alb")),
        (values.spec, r"a:k-x=1:b=2\:3\\", Spec("a", (("k_x", "1"), ("b", "2:3\\")))),
    ],
)
def test_good(parse, text, value):
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (values.seconds, "soon"),
        (values.seconds, "0"),
        (values.seconds, "-1"),
        (values.size, "6 miles"),
        (values.size, "0"),
        (values.size, "0k"),
        (values.yes_no, "maybe"),
        (values.whole(1, 5), "6"),
        (values.whole(1), "0"),
        (values.whole(1), "x"),
        (values.port, "99999"),
        (values.port, "eighty"),
        (values.header_name, "a b"),
        (values.header_name, ""),
        (values.header_name, "Host"),
        (values.header_name, "X-Forwarded-For"),
        (values.network, "10.0.0.0/99"),
        (values.endpoint_url, "lambda.example.com"),
        (values.endpoint_url, "https://u:p@host/"),
        (values.endpoint_url, "https://host:x/"),
        (values.endpoint_url, "https://host/?a"),
        (values.spec, "Alb"),
        (values.spec, "alb:multi"),
        (values.text, " "),
    ],
)
def test_bad(parse, text):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert len(str(caught.value)) > 8


@given(st.lists(st.tuples(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.text(max_size=20))))
def test_a_spec_says_itself(options):
    spec = Spec("alb", tuple(options))
    assert values.spec(str(spec)) == spec


@given(st.text(max_size=40))
def test_a_spec_is_parsed_or_refused(text):
    try:
        values.spec(text)
    except ValueError:
        pass
