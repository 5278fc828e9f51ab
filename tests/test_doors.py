"""Who may come in by which door, and what is believed of what they say: real processes, real sockets."""

from __future__ import annotations

import json

import pytest

from tests.processes import Server

SHOW = ("--local", "show=tests/functions/show.py:handler", "--format", "apigateway-v2")

ROUTES = """
[[route]]
path = "$default"
host = "admin.localhost"
function = "show"
format = "function-url"
[[route]]
path = "$default"
host = "www.localhost"
function = "show"
"""


@pytest.mark.parametrize("setting", [(), ("--forwarded-host",)])
def test_the_host_that_a_client_forwards_chooses_no_route(tmp_path, setting):
    config = tmp_path / "p.toml"
    config.write_text(ROUTES)
    with Server(*SHOW, "--config", str(config), *setting) as server:
        sent = {"Host": "www.localhost", "X-Forwarded-Host": "admin.localhost"}
        event = json.loads(server.request("GET", "/", headers=sent)[2])
        believed = bool(setting)
        assert event["requestContext"]["domainName"] == ("admin.localhost" if believed else "www.localhost")
        assert event["headers"]["host"] == event["requestContext"]["domainName"]
        # Only the route of admin.localhost is of this format, whose stage is always $default and account anonymous.
        assert (event["requestContext"]["accountId"] == "anonymous") is believed
