"""Our own cases: facts about AWS, each with its public source."""

from __future__ import annotations

import pytest

from lambdaproxy.config.values import Spec
from lambdaproxy.registry import make_codec
from lambdaproxy_conformance.cases import FOLDER, GRADES, load
from tests.conformance import runner

FILES = sorted(FOLDER.glob("*.json"))
CASES = [(path.stem, case) for path in FILES for case in load(path)]


@pytest.mark.parametrize("case", [case for _, case in CASES], ids=[f"{file}: {case['name']}" for file, case in CASES])
def test_case(case):
    runner.run(case, lambda name, options: make_codec(Spec(name, tuple(options))))


def test_every_case_says_where_it_comes_from():
    for file, case in CASES:
        assert case.get("source") and case.get("grade") in GRADES, (file, case["name"])
        assert "nothing is known" not in case["source"] or case["grade"] == "C", (file, case["name"])


def test_the_runner_finds_differences():
    """A runner that passes everything would be worth nothing."""
    changes: dict[str, dict[str, object]] = {
        "status": {"response": {"status": 201}},
        "body": {"response": {"status": 200, "body": "y"}},
        "header": {"response": {"status": 200, "headers": []}},
        "absent": {"event_includes": {"path": "<absent>"}},
        "value": {"event_includes": {"path": "/b"}},
        "more": {"event": {}},
        "not refused": {"refused": True, "response": {"status": 400}},
    }
    for name, change in changes.items():
        case: dict[str, object] = {
            "name": name,
            "codec": "alb",
            "request": {"target": "/a"},
            "result": {"statusCode": 200, "body": "x"},
        }
        with pytest.raises(runner.Mismatch):
            runner.run({**case, **change}, lambda name, options: make_codec(Spec(name, tuple(options))))


def test_from_the_command_line(capsys):
    assert runner.main([str(path) for path in FILES]) == 0
    assert f"{len(CASES)} passed, 0 failed" in capsys.readouterr().out
