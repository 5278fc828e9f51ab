"""What functions are called in metrics, whatever clients invent."""

from __future__ import annotations

from twisted.internet.task import Clock

from lambdaproxy.messages import Function, Response
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.functions import FunctionGauges, FunctionNow
from lambdaproxy.watch.metrics import MOST_ALIASES, MOST_PAIRS, OTHER, FunctionLabels, Metrics
from tests.memory import head


def test_configured_functions_and_their_qualifiers_are_labels():
    labels = FunctionLabels(frozenset({"users", "users:prod"}))
    assert labels.label("users") == ("users", "")
    assert labels.label("users", "prod") == ("users", "prod")
    assert labels.label("users", "invented") == ("users", OTHER)
    assert labels.label("invented") == (OTHER, "")
    assert labels.label("invented", "too") == (OTHER, OTHER)


def test_aliases_of_one_function_are_few_and_leave_room_to_others():
    labels = FunctionLabels(frozenset({"users"}))
    for number in range(1000):
        labels.proved("users", f"v{number}")
    assert [labels.label("users", f"v{number}")[1] for number in range(1000)].count(OTHER) == 1000 - MOST_ALIASES
    assert labels.proved("orders") and labels.label("orders") == ("orders", "")


def test_routes_and_functions_together_are_bounded_but_for_those_of_the_configuration():
    labels = FunctionLabels(frozenset({"own"}), most=10**6, pairs=frozenset({("GET /own", "own")}))
    for number in range(2 * MOST_PAIRS):
        name = f"f{number}"
        labels.proved(name)
        found = labels.beside("ANY /any", name, labels.label(name))
        assert found == ((name, "") if number < MOST_PAIRS else (OTHER, OTHER))
    assert labels.beside("GET /own", "own", ("own", "")) == ("own", "")
    assert labels.beside("ANY /any", "f0", ("f0", "")) == ("f0", "")


def test_nothing_that_clients_invent_makes_a_series():
    metrics = Metrics()
    accounts = Accounts(Clock(), metrics, FunctionLabels(frozenset({"users"})), None)
    asked = head()
    for number in range(500):
        for function in (Function("aws", f"f{number}"), Function("aws", "users", f"q{number}")):
            accounts.invoked(asked, function, "unknown_function", 0.1)
            accounts.finished(asked, function, Response(404), 0, 0.1, "", route="ANY $default")
    assert len(metrics.counter("lambdaproxy_requests_total", "").cells) == 2
    assert len(metrics.histogram("lambdaproxy_request_duration_seconds", "").cells) == 2
    assert len(metrics.counter("lambdaproxy_invocations_total", "").cells) == 2


def test_gauges_of_functions_are_what_is_so_when_somebody_looks():
    metrics, now = Metrics(), [FunctionNow("users", "prod", 3, 2, 5.0, True), FunctionNow("x", None, 1, 0, 9.0)]
    now.append(FunctionNow("y", None, 1, 0, 9.0))
    FunctionGauges(metrics, "aws", FunctionLabels(frozenset({"users:prod"})), lambda: now)

    def read(name):
        metrics.look()
        return {labels[1:]: cell.value for labels, cell in metrics.gauge(name, "").cells.items()}

    assert read("lambdaproxy_function_in_flight") == {("users", "prod"): 3, (OTHER, ""): 2}
    assert read("lambdaproxy_function_limit") == {("users", "prod"): 5, (OTHER, ""): 18}
    assert read("lambdaproxy_function_breaker_open")["users", "prod"] == 1
    del now[:]
    assert read("lambdaproxy_function_queued") == {("users", "prod"): 0, (OTHER, ""): 0}
