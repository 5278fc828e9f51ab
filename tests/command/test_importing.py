"""`lambdaproxy import`: the file that it prints serves the same."""

from __future__ import annotations

from typing import Any

import pytest

from lambdaproxy.command import importing
from lambdaproxy.command.main import main
from lambdaproxy.config.cli import configure
from lambdaproxy.start.assembly import assemble
from tests.templates.support import a_function, asked, of_template, resource, written


@pytest.fixture
def template(tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.py").write_text("")
    (tmp_path / "layer").mkdir()
    monkeypatch.chdir(tmp_path)
    events: dict[str, Any] = {
        "One": {"Type": "Api", "Properties": {"Path": "/a/{id}", "Method": "get", "TimeoutInMillis": 1500}},
        "Two": {"Type": "HttpApi", "Properties": {"Path": "/b", "Method": "any"}},
    }
    function = {
        "Runtime": "python3.12",
        "Handler": "a.b",
        "CodeUri": "src",
        "Layers": [{"Ref": "L"}],
        "Environment": {"Variables": {"TEXT": 'a "quoted" \\ line\nend'}},
        "Events": events,
        "FunctionUrlConfig": {"AuthType": "NONE", "InvokeMode": "RESPONSE_STREAM", "Cors": {"AllowOrigins": ["*"]}},
    }
    return written(
        tmp_path,
        {
            "Globals": {"Api": {"Cors": "'*'", "StageName": "live", "Variables": {"a": "b:c"}}},
            "Resources": {
                "F": resource("AWS::Serverless::Function", **function),
                "L": resource("AWS::Serverless::LayerVersion", ContentUri="layer"),
                "Inline": a_function(),
                "Java": a_function(Runtime="java21"),
                "U": resource("AWS::Lambda::Url", AuthType="AWS_IAM", TargetFunctionArn={"Ref": "Inline"}),
            },
        },
    )


def test_the_file_serves_the_same(template, tmp_path):
    before = of_template(template)
    text = "\n".join(importing.lines(before))
    file = tmp_path / "made.toml"
    file.write_text(text)
    after = assemble(configure({}, {}, str(file)))
    assert set(after.functions) == {"F"}
    assert after.functions["F"] == before.functions["F"]
    lost = {str(route) for route in before.router.routes if route.function and route.function.name == "Inline"}
    assert lost
    assert [str(route) for route in after.router.routes] == [
        str(route) for route in before.router.routes if str(route) not in lost
    ]
    for method, target, host in (
        ("GET", "/a/1", "localhost"),
        ("OPTIONS", "/a/1", "localhost"),
        ("GET", "/none", "serverlessrestapi.localhost"),
        ("GET", "/none", "serverlesshttpapi.localhost"),
    ):
        one, other = (asked(each, method, target, host, headers=()) for each in (before, after))
        if isinstance(one, str) or isinstance(other, str):
            assert one == other == "F"
        else:
            assert (one.status, one.body) == (other.status, other.body)
    for says in (
        "Java.Runtime: java21 is not run",
        "# Inline: put its code",
        "U.AuthType: nobody",
        "# [function.Java]",
    ):
        assert any(line.startswith("#") and says.lstrip("# ") in line for line in text.splitlines()), says


def test_the_command(template, capsys):
    main(["import", "t.json"])
    out = capsys.readouterr().out
    assert out.startswith("# Made by lambdaproxy import ")
    assert "[function.F]" in out
    with pytest.raises(SystemExit):
        main(["import"])
