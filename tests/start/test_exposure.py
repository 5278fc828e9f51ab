"""What is said at start of who may reach what."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, cast

import pytest
from twisted.logger import capturedLogs, formatEvent

from lambdaproxy.codecs.management import ManagementCodec
from lambdaproxy.config.settings import Settings
from lambdaproxy.start.exposure import bind_connections, proxied


class Routed:
    """A route of `@connections`, as far as it is looked at."""

    host, path = None, "/prod/@connections/{connection}"

    def __init__(self, guarded: bool) -> None:
        self.codec = ManagementCodec("chat", guarded)


@pytest.mark.parametrize(
    ("settings", "option"),
    [
        ({}, None),
        ({"trusted_proxy": (None,)}, None),
        ({"trusted_proxy": (ip_network("10.0.0.0/8"),)}, "--trusted-proxy"),
        ({"forwarded_host": True}, "--forwarded-host"),
        ({"port": "unix:/run/x.sock"}, "--port unix:/run/x.sock"),
        ({"port": "haproxy:tcp:8011"}, "--port haproxy:tcp:8011"),
        ({"port": "tcp:8011:interface=127.0.0.1"}, None),
    ],
)
def test_a_proxy_in_front_is_known_by_options(settings, option):
    assert proxied(Settings(**settings)) == option


@pytest.mark.parametrize(
    ("loopback", "guarded", "behind", "words"),
    [
        (True, False, "--trusted-proxy", "a proxy in front (--trusted-proxy), and programs of this machine may send"),
        (True, False, None, None),
        (True, True, "--trusted-proxy", None),
        (False, False, "--trusted-proxy", "Nobody may send messages by /prod/@connections/{connection}"),
        (False, True, None, None),
    ],
)
def test_who_may_send_to_connections_is_said_where_it_may_not_be_meant(loopback, guarded, behind, words):
    route = Routed(guarded)
    with capturedLogs() as told:
        bind_connections(cast(Any, [route]), loopback, behind)
    assert route.codec.near is loopback
    said = [formatEvent(each) or "" for each in told]
    assert len(said) == (words is not None)
    assert words is None or words in said[0]
