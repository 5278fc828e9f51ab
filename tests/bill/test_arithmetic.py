"""From counts to dollars, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lambdaproxy.bill import prices, text
from lambdaproxy.bill.arithmetic import GIGABYTE, HOURS, RouteUse, SocketUse, Use, bill, document, tiered
from lambdaproxy.bill.prices import Tier
from lambdaproxy.errors import ConfigError

OURS = prices.read()
HOUR = 3600.0


def test_our_own_prices_say_where_they_are_from():
    assert OURS.region == "us-east-1"
    assert len(OURS.date) == 10
    assert all(
        source.startswith(("https://aws.amazon.com/", "https://docs.aws.amazon.com/")) for source in OURS.sources
    )


@pytest.mark.parametrize(
    ("service", "requests", "dollars"),
    [
        ("rest", 1_000_000, 3.50),
        ("rest", 333_000_000, 1165.50),
        ("rest", 400_000_000, 1165.50 + 67 * 2.80),
        ("rest", 21_000_000_000, 1165.50 + 667 * 2.80 + 19_000 * 2.38 + 1_000 * 1.51),
        ("http", 300_000_000, 300.0),
        ("http", 310_000_000, 309.0),
        ("url", 1_000_000_000, 0.0),
        ("rest", 0, 0.0),
    ],
)
def test_tiers(service, requests, dollars):
    assert tiered(OURS.requests[service], requests) == pytest.approx(dollars)


def test_tiers_of_a_contract():
    assert tiered((Tier(2.0, 1e6), Tier(1.0, float("inf"))), 3e6) == pytest.approx(4.0)


def assert_most(made, dimension, units):
    assert made.units.most[0] == dimension
    assert made.units.most[1] == pytest.approx(units)


def an_hour(**routes):
    return Use(HOUR, 0.0, 0.0, {name: RouteUse(**each) for name, each in routes.items()})


def test_a_load_balancer_is_charged_for_its_largest_dimension():
    used = an_hour(a={"requests": 1000.0, "bytes": 0.3 * GIGABYTE}, b={"requests": 3000.0, "bytes": 0.1 * GIGABYTE})
    made = bill(used, OURS)
    assert_most(made, "gigabytes", 1.0)
    assert made.totals["alb"].so_far == pytest.approx(0.0225 + 0.008)
    assert made.totals["alb"].month == pytest.approx(HOURS * (0.0225 + 0.008))
    assert made.routes["a"]["alb"].so_far == pytest.approx(0.75 * 0.008), "bytes are whose they are"
    # 250 connections a second are ten units, and nobody's: they go by requests.
    used.connections = 250 * HOUR
    made = bill(used, OURS)
    assert_most(made, "new_connections", 10.0)
    assert made.routes["a"]["alb"].so_far == pytest.approx(0.25 * 0.08)
    used.connection_seconds = 60_000 * HOUR
    assert_most(bill(used, OURS), "connections", 20.0)
    used.routes["b"].rules = 30_000 * HOUR
    made = bill(used, OURS)
    assert_most(made, "rules", 30.0)
    assert made.routes["a"]["alb"].month == 0
    assert made.routes["b"]["alb"].month == pytest.approx(HOURS * 30 * 0.008)


def test_apis_are_charged_by_request_and_the_month_reaches_other_tiers():
    made = bill(an_hour(a={"requests": 1e6}, b={"requests": 1e6, "more_units": 2e6}), OURS)
    assert made.totals["rest"].so_far == pytest.approx(7.0)
    assert made.totals["http"].so_far == pytest.approx(4.0)
    assert made.totals["rest"].month == pytest.approx(tiered(OURS.requests["rest"], 2e6 * HOURS))
    assert made.totals["rest"].month < 7.0 * HOURS
    assert made.routes["a"]["http"].so_far == pytest.approx(1.0)
    assert made.routes["b"]["http"].so_far == pytest.approx(3.0)
    assert made.totals["url"].month == 0
    for service in ("rest", "http"):
        assert sum(each[service].month for each in made.routes.values()) == pytest.approx(made.totals[service].month)


def test_websocket_apis_are_charged_by_message_and_minute():
    used = an_hour()
    used.sockets = {"chat": SocketUse(3e6, 120e6 * 60), "game": SocketUse(1e6, 0.0, 7.0)}
    made = bill(used, OURS)
    chat, game = made.sockets["chat"], made.sockets["game"]
    assert chat is not None and game is not None
    assert chat.so_far == pytest.approx(3.0 + 120 * 0.25)
    assert game.so_far == pytest.approx(1.0)
    whole = 1000.0 + (4e6 * HOURS - 1e9) / 1e6 * 0.80
    assert chat.month == pytest.approx(0.75 * whole + 120 * 0.25 * HOURS), "the tiers are those of all together"
    assert made.totals["rest"].month == 0
    assert document(made)["sockets"][1] == {
        "websocket": "game", "messages": 1e6, "minutes": 0.0, "refused": 7.0,
        "cost": {"so_far": game.so_far, "month": game.month},
    }  # fmt: skip
    said = "\n".join(text.lines(made))
    assert f"{'chat':36}{'$33.00':>14}" in said
    assert "7  messages over 128 KB would have been refused: game" in said
    said = "\n".join(text.lines(bill(used, replace(OURS, sockets=None))))
    assert "no price" in said
    assert "the prices have no [websocket]" in said


def test_nothing_is_something_too():
    made = bill(Use(1.0), OURS)
    assert made.totals["alb"].month == pytest.approx(HOURS * 0.0225)
    assert made.totals["rest"].month == 0
    assert document(made)["routes"] == []
    assert "0 requests" in next(text.lines(made))


def test_in_words():
    used = an_hour(
        a={"requests": 1e6, "bytes": 1e9, "refused": {("alb", "streaming"): 5.0}}, **{"b" * 60: {"requests": 10.0}}
    )
    said = "\n".join(text.lines(bill(used, OURS)))
    assert "1,000,010 requests and 953.7 MB in 60.0 minutes" in said
    assert "us-east-1" in said
    assert "$3.50" in said
    assert "         5  load balancer not streamed              a" in said
    assert "b" * 34 + "…" in said
    assert "says little" not in said
    used.seconds = 60.0
    assert "a month at this rate says little" in "\n".join(text.lines(bill(used, OURS)))


GOOD = """
region = "x"
date = 2026-01-01
[alb]
hour = 1
lcu_hour = 1
[alb.lcu]
new_connections = 1
connections = 1
gigabytes = 1
rules = 1
[[rest]]
million = 1
[[http]]
million = 1
[[url]]
million = 0
"""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("hour = 1\n", "hour = true\n"), "alb.hour is True, and is to be a number"),
        (("lcu_hour = 1\n", ""), "alb.lcu_hour is missing"),
        (("rules = 1\n", "rules = 0\n"), "alb.lcu.rules is 0, and is to be a number"),
        (("[[rest]]\nmillion = 1\n", ""), "[[rest]] is missing"),
        (("[[rest]]\nmillion = 1\n", "[[rest]]\nmillion = -1\n"), "million is -1"),
        (("[[rest]]\nmillion = 1\n", "[[rest]]\nmillion = 1\nup_to = 5\n"), "the last tier has no up_to"),
        (("[[rest]]\n", "[[rest]]\nmillion = 2\n[[rest]]\n"), "rest 1: up_to is missing"),
        (("region", "regions"), "regions means nothing here"),
        (("[alb.lcu]\n", "[alb.lcu]\nfoo = 1\n"), "alb.lcu.foo means nothing here"),
        (("[alb]", "[alb"), "this is no TOML"),
        (("date = 2026-01-01", "sources = 5"), "sources is a list of texts"),
        (("million = 0", "million = inf"), "million is inf"),
        (("million = 0\n", "million = 0\n[websocket]\nminutes = 1\n"), "[[websocket.messages]] is missing"),
        (("million = 0\n", "million = 0\n[websocket]\nminute = 1\n"), "websocket.minute means nothing here"),
        (
            ("million = 0\n", "million = 0\n[websocket]\n[[websocket.messages]]\nmillion = 1\n"),
            "websocket.minutes is missing",
        ),
    ],
)  # fmt: skip
def test_prices_that_are_none(tmp_path, change, words):
    file = tmp_path / "prices.toml"
    file.write_text(GOOD)
    assert prices.read(str(file)).region == "x"
    file.write_text(GOOD.replace(change[0], change[1], 1))
    with pytest.raises(ConfigError) as caught:
        prices.read(str(file))
    assert str(caught.value).startswith(f"{file}: ")
    assert words in str(caught.value)


def test_prices_that_are_no_file(tmp_path):
    for place, words in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=words):
            prices.read(str(place))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no text"):
        prices.read(str(tmp_path / "binary"))
