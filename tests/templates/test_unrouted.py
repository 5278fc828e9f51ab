"""What no route of a template takes is refused as that API refuses it (recorded on AWS), not with a hint of ours."""

from __future__ import annotations

from typing import Any

import pytest

from lambdaproxy.selection import parse_function
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from tests.templates.support import a_function, asked, of_template, resource, written

REST: dict[str, Any] = {
    "F": {
        "Type": "AWS::Serverless::Function",
        "Properties": {
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "InlineCode": "handler = 1",
            "Events": {"A": {"Type": "Api", "Properties": {"Path": "/a", "Method": "get"}}},
        },
    }
}
HTTP = {
    "F": a_function(),
    "Web": resource("AWS::ApiGatewayV2::Api", ProtocolType="HTTP", RouteKey="GET /a", Target={"Ref": "F"}),
}
ANSWERS = {
    "rest": (REST, 403, b'{"message":"Missing Authentication Token"}'),
    "http": (HTTP, 404, b'{"message":"Not Found"}'),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize(("method", "target"), [("GET", "/b"), ("POST", "/a"), ("GET", "/"), ("GET", "/a/b?c=d")])
def test_refused_as_the_api_does(tmp_path, name, method, target):
    resources, status, body = ANSWERS[name]
    found = of_template(written(tmp_path, {"Resources": resources}))
    answer = asked(found, method, target, headers=())
    assert not isinstance(answer, str)
    assert (answer.status, answer.body) == (status, body)
    assert asked(found, "GET", "/a", headers=()) == "F"


@pytest.mark.parametrize(
    ("target", "hint"),
    [("/Prod/a", "ask for /a, or"), ("/Prod/a/b?c=d", "ask for /a/b, or"), ("/Prod", "ask for /, or"), ("/prod/a", "")],
)
def test_a_stage_that_is_no_part_of_the_path_is_named_to_the_operator(tmp_path, target, hint):
    found = of_template(written(tmp_path, {"Resources": REST}))
    said: list[str] = []
    answer = asked(found, "GET", target, headers=(), said=said)
    assert not isinstance(answer, str)
    assert (answer.status, answer.body) == ANSWERS["rest"][1:]
    assert ("/Prod is the stage" in said[0], hint in said[0]) == (bool(hint), True), said


def test_the_header_still_names_a_function(tmp_path):
    found = of_template(written(tmp_path, {"Resources": REST}))
    assert asked(found, "GET", "/b", headers=((b"X-Lambda-Function", b"F"),)) == "F"


def test_the_function_of_the_operator_takes_the_rest(tmp_path):
    found = of_template(written(tmp_path, {"Resources": REST}), function=parse_function("F"))
    assert asked(found, "GET", "/b", headers=()) == "F"


def test_pages_of_ours_are_there_still(tmp_path):
    from twisted.internet.task import Clock

    from lambdaproxy.proxy import Proxy
    from tests.memory import head

    found = of_template(written(tmp_path, {"Resources": REST}))
    accounts = Accounts(Clock(), Metrics(), FunctionLabels(frozenset()), None)
    proxy = Proxy(Clock(), found.router, found.header, found.resolve, None, found.timeout, accounts)  # type: ignore[arg-type]
    assert not proxy.would_answer(head(method="GET", target=b"/healthz", headers=()))
    assert proxy.would_answer(head(method="GET", target=b"/a", headers=()))


def test_each_api_has_its_own_host_and_refuses_there(tmp_path):
    both = {**REST, **{name: one for name, one in HTTP.items() if name != "F"}}
    found = of_template(written(tmp_path, {"Resources": both}))
    for host, status in (("serverlessrestapi.localhost:8011", 403), ("web.localhost", 404), ("localhost", 404)):
        answer = asked(found, "GET", "/b", host, headers=())
        assert not isinstance(answer, str)
        assert answer.status == status, host
        assert asked(found, "GET", "/a", host, headers=()) == "F"
    assert any("another door has GET /a, too; this one is at" in one for one in found.configuration.differences)
