"""Messages of very many values: their route is found without holding up others."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from lambdaproxy.codecs._selection import Selection
from lambdaproxy.sockets.selecting import selected

MANY: list[list[Any]] = [[] for _ in range(200_000)]


def ask(expression: str, text: str) -> tuple[str | None, int]:
    """The key, and how many turns it took."""
    turns = 0
    found: list[Any] = []

    async def turn() -> None:
        nonlocal turns
        turns += 1

    Deferred.fromCoroutine(selected(Selection(expression), text, turn)).addBoth(found.append)
    return found[0], turns


@pytest.mark.parametrize(
    ("expression", "document", "key"),
    [
        ("$request.body.action", {"many": MANY, "action": "x"}, "x"),
        ("$request.body.a.b", {"a": {"b": "x"}, "many": MANY}, "x"),
        ("$request.body.a.b", {"a": {"many": MANY, "b": "x"}}, "x"),
        ("$request.body.a[1].b", {"a": [0, {"b": "x"}], "many": MANY}, "x"),
        ("${request.body.a}/${request.body.b}", {"a": 1, "many": MANY, "b": True}, "1/true"),
        ("$request.body.action", {"action": MANY}, None),
        ("$request.body.many[0]", {"many": MANY}, None),
        ("$request.body.action", {"many": MANY}, None),
        ("$request.body.action", MANY, None),
    ],
)
@pytest.mark.slow
def test_a_heavy_message(expression, document, key):
    text = json.dumps(document)
    found, turns = ask(expression, text)
    assert found == key
    assert turns > 5
    # It is what a whole look says, but for what is itself too much to be a name.
    assert Selection(expression).key(text) in (key, "[]")


@pytest.mark.parametrize(
    "text", ["x" * 1_000_000, '{"action":"x",' + "[" * 500_000, "\ud800" * 100_000, '{"a":' * 100_000]
)
def test_what_is_no_json_has_no_route(text):
    assert ask("$request.body.action", text)[0] is None


def test_a_long_text_is_light():
    assert ask("$request.body.action", json.dumps({"text": "x" * 1_000_000, "action": "x"})) == ("x", 0)
