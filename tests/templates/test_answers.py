"""What a template lets be answered without a function: CORS of every kind of API, and mock integrations."""

from __future__ import annotations

from typing import Any

import pytest

from lambdaproxy.templates.answers import mock
from tests.templates.support import a_function, asked, notes, of_template, resource, written

PAGE = b"https://www.example.com"
PREFLIGHT = ((b"Origin", PAGE), (b"Access-Control-Request-Method", b"GET"))


def sam(kind: str, api: dict[str, Any], **event: Any) -> dict[str, Any]:
    key = "RestApiId" if kind == "Api" else "ApiId"
    events = {
        name: {"Type": kind, "Properties": {key: {"Ref": "A"}, "Path": path, "Method": method}}
        for name, path, method in (("One", "/a", "get"), ("Two", "/b", "any"), ("Three", "/c", "options"))
    }
    function = {"Runtime": "python3.12", "Handler": "index.handler", "InlineCode": "handler = 1", "Events": events}
    return {
        "Resources": {
            "A": resource(f"AWS::Serverless::{kind}", **api),
            "F": resource("AWS::Serverless::Function", **function),
        }
    }


@pytest.mark.parametrize(
    ("cors", "target", "expected"),
    [
        ("'*'", "/a", {b"Access-Control-Allow-Origin": b"*", b"Access-Control-Allow-Methods": b"GET,OPTIONS"}),
        ({"MaxAge": 5, "AllowCredentials": False}, "/a", {b"Access-Control-Allow-Origin": b"*"}),
        ("'*'", "/b", {b"Access-Control-Allow-Methods": b"DELETE,GET,HEAD,OPTIONS,PATCH,POST,PUT"}),
        (
            {
                "AllowMethods": "'GET'",
                "AllowOrigin": "'https://a.example'",
                "AllowCredentials": True,
                "MaxAge": "'6'",
            },
            "/a",
            {
                b"Access-Control-Allow-Origin": b"https://a.example",
                b"Access-Control-Allow-Methods": b"GET",
                b"Access-Control-Allow-Credentials": b"true",
                b"Access-Control-Max-Age": b"6",
            },
        ),
    ],
)
def test_a_rest_api_of_sam_answers_preflights_as_its_mock_does(tmp_path, cors, target, expected):
    found = of_template(written(tmp_path, sam("Api", {"StageName": "x", "Cors": cors})))
    answer = asked(found, "OPTIONS", target, headers=PREFLIGHT)
    assert not isinstance(answer, str)
    assert (answer.status, answer.body) == (200, b"{}\n")
    assert expected.items() <= dict(answer.headers).items()
    assert asked(found, "OPTIONS", "/c", headers=PREFLIGHT) == "F"
    assert asked(found, "GET", "/a", headers=()) == "F"
    assert found.configuration.differences == ()


@pytest.mark.parametrize("cors", [True, ["https://www.example.com"], {"AllowOrigins": ["*"], "AllowMethods": ["GET"]}])
def test_an_http_api_answers_preflights_that_no_route_takes(tmp_path, cors):
    path = written(tmp_path, sam("HttpApi", {"CorsConfiguration": cors}))
    found = of_template(path)
    answer = asked(found, "OPTIONS", "/a", headers=PREFLIGHT)
    assert not isinstance(answer, str)
    assert (answer.status, answer.body) == (204, b"")
    names = {name.lower(): value for name, value in answer.headers}
    permits_methods = isinstance(cors, dict)
    assert (b"access-control-allow-origin" in names) == permits_methods
    assert asked(found, "OPTIONS", "/b", headers=PREFLIGHT) == "F"
    nowhere = asked(found, "OPTIONS", "/nowhere", headers=PREFLIGHT)
    assert not isinstance(nowhere, str)
    assert nowhere.status == 204
    assert notes(path) == []


def test_a_raw_api_and_a_url(tmp_path):
    cors = {"AllowOrigins": ["https://www.example.com"], "AllowMethods": ["GET"], "MaxAge": 5}
    path = written(
        tmp_path,
        {
            "Resources": {
                "F": a_function(),
                "A": resource(
                    "AWS::ApiGatewayV2::Api",
                    ProtocolType="HTTP",
                    RouteKey="GET /a",
                    Target={"Ref": "F"},
                    CorsConfiguration=cors,
                ),
                "U": resource("AWS::Lambda::Url", AuthType="NONE", TargetFunctionArn={"Ref": "F"}, Cors=cors),
            }
        },
    )
    for host, status in (("a.localhost", 204), ("u.localhost", 200)):
        answer = asked(of_template(path), "OPTIONS", "/a", host, headers=PREFLIGHT)
        assert not isinstance(answer, str)
        assert answer.status == status
        names = {name.lower(): value for name, value in answer.headers}
        assert names[b"access-control-allow-origin"] == PAGE


@pytest.mark.parametrize(
    "cors", [{"AllowOrigins": ["*"], "AllowCredentials": True}, {"AllowOrigins": ["x"]}, {"No": 1}]
)
def test_cors_that_cannot_be_is_listed_and_refuses_nothing(tmp_path, cors):
    path = written(tmp_path, sam("HttpApi", {"CorsConfiguration": cors}))
    (note,) = notes(path)
    assert "A.CorsConfiguration: no preflight is answered and no header added:" in note


def test_an_origin_that_nobody_sends_is_listed_with_its_line_and_the_others_stay(tmp_path):
    origins = ["https://b.example:443", PAGE.decode(), "http://a.example:80"]
    path = written(tmp_path, sam("HttpApi", {"CorsConfiguration": {"AllowOrigins": origins, "AllowMethods": ["GET"]}}))
    second, first = sorted(notes(path))
    assert "CorsConfiguration.AllowOrigins: it permits nobody: no browser sends 'https://b.example:443'" in first
    assert "line " in first
    assert "leave out :80" in second
    answer = asked(of_template(path), "OPTIONS", "/a", "a.localhost", headers=PREFLIGHT)
    assert not isinstance(answer, str)
    assert (b"access-control-allow-origin", PAGE) in {(name.lower(), value) for name, value in answer.headers}


@pytest.mark.parametrize(
    "integration",
    [
        {"requestTemplates": {"application/json": "#set($a = 1)"}, "responses": {"default": {"statusCode": 200}}},
        {"responses": {"default": {"statusCode": 200, "responseTemplates": {"a/b": "$input.path('$')"}}}},
        {
            "responses": {
                "default": {"statusCode": 200, "responseParameters": {"method.response.header.A": "context.x"}}
            }
        },
        {"responses": {"default": {"statusCode": 404}}},
        {"responses": {"default": {"statusCode": 200, "responseParameters": {"method.response.header.A": "'\n'"}}}},
        {},
    ],
)
def test_a_mock_that_is_not_always_the_same_is_none_of_ours(integration):
    assert mock(integration) is None
