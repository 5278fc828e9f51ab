"""The page of errors knows every error there is, and no other."""

from __future__ import annotations

import ast
import importlib
import pkgutil

import pytest

import lambdaproxy
from lambdaproxy import errors
from lambdaproxy.gate.decided import Decided
from lambdaproxy.manual.known_errors import GROUPS, REFUSALS
from tests.processes import ROOT

KNOWN = [known for group in GROUPS for known in group.errors]


def below(kind):
    yield kind
    for each in kind.__subclasses__():
        yield from below(each)


def sources():
    for path in sorted((ROOT / "lambdaproxy").rglob("*.py")):
        if path.parent.name != "manual":
            yield path, ast.parse(path.read_text())


def test_every_error_has_a_row():
    for module in pkgutil.walk_packages(lambdaproxy.__path__, "lambdaproxy."):
        if module.name.startswith(("lambdaproxy.codecs", "lambdaproxy.gate", "lambdaproxy.errors", "lambdaproxy.aws")):
            importlib.import_module(module.name)
    ours = {kind for kind in below(errors.LambdaProxyError) if kind.__module__.startswith("lambdaproxy.")}
    assert {kind.label for kind in ours - {Decided}} - {known.name for known in KNOWN} == set()


@pytest.mark.slow
def test_every_label_in_the_program_has_a_row_and_no_row_is_of_nothing():
    """Also those that are given to an error where it is raised."""
    written = set()
    for _, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                named = [each for each in node.keywords if each.arg == "label"]
                raised = getattr(node.func, "id", getattr(node.func, "attr", "")) == "Unavailable"
                written |= {each.value.value for each in named if raised and isinstance(each.value, ast.Constant)}
            if isinstance(node, ast.ClassDef):
                for each in node.body:
                    if isinstance(each, ast.Assign) and getattr(each.targets[0], "id", "") == "label":
                        assert isinstance(each.value, ast.Constant)
                        written.add(each.value.value)
    assert written - {Decided.label} == {known.name for known in KNOWN}


def test_no_error_has_two_rows():
    assert len({known.name for known in KNOWN}) == len(KNOWN)


def test_where_it_says_that_nothing_ran_another_invoker_may_be_asked():
    """The one rule that decides in the program: the page may not promise less or more."""
    for known in KNOWN:
        error = known.kind("reason")
        if known.label:
            error.label = known.label
        if errors.did_not_run(error):
            assert known.ran.startswith(("no", "unknown where")), known.name
        if known.ran == "**unknown**":
            assert not errors.did_not_run(error), known.name


@pytest.mark.slow
def test_every_reason_of_a_refusal_has_a_row():
    """Reasons are the second word of a `Malformed`, of a `refuse`, and the word that is counted."""
    written = set()
    for path, tree in sources():
        if path.parent.name not in ("http1", "web"):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                at = {"Malformed": 1, "refuse": 1, "count": 0}.get(name)
                for word in node.args[at : at + 1] if at is not None else ():
                    if isinstance(word, ast.Constant) and isinstance(word.value, str):
                        written.add(word.value)
    # One is of an answer of AWS, the other is always told as what the list is for.
    assert written - {"status-line", "list"} == {name for name, _, _ in REFUSALS}


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.name)
def test_the_inspector_says_of_each_error_what_to_do(known):
    """One that is added here and not there would get the advice of its whole outcome, which may be another's."""
    from lambdaproxy.inspector.advice import ADVICE

    assert ADVICE[known.name].endswith((".", "?"))
