"""The import direction is part of the design: what is pure stays pure, and nothing goes round in circles."""

import ast
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from lambdaproxy.codecs.makers import MAKERS

ROOT = Path(__file__).parent.parent / "lambdaproxy"

#: Each part may import the parts above its own line, and its own.
LAYERS = [
    {"messages", "errors", "interfaces", "bodies", "frozen"},
    {"base"},
    {"http1", "wire", "codecs", "selection"},
    {"adapters"},
    {"plugins"},
    {"registry", "config", "watch"},
    {"supervise"},
    {"bill"},
    {"web"},
    {"routing", "gate", "authorizers", "aws", "runtime", "streaming", "s3"},
    {"templates"},
    {"admission", "telling", "results", "proxy", "sockets", "inspector", "traces"},
    {"start"},
    {"tap"},
    {"command"},
    {"manual", "testing"},
    {"completion"},
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


def test_the_supervisor_is_of_the_standard_library():
    """It stays small, and holds nothing that could fail: what it loads is seen in a process of its own."""
    code = "import sys, lambdaproxy.supervise.supervisor; print(*{name.partition('.')[0] for name in sys.modules})"
    words = [sys.executable, "-P", "-I", "-c", code]
    loaded = set(subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.split())
    assert not loaded & {"twisted", "zope", "prometheus_client", "botocore", "orjson", "OpenSSL", "asyncio", "ssl"}


def loaded_by(code):
    """The modules that a fresh interpreter has after this code."""
    words = [sys.executable, "-c", f"{code}; import sys; print(*sys.modules)"]
    return set(subprocess.run(words, capture_output=True, text=True, check=True, timeout=60, cwd="/").stdout.split())


def test_a_start_loads_only_what_every_start_needs():
    """A reload waits for the start of every worker, and half of it is loading modules."""
    modules = loaded_by("import lambdaproxy.command.main, lambdaproxy.tap, lambdaproxy.start.service")
    for late in ("twisted.web", "botocore", "treq", "yaml", "importlib.metadata", "joserfc"):
        assert late not in modules, late
    for room in ("runtime.pool", "runtime.invoker", "inspector.app", "templates.configure", "command.reading"):
        assert f"lambdaproxy.{room}" not in modules, room


def test_ctl_is_of_the_standard_library():
    modules = loaded_by("import lambdaproxy.command.main, lambdaproxy.command.ctl")
    assert not {name.partition(".")[0] for name in modules} & {"twisted", "zope", "prometheus_client", "orjson"}


def test_only_tap_touches_the_global_reactor():
    for path in MODULES:
        if path != ROOT / "tap.py":
            assert "from twisted.internet import reactor" not in path.read_text(), path


#: Who knows a format by its name, besides `codecs`, and why. Nobody else does: makers say what has to be known.
NAMING_FORMATS = {
    "plugins/builtin.py": "the list of what is built in",
    "config/settings.py": "the default of --format",
    "templates/found.py": "what AWS's resources are in our words",
    "errors.py": "columns of the table of statuses, which codecs choose",
    "base/paths.py": "ways to read a path, which codecs choose",
}
#: Words that are a format's name and mean something else.
HOMONYMS = {
    ("bill", "alb"): "a service with a price",
    ("authorizers", "alb"): "rules of tokens",
    ("templates", "alb"): "an event of serverless.yml, and rules of tokens",
    ("gate", "function-url"): "a manner of CORS, which codecs choose",
}


def formats_named(path, names):
    """The formats that this module names outside of its docstrings and of sentences: texts, names and imports."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        words = []
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            words = [node.value.partition(":")[0]]
        elif isinstance(node, ast.Name):
            words = [node.id]
        elif isinstance(node, ast.Attribute):
            words = [node.attr]
        elif isinstance(node, ast.FunctionDef | ast.arg):
            words = [node.name if isinstance(node, ast.FunctionDef) else node.arg]
        elif isinstance(node, ast.ImportFrom):
            words = [(node.module or "").rpartition(".")[2], *[name.name for name in node.names]]
        yield from (word.replace("_", "-") for word in words if word.replace("_", "-") in names)


def test_who_knows_a_format_by_its_name():
    names = {maker.name for maker in MAKERS}
    known: set[object] = set()
    for path in MODULES:
        where = str(path.relative_to(ROOT))
        for name in {*formats_named(path, names)} if part(path) != "codecs" else ():
            known.add(where)
            known.add((part(path), name))
            assert where in NAMING_FORMATS or (part(path), name) in HOMONYMS, f"{where} knows {name}"
    assert not {*NAMING_FORMATS, *HOMONYMS} - known, "what no longer knows any"


def rooms_of_the_page():
    """The rows of the table of rooms in docs/architecture.md, as sets of names."""
    text = (ROOT.parent / "docs" / "architecture.md").read_text()
    table = text.partition("## The rooms")[2].partition("###")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    return [set(re.findall(r"`(\w+)`", row)) for row in rows]


def test_the_architecture_page_shows_the_rooms_in_their_order():
    rooms = rooms_of_the_page()
    assert {name for row in rooms for name in row} == set(LEVEL), "a room that the page does not know, or that is gone"
    levels = [{LEVEL[name] for name in row} for row in rooms]
    assert all(max(one) <= min(other) for one, other in pairwise(levels))


def test_the_architecture_page_names_what_there_is():
    text = (ROOT.parent / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:{})\.\w+)[.`]".format("|".join(LEVEL)), text)) - {"proxy.py"}
    assert len(named) > 30
    for name in named:
        room, inner = name.split(".")
        inside = [path.read_text() for path in (ROOT / f"{room}.py", ROOT / room / "__init__.py") if path.is_file()]
        assert (ROOT / room / f"{inner}.py").is_file() or any(re.search(rf"\b{inner}\b", one) for one in inside), name


def modules_asked(path):
    """The modules that this one names in any import, those for type checking and in functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("lambdaproxy"):
            for name in node.names:
                whole = f"{node.module}.{name.name}"
                yield whole if whole in NAMES else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name in NAMES)


NAMES = {".".join(path.relative_to(ROOT.parent).with_suffix("").parts): path for path in MODULES}


def circles(asked):
    """The sets of names that reach each other (Tarjan's strongly connected components of more than one)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[frozenset[str]] = []

    def visit(name):
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in asked[name]:
            if other not in number:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], number[other])
        if low[name] == number[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                found.append(frozenset(stack[at:]))
            del stack[at:]

    for name in asked:
        if name not in number:
            visit(name)
    return found


def test_no_module_goes_round_in_circles_even_for_its_types():
    asked = {name: [other for other in modules_asked(path) if other in NAMES] for name, path in NAMES.items()}
    short = {frozenset(name.removeprefix("lambdaproxy.") for name in circle) for circle in circles(asked)}
    assert not short


def test_a_circle_is_found():
    assert circles({"a": ["b"], "b": ["c"], "c": ["a", "d"], "d": ["d"]}) == [frozenset("abc")]
    assert circles({"a": ["b", "c"], "b": ["c"], "c": []}) == []
