"""Functions that decide who may connect: what they are told, and what later events show of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed

from lambdaproxy.authorizers.makers import lambda_
from lambdaproxy.authorizers.several import AllAuthorizer
from lambdaproxy.errors import ConfigError
from lambdaproxy.messages import InvocationResult
from lambdaproxy.registry import parse_options
from tests.config.test_sockets import assembled
from tests.sockets.serving import HANDSHAKE, World, echo

ARN = "arn:aws:execute-api:eu-west-1:123456789012:lambdaprox/prod/$connect"
ASKING = HANDSHAKE.replace(b"GET /prod", b"GET /prod?who=me")


class Asked:
    def __init__(self, resource: str, *options: tuple[str, str]) -> None:
        self.resource, self.told = resource, []  # type: ignore[var-annotated]
        self.waiting: Deferred[Any] | None = None
        self.reactor: Any = None
        self.settings = type("Settings", (), {"aws_region": "eu-west-1"})
        self._options = parse_options(
            "x",
            lambda_.options,
            [("function", "who"), ("payload", "rest"), ("identity-source", "$request.querystring.who"), *options],
        )

    def asker(self, function, invoker):
        return self._ask

    def _ask(self, payload, request):
        self.told.append(json.loads(payload))
        answer = {
            "principalId": "me",
            "context": {"team": 7},
            "policyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": self.resource}]},
        }
        return succeed(InvocationResult(json.dumps(answer).encode()))

    def world(self, wrapped: bool = False) -> World:
        made: list[Any] = []
        world = World(echo, authorizers=lambda name: made[0])
        self.reactor = world.clock
        authorizer = lambda_.make("who", self._options, self)
        made.append(AllAuthorizer([authorizer]) if wrapped else authorizer)
        return world


@pytest.mark.parametrize("wrapped", [False, True])
def test_it_is_told_of_the_handshake_and_later_events_show_its_words(wrapped):
    asked = Asked(ARN)
    world = asked.world(wrapped)
    client = world.connect(ASKING)
    assert client.status == 101
    (told,) = asked.told
    connect = world.function.events[0]
    assert told["type"] == "REQUEST" and told["methodArn"] == ARN
    assert told["queryStringParameters"] == {"who": "me"} and told["stageVariables"] == {}
    assert "pathParameters" not in told and "body" not in told
    assert told["requestContext"]["connectionId"] == connect["requestContext"]["connectionId"]
    assert told["requestContext"]["eventType"] == "CONNECT"
    client.text("x")
    client.close()
    for event in world.function.events:
        assert event["requestContext"]["authorizer"] == {"principalId": "me", "team": "7", "integrationLatency": 0}


def test_a_policy_for_something_else_keeps_out():
    asked = Asked("arn:aws:execute-api:eu-west-1:123456789012:lambdaprox/prod/GET/prod")
    world = asked.world()
    assert world.connect(ASKING).status == 403
    assert world.connect().status == 401  # nothing to be known by
    assert len(asked.told) == 1
    assert world.function.events == []


def test_another_payload_is_no_event_of_a_handshake(tmp_path):
    text = """
[authorizer.who]
kind = "lambda"
function = "f"
payload = "2.0"
identity-source = "$request.header.Authorization"
[websocket.chat]
function = "f"
authorizer = "who"
"""
    with pytest.raises(ConfigError, match='payload = "rest"') as caught:
        assembled(tmp_path, text)
    assert "proxy.toml:11: " in str(caught.value)
    assembled(tmp_path, text.replace('"2.0"', '"rest"'))


def test_without_connect_there_is_nothing_to_ask_before(tmp_path):
    text = """
[authorizer.who]
kind = "lambda"
function = "f"
payload = "rest"
identity-source = "$request.header.Authorization"
[websocket.chat]
authorizer = "who"
routes = {"$default" = "f"}
"""
    with pytest.raises(ConfigError, match="it is asked before"):
        assembled(tmp_path, text)
