"""SAM templates: what they define, in the words of our own configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lambdaproxy.config.model import Configuration
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import ConfigError
from lambdaproxy.runtime.functions import function_settings
from lambdaproxy.runtime.sam import TemplateRoute, read_template
from lambdaproxy.runtime.sam_values import TemplateError
from lambdaproxy.start.assembly import assemble

pytest.importorskip("yaml", reason="PyYAML is not installed")

TEMPLATE = """\
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters:
  Stage: {Type: String, Default: dev}
  Size: {Type: Number, Default: 256}
Mappings:
  Levels: {dev: {level: DEBUG}, prod: {level: INFO}}
Conditions:
  IsProd: !Equals [!Ref Stage, prod]
Globals:
  Function:
    Runtime: python3.12
    Timeout: 10
    Environment:
      Variables: {STAGE: !Ref Stage, SHARED: yes}
    Layers: [!Ref Common]
Resources:
  Common:
    Type: AWS::Serverless::LayerVersion
    Properties: {ContentUri: layers/common}
  Table:
    Type: AWS::DynamoDB::Table
  Users:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: src/users
      Handler: app.handler
      MemorySize: !Ref Size
      ReservedConcurrentExecutions: 5
      AutoPublishAlias: live
      LoggingConfig: {LogFormat: JSON}
      Environment:
        Variables:
          TABLE: !Ref Table
          TABLE_ARN: !GetAtt Table.Arn
          WORKER: !GetAtt Worker.Arn
          LEVEL: !FindInMap [Levels, !Ref Stage, level]
          URL: !Sub "https://${Stage}.${AWS::Region}.example/${Table.Arn}/${!literal}"
          JOINED: !Join ["-", [a, !Ref Stage]]
          MAYBE: !If [IsProd, only-prod, !Ref AWS::NoValue]
      EventInvokeConfig:
        DestinationConfig:
          OnFailure: {Type: SQS, Destination: !GetAtt Dead.Arn}
      Events:
        One: {Type: HttpApi, Properties: {Path: "/users/{id}", Method: get}}
        Old: {Type: HttpApi, Properties: {Path: /old, Method: ANY, PayloadFormatVersion: "1.0"}}
        Rest: {Type: Api, Properties: {Path: "/rest/{proxy+}", Method: any}}
        Slash: {Type: Api, Properties: {Path: /events/, Method: get}}
        Timer: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: the-worker
      Runtime: nodejs22.x
      CodeUri: src/worker/
      Handler: index.handler
      FunctionUrlConfig: {AuthType: NONE, InvokeMode: RESPONSE_STREAM}
  Picture:
    Type: AWS::Serverless::Function
    Properties: {PackageType: Image}
  Java:
    Type: AWS::Serverless::Function
    Properties: {Runtime: java21, Handler: a.B, CodeUri: src/users}
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("src/users", "src/worker", "layers/common"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return tmp_path


def test_functions(folder):
    template = read_template(str(folder / "template.yaml"), "eu-west-1")
    assert dict(template.functions) == {
        "Users": {
            "runtime": "python3.12",
            "handler": "app.handler",
            "directory": str(folder / "src/users"),
            "timeout": 10,
            "memory": 256,
            "concurrency": 5,
            "aliases": ["live"],
            "layers": [str(folder / "layers/common")],
            "log-format": "json",
            "on-failure": "Dead.Arn",
            "environment": {
                "STAGE": "dev",
                "SHARED": "true",
                "TABLE": "Table",
                "TABLE_ARN": "Table.Arn",
                "WORKER": "arn:aws:lambda:eu-west-1:123456789012:function:the-worker",
                "LEVEL": "DEBUG",
                "URL": "https://dev.eu-west-1.example/Table.Arn/${literal}",
                "JOINED": "a-dev",
            },
        },
        "the-worker": {
            "runtime": "nodejs22.x",
            "handler": "index.handler",
            "directory": str(folder / "src/worker"),
            "timeout": 10,
            "layers": [str(folder / "layers/common")],
            "environment": {"STAGE": "dev", "SHARED": "true"},
        },
    }
    for name, table in template.functions.items():
        function_settings(name, table, str(folder))


def test_routes(folder):
    assert read_template(str(folder / "template.yaml")).routes == (
        TemplateRoute("/users/{id}", ("GET",), "Users", "apigateway-v2"),
        TemplateRoute("/old", (), "Users", "apigateway-v2:payload=1.0"),
        TemplateRoute("/rest/{proxy+}", (), "Users", "apigateway-v1:stage=Prod"),
        TemplateRoute("/events", ("GET",), "Users", "apigateway-v1:stage=Prod"),
        TemplateRoute("$default", (), "the-worker", "function-url", True),
    )


def test_what_is_left_out_is_said(folder):
    assert read_template(str(folder / "template.yaml")).notes == (
        "Users: the event Timer of type Schedule is not served here",
        "Picture is left out: only functions with a Runtime are run here, no images",
        "Java is left out: java21 is not run here (python, nodejs and provided are)",
    )


def test_json(folder):
    document = {"Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {
        "Runtime": "python3.13", "Handler": "a.b", "CodeUri": "src/users", "Environment": {"Variables": {
            "X": {"Fn::Sub": ["${a}-${AWS::AccountId}", {"a": {"Ref": "AWS::Region"}}]}}}}}}}  # fmt: skip
    (folder / "template.json").write_text(json.dumps(document))
    table = read_template(str(folder / "template.json")).functions["F"]
    assert table["environment"] == {"X": "us-east-1-123456789012"}


def function(properties: str) -> str:
    return f"Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {{{properties}}}\n"


MISTAKES = {
    "no map": ("- 1\n", "it is no template"),
    "no resources": ("a: 1\n", "there are no Resources"),
    "yaml": ("a: [1\nb: 2\n", "line "),
    "no function": ("Resources:\n  T: {Type: 'AWS::SNS::Topic'}\n", "it defines no function that can be run here"),
    "folder": (function("Runtime: python3.12, Handler: a.b, CodeUri: nowhere"), "F: CodeUri nowhere is no folder"),
    "packaged": (
        function("Runtime: python3.12, Handler: a.b, CodeUri: 's3://b/k'"),
        "F: CodeUri must name a local folder",
    ),
    "inline": (function("Runtime: python3.12, Handler: a.b, InlineCode: x"), "F: inline code is not run here"),
    "map": (function("Runtime: !FindInMap [A, b, c], Handler: a.b"), "Fn::FindInMap cannot be worked out"),
    "condition": (
        "Conditions:\n  A: !Not [!Condition A]\n" + function("Runtime: !If [A, python3.12, nodejs20.x], Handler: a.b"),
        "the condition A depends on itself",
    ),
    "python object": ("a: !!python/object/apply:os.system ['true']\n", "line 1"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(tmp_path, name):
    text, says = MISTAKES[name]
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(TemplateError) as caught:
        read_template(str(tmp_path / "t.yaml"))
    assert says in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(TemplateError, match="No such file"):
        read_template(str(tmp_path / "t.yaml"))


def assembled(path: Path) -> Any:
    return assemble(Configuration(Settings(sam_template=str(path))))


def test_it_becomes_functions_and_routes_of_the_whole(folder):
    found = assembled(folder / "template.yaml")
    assert set(found.functions) == {"Users", "the-worker"}
    assert found.functions["Users"].memory_limit == 256
    lines = list(found.describe())
    assert any("/users/{id}" in line and "Users on local" in line for line in lines), lines
    assert len(lines) == 5


def test_mistakes_name_the_file(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text("- 1\n")
    with pytest.raises(ConfigError) as caught:
        assembled(path)
    assert str(caught.value).startswith(f"{path} (--sam-template): it is no template")


def test_values_are_checked_like_our_own(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text(function("Runtime: python3.12, Handler: a.b, Timeout: soon"))
    with pytest.raises(ConfigError) as caught:
        assembled(path)
    assert "timeout: must be a number of seconds" in str(caught.value)
