"""Who the client is: the rules, and that nobody untrusted can bend them."""

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import capturedLogs, formatEvent

from lambdaproxy.web.forwarded import Forwarded, Origin, address

DIRECT = Origin("http", "direct.example", 8011, "127.0.0.1")
XFF, PROTO, PORT, HOST = b"X-Forwarded-For", b"x-forwarded-proto", b"X-FORWARDED-PORT", b"X-Forwarded-Host"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], DIRECT),
        ([(b"Accept", b"*/*")], DIRECT),
        ([(XFF, b"192.0.2.1")], ("192.0.2.1", "")),
        ([(XFF, b"6.6.6.6, 192.0.2.1")], ("192.0.2.1", "6.6.6.6")),
        ([(XFF, b"6.6.6.6"), (XFF, b"192.0.2.1")], ("192.0.2.1", "6.6.6.6")),
        ([(XFF, b"5.5.5.5,6.6.6.6 ,  192.0.2.1, 127.0.0.1")], ("192.0.2.1", "5.5.5.5,6.6.6.6")),
        ([(XFF, b"127.0.0.1")], ("127.0.0.1", "")),
        ([(XFF, b"127.0.0.9, 127.0.0.1")], ("127.0.0.9", "")),
        ([(XFF, b"192.0.2.1:4711")], ("192.0.2.1", "")),
        ([(XFF, b"[2001:db8::1]:4711")], ("2001:db8::1", "")),
        ([(XFF, b"2001:DB8::1")], ("2001:db8::1", "")),
        ([(XFF, b"::ffff:192.0.2.1")], ("192.0.2.1", "")),
        ([(XFF, b"unknown")], ("127.0.0.1", "unknown")),
        ([(XFF, b"192.0.2.1, evil, 127.0.0.1")], ("127.0.0.1", "192.0.2.1, evil")),
        ([(XFF, b"")], ("127.0.0.1", "")),
        ([(XFF, b"caf\xe9")], ("127.0.0.1", "caf\xe9")),
    ],
)
def test_client_behind_a_trusted_proxy(headers, expected):
    origin = Forwarded().origin(DIRECT, True, tuple(headers))
    if isinstance(expected, Origin):
        assert origin is expected
    else:
        assert (origin.client, origin.forwarded_for) == expected
        assert (origin.scheme, origin.host, origin.port) == ("http", "direct.example", 8011)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(PROTO, b"https")], ("https", "direct.example", 443)),
        ([(PROTO, b"HTTP")], ("http", "direct.example", 80)),
        ([(PROTO, b"gopher")], ("http", "direct.example", 8011)),
        ([(PROTO, b"https, http")], ("http", "direct.example", 80)),
        ([(PROTO, b"https"), (PORT, b"8443")], ("https", "direct.example", 8443)),
        ([(PORT, b"0")], ("http", "direct.example", 8011)),
        ([(PORT, b"65536")], ("http", "direct.example", 8011)),
        ([(PORT, b"\xb2")], ("http", "direct.example", 8011)),
    ],
)
def test_what_was_asked_for(headers, expected):
    origin = Forwarded().origin(DIRECT, True, tuple(headers))
    assert (origin.scheme, origin.host, origin.port) == expected
    assert Forwarded().origin(DIRECT, False, tuple(headers)) == DIRECT


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(HOST, b"shop.example")], ("http", "shop.example", 8011)),
        ([(PROTO, b"https"), (HOST, b"shop.example:8443")], ("https", "shop.example:8443", 8443)),
        ([(PROTO, b"https"), (HOST, b"[::1]")], ("https", "[::1]", 443)),
        ([(HOST, b"a.example, b.example")], ("http", "direct.example", 8011)),
        ([(HOST, b"a.example"), (HOST, b"a.example")], ("http", "direct.example", 8011)),
        ([(HOST, b"a/b")], ("http", "direct.example", 8011)),
    ],
)
def test_the_forwarded_host_decides_where_a_setting_says_so(headers, expected):
    origin = Forwarded(host=True).origin(DIRECT, True, tuple(headers))
    assert (origin.scheme, origin.host, origin.port) == expected
    assert Forwarded(host=True).origin(DIRECT, False, tuple(headers)) == DIRECT
    assert Forwarded().origin(DIRECT, True, tuple(headers)).host == DIRECT.host


#: What a proxy may pass on from a client as it came, and what of it means anything to us from a trusted peer.
OTHERS = [
    (b"Forwarded", b"for=6.6.6.6;host=evil.example;proto=https"),
    (b"X-Real-IP", b"6.6.6.6"),
    (b"X-Client-IP", b"6.6.6.6"),
    (b"True-Client-IP", b"6.6.6.6"),
    (b"CF-Connecting-IP", b"6.6.6.6"),
    (b"X-Forwarded-Prefix", b"/evil"),
    (b"X-Forwarded-Server", b"evil.example"),
    (b"X-Forwarded-Scheme", b"https"),
    (b"X-Forwarded-Ssl", b"on"),
    (b"X-Forwarded-By", b"6.6.6.6"),
    (b"Front-End-Https", b"on"),
    (b"X-Host", b"evil.example"),
    (b"X-Original-Host", b"evil.example"),
    (b"X-Original-URL", b"/evil"),
    (b"X-Rewrite-URL", b"/evil"),
    (b"X-HTTP-Method-Override", b"DELETE"),
    (b"X-Amzn-Request-Id", b"evil"),
    (b"X-Request-Id", b"evil"),
    (b"X-Amzn-Oidc-Identity", b"evil"),
]


@pytest.mark.parametrize("field", OTHERS, ids=lambda field: field[0].decode())
@pytest.mark.parametrize("trusted", [True, False])
def test_no_other_field_says_where_a_request_comes_from(field, trusted):
    assert Forwarded(host=True).origin(DIRECT, trusted, (field,)) is DIRECT


@pytest.mark.parametrize(
    ("host", "said", "hints"),
    [
        ("127.0.0.1:8011", b"api.example.com", 1),
        ("[::1]:8011", b"api.example.com", 1),
        ("[::1]", b"api.example.com", 1),
        ("10.0.0.7:8011", b"api.example.com", 1),
        ("localhost", b"api.example.com", 1),
        ("lambdaproxy", b"api.example.com", 1),
        ("lambdaproxy:8011", b"api.example.com", 1),
        ("api.example.com", b"evil.example", 0),
        ("localhost:8011", b"localhost:8011", 0),
        ("localhost:8011", b"a\x01b", 0),
    ],
)
def test_a_hint_where_a_proxy_says_the_host_elsewhere(host, said, hints):
    forwarded = Forwarded()
    with capturedLogs() as logs:
        for _ in range(3):
            assert forwarded.origin(replace(DIRECT, host=host), True, ((HOST, said),)).host == host
        assert len(logs) == hints
        Forwarded().origin(replace(DIRECT, host=host), False, ((HOST, said),))
        Forwarded(host=True).origin(replace(DIRECT, host=host), True, ((HOST, said),))
        assert len(logs) == hints
    assert all("--forwarded-host" in formatEvent(event) for event in logs)


def test_an_untrusted_peer_decides_nothing():
    origin = Forwarded().origin(
        Origin("http", "h", 80, "198.51.100.7"), False, ((XFF, b"10.0.0.1"), (PROTO, b"https"), (HOST, b"evil"))
    )
    assert origin == Origin("http", "h", 80, "198.51.100.7", "10.0.0.1")


def test_who_is_trusted():
    default = Forwarded.configured(())
    assert default.trusts("127.0.0.1")
    assert default.trusts("::1")
    assert default.trusts("::ffff:127.0.0.1")
    assert default.trusts("")
    assert not default.trusts("10.0.0.1")
    nobody = Forwarded.configured((None,))
    assert not nobody.trusts("127.0.0.1")
    assert not nobody.trusts("")
    networks = Forwarded.configured((ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")))
    assert networks.trusts("10.1.2.3")
    assert networks.trusts("2001:db8::5")
    assert networks.trusts("")
    assert not networks.trusts("127.0.0.1")
    assert not networks.trusts("nonsense")


def test_addresses():
    assert str(address("fe80::1%eth0")) == "fe80::1"
    assert str(address("[::ffff:1.2.3.4]")) == "1.2.3.4"
    assert address("1.2.3") is None
    assert address("") is None


@given(st.lists(st.binary(max_size=30).filter(lambda b: b"\n" not in b), max_size=5))
def test_the_proxy_next_to_us_has_the_last_word(spoofed):
    """nginx appends the address it saw: whatever the client sent before it, that address is the client's."""
    value = b", ".join([*spoofed, b"203.0.113.9"])
    origin = Forwarded().origin(DIRECT, True, ((XFF, value),))
    assert origin.client == "203.0.113.9"


def test_a_long_list_costs_little():
    origin = Forwarded().origin(DIRECT, True, ((XFF, b"127.0.0.1," * 1500 + b"127.0.0.1"),))
    assert origin.client == "127.0.0.1"
