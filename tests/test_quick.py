"""The quick half of the tests is what starts nothing."""

import ast
from types import SimpleNamespace
from typing import Any

import pytest

from tests import quick
from tests.processes import ROOT


@pytest.mark.parametrize(
    "text, starts",
    [
        ("import json\n", False),
        ("import subprocess\n", True),
        ("from subprocess import run\n", True),
        ("from twisted.trial import unittest\n", True),
        ("from twisted.internet.testing import StringTransport\n", False),
        ("from tests.processes import ROOT\n", False),
        ("from tests.processes import ROOT, Server\n", True),
        ("from tests.browser import Browser\n", True),
        ("def test():\n    import multiprocessing\n", True),
        ("from json import (\n    dumps,  # subprocess\n    loads,\n)\n", False),
        ("from tests import (\n    browser as shown,\n    pages,\n)\n", True),
        ("import json, subprocess as run\n", True),
        ("PROGRAM = '''\nimport subprocess\n'''\n", False),
        ('CODE = "import subprocess"\n', False),
    ],
)
def test_what_a_module_imports_decides(tmp_path, text, starts):
    (tmp_path / "test_it.py").write_text(text)
    assert quick.starts_processes(tmp_path / "test_it.py") is starts


def module_of(node, path):
    if not node.level:
        return node.module
    return ".".join([*path.parents[node.level - 1].relative_to(ROOT).parts, *filter(None, [node.module])])


@pytest.mark.slow
def test_imports_are_read_as_python_reads_them():
    for path in (ROOT / "tests").rglob("*.py"):
        wanted = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                wanted |= {name.name for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                wanted |= {f"{module_of(node, path)}.{name.name}" for name in node.names}
        found = {
            each for module, names in quick.imports(path) for each in ([f"{module}.{n}" for n in names] or [module])
        }
        assert found == wanted, path


@pytest.mark.parametrize(("rows", "left"), [(100, 100), (101, 26), (400, 100)])
def test_of_long_tables_each_fourth_row_is_taken(rows, left):
    items: list[Any] = [SimpleNamespace(nodeid=f"tests/test_it.py::test[{row}]") for row in range(rows)]
    items.append(SimpleNamespace(nodeid="tests/test_it.py::other"))
    assert len(items) - len(quick.of_long_tables(items)) == left + 1


def test_a_good_part_of_the_suite_is_quick():
    modules = sorted((ROOT / "tests").rglob("test_*.py"))
    found = [path for path in modules if not quick.starts_processes(path)]
    assert len(found) > len(modules) / 3
    assert ROOT / "tests" / "test_routing.py" in found
    assert ROOT / "tests" / "test_twistd.py" not in found


def test_each_module_is_in_one_part():
    modules = [path for path in (ROOT / "tests").rglob("test_*.py") if not quick.starts_processes(path)]
    for parts in (1, 2, 3, 7):
        found = [[path for path in modules if quick.is_in(f"{n}/{parts}", path)] for n in range(1, parts + 1)]
        assert sorted(path for part in found for path in part) == sorted(modules)
        assert max(map(len, found)) - min(map(len, found)) <= 1


def test_what_each_part_says_is_shown_and_the_worst_is_the_end(monkeypatch, capfd):
    monkeypatch.setattr(quick, "processors", lambda: 2)
    assert quick.main("--there-is-no-such-option") == 4
    out, err = capfd.readouterr()
    assert (out + err).count("unrecognized arguments: --there-is-no-such-option") == 2
