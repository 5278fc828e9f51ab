"""What is counted of a report of coverage."""

import json

import pytest

from tests.processes import ROOT
from tools import builds, coverage


def summary(statements, lines, branches=0, taken=0):
    return {
        "summary": {
            "num_statements": statements,
            "covered_lines": lines,
            "num_branches": branches,
            "covered_branches": taken,
        }
    }


def test_lines_and_branches_of_rooms_on_the_way():
    files = {
        "lambdaproxy/web/one.py": summary(80, 80, 20, 10),
        "lambdaproxy/web/inner/two.py": summary(100, 100),
        "lambdaproxy/proxy.py": summary(10, 5),
        "lambdaproxy/command/main.py": summary(1000, 0),
        "lambdaproxy/codecs/__init__.py": summary(0, 0),
    }
    modules = coverage.of_files(files)
    assert [each.share for each in modules] == [90.0, 100.0, 50.0, 0.0, 100.0]
    assert [(each.name, each.there, each.share) for each in coverage.of_rooms(modules)] == [
        ("web", 200, 95.0),
        ("proxy", 10, 50.0),
    ]


def test_of_runtime_the_way_of_one_invocation_is_counted():
    files = {
        "lambdaproxy/runtime/pool.py": summary(10, 9),
        "lambdaproxy/runtime/layers.py": summary(10, 0),
        "lambdaproxy/runtime/__init__.py": summary(0, 0),
        "lambdaproxy/base/held.py": summary(10, 10),
        "lambdaproxy/web/one.py": summary(10, 10),
    }
    beside = coverage.of_rooms(coverage.of_files(files), coverage.BESIDE)
    assert [(each.name, each.there, each.share) for each in beside] == [
        ("base", 10, 100.0),
        (coverage.INVOCATION, 10, 90.0),
    ]


def test_every_part_is_there():
    """A room that is renamed would be counted as none."""
    package, tests = ROOT / "lambdaproxy", ROOT / "tests"
    parts = [*coverage.ROOMS, *(room for room in coverage.BESIDE if room != coverage.INVOCATION)]
    parts += [f"runtime/{name}" for name in coverage._OF_INVOCATION]
    assert [part for part in parts if not ((package / part).is_dir() or (package / f"{part}.py").is_file())] == []
    assert [place for place in coverage.PLACES if not (tests / place).exists()] == []


@pytest.mark.parametrize(("taken", "end"), [(95, 0), (94, 1)])
def test_a_room_below_the_least_share_ends_it_with_1(monkeypatch, capsys, taken, end):
    files = {"lambdaproxy/web/one.py": summary(100, taken), "lambdaproxy/base/held.py": summary(100, 50)}
    monkeypatch.setattr(builds, "run", lambda *words, **how: words[-1].write_text(json.dumps({"files": files})))
    assert coverage.main([]) == end
    said = capsys.readouterr().out
    assert f"{taken}.0 %  web\n" in said and "50.0 %  base (not held to 95 %)" in said
    assert ("below 95 %: web" in said) == bool(end)


def test_tests_that_the_quick_half_leaves_out(tmp_path, capsys):
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "test_quick.py").write_text("import json\n")
    (tmp_path / "web" / "test_starting.py").write_text("import subprocess\n")
    (tmp_path / "web" / "helper.py").write_text("import subprocess\n")
    (tmp_path / "test_proxy.py").write_text("from twisted.trial.unittest import SynchronousTestCase\n")
    (tmp_path / "test_workers.py").write_text("import subprocess\n")
    found = [path.relative_to(tmp_path).as_posix() for path in coverage.left_out(tmp_path)]
    assert found == ["test_proxy.py", "web/test_starting.py"]
    assert coverage.main(["tests"]) == 0
    ours = capsys.readouterr().out.split()
    assert "tests/test_proxy.py" in ours and all((ROOT / path).is_file() for path in ours)
