"""What is written by mistake is named with its line and with what was meant, in every kind of template."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from lambdaproxy.errors import ConfigError
from lambdaproxy.templates.differences import OF_AWS, Differences, Properties, meant
from tests.templates.support import a_function, notes, resource, written

SAM = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Timeot: 5, Runtime: python3.12}
Resources:
  A:
    Type: AWS::Serverless::Function
    Propertis: {}
    Properties:
      Handlr: app.handler
      Events:
        One: {Type: HttpApi, Properties: {Path: /one, Methd: get}}
        Two: {Type: HttpAp, Properties: {Path: /two}}
        Three: {Typ: Api}
  B:
    Type: AWS::Serverless::Functin
  C:
    Type: AWS::Serverlss::Function
  D:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Environment:
        Variables: {X: !GetAtt Nope.Arn, Y: !Sub "${Nada.Arn}", Z: !GetAtt A.Ar, GOOD: !GetAtt A.Arn}
  E:
    Type: AWS::Serverless::Function
    Properties:
      Handler: gone.handler
  F:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.nowhere
      MemorySze: 256
Outptus: {}
"""

SERVERLESS = """\
service: x
provider:
  name: aws
  runtime: python3.12
  memorySiz: 512
functons: {}
functions:
  a:
    handler: gone.handler
    timout: 5
    events:
      - httpApi: {path: /a, methd: get}
      - htttp: GET /b
      - http: {path: b, method: get, authorizr: x}
"""

OPENAPI = """\
openapi: 3.0.1
x-amazon-apigateway-polcy: {}
paths:
  /a:
    gett: {}
    get:
      x-amazon-apigateway-integraton: {}
      x-amazon-apigateway-integration:
        type: aws_proxy
        payloadFormatVersio: "2.0"
        uri: arn:aws:lambda:us-east-1:123456789012:function:f
"""

CASES: dict[str, tuple[str, str, dict[str, str]]] = {
    "SAM": (
        "t.yaml",
        SAM,
        {
            "Timeot:": "line 3: Globals.Function.Timeot: is not done here; did you mean Timeout?",
            "Propertis": "line 7: A.Propertis: is not done here; did you mean Properties?",
            "Handlr": "line 9: A.Handlr: is not done here; did you mean Handler?",
            "Methd": "line 11: A.Events.One.Methd: is not done here; did you mean Method?",
            "HttpAp,": "line 12: A.Events.Two: events of type HttpAp are not served here; did you mean HttpApi?",
            "Typ:": "line 13: A.Events.Three.Typ: is not done here; did you mean Type?",
            "no type": "line 13: A.Events.Three: the event has no Type; invoke the function itself",
            "Functin": "line 14: B: AWS::Serverless::Functin is not done here; did you mean AWS::Serverless::F",
            "Serverlss": "line 16: C: AWS::Serverlss::Function is not done here; did you mean AWS::Serverless::F",
            "GetAtt": "line 23: D.Environment.Variables.X.Fn::GetAtt: there is no Nope in this template",
            "Sub": "line 23: D.Environment.Variables.Y.Fn::Sub: there is no Nada in this template",
            "attribute": "line 23: D.Environment.Variables.Z.Fn::GetAtt: A has no Ar; did you mean Arn?",
            "MemorySze": "line 32: F.MemorySze: is not done here; did you mean MemorySize?",
            "Outptus": "line 33: Outptus: is not done here; did you mean Outputs?",
            "no handler": "A.Handler: it names no Handler; write one, as in Handler: app.handler; it answers with this",
            "no file": "line 27: E.Handler: E: the handler gone.handler is in no file: there is no gone.py in ",
            "no function": "line 31: F.Handler: F: the handler app.nowhere is not there: ",
        },
    ),
    "serverless.yml": (
        "serverless.yml",
        SERVERLESS,
        {
            "provider": "line 5: provider.memorySiz: is not done here; did you mean memorySize?",
            "top": "line 6: functons: is not done here; did you mean functions?",
            "no file": "line 9: ALambdaFunction.Handler: x-dev-a: the handler gone.handler is in no file",
            "function": "line 10: functions.a.timout: is not done here; did you mean timeout?",
            "event": "line 12: functions.a.events.0.httpApi.methd: is not done here; did you mean method?",
            "kind": "line 13: functions.a.events.1.htttp: such events are not served here; did you mean http?",
            "http": "line 14: functions.a.events.2.http.authorizr: is not done here; did you mean authorizer?",
        },
    ),
    "OpenAPI": (
        "api.yaml",
        OPENAPI,
        {
            "top": "line 2: Api.DefinitionBody.x-amazon-apigateway-polcy: is not done here; did you mean x-amazon",
            "method": "line 5: Api.DefinitionBody.paths./a.gett: is no method of HTTP; there is no route; did you",
            "extension": "line 7: Api.DefinitionBody.paths./a.get.x-amazon-apigateway-integraton: is not done here; ",
            "member": "payloadFormatVersio: is not done here; did you mean payloadFormatVersion?",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", CASES)
def test_each_mistake_is_named_once(tmp_path, kind):
    name, text, expected = CASES[kind]
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    settings = {"local": (f"f={tmp_path}/app.py:handler",)} if kind == "OpenAPI" else {}
    found = notes(written(tmp_path, text, name), **settings)
    for what, said in expected.items():
        assert sum(said in note for note in found) == 1, (what, found)
    assert len(found) == len(expected), found


def test_the_cdk_s_templates_are_read_alike(tmp_path):
    assembly = tmp_path / "cdk.out"
    manifest = {"artifacts": {"S": {"type": "aws:cloudformation:stack", "properties": {"templateFile": "S.json"}}}}
    written(assembly, manifest, "manifest.json")
    written(assembly, {"Resources": {"F": a_function(Timeot=5), "G": resource("AWS::Lambda::Functio")}}, "S.json")
    found = notes(assembly)
    assert any("F.Timeot: is not done here; did you mean Timeout?" in note for note in found)
    assert any("AWS::Lambda::Functio is not done here; did you mean AWS::Lambda::Function?" in note for note in found)


@pytest.mark.parametrize("name", [*sorted(OF_AWS), "RequestModels", "Handler"])
def test_what_aws_knows_is_never_taken_for_something_else(name):
    assert not meant(name, [*OF_AWS, "RequestModels", "ResponseModels", "Handler", "Handlers"])


def test_only_what_is_near_is_meant():
    def said(given: dict[str, Any]) -> tuple[str, ...]:
        differences = Differences({})
        properties = Properties(given, ("Resources", "F"))
        properties.get("MemorySize")
        properties.inner("Environment").get("Variables")
        properties.report(differences, {})
        return differences.texts()

    assert said({"Memorysize": 1}) == ("F.Memorysize: is not done here; did you mean MemorySize?",)
    assert said({"Enviroment": {}}) == ("F.Enviroment: is not done here; did you mean Environment?",)
    assert said({"SomethingElse": 1}) == ("F.SomethingElse: is not done here",)
    assert said({"MemorySize": 1}) == ()


STRANGE = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Globals": {"Function": {"Timeout": 5, "Runtime": "python3.12"}},
    "Resources": {
        "A": {
            "Type": "AWS::Serverless::Function",
            "Properties": {
                "Handler": "app.handler",
                "CodeUri": ".",
                "FunctionName": "nm",
                "Environment": {"Variables": {"X": {"Fn::GetAtt": ["B", "Arn"]}, "Y": {"Fn::Sub": "${AWS::Region}"}}},
                "Events": {"One": {"Type": "HttpApi", "Properties": {"Path": "/one", "Method": "get"}}},
                "FunctionUrlConfig": {"AuthType": "NONE", "Cors": {"AllowOrigins": ["https://a.example"]}},
            },
        },
        "B": a_function(),
    },
}


def spoilt(value: Any, word: str) -> Iterator[Any]:
    """The document with the word behind each of its keys and texts, one after the other."""
    if isinstance(value, str):
        yield value + word
    elif isinstance(value, list):
        yield from (
            [*value[:at], each, *value[at + 1 :]] for at in range(len(value)) for each in spoilt(value[at], word)
        )
    elif isinstance(value, dict):
        for key in value:
            yield {(one + word if one == key else one): inner for one, inner in value.items()}
            yield from (value | {key: each} for each in spoilt(value[key], word))


@pytest.mark.parametrize("word", ["\x1b[2J\n", "\x9b\u202e"])
def test_nothing_that_a_template_says_moves_the_terminal_of_who_reads_of_it(tmp_path, word):
    said = 0
    for document in spoilt(STRANGE, word):
        try:
            told = notes(written(tmp_path, document))
        except (ConfigError, ValueError) as error:
            told = [str(error)]
        said += any("?" in note for note in told)
        assert all(note.isprintable() for note in told), told
    assert said > 10


def test_a_name_without_end_costs_nothing_and_is_told_in_part(tmp_path):
    (told,) = notes(written(tmp_path, {"Resources": {"F": a_function(**{"Timeout" * 20_000: 5})}}))
    assert told.startswith("F.TimeoutTimeout") and told.endswith("Timeout: is not done here")
    assert len(told) < 2100
    assert not meant("Timeout" * 20, ["Timeout" * 21])
