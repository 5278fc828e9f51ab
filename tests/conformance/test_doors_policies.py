"""What Lambda authorizers may say, whom keys and networks let in, and in which order each is asked."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.conformance.test_doors import HTTP, KEY, REST, policy, rest, route, said, simple
from tests.doorway import Doorway, fields

pytest.importorskip("joserfc", reason="pip install 'lambdaproxy[jwt]'")

ARN = "arn:aws:execute-api:us-east-1:123456789012:lambdaprox/prod/GET"
TOKEN = ("Authorization", "t")


def statement(effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Action": "execute-api:Invoke", "Effect": effect, "Resource": "*", **more}


def answers(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": list(statements)}}


@pytest.mark.parametrize(
    ("statements", "status"),
    [
        ([statement(Resource=f"{ARN}/a")], 200),
        ([statement(Resource=[f"{ARN}/b", f"{ARN}/?"])], 200),
        ([statement(Resource=f"{ARN}/?/b")], 403),
        ([statement(Resource="arn:aws:execute-api:*:*:lambdaprox/*")], 200),
        ([statement(Resource="arn:aws:execute-api:*:*:*/*/GET/*")], 200),
        ([statement(Resource="arn:aws:execute-api:*:*:*/*/POST/*")], 403),
        ([statement(Resource="arn:aws:execute-api:eu-west-1:*:*")], 403),
        ([statement(Resource=f"{ARN}/A")], 403),
        ([statement(Action="*")], 200),
        ([statement(Action=["execute-api:Manage", "EXECUTE-API:invoke"])], 200),
        ([statement(Action="execute-api:*")], 200),
        ([statement(Action="lambda:InvokeFunction")], 403),
        ([statement(), statement("Deny", Resource=f"{ARN}/a")], 403),
        ([statement("Deny", Resource=f"{ARN}/a"), statement()], 403),
        ([statement(), statement("Deny", Resource=f"{ARN}/b")], 200),
        ([statement("allow")], 500),
        ([statement("ALLOW")], 500),
        ([], 500),
        ([{"Action": "*", "Effect": "Allow"}], 500),
        ([statement(Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}})], 200),
        ([statement(Condition={"IpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}})], 403),
        ([statement(Condition={"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}})], 200),
        ([statement(), statement("Deny", Condition={"StringEquals": {"aws:UserAgent": "x"}})], 403),
        ([statement(Condition={"StringEquals": {"aws:UserAgent": "x"}})], 403),
        ([{"NotAction": "execute-api:Manage", "Effect": "Allow", "Resource": "*"}], 200),
        ([{"Action": "*", "Effect": "Allow", "NotResource": f"{ARN}/a"}], 403),
    ],
)
def test_policies_are_judged_as_those_of_iam(door, statements, status):
    """IAM guide, evaluation; API Gateway guide: a star stands for slashes too. Unknown conditions let nobody in."""
    one = rest(door, answers(*statements))
    assert one.ask("GET", "/a", TOKEN, client="192.0.2.7").status == status


def test_a_single_statement_without_a_list(door):
    """IAM guide: Statement may be an object."""
    found = {"principalId": "me", "policyDocument": {"Statement": statement()}}
    assert rest(door, found).ask("GET", "/a", TOKEN).status == 200


@pytest.mark.parametrize(("more", "status"), [("", 500), ('principal-id = "optional"\n', 200)])
def test_who_is_allowed_needs_a_name(door, more, status):
    """API Gateway guide: principalId must be there."""
    found = {key: value for key, value in policy("Allow", "*").items() if key != "principalId"}
    assert rest(door, found, more).ask("GET", "/a", TOKEN).status == status


def test_what_is_kept(door):
    """API Gateway guide: 300 seconds by default, denials too, errors never, 0 not at all."""
    one = rest(door, lambda event: policy("Deny" if event["authorizationToken"] == "bad" else "Allow", "*"))
    for sent in ("good", "bad"):
        for _ in range(3):
            one.ask("GET", "/a", ("Authorization", sent))
    assert len(one.events["who"]) == 2
    one.clock.advance(299)
    one.ask("GET", "/b", ("Authorization", "good"))
    assert len(one.events["who"]) == 2
    one.clock.advance(2)
    one.ask("GET", "/b", ("Authorization", "good"))
    assert len(one.events["who"]) == 3
    broken = rest(door, {})
    for _ in range(2):
        broken.ask("GET", "/a", TOKEN)
    assert len(broken.events["who"]) == 2
    never = rest(door, policy("Allow", "*"), "result-ttl = 0\n")
    for _ in range(2):
        never.ask("GET", "/a", TOKEN)
    assert len(never.events["who"]) == 2


@pytest.mark.parametrize(
    ("sources", "asked"),
    [
        ('["$request.header.Authorization"]', 1),
        ('["$request.header.Authorization", "$context.routeKey"]', 2),
    ],
)
def test_an_answer_is_for_all_routes_unless_the_route_is_a_source(door, sources, asked):
    """API Gateway guide, http-api-lambda-authorizer: the cache is shared by all routes of the authorizer."""
    table = (
        '[authorizer.who]\nkind = "lambda"\nfunction = "who"\npayload = "2.0"\nsimple = true\nresult-ttl = 60\n'
        f"identity-source = {sources}\n"
    )
    config = HTTP + table + route("/a", authorizer="who") + route("/b", authorizer="who")
    one = door(config, who={"isAuthorized": True})
    for path in ("/a", "/b", "/a"):
        assert one.ask("GET", path, TOKEN).status == 200
    assert len(one.events["who"]) == asked
    assert one.events["who"][-1]["identitySource"][0] == "t"


def test_an_http_api_keeps_nothing_by_default(door):
    one = simple(door, {"isAuthorized": True})
    one.ask("GET", "/x", TOKEN)
    one.ask("GET", "/x", TOKEN)
    assert len(one.events["who"]) == 2


def test_the_event_of_payload_1_0(door):
    """API Gateway guide: identitySource and authorizationToken are the values, with commas between them."""
    table = (
        '[authorizer.who]\nkind = "lambda"\nfunction = "who"\npayload = "1.0"\n'
        'identity-source = ["$request.header.A", "$request.querystring.b"]\n'
    )
    one = door('format = "apigateway-v2:payload=1.0"\n' + table + route("/x", authorizer="who"),
               who={**policy("Allow", "*"), "context": {"n": 1, "l": [1]}})  # fmt: skip
    assert one.ask("GET", "/x?b=2", ("A", "1")).status == 200
    told = one.events["who"][0]
    assert (told["version"], told["type"]) == ("1.0", "REQUEST")
    assert told["identitySource"] == told["authorizationToken"] == "1,2"
    assert told["methodArn"].endswith("/$default/GET/x") and "body" not in told
    found = one.events["fn"][0]["requestContext"]["authorizer"]
    assert found.pop("integrationLatency") == 0 and found == {"n": 1, "l": [1], "principalId": "me"}
    assert one.ask("GET", "/x?b=", ("A", "1")).status == 401


def test_the_event_of_a_rest_api_s_request_authorizer(door):
    """API Gateway guide: the proxy event without a body, with type and methodArn; empty maps are {}."""
    table = (
        '[authorizer.who]\nkind = "lambda"\nfunction = "who"\npayload = "rest"\n'
        'identity-source = ["method.request.header.A", "context.httpMethod"]\n'
    )
    one = door(REST + table + route("/x", authorizer="who"), who=policy("Allow", "*"))
    assert one.ask("POST", "/x", ("A", "1"), body=b"secret").status == 200
    told = one.events["who"][0]
    assert told["type"] == "REQUEST" and told["methodArn"] == f"{ARN[:-3]}POST/x"
    assert told["pathParameters"] == told["queryStringParameters"] == told["stageVariables"] == {}
    assert {"resource", "path", "httpMethod", "headers", "multiValueHeaders", "requestContext"} <= set(told)
    assert not {"body", "isBase64Encoded", "version", "authorizationToken", "identitySource"} & set(told)
    assert said(one.ask("POST", "/x"))[0::2] == (401, ["UnauthorizedException"])


def test_a_token_s_expression_is_compared_as_a_whole(door):
    """API Gateway guide: identityValidationExpression; what does not match is not asked about."""
    pytest.importorskip("re2", reason="pip install 'lambdaproxy[regex]'")
    one = rest(door, policy("Allow", "*"), 'validation = "[a-c]{3}"\n')
    assert [one.ask("GET", "/a", ("Authorization", sent)).status for sent in ("abc", "abcd", "xabc", "ab\xe9")] == [
        200, 401, 401, 401,
    ]  # fmt: skip
    assert len(one.events["who"]) == 1


def test_a_key_that_is_named_and_not_asked_for(door):
    """API Gateway guide: usageIdentifierKey stands in the event; without ApiKeyRequired nobody compares it."""
    one = rest(door, {**policy("Allow", "*"), "usageIdentifierKey": "k" * 24})
    assert one.ask("GET", "/a", TOKEN).status == 200
    assert one.events["fn"][0]["requestContext"]["identity"]["apiKey"] == "k" * 24


def test_the_order_authorizer_key_validation(door):
    """API Gateway guide: who may not ask is not told what is wrong with his request."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    tables = (
        '[authorizer.who]\nkind = "lambda"\nfunction = "who"\npayload = "token"\n'
        f'[authorizer.keys]\nkind = "api-key"\nkey = ["partner {digest}"]\n'
        '[authorizer.both]\nkind = "all"\nof = ["who", "keys"]\n'
    )
    config = REST + tables + route("/x", authorizer="both", request_parameters=["querystring.q"])
    one = door(config, who=policy("Allow", "*"))
    assert said(one.ask("GET", "/x"))[0::2] == (401, ["UnauthorizedException"])
    assert said(one.ask("GET", "/x", TOKEN))[0::2] == (403, ["ForbiddenException"])
    assert said(one.ask("GET", "/x", TOKEN, ("x-api-key", KEY)))[0::2] == (400, ["BadRequestException"])
    assert one.ask("GET", "/x?q=1", TOKEN, ("X-Api-Key", KEY)).status == 200


def test_a_route_without_a_key_shows_none(door):
    """API Gateway guide: apiKey stands in events of methods that ask for one; the header passes everywhere."""
    one = door(REST + route("/x"))
    one.ask("GET", "/x", ("X-API-Key", KEY))
    event = one.events["fn"][0]
    assert event["headers"]["X-API-Key"] == KEY
    assert event["requestContext"]["identity"].get("apiKey") is None


@pytest.mark.parametrize(("burst", "let_in"), [(3, 3), (1, 1), (0, 0)])
def test_buckets_hold_a_burst_and_fill_at_the_rate(door, burst, let_in):
    """API Gateway guide, throttling: a token bucket; fractions of a request a second are possible."""
    one: Doorway = door(REST + route("/x", rate="0.5/s", burst=burst))
    assert [one.ask("GET", "/x").status for _ in range(5)] == [200] * let_in + [429] * (5 - let_in)
    one.clock.advance(2)
    assert [one.ask("GET", "/x").status for _ in range(2)] == ([200, 429] if burst else [429, 429])


@pytest.mark.parametrize(
    ("format", "body"),
    [
        (REST, b'{"message":"Forbidden"}'),
        (HTTP, b'{"message":"Forbidden"}'),
        ('format = "function-url"\n', b'{"Message":"Forbidden'),
    ],
)
def test_networks_before_everything_else(door, format, body):
    """API Gateway guide: a resource policy is judged before authorizers and keys."""
    table = '[authorizer.who]\nkind = "lambda"\nfunction = "who"\npayload = "token"\n'
    config = format + table + route("$default", authorizer="who", allow_from=["10.0.0.0/8"], deny_from=["10.9.0.0/16"])
    one = door(config, who=policy("Allow", "*"))
    for client in ("192.0.2.7", "10.9.1.1", "2001:db8::1", ""):
        answer = one.ask("GET", "/x", TOKEN, client=client)
        assert isinstance(answer.body, bytes)
        assert answer.status == 403 and answer.body.startswith(body), client
    assert "who" not in one.events
    assert one.ask("GET", "/x", TOKEN, client="10.1.1.1").status == 200
    assert fields(one.ask("GET", "/x", client="10.1.1.1"), "www-authenticate") == []
