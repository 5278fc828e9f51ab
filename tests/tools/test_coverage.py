"""What is counted of a report of coverage."""

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
