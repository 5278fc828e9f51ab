"""SAM templates: what they define, in the words of our own configuration."""

from __future__ import annotations

import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from lambdaproxy.config.model import Configuration, FunctionTable
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import ConfigError
from lambdaproxy.runtime.environment import CannotStart, Site
from lambdaproxy.runtime.functions import function_settings
from lambdaproxy.runtime.runtimes import command
from lambdaproxy.start.assembly import assemble
from lambdaproxy.templates.document import TemplateError
from lambdaproxy.templates.found import TemplateRoute
from lambdaproxy.templates.reader import read_template
from tests.templates.support import a_function, environment, notes, of_template, written

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
  Dead:
    Type: AWS::SQS::Queue
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
    runs = {name: table for name, table in template.functions.items() if name not in template.unable}
    assert runs == {
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
                "AWS_SAM_LOCAL": "true",
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
            "environment": {"AWS_SAM_LOCAL": "true", "STAGE": "dev", "SHARED": "true"},
        },
    }
    assert set(template.unable) == {"Picture", "Java"}
    for name in template.unable:
        assert "directory" not in template.functions[name]
    for name, table in runs.items():
        function_settings(name, table, str(folder))


def test_routes(folder):
    assert read_template(str(folder / "template.yaml")).routes == (
        TemplateRoute("/users/{id}", ("GET",), "Users", "apigateway-v2"),
        TemplateRoute("/old", (), "Users", "apigateway-v2", options=(("payload", "1.0"),)),
        TemplateRoute("/rest/{proxy+}", (), "Users", "apigateway-v1", options=(("stage", "Prod"),)),
        TemplateRoute("/events", ("GET",), "Users", "apigateway-v1", options=(("stage", "Prod"),)),
        TemplateRoute("$default", (), "the-worker", "function-url", True),
    )


def test_what_is_left_out_is_said(folder):
    template = read_template(str(folder / "template.yaml"))
    line = TEMPLATE.splitlines().index(next(one for one in TEMPLATE.splitlines() if "Timer:" in one)) + 1
    assert template.notes == (
        f"line {line}: Users.Events.Timer: events of type Schedule are not served here; invoke the function itself",
    )
    assert template.unable == {
        "Picture": "images are not run here; give it a handler in a [function.NAME] table",
        "Java": "java21 is not run here (python, nodejs and provided are)",
    }


API = """\
Globals:
  Api: {BinaryMediaTypes: [image~1png], TracingEnabled: true}
  HttpApi: {StageName: beta}
Conditions: {Never: !Equals [a, b]}
Resources:
  Rest:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      Variables: {colour: "a:b"}
      DisableExecuteApiEndpoint: true
      Auth: {DefaultAuthorizer: AWS_IAM}
  Lost: {Type: AWS::ApiGatewayV2::Route, Properties: {RouteKey: GET /lost}}
  Never: {Type: AWS::ApiGatewayV2::Route, Condition: Never}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: a.b
      Timeout: "7"
      Newest: {Thing: 1}
      Environment: {Other: 1}
      Events:
        A: {Type: Api, Properties: {Path: /a, Method: get, RestApiId: !Ref Rest, TimeoutInMillis: 1500}}
        B: {Type: HttpApi, Properties: {Path: /b, Method: get, Auth: {Authorizer: X}}}
        C: {Type: HttpApi, Properties: {Path: /b, Method: get}}
        D: {Type: HttpApi, Properties: {Path: "/x{y}", Method: get}}
        E: {Type: Api, Properties: {Path: /e, Method: get, RestApiId: !Ref Rest, ResponseTransferMode: STREAM}}
"""


def test_settings_of_apis_and_whatever_else_is_listed_with_its_line(tmp_path):
    (tmp_path / "t.yaml").write_text(API)
    (tmp_path / "a.py").write_text("b = print")
    template = read_template(str(tmp_path / "t.yaml"))
    live = (("stage", "live"), ("stage_variables", "colour=a:b"), ("binary_media_types", "image/png"))
    signed, unknown = (("authorizer", "rest-aws-iam"),), (("authorizer", "serverlesshttpapi-x"),)
    assert template.routes == (
        TemplateRoute("/a", ("GET",), "F", "apigateway-v1", options=live, timeout=1.5, settings=signed),
        TemplateRoute("/b", ("GET",), "F", "apigateway-v2", options=(("stage", "beta"),), settings=unknown),
        TemplateRoute("/e", ("GET",), "F", "apigateway-v1", True, options=live, settings=signed),
    )
    assert template.functions["F"]["timeout"] == 7
    assert template.unable == {}
    lines = API.splitlines()

    def at(text: str) -> int:
        return next(number for number, line in enumerate(lines, 1) if text in line)

    # Who is kept out is said when the configuration is put together, which may bring what is missing.
    differences = assembled(tmp_path / "t.yaml").configuration.differences
    said = dict(note.split(": ", 3)[2:0:-1] for note in differences)
    assert said == {
        "Globals.Api.TracingEnabled": f"line {at('TracingEnabled')}",
        "Rest.DisableExecuteApiEndpoint": f"line {at('DisableExecute')}",
        "Rest.Auth.DefaultAuthorizer": f"line {at('Auth: {Def')}",
        "Lost": f"line {at('Lost')}",
        "F.Newest": f"line {at('Newest')}",
        "F.Environment.Other": f"line {at('Other')}",
        "F.Events.B.Auth.Authorizer": f"line {at('B: {')}",
        "F.Events.C": f"line {at('C: {')}",
        "F.Events.D": f"line {at('D: {')}",
    }
    assert len(differences) == len(said)


UNABLE = {
    "folder": ("Runtime: python3.12, Handler: a.b, CodeUri: nowhere", "CodeUri nowhere is no folder"),
    "packaged": ("Runtime: python3.12, Handler: a.b, CodeUri: 's3://b/k'", "CodeUri must name a local folder"),
    "inline": ("Runtime: provided.al2023, InlineCode: x", "inline code for Python and Node only"),
    "image": ("PackageType: Image, ImageUri: x", "images are not run here"),
    "no runtime": ("Handler: a.b", "it names no Runtime"),
    "time": ("Runtime: python3.12, Handler: a.b, Timeout: soon", "timeout: must be a number of seconds, not 'soon'"),
    "AWS's time": ("Runtime: python3.12, Handler: a.b, Timeout: 3s", "timeout: must be a number of seconds, not '3s'"),
    "no bootstrap": ("Runtime: provided.al2023", "there is no"),
    "odd handler": ('Runtime: python3.12, Handler: "a\\nb"', "handler: holds a line end"),
    "not a number": (
        "Runtime: python3.12, Handler: a.b, ReservedConcurrentExecutions: many",
        "concurrency: must be a whole number",
    ),
}


@pytest.mark.parametrize("name", UNABLE)
def test_a_function_that_cannot_run_refuses_nothing_and_answers_with_the_reason(tmp_path, name):
    properties, why = UNABLE[name]
    (tmp_path / "t.yaml").write_text(function(properties + ", FunctionUrlConfig: {AuthType: NONE}"))
    found = assembled(tmp_path / "t.yaml")
    assert why in found.functions["F"].unable
    assert [route.function.name for route in found.router.routes] == ["F"]
    said = rf"line \d+: F(\.\w+)?: {re.escape(str(found.functions['F'].unable))}; it answers"
    assert any(re.search(said, one) for one in found.configuration.differences)
    with pytest.raises(CannotStart) as caught:
        command(found.functions["F"], Site(), "127.0.0.1:1", "stream")
    assert why in str(caught.value)


def test_layers_of_aws_are_named_with_what_to_do_and_zips_are_taken(tmp_path):
    with zipfile.ZipFile(tmp_path / "layer.zip", "w") as archive:
        archive.writestr("python/x.py", "")
    (tmp_path / "app.py").touch()
    (tmp_path / "template.yaml").write_text("""\
Transform: AWS::Serverless-2016-10-31
Resources:
  Common: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer.zip}}
  Users:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: python3.12
      EphemeralStorage: {Size: 2048}
      CapacityProviderConfig: &provider
        LambdaManagedInstancesCapacityProviderConfig:
          CapacityProviderArn: arn:aws:lambda:eu-west-1:123456789012:capacity-provider:x
          PerExecutionEnvironmentMaxConcurrency: 8
      Layers: [!Ref Common, arn:aws:lambda:eu-west-1:901920570463:layer:aws-otel-python-amd64-ver-1-25-0:1]
  Web:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: nodejs22.x, CapacityProviderConfig: *provider}
  Site:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Runtime: nodejs24.x
      CapacityProviderConfig: {Arn: x, PerExecutionEnvironmentMaxConcurrency: 9}
  Own:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: own, Handler: bootstrap, Runtime: provided.al2023, CapacityProviderConfig: *provider}
""")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "bootstrap").touch(mode=0o755)
    found = read_template(str(tmp_path / "template.yaml"))
    table = dict(found.functions["Users"])
    assert (table["ephemeral-storage"], table["environment-concurrency"]) == (2048, 8)
    assert found.functions["Web"]["environment-concurrency"] == 8
    assert found.functions["Site"]["environment-concurrency"] == 9
    assert "environment-concurrency" not in found.functions["Own"]
    assert "Own.CapacityProviderConfig" in "\n".join(found.notes)
    assert "Concurrency" not in "\n".join(found.notes)
    assert [os.listdir(layer) for layer in table["layers"]] == [["python"]]
    said = "\n".join(found.notes)
    assert "layer:aws-otel-python-amd64-ver-1-25-0:1 is on AWS and not fetched: save it" in said
    assert "layers = of [function.NAME]" in said


def test_a_name_that_lambda_would_not_take_is_replaced(tmp_path):
    name = "x" * 65
    (tmp_path / "t.yaml").write_text(function(f"Runtime: python3.12, Handler: a.b, FunctionName: {name}"))
    template = read_template(str(tmp_path / "t.yaml"))
    assert set(template.functions) == {"F"}
    assert "here it is called F" in template.notes[0]


def test_inline_code_and_a_zip_are_put_into_folders(tmp_path):
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as archive:
        program = zipfile.ZipInfo("bootstrap")
        program.external_attr = 0o755 << 16
        archive.writestr(program, "#!/bin/sh\n")
    (tmp_path / "one.py").write_text("")
    places = {
        "Runtime: provided.al2023, CodeUri: code.zip": "bootstrap",
        "Runtime: python3.12, Handler: index.handler, InlineCode: x = 1": "index.py",
        "Runtime: nodejs22.x, Handler: index.handler, InlineCode: x = 1": "index.js",
        "Runtime: python3.12, Handler: one.handler, CodeUri: one.py": "one.py",
    }
    for properties, file in places.items():
        (tmp_path / "t.yaml").write_text(function(properties))
        found = assembled(tmp_path / "t.yaml").functions["F"]
        assert found.unable is None
        assert (Path(found.directory) / file).is_file()


def test_a_build_that_is_newer_runs_and_an_older_one_does_not(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("")
    (tmp_path / ".aws-sam/build/F").mkdir(parents=True)
    (tmp_path / "t.yaml").write_text(function("Runtime: python3.12, Handler: a.b, CodeUri: src"))
    built = tmp_path / ".aws-sam/build/template.yaml"
    built.write_text("")
    for seconds, place in ((100, ".aws-sam/build/F"), (-100, "src")):
        at = (tmp_path / "src" / "a.py").stat().st_mtime + seconds
        os.utime(built, (at, at))
        template = read_template(str(tmp_path / "t.yaml"))
        assert template.functions["F"]["directory"] == str(tmp_path / place)
        assert any("needs sam build" in note for note in template.notes) == (seconds > 0)


def test_a_table_of_the_file_is_laid_over_the_template(folder):
    own = FunctionTable("Users", {"timeout": 3, "environment": {"STAGE": "mine"}}, folder, lambda _: "f.toml:1")
    other = FunctionTable("Picture", {"handler": "a.b", "runtime": "python3.12"}, folder, lambda _: "f.toml:9")
    found = assemble(
        Configuration(Settings(sam_template=str(folder / "template.yaml")), functions={"Users": own, "Picture": other})
    )
    users = found.functions["Users"]
    assert (users.timeout, users.memory, users.directory) == (3, 256, str(folder / "src/users"))
    assert dict(users.environment)["STAGE"] == "mine"
    assert dict(users.environment)["TABLE"] == "Table"
    assert found.functions["Picture"].unable is None
    assert found.functions["Java"].unable is not None


def test_json(folder):
    document = {"Resources": {"F": {"Type": "AWS::Serverless::Function", "Properties": {
        "Runtime": "python3.13", "Handler": "a.b", "CodeUri": "src/users", "Environment": {"Variables": {
            "X": {"Fn::Sub": ["${a}-${AWS::AccountId}", {"a": {"Ref": "AWS::Region"}}]}}}}}}}  # fmt: skip
    (folder / "template.json").write_text(json.dumps(document))
    table = read_template(str(folder / "template.json")).functions["F"]
    assert table["environment"] == {"AWS_SAM_LOCAL": "true", "X": "us-east-1-123456789012"}


def function(properties: str) -> str:
    return f"Resources:\n  F:\n    Type: AWS::Serverless::Function\n    Properties: {{{properties}}}\n"


MISTAKES = {
    "no map": ("- 1\n", "it is no template"),
    "no resources": ("a: 1\n", "there are no Resources"),
    "yaml": ("a: [1\nb: 2\n", "line "),
    "no function": ("Resources:\n  T: {Type: 'AWS::SNS::Topic'}\n", "it defines no function that can be run here"),
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
    assert set(found.functions) == {"Users", "the-worker", "Picture", "Java"}
    assert found.functions["Users"].memory_limit == 256
    lines = list(found.describe())
    assert any("/users/{id}" in line and "Users on local" in line for line in lines), lines
    assert len(lines) == 12


def test_mistakes_name_the_file(tmp_path):
    path = tmp_path / "t.yaml"
    path.write_text("- 1\n")
    with pytest.raises(ConfigError) as caught:
        assembled(path)
    assert str(caught.value).startswith(f"{path} (--sam-template): it is no template")


def test_what_is_no_resource_and_what_only_aws_knows_is_listed(tmp_path):
    text = "Parameters:\n  P: {Type: String}\n" + function(
        "Runtime: python3.12, Handler: a.b, Environment: {Variables: {X: !ImportValue y}}"
    )
    (tmp_path / "t.yaml").write_text(text + "  Fn::ForEach::All: [A, [b], {}]\n")
    assert read_template(str(tmp_path / "t.yaml")).notes == (
        "line 2: Parameters.P: it has no Default; its name stands for its value (--template-parameters P=VALUE)",
        'line 6: F.Environment.Variables.X.Fn::ImportValue: cannot be worked out from "y"; '
        "its name stands for its value",
    )


ODD = """\
Globals: 5
Parameters: [1]
Transform: [{Name: AWS::Include, Parameters: {Location: x}}]
Resources:
  1: {Type: AWS::Serverless::Function, Properties: {Events: [1], Environment: {Variables: [2]}, Layers: 3, Runtime: 5, FunctionUrlConfig: 3}}
  G: {Type: AWS::Serverless::Function, Properties: 7, Metadata: 4, Condition: 4}
  U: {Type: AWS::Lambda::Url, Properties: 7}
  A: {Type: AWS::Serverless::Api, Properties: {StageName: {a: b}, Variables: 3, BinaryMediaTypes: x}}
"""  # noqa: E501


def test_values_of_the_wrong_kind_are_no_traceback(tmp_path):
    (tmp_path / "t.yaml").write_text(ODD)
    found = assembled(tmp_path / "t.yaml")
    assert found.functions["1"].unable is not None
    assert any("line 2: Parameters: is no map" in one for one in found.configuration.differences)
    assert any("line 3: Transform: AWS::Include is not done" in one for one in found.configuration.differences)
    for lost in ("1.Environment.Variables", "A.Variables", "A.BinaryMediaTypes", "1.FunctionUrlConfig", "1.Events"):
        assert any(f": {lost}: is not done here" in one for one in found.configuration.differences), lost


def test_variables_that_lambda_reserves_are_left_out_and_named(tmp_path):
    function = a_function(Environment={"Variables": {"AWS_REGION": "x", "2bad": "y", "GOOD": "z"}})
    path = written(tmp_path, {"Resources": {"F": function}})
    assert environment(path) == {"AWS_SAM_LOCAL": "true", "GOOD": "z"}
    assert sum("is left out" in one for one in notes(path)) == 2
    assert any("AWS_REGION is reserved: Lambda sets it itself; it is left out" in one for one in notes(path))


@pytest.mark.parametrize(
    ("logical", "name"), [("B x", "B-x"), ("B\n", "B-"), ("\u00e9", "-"), ("", "function"), ("A" * 80, "A" * 64)]
)
def test_a_logical_name_that_no_function_can_have_keeps_no_other_from_starting(tmp_path, logical, name):
    found = of_template(written(tmp_path, {"Resources": {logical: a_function(), "F": a_function()}}))
    assert set(found.functions) == {name, "F"}
    said = [one for one in found.configuration.differences if "is no name" in one]
    assert len(said) == (len(logical) < 80) and all(f"it is called {name} here" in one for one in said)


def test_nor_does_that_of_a_stack(tmp_path):
    written(tmp_path, {"Resources": {"F": a_function()}}, "inner.json")
    nested = {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": "inner.json"}}
    found = of_template(written(tmp_path, {"Resources": {"F": a_function(), "In side": nested}}))
    assert set(found.functions) == {"F", "In-side-F"}
