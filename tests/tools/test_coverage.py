"""What is counted of a report of coverage."""

from tests.processes import ROOT
from tools import coverage


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
