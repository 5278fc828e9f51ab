"""The import direction is part of the design: what is pure stays pure, and nothing goes round in circles."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "lambdaproxy"

#: Each part may import the parts above its own line, and its own.
LAYERS = [
    {"messages", "errors", "interfaces"},
    {"base"},
    {"http1", "wire", "codecs", "selection"},
    {"adapters"},
    {"plugins"},
    {"registry", "config", "watch"},
    {"routing", "aws", "runtime", "streaming"},
    {"proxy"},
    {"web"},
    {"start"},
    {"tap"},
    {"command"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}


def imports(path):
    """The lambdaproxy parts that a module imports when it is imported, type checking aside."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            node.body = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lambdaproxy"):
            parts = (node.module or "").split(".")
            yield from ([parts[1]] if len(parts) > 1 else [name.name for name in node.names])
        elif isinstance(node, ast.Import):
            yield from (name.name.split(".")[1] for name in node.names if name.name.startswith("lambdaproxy."))


MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


def part(path):
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_direction_of_imports(path):
    own = part(path)
    for name in imports(path):
        if name == "__version__" or name == own:
            continue
        assert name in LEVEL, f"{name} has no place in LAYERS"
        if own == "plugins":
            continue  # makers are the one place that knows all implementations; they import them in `make`
        assert LEVEL[name] <= LEVEL[own], f"{own} may not import {name}"
        assert {own, name} != {"aws", "runtime"}, "the two invokers do not know each other"


def test_the_core_knows_neither_the_server_nor_the_sdk():
    text = (ROOT / "proxy.py").read_text()
    assert "twisted.web" not in text
    assert "botocore" not in text


@pytest.mark.parametrize("package", ["codecs", "wire", "http1"])
def test_pure_packages_do_no_io(package):
    for path in (ROOT / package).rglob("*.py"):
        for name in ("twisted.internet", "socket", "reactor"):
            assert f"import {name}" not in path.read_text(), path
            assert f"from {name}" not in path.read_text(), path


def test_only_tap_touches_the_global_reactor():
    for path in MODULES:
        if path != ROOT / "tap.py":
            assert "from twisted.internet import reactor" not in path.read_text(), path
