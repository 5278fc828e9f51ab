"""Gateway responses, sources of keys and rates of single methods, as templates write them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from tests.doorway import fields
from tests.templates.support import a_function, asked, notes, of_template, resource, written
from tests.templates.test_guards import KEY, made, sam

BY_KIND = {"responseParameters": {"gatewayresponse.header.X-A": "'b'"}}


def refused(path: Any, target: str = "/nowhere", **more: Any) -> Any:
    assembly = of_template(path)
    answer = asked(assembly, "GET", target, **{"headers": (), **more})
    assert not isinstance(answer, str), answer
    return answer


def test_in_the_words_of_sam(tmp_path):
    responses = {
        "DEFAULT_4XX": {
            "StatusCode": 418,
            "ResponseParameters": {
                "Headers": {
                    "Access-Control-Allow-Origin": "'*'",
                    "X-Origin": "method.request.header.Origin",
                    "X-No": "nothing",
                }
            },
            "ResponseTemplates": {"application/json": '{"e":$context.error.messageString,"v":"$context.error.other"}'},
        },
        "DEFAULT_6XX": {},
    }
    path = written(tmp_path, sam("Api", {"a": {}}, GatewayResponses=responses))
    answer = refused(path, headers=((b"Origin", b"https://a.example"),))
    assert (answer.status, json.loads(answer.body)) == (418, {"e": "Missing Authentication Token", "v": ""})
    assert fields(answer, "access-control-allow-origin") == ["*"] and fields(answer, "x-origin") == [
        "https://a.example"
    ]
    said = notes(path)
    assert len(said) == 3
    assert any("the header X-No is not sent: 'nothing' is neither in quotes nor a parameter" in one for one in said)
    assert any("DEFAULT_6XX: this answer is the API's own: there is no type" in one for one in said)
    assert any("$context.error.other is not known here; nothing stands in its place" in one for one in said)


def test_in_a_document_and_as_a_resource(tmp_path):
    uri = {"Fn::Sub": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations"}
    document = {
        "swagger": "2.0",
        "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": uri}}}},
        "x-amazon-apigateway-gateway-responses": {"MISSING_AUTHENTICATION_TOKEN": BY_KIND},
    }
    raw = {
        "Resources": {
            "F": a_function(),
            "Api": resource("AWS::ApiGateway::RestApi", Body=document),
            "Other": resource(
                "AWS::ApiGateway::GatewayResponse", RestApiId={"Ref": "Api"}, ResponseType="DEFAULT_4XX",
                StatusCode="400",
            ),
        }
    }  # fmt: skip
    path = written(tmp_path, raw)
    assert notes(path) == []
    answer = refused(path)
    assert answer.status == 403 and fields(answer, "x-a") == ["b"]
    assert {each.type for each in of_template(path).router.routes[0].settings.gateway_responses} == {
        "MISSING_AUTHENTICATION_TOKEN", "DEFAULT_4XX",
    }  # fmt: skip


def test_keys_that_an_authorizer_names(tmp_path):
    more = {"Partner": resource("AWS::ApiGateway::ApiKey", Value=KEY)}
    auth = {
        "DefaultAuthorizer": "Token", "ApiKeyRequired": True, "Authorizers": {"Token": {"FunctionArn": {"Ref": "Who"}}},
    }  # fmt: skip
    path = written(tmp_path, sam("Api", {"a": {}}, more, Auth=auth, ApiKeySourceType="AUTHORIZER"))
    assembly = of_template(path)
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    assert assembly.configuration.authorizers["a-keys"].given == (
        ("key", f"Partner {digest}"), ("identity-source", "usageIdentifierKey"),
    )  # fmt: skip
    assert notes(path) == []


def test_rates_of_single_methods_for_each_key(tmp_path):
    def plan(**throttle: Any) -> dict[str, Any]:
        stage = {"ApiId": {"Ref": "A"}, "Stage": "x", "Throttle": throttle}
        return resource("AWS::ApiGateway::UsagePlan", ApiStages=[stage], Quota={"Limit": 50, "Period": "DAY"})

    more = {
        "Partner": resource("AWS::ApiGateway::ApiKey", Value=KEY),
        "Plan": plan(**{"/a/GET": {"RateLimit": 5, "BurstLimit": 10}, "/open/GET": {"RateLimit": 1}, "b": {}}),
    }
    events = {"a": {}, "b": {}, "open": {"Auth": {"ApiKeyRequired": False}}}
    path = written(tmp_path, sam("Api", events, more, Auth={"ApiKeyRequired": True}))
    found = {key: (str(about.rate), about.burst, about.rate_by) for key, (_, about) in made(path).items()}
    assert found == {
        "/a": ("5/s", 10, "key"), "/b": ("None", None, "route"), "/open": ("None", None, "route"),
    }  # fmt: skip
    said = notes(path)
    assert len(said) == 1 and "no rate of a single method holds: " in said[0]


def test_what_a_second_plan_says_is_listed(tmp_path):
    def plan(rate: int) -> dict[str, Any]:
        stages = [{"ApiId": {"Ref": "A"}, "Stage": "x"}]
        return resource("AWS::ApiGateway::UsagePlan", ApiStages=stages, Throttle={"RateLimit": rate, "BurstLimit": 1})

    more = {"Partner": resource("AWS::ApiGateway::ApiKey", Value=KEY), "Basic": plan(1), "Gold": plan(9)}
    path = written(tmp_path, sam("Api", {"a": {}}, more, Auth={"ApiKeyRequired": True}))
    assert ("rate", "1/s") in made(path)["/a"][0][1] and ("rate", "9/s") not in made(path)["/a"][0][1]
    assert [one.partition(": ")[2] for one in notes(path)] == [
        "Gold: what another plan of its API says holds for all keys, not this"
    ]


def test_an_event_that_takes_the_place_of_a_document_s_authorizer(tmp_path):
    """SAM guide: OverrideApiAuth is for the paths of a DefinitionBody, which say nothing else of an event."""
    uri = {"Fn::Sub": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations"}
    get = {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": uri}}}
    document = {"swagger": "2.0", "paths": {"/a": get, "/b": get, "/c": get}}
    events: dict[str, dict[str, Any]] = {
        "a": {"Auth": {"Authorizer": "NONE", "OverrideApiAuth": True}},
        "b": {"Auth": {"Authorizer": "Other", "OverrideApiAuth": True}},
        "c": {"Auth": {"Authorizer": "NONE"}},
    }
    who = {"FunctionArn": {"Ref": "Who"}}
    auth = {"DefaultAuthorizer": "Token", "Authorizers": {"Token": who, "Other": {**who, "Identity": {"Header": "x"}}}}
    path = written(tmp_path, sam("Api", events, DefinitionBody=document, Auth=auth))
    assembly = of_template(path)
    found = {route.path: route.authorizer for route in assembly.router.routes if not route.closed}
    assert found == {"/a": None, "/b": "a-other", "/c": "a-token"}
    assert notes(path) == []
