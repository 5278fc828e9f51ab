"""Each fact of the front doors that the page names has its case, and each case of them is named there."""

from __future__ import annotations

import ast
import re

import pytest

from tests.processes import ROOT

PAGE = ROOT / "docs" / "door-facts.md"
ROW = re.compile(r"^\| (?P<fact>.+?) \| (?P<source>.+?) \| (?P<grade>[AaB]) \| (?P<cases>.+) \|$", re.MULTILINE)
CASE = re.compile(r"`([a-z0-9_/]+)::([\w.]+)`")


def rows() -> list[re.Match[str]]:
    return list(ROW.finditer(PAGE.read_text(encoding="utf-8")))


def functions(module: str) -> set[str]:
    """The tests of a module, without importing it: what it needs may not be there."""
    tree = ast.parse((ROOT / "tests" / f"{module}.py").read_text(encoding="utf-8"))
    found = [(node, "") for node in tree.body]
    found += [(node, f"{each.name}.") for each in tree.body if isinstance(each, ast.ClassDef) for node in each.body]
    return {
        start + node.name
        for node, start in found
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.slow
def test_every_case_is_there() -> None:
    known: dict[str, set[str]] = {}
    for row in rows():
        found = CASE.findall(row["cases"])
        assert found or row["cases"].startswith(("not done", "AWS does it")), row["fact"]
        for module, name in found:
            assert name in known.setdefault(module, functions(module)), f"{row['fact']}: {module}::{name} is gone"


def test_every_row_is_read() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    heads = [line for line in lines if line.startswith("| fact ")]
    assert len(lines) - len(heads) == len(rows()) > 90


@pytest.mark.parametrize("module", sorted(path.stem for path in (ROOT / "tests/conformance").glob("test_doors*.py")))
def test_every_case_of_the_doors_is_named(module: str) -> None:
    named = {name for row in rows() for where, name in CASE.findall(row["cases"]) if where == f"conformance/{module}"}
    assert functions(f"conformance/{module}") - named - OTHERS == set()


OTHERS = frozenset(
    (
        "test_a_token_that_is_known_is_judged_for_each_route",  # of what we remember, which AWS does not
        "test_a_function_url_s_failure_can_be_read",  # not known of AWS, see events.md
    )
)


def test_every_link_leads_to_aws() -> None:
    text = PAGE.read_text(encoding="utf-8")
    links = dict(re.findall(r"^\[([a-z0-9-]+)\]: (\S+)$", text, re.MULTILINE))
    assert all(url.startswith("https://docs.aws.amazon.com/") and url.endswith(".html") for url in links.values())
    used = {name for row in rows() for name in re.findall(r"\[([a-z0-9-]+)\]", row["source"])}
    assert used == set(links)
