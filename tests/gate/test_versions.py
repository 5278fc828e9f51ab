"""Which version of a function answers: weights, and who stays with what he got."""

from __future__ import annotations

import random
import re
from collections import Counter

import pytest

from lambdaproxy.config.versions import split_of_table
from lambdaproxy.gate.versions import at_random, of_somebody
from lambdaproxy.messages import Function
from tests.gate.test_cors import Door

A, B, C = (Function("aws", "f", name) for name in "abc")

ROUTE = """
function-header = "none"
[invoker.eu]
kind = "aws"
region = "eu-west-1"
[[route]]
path = "/{{any+}}"
{more}
"""


def door(tmp_path, more):
    return Door(tmp_path, ROUTE.format(more=more))


def test_weights_are_parts_of_the_whole():
    random.seed(7)
    found = Counter(at_random([(A, 900), (B, 99), (C, 0)]) for _ in range(20_000))
    assert found[C] == 0
    assert abs(found[B] / 20_000 - 99 / 999) < 0.01


def test_somebody_has_the_same_always_and_all_together_the_weights():
    weights = [(A, 70), (B, 30), (C, 0)]
    found = {who: of_somebody(weights, b"%d" % who) for who in range(20_000)}
    assert all(of_somebody(weights, b"%d" % who) == found[who] for who in range(100))
    shares = Counter(found.values())
    assert shares[C] == 0
    assert abs(shares[B] / 20_000 - 0.3) < 0.02


def test_other_weights_move_as_few_as_they_can():
    before = {who: of_somebody([(A, 90), (B, 10)], b"%d" % who) for who in range(5000)}
    after = {who: of_somebody([(A, 75), (B, 25)], b"%d" % who) for who in range(5000)}
    moved = [who for who in before if before[who] != after[who]]
    assert all(after[who] == B for who in moved)
    assert abs(len(moved) / 5000 - 0.15) < 0.03
    assert {of_somebody([(A, 1), (B, 0)], b"%d" % who) for who in range(100)} == {A}


def test_a_route_with_a_split(tmp_path):
    random.seed(3)
    asked = door(tmp_path, 'split = {"f:1" = 1, "f:2@eu" = 1}')
    for _ in range(50):
        assert asked.ask("GET")[0] == 200
    functions = {invocation.function for invocation in asked.invoker.invocations}
    assert functions == {Function("aws", "f", "1"), Function("eu", "f", "2")}
    assert "set-cookie" not in dict(asked.ask("GET")[1])


COOKIE = re.compile(r"lambdaproxy-visitor=([0-9a-f-]{36}); Max-Age=60; Path=/; HttpOnly; SameSite=Lax")


def test_a_visitor_keeps_his_version_by_a_cookie(tmp_path):
    asked = door(tmp_path, 'split = {"f:1" = 1, "f:2" = 1}\nsticky = "cookie"\nsticky-duration = "60s"')
    seen = set()
    for _ in range(30):
        headers = dict(asked.ask("GET")[1])
        found = COOKIE.fullmatch(headers["set-cookie"])
        assert found is not None
        first = asked.invoker.invocations[-1].function
        seen.add(first)
        cookie = f"a=b; lambdaproxy-visitor={found[1]}; c=d"
        for _ in range(3):
            assert "set-cookie" not in dict(asked.ask("GET", Cookie=cookie)[1])
            assert asked.invoker.invocations[-1].function == first


@pytest.mark.parametrize(
    "cookie",
    [
        "lambdaproxy-visitor=f:2",
        "lambdaproxy-visitor=",
        "lambdaproxy-visitor=00000000-0000-4000-8000-00000000000g",
        "lambdaproxy-visitor=00000000-0000-4000-8000-000000000000x",
        "xlambdaproxy-visitor=00000000-0000-4000-8000-000000000000",
        "lambdaproxy-visitor=00000000-0000-4000-8000-000000000000;lambdaproxy-visitor=00000000-0000-4000-8000-000000000001",
        "a" * 60_000,
        "lambdaproxy-visitor=" * 3000,
    ],
)
def test_forged_cookies_are_none_and_name_no_version(tmp_path, cookie):
    asked = door(tmp_path, 'split = {"f:1" = 1, "f:2" = 0}\nsticky = "cookie"')
    headers = dict(asked.ask("GET", Cookie=cookie)[1])
    assert "lambdaproxy-visitor" in headers["set-cookie"]
    assert asked.invoker.invocations[-1].function.qualifier == "1"


def test_no_cookie_reaches_a_version_without_weight(tmp_path):
    asked = door(tmp_path, 'split = {"f:1" = 1, "f:2" = 0}\nsticky = "cookie"')
    for n in range(200):
        asked.ask("GET", Cookie=f"lambdaproxy-visitor=00000000-0000-4000-8000-{n:012x}")
    assert {each.function.qualifier for each in asked.invoker.invocations} == {"1"}


def test_sticky_by_a_header_or_the_query(tmp_path):
    asked = door(tmp_path, 'split = {"f:1" = 1, "f:2" = 1}\nsticky = "header.x-user"')
    found: dict[str, Function] = {}
    for n in range(60):
        user = str(n % 20)
        asked.ask("GET", X_User=user)
        function = asked.invoker.invocations[-1].function
        assert found.setdefault(user, function) == function
    assert len(set(found.values())) == 2


KEYS = """
split = {"f:1" = 1, "f:2" = 1}
sticky = "key"
authorizer = "keys"
[authorizer.keys]
kind = "api-key"
file = "keys"
"""


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('split = {"f" = -1}', "no weight"),
        ('split = {"f" = 0}', "give one at least 1"),
        ('split = {"f" = true}', "no weight"),
        ('split = {"f b" = 1}', "no function name"),
        ('split = {"f@us" = 1}', "'us'"),
        ('split = {"f" = 1}\nfunction = "g"', "leave function out"),
        ('split = "f"', "table of functions"),
        ('function = "f"\nsticky = "cookie"', "it goes with a split"),
        ('split = {"f" = 1}\nsticky = "claim.sub"', "needs an authorizer"),
        ('split = {"f" = 1}\nsticky = "me"', "none of cookie"),
        ('split = {"f@local" = 1}', "unknown embedded function"),
    ],
)
def test_mistakes(tmp_path, more, said):
    with pytest.raises(Exception, match=re.escape(said)):
        door(tmp_path, more)


def test_many_functions_are_too_many():
    with pytest.raises(ValueError, match="there may be 20"):
        split_of_table({f"f:{n}": 1 for n in range(21)})
