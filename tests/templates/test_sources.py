"""Which template is meant, and what is given to it: folders, the CDK's, parameters, samconfig.toml, --env-vars."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambdaproxy.config.model import Configuration
from lambdaproxy.config.settings import Settings
from lambdaproxy.config.values import parameter
from lambdaproxy.errors import ConfigError
from lambdaproxy.start.assembly import assemble
from tests.templates.support import a_function, environment, notes, of_template, resource, routes, written

TEMPLATE: dict[str, Any] = {
    "Parameters": {"Stage": {"Type": "String", "Default": "dev"}, "Table": {"Type": "String"}},
    "Resources": {
        "F": a_function(
            FunctionName="users", Environment={"Variables": {"STAGE": {"Ref": "Stage"}, "TABLE": {"Ref": "Table"}}}
        )
    },
}


def test_parameters(tmp_path):
    path = written(tmp_path, TEMPLATE)
    given = ("Table=t=1", "Other=2")
    assert environment(path, "users", template_parameters=given)["TABLE"] == "t=1"
    assert notes(path, template_parameters=given) == [
        "the parameter Other is given (--template-parameters, or samconfig.toml), and the template has none"
    ]
    (note,) = notes(path)
    assert "--template-parameters Table=VALUE" in note


@pytest.mark.parametrize(
    "overrides",
    [
        '"Stage=prod Table=\\"two words\\""',
        '["Stage=prod", "Table=two words"]',
        "\"ParameterKey=Stage,ParameterValue=prod ParameterKey=Table,ParameterValue='two words'\"",
        '{Stage = "prod", Table = "two words"}',
    ],
)
def test_samconfig(tmp_path, overrides):
    path = written(tmp_path, TEMPLATE, "template.json")
    written(
        tmp_path,
        f"version = 0.1\n[default.deploy.parameters]\nparameter_overrides = {overrides}\nregion = 'eu-west-1'\n"
        "[default.global.parameters]\nstack_name = 'x'\n",
        "samconfig.toml",
    )
    found = environment(path, "users")
    assert (found["STAGE"], found["TABLE"]) == ("prod", "two words")
    assert environment(path, "users", template_parameters=("Stage=mine",))["STAGE"] == "mine"
    assert notes(path) == []


def test_a_samconfig_that_is_none_is_listed(tmp_path):
    path = written(tmp_path, TEMPLATE)
    written(tmp_path, "a = [", "samconfig.toml")
    assert any("samconfig.toml is left out" in one for one in notes(path))


def test_a_folder_stands_for_its_template(tmp_path):
    written(tmp_path, TEMPLATE, "template.json")
    assert "users" in of_template(tmp_path).functions
    other = {"Resources": {"Other": a_function()}}
    written(tmp_path, other, "infra/other.json")
    written(tmp_path, "[default.global.parameters]\ntemplate_file = 'infra/other.json'\n", "samconfig.toml")
    assert set(of_template(tmp_path).functions) == {"Other"}
    with pytest.raises(ConfigError, match="this folder has none of"):
        of_template(written(tmp_path, "x", "empty/x").parent)


def test_a_file_of_variables(tmp_path):
    path = written(tmp_path, TEMPLATE)
    given = {"Parameters": {"STAGE": "all", "NEW": "1"}, "F": {"TABLE": 5}, "users": {"STAGE": None}, "Gone": {"A": 1}}
    file = str(written(tmp_path, given, "env.json"))
    found = environment(path, "users", env_vars=file)
    assert (found["STAGE"], found["TABLE"]) == ("", "5")
    assert "NEW" not in found
    said = [one for one in notes(path, env_vars=file) if "--env-vars" in one]
    assert [one.split(" is left out")[0] for one in said] == ["--env-vars: Parameters.NEW", "--env-vars: Gone.A"]


@pytest.mark.parametrize("text", ["[1]", "{", '{"A": 1}'])
def test_a_file_that_holds_no_variables(tmp_path, text):
    file = str(written(tmp_path, text, "env.json"))
    with pytest.raises(ConfigError, match=r"env.json \(--env-vars\): it is no"):
        of_template(written(tmp_path, TEMPLATE), env_vars=file)


def test_they_go_with_a_template():
    for settings in (Settings(env_vars="a"), Settings(template_parameters=("A=b",))):
        with pytest.raises(ConfigError, match="it goes with --sam-template"):
            assemble(Configuration(settings))
    assemble(Configuration(Settings(), origins={"env-vars": "f.toml:1", "template-parameters": "f.toml:2"}))


def test_a_parameter_is_name_and_value():
    assert parameter("A1=b=c") == "A1=b=c"
    for wrong in ("A", "=b", "A-B=c"):
        with pytest.raises(ValueError, match="is no NAME=VALUE"):
            parameter(wrong)


def cdk(tmp_path, **asset: Any):
    """What `cdk synth` writes for one stack with a function and a URL, and another one in a stage."""
    (tmp_path / "asset.abc").mkdir()
    (tmp_path / "asset.abc" / "index.py").write_text("")
    function = a_function(Code={"S3Bucket": "b", "S3Key": "abc.zip"})
    function["Metadata"] = {"aws:asset:path": "asset.abc", "aws:asset:property": "Code"}
    other = json.loads(json.dumps(function))
    other["Metadata"]["aws:asset:path"] = "../asset.abc"
    url = resource("AWS::Lambda::Url", AuthType="NONE", TargetFunctionArn={"Fn::GetAtt": ["F", "Arn"]})
    written(tmp_path, {"Resources": {"F": function, "U": url}}, "App.template.json")
    written(tmp_path, {"Resources": {"F": other}}, "assembly-Prod/ProdApp.template.json")

    def stack(file):
        return {"type": "aws:cloudformation:stack", "properties": {"templateFile": file}}

    stage = {"type": "cdk:cloud-assembly", "properties": {"directoryName": "assembly-Prod"}}
    written(tmp_path, {"artifacts": {"App": stack("App.template.json"), "Prod": stage}}, "manifest.json")
    written(tmp_path / "assembly-Prod", {"artifacts": {"A": stack("ProdApp.template.json")}}, "manifest.json")


def test_what_the_cdk_writes(tmp_path):
    cdk(tmp_path)
    found = of_template(tmp_path).functions
    assert {name: one.directory for name, one in found.items()} == dict.fromkeys(
        ("F", "ProdApp-F"), str(tmp_path / "asset.abc")
    )
    assert routes(tmp_path) == ["ANY $default -> F function-url"]


def nested(location: str, kind: str = "AWS::CloudFormation::Stack", key: str = "TemplateURL") -> dict[str, Any]:
    return resource(kind, **{key: location, "Parameters": {"Name": {"Fn::GetAtt": ["F", "Arn"]}}})


def test_nested_stacks(tmp_path):
    inner = {
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {
            "F": a_function(Environment={"Variables": {"OUTER": {"Ref": "Name"}}}),
            "Api": resource("AWS::ApiGatewayV2::Api", ProtocolType="HTTP", RouteKey="GET /in", Target={"Ref": "F"}),
            "Odd": resource("AWS::Serverless::StateMachine"),
            "J": a_function(Runtime="java21"),
        },
        "Outputs": {"Arn": {"Value": {"Fn::GetAtt": ["F", "Arn"]}}},
    }
    written(tmp_path, inner, "in/inner.json")
    written(tmp_path, {"Resources": {"Loop": nested("loop.json")}}, "loop.json")
    outer = {
        "Resources": {
            "Child": nested("in/inner.json"),
            "App": nested("./in/inner.json", "AWS::Serverless::Application", "Location"),
            "F": a_function(Environment={"Variables": {"IN": {"Fn::GetAtt": ["Child", "Outputs.Arn"]}}}),
            "Far": nested("https://s3.amazonaws.com/x"),
            "Away": nested("nowhere.json"),
            "Loop": nested("loop.json"),
        }
    }
    path = written(tmp_path, outer)
    assert set(of_template(path).functions) == {"F", "Child-F", "App-F", "J", "App-J"}
    assert environment(path)["IN"].endswith(":function:Child-F")
    assert environment(path, "Child-F")["OUTER"].endswith(":function:F")
    assert "GET api.localhost/in -> Child-F apigateway-v2" in routes(path)
    assert "GET api-2.localhost/in -> App-F apigateway-v2" in routes(path)
    found = notes(path)
    for says in (
        "Far.TemplateURL: only templates beside this one are read",
        "Away.TemplateURL: nowhere.json is left out: No such file",
        "in/inner.json: line 1: Odd: AWS::Serverless::StateMachine is not done here",
        "loop.json: line 1: Loop.TemplateURL: a stack within itself is left out",
        "in/inner.json: line 1: Api: another door has GET /in, too; this one is at the host api-2.localhost",
        "in/inner.json: line 1: J.Runtime: ",
    ):
        assert any(says in one for one in found), says
