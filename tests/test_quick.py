"""The quick half of the tests is what starts nothing."""

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
    ],
)
def test_what_a_module_imports_decides(tmp_path, text, starts):
    (tmp_path / "test_it.py").write_text(text)
    assert quick.starts_processes(tmp_path / "test_it.py") is starts


def test_a_good_part_of_the_suite_is_quick():
    modules = sorted((ROOT / "tests").rglob("test_*.py"))
    found = [path for path in modules if not quick.starts_processes(path)]
    assert len(found) > len(modules) / 3
    assert ROOT / "tests" / "test_routing.py" in found
    assert ROOT / "tests" / "test_twistd.py" not in found
