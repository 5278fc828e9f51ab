"""Authorizers of SAM's APIs: functions are asked; others are listed, and let everybody in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.templates.support import notes, of_template, resource, written

REST = {
    "DefaultAuthorizer": "Token",
    "Authorizers": {
        "Token": {"FunctionArn": {"Fn::GetAtt": "Who.Arn"}, "Identity": {"Header": "X-Who", "ReauthorizeEvery": 5}},
        "Asked": {
            "FunctionArn": {"Fn::GetAtt": "Who.Arn"},
            "FunctionPayloadType": "REQUEST",
            "Identity": {"Headers": ["a"], "QueryStrings": ["b"], "StageVariables": ["c"]},
        },
        "Nothing": {"FunctionArn": {"Ref": "Who"}, "FunctionPayloadType": "REQUEST"},
        "Pool": {"UserPoolArn": "x"},
    },
}
HTTP = {
    "DefaultAuthorizer": "Simple",
    "Authorizers": {
        "Simple": {
            "FunctionArn": {"Fn::GetAtt": "Who.Arn"},
            "AuthorizerPayloadFormatVersion": "2.0",
            "EnableSimpleResponses": True,
            "Identity": {"Headers": ["Authorization"]},
        },
        "Old": {"FunctionArn": {"Fn::GetAtt": "Who.Arn"}, "AuthorizerPayloadFormatVersion": 1.0},
        "Jwt": {"JwtConfiguration": {"issuer": "x"}},
    },
}


def template(kind: str, auth: dict[str, Any], names: list[str | None]) -> dict[str, Any]:
    code = {"Runtime": "python3.12", "Handler": "index.handler", "InlineCode": "handler = 1"}
    events = {}
    for at, name in enumerate(names):
        about: dict[str, Any] = {"Path": f"/{at}", "Method": "get"}
        about["RestApiId" if kind == "Api" else "ApiId"] = {"Ref": "A"}
        if name is not None:
            about["Auth"] = {"Authorizer": name}
        events[f"E{at}"] = {"Type": kind, "Properties": about}
    stage = {"StageName": "x"} if kind == "Api" else {}
    return {
        "Resources": {
            "A": resource(f"AWS::Serverless::{kind}", Auth=auth, **stage),
            "Who": resource("AWS::Serverless::Function", **code),
            "F": resource("AWS::Serverless::Function", Events=events, **code),
        }
    }


@pytest.mark.parametrize(
    ("kind", "auth", "names", "chosen", "listed"),
    [
        (
            "Api",
            REST,
            [None, "Asked", "NONE", "Nothing", "Pool"],
            ["a-token", "a-asked", None, "a-nothing", "a-pool"],
            ["A.Auth.Authorizers.Pool: nobody is let in: the user pool 'x' is not known here"],
        ),
        (
            "HttpApi",
            HTTP,
            [None, "Old", "NONE"],
            ["a-simple", "a-old", None],
            ["A.Auth.Authorizers.Jwt: nobody is let in: "],
        ),
    ],
)
def test_who_is_asked(tmp_path, kind, auth, names, chosen, listed):
    path = written(tmp_path, template(kind, auth, names))
    found = of_template(path)
    assert [route.authorizer for route in found.router.routes if not route.closed] == chosen
    said = notes(path)
    assert len(said) == len(listed)
    for says in listed:
        assert any(says in one for one in said), says
    given = dict(found.configuration.authorizers["a-token" if kind == "Api" else "a-simple"].given)
    assert given["function"] == "Who"
    assert given["payload"] == ("token" if kind == "Api" else "2.0")
    assert given["identity-source"].endswith("X-Who" if kind == "Api" else "header.Authorization")


def test_one_that_cannot_be_is_listed_and_lets_nobody_in(tmp_path):
    bad = {"Authorizers": {"X": {"FunctionArn": {"Ref": "Who"}, "Identity": {"ReauthorizeEvery": 99999}}}}
    path = written(tmp_path, template("Api", bad, ["X"]))
    assert any("A.Auth.Authorizers.X: nobody is let in: result-ttl" in one for one in notes(path))
    far = {"DefaultAuthorizer": "AWS_IAM", "Authorizers": {"X": {"FunctionArn": "arn:aws:lambda:x:1:function:far"}}}
    assert len(notes(written(tmp_path, template("HttpApi", far, [None])))) == 2
