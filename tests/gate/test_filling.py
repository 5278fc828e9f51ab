"""Settings that are filled from the request."""

from __future__ import annotations

import pytest

from lambdaproxy.errors import ConfigError
from lambdaproxy.gate.filling import find
from lambdaproxy.messages import Grant, InvocationResult, Match
from tests.authorizers.asking import request
from tests.gate.test_cors import Door
from tests.gate.test_shadow import Served

ROUTE = """
format = "apigateway-v2"
function-header = "none"
[[route]]
path = "/t/{{id}}/{{rest+}}"
function = "f"
{more}
"""


class Asked(Door):
    def __init__(self, tmp_path, more):
        super().__init__(tmp_path, ROUTE.format(more=more))
        self.invocations = self.invoker.invocations


@pytest.mark.parametrize(
    ("setting", "target", "headers", "value"),
    [
        ('tenant-id = "{header.x-tenant}"', "/t/7/a", {"X_Tenant": "acme"}, "acme"),
        ('tenant-id = "t-{path.id}"', "/t/7/a", {}, "t-7"),
        ('tenant-id = "{path.id}"', "/t/a%2Eb/a", {}, "a.b"),
        ('tenant-id = "{path.rest}"', "/t/7/a/b", {}, "a/b"),
        ('tenant-id = "{query.t}:{header.x-tenant}"', "/t/7/a?x=1&t=a+b", {"X_Tenant": "c"}, "a b:c"),
        ('tenant-id = "fixed"', "/t/7/a", {}, "fixed"),
    ],
)
def test_a_tenant(tmp_path, setting, target, headers, value):
    asked = Asked(tmp_path, setting)
    assert asked.ask("GET", target, **headers)[0] == 200
    assert asked.invocations[0].tenant_id == value


@pytest.mark.parametrize(
    ("setting", "target", "headers"),
    [
        ('tenant-id = "{header.x-tenant}"', "/t/7/a", {}),
        ('tenant-id = "{header.x-tenant}"', "/t/7/a", {"X_Tenant": "a,b"}),
        ('tenant-id = "{header.x-tenant}"', "/t/7/a", {"X_Tenant": "\xfc"}),
        ('tenant-id = "{header.x-tenant}"', "/t/7/a", {"X_Tenant": "x" * 257}),
        ('tenant-id = "{query.t}"', "/t/7/a?t=a&t=b", {}),
        ('tenant-id = "{query.t}"', "/t/7/a?t=a%0D%0Ab", {}),
        ('durable-name = "{header.idempotency-key}"', "/t/7/a", {"Idempotency_Key": "a/b"}),
        ('durable-name = "{header.idempotency-key}"', "/t/7/a", {"Idempotency_Key": "x" * 65}),
    ],
)
def test_a_request_that_cannot_fill_it_is_refused(tmp_path, setting, target, headers):
    asked = Asked(tmp_path, setting)
    status, _, body = asked.ask("GET", target, **headers)
    assert (status, body) == (400, b'{"message":"Bad Request"}')
    assert asked.invocations == []


def test_a_durable_name_is_the_clients_whole_or_begins_with_ours(tmp_path):
    asked = Asked(tmp_path, 'durable-name = "order-{header.idempotency-key}"\ninvoke-mode = "event"')
    assert asked.ask("POST", "/t/7/a", Idempotency_Key="8e03978e-40d5-43e8-bc93-6894a57f9324")[0] == 202
    assert asked.invocations[0].durable_name == "order-8e03978e-40d5-43e8-bc93-6894a57f9324"
    asked = Asked(tmp_path, 'durable-name = "order-"\ninvoke-mode = "event"')
    asked.ask("POST", "/t/7/a")
    assert asked.invocations[0].durable_name == "order-" + asked.invocations[0].request_id


def test_a_context_stays_json_whatever_is_filled_in(tmp_path):
    asked = Asked(tmp_path, """client-context = '{"custom": {"who": "{header.x-who}"}}'""")
    assert asked.ask("GET", "/t/7/a", X_Who='a"},"b":{"c')[0] == 200
    assert asked.invocations[0].client_context == '{"custom": {"who": "a\\"},\\"b\\":{\\"c"}}'


def test_who_asks_fills_it():
    grant = Grant("jwt", {"sub": "7", "tenant": "acme", "n": 5, "yes": True, "groups": ["a"]})
    found = {
        place: find(place, request(grant=grant), Match())
        for place in ("claim.tenant", "principal", "claim.n", "claim.yes", "claim.groups", "key")
    }
    assert found == {
        "claim.tenant": "acme", "principal": "7", "claim.n": "5", "claim.yes": None, "claim.groups": None, "key": None,
    }  # fmt: skip
    assert find("key", request(grant=Grant("api-key", key="k", key_id="acme")), Match()) == "acme"
    assert find("principal", request(grant=Grant("lambda", principal="me")), Match()) == "me"
    assert find("principal", request(), Match()) is None


MISTAKES = [
    ('tenant-id = "{header.}"', "is none of {header.NAME}"),
    ('tenant-id = "{nothing}"', "is none of {header.NAME}"),
    ('tenant-id = "{path.other}"', "the path of the route has no {other}"),
    ('tenant-id = "{claim.sub}"', "the route needs an authorizer"),
    ('tenant-id = "{header.x}!"', "can never be what AWS takes"),
    ('durable-name = "a b{header.x}"', "can never be what AWS takes"),
    ("client-context = '[\"{header.x}\"]'", "is no JSON object"),
]


@pytest.mark.parametrize(("more", "words"), MISTAKES, ids=[more for more, _ in MISTAKES])
def test_mistakes(tmp_path, more, words):
    with pytest.raises(Exception, match=r"proxy.toml:\d+") as caught:
        Asked(tmp_path, more)
    assert words in str(caught.value)
    assert isinstance(caught.value, ConfigError) or type(caught.value).__name__ == "UsageError"


@pytest.mark.parametrize(("more", "told"), [("durable-arn = true", True), ("", False)])
def test_the_name_of_the_execution_is_told_where_it_is_asked_for(tmp_path, more, told):
    served = Served(tmp_path, f'durable-name = "{{header.x}}"\n{more}')
    arn = "arn:aws:lambda:us-east-1:123456789012:function:f:1/durable-execution/a/b"
    served.answers["aws f:1"] = InvocationResult(b'{"statusCode":200}', durable_arn=arn)
    response = served.ask(headers=((b"X", b"a"),))
    assert ((b"X-Amz-Durable-Execution-Arn", arn.encode()) in response.headers) is told
