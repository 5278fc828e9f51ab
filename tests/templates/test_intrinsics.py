"""The intrinsic functions: what they come to, and that one that cannot be worked out concerns only its own value."""

from __future__ import annotations

from typing import Any

import pytest

from tests.templates.support import a_function, environment, notes, of_template, resource, routes, written

pytest.importorskip("yaml", reason="PyYAML is not installed")

HEAD: dict[str, Any] = {
    "Parameters": {
        "Stage": {"Type": "String", "Default": "dev"},
        "Nets": {"Type": "CommaDelimitedList", "Default": "a, b,c"},
    },
    "Mappings": {"Levels": {"dev": {"level": "DEBUG", "list": ["x", "y"]}}},
    "Conditions": {
        "IsDev": {"Fn::Equals": [{"Ref": "Stage"}, "dev"]},
        "Both": {"Fn::And": [{"Condition": "IsDev"}, {"Fn::Not": [{"Fn::Equals": [1, 2]}]}]},
        "Either": {"Fn::Or": [{"Fn::Equals": ["a", "b"]}, {"Condition": "Both"}]},
    },
}

VALUES: list[tuple[Any, str]] = [
    ({"Ref": "Stage"}, "dev"),
    ({"Ref": "AWS::Region"}, "us-east-1"),
    ({"Ref": "AWS::AccountId"}, "123456789012"),
    ({"Ref": "F"}, "F"),
    ({"Ref": "Table"}, "Table"),
    ({"Fn::GetAtt": "Table.Arn"}, "Table.Arn"),
    ({"Fn::GetAtt": ["F", "Arn"]}, "arn:aws:lambda:us-east-1:123456789012:function:F"),
    ({"Fn::Sub": "${Stage}-${AWS::Region}-${Table.Arn}-${!kept}-${F}"}, "dev-us-east-1-Table.Arn-${kept}-F"),
    ({"Fn::Sub": ["${a}-${Stage}", {"a": {"Fn::Join": ["", ["x", 1, True]]}}]}, "x1true-dev"),
    ({"Fn::Sub": {"Ref": "Stage"}}, "dev"),
    ({"Fn::Join": [":", {"Ref": "Nets"}]}, "a:b:c"),
    ({"Fn::Select": [1, {"Ref": "Nets"}]}, "b"),
    ({"Fn::Select": ["1", {"Fn::Split": ["/", "a/b/c"]}]}, "b"),
    ({"Fn::FindInMap": ["Levels", {"Ref": "Stage"}, "level"]}, "DEBUG"),
    ({"Fn::FindInMap": ["Levels", "prod", "level", {"DefaultValue": "INFO"}]}, "INFO"),
    ({"Fn::If": ["IsDev", "yes", "no"]}, "yes"),
    ({"Fn::If": ["Either", {"Fn::If": ["Both", 1, 2]}, 3]}, "1"),
    ({"Fn::Base64": "ab"}, "YWI="),
    ({"Fn::Length": {"Ref": "Nets"}}, "3"),
    ({"Fn::ToJsonString": {"a": [1, {"Ref": "Stage"}]}}, '{"a":[1,"dev"]}'),
    ({"Fn::Select": [0, {"Fn::Cidr": ["10.0.0.0/24", 2, 5]}]}, "10.0.0.0/27"),
    ({"Fn::Select": [1, {"Fn::GetAZs": ""}]}, "us-east-1b"),
]


@pytest.mark.parametrize(("value", "comes_to"), VALUES, ids=[str(value)[:50] for value, _ in VALUES])
def test_values(tmp_path, value, comes_to):
    given = a_function(Environment={"Variables": {"X": value}})
    path = written(tmp_path, {**HEAD, "Resources": {"F": given, "Table": resource("AWS::DynamoDB::Table")}})
    assert environment(path)["X"] == comes_to
    assert notes(path) == []


WRONG: list[tuple[Any, str]] = [
    ({"Fn::FindInMap": ["Levels", "no", "level"]}, "Fn::FindInMap: cannot be worked out from"),
    ({"Fn::Select": [7, ["a"]]}, "Fn::Select: cannot be worked out from"),
    ({"Fn::Select": [0, {"Fn::GetAtt": "Db.Ports"}]}, "Fn::Select: cannot be worked out from"),
    ({"Fn::Join": ["", {"Fn::GetAtt": "Db.Ports"}]}, "Fn::Join: cannot be worked out from"),
    ({"Fn::ImportValue": "other"}, "Fn::ImportValue: cannot be worked out from"),
    ({"Fn::Sub": ["${a}"]}, "Fn::Sub: takes a text"),
    ({"Fn::If": ["Nowhere", 1, 2]}, "the condition Nowhere is not defined"),
    ({"Fn::Novel": 1}, "Fn::Novel: is not worked out here"),
    ({"Fn::Cidr": ["nonsense", 1, 1]}, "Fn::Cidr: cannot be worked out from"),
    ({"Fn::Transform": {"Name": "Mine"}}, "the macro Mine is not run here"),
    ("{{resolve:secretsmanager:prod/db:SecretString:password}}", "resolve:secretsmanager is not asked for"),
]


@pytest.mark.parametrize(("value", "says"), WRONG, ids=[says for _, says in WRONG])
def test_what_cannot_be_worked_out_is_named_with_its_line_and_refuses_nothing(tmp_path, value, says):
    import yaml

    function = a_function(Environment={"Variables": {"GOOD": "1", "X": value}})
    document = {"Resources": {"F": function, "Db": resource("AWS::RDS::DBInstance")}}
    path = written(tmp_path, yaml.safe_dump(document), "t.yaml")
    found = of_template(path).functions["F"]
    assert found.unable is None
    assert dict(found.environment)["GOOD"] == "1"
    (note,) = notes(path)
    assert says in note
    line = int(note.removeprefix("line ").partition(":")[0])
    assert line >= next(at for at, one in enumerate(path.read_text().splitlines(), 1) if " X:" in one)


def test_only_the_function_that_uses_a_bad_value_cannot_run(tmp_path):
    bad = a_function(Runtime={"Fn::FindInMap": ["Nowhere", "a", "b"]})
    path = written(tmp_path, {"Resources": {"F": a_function(), "Bad": bad}})
    found = of_template(path).functions
    assert found["F"].unable is None
    assert found["Bad"].unable == "Fn::FindInMap is not run here (python, nodejs and provided are)"


def test_conditions_that_turn_in_a_circle_do_not_hold(tmp_path):
    conditions = {"A": {"Fn::Not": [{"Condition": "B"}]}, "B": {"Condition": "A"}}
    given = {"G": {**a_function(), "Condition": "B"}, "F": a_function()}
    path = written(tmp_path, {"Conditions": conditions, "Resources": given})
    assert any("depends on itself" in one for one in notes(path))
    assert "F" in of_template(path).functions


def test_loops_make_resources_and_properties(tmp_path):
    url = resource("AWS::Lambda::Url", AuthType="NONE", TargetFunctionArn={"Ref": "${Name}Function"})
    given = {
        "Fn::ForEach::Functions": [
            "Name",
            ["users", {"Ref": "Other"}],
            {
                "${Name}Function": a_function(Environment={"Variables": {"ME": "${Name}", "REF": {"Ref": "Name"}}}),
                "${Name}Url": url,
            },
        ],
        "Fn::ForEach::Bad": ["Name", "no list", {}],
    }
    document = {"Parameters": {"Other": {"Type": "String", "Default": "items"}}, "Resources": given}
    path = written(tmp_path, document)
    found = of_template(path).functions
    assert set(found) == {"usersFunction", "itemsFunction"}
    assert environment(path, "itemsFunction") == {"AWS_SAM_LOCAL": "true", "ME": "items", "REF": "items"}
    assert "ANY itemsurl.localhost$default -> itemsFunction function-url" in routes(path)
    assert any("Fn::ForEach::Bad: is no [NAME, LIST, MAP]" in one for one in notes(path))


@pytest.mark.slow
def test_a_template_that_unfolds_without_end_is_refused(tmp_path):
    from lambdaproxy.errors import ConfigError

    anchors = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]\n" for at in range(1, 10)
    )
    metadata = "Metadata:\n" + "".join(f"  {line}\n" for line in anchors.splitlines())
    bomb = metadata + "Resources:\n  F: {Type: AWS::Lambda::Function, Properties: *a9}\n"
    with pytest.raises(ConfigError, match="unfolds to more than"):
        of_template(written(tmp_path, bomb, "t.yaml"))


def test_included_files_are_part_of_the_template(tmp_path):
    written(tmp_path, {"Environment": {"Variables": {"FROM": {"Ref": "AWS::Region"}}}}, "more.json")
    include = {"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "./more.json"}}}
    given = a_function()
    given["Properties"] |= include
    lost = a_function(Environment={"Fn::Transform": {"Name": "AWS::Include", "Parameters": {"Location": "s3://a/b"}}})
    path = written(tmp_path, {"Resources": {"F": given, "G": lost}})
    assert environment(path)["FROM"] == "us-east-1"
    (note,) = notes(path)
    assert "only files beside the template are included, and s3://a/b is none" in note


UNKNOWN = [
    ({"Ref": "Tabel"}, "Tabel", "; did you mean Table?"),
    ({"Fn::Sub": "x-${Tabel}"}, "x-Tabel", "; did you mean Table?"),
    ({"Ref": "AWS::Regoin"}, "AWS::Regoin", "; did you mean AWS::Region?"),
    ({"Ref": "Nowhere"}, "Nowhere", ""),
]


@pytest.mark.parametrize(("value", "comes_to", "near"), UNKNOWN)
def test_a_name_that_there_is_not_is_listed(tmp_path, value, comes_to, near):
    given = a_function(Environment={"Variables": {"X": value}})
    path = written(tmp_path, {**HEAD, "Resources": {"F": given, "Table": resource("AWS::DynamoDB::Table")}})
    assert environment(path)["X"] == comes_to
    (note,) = notes(path)
    name = comes_to.removeprefix("x-")
    assert f"there is no {name} in this template{near}" in note and note.endswith("its name stands for its value")
