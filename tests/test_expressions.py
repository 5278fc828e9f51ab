"""Regular expressions mean the same in every Python that we support, and take linear time on long hostile input."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from re import _parser  # type: ignore[attr-defined]  # sre's own view of an expression

import pytest

from lambdaproxy.http1.body import _CHUNK_LINE
from lambdaproxy.http1.grammar import LIST
from tests.processes import ROOT

PACKAGE = ROOT / "lambdaproxy"
ONE_CHARACTER = {"LITERAL", "NOT_LITERAL", "ANY", "IN"}
#: A possessive repeat over a group, or an atomic group, in the source of an expression.
WRITTEN = re.compile(r"[^(]\)(?:[*+?]|\{[0-9]*,?[0-9]*\})\+|\(\?>")
#: Imports every module of the package, and prints the expressions that our own code has compiled meanwhile.
IMPORT_ALL = """
import importlib, importlib.util, json, pathlib, re, sys
class Sources:
    # The sources, also where the modules are compiled: those have no frames.
    def find_spec(name, path=None, target=None):
        file = pathlib.Path(*name.split("."))
        if file.parts[0] == "lambdaproxy" and (file / "__init__.py").exists():
            places = [str(file)]
            return importlib.util.spec_from_file_location(name, file / "__init__.py", submodule_search_locations=places)
        if file.parts[0] == "lambdaproxy" and file.with_suffix(".py").exists():
            return importlib.util.spec_from_file_location(name, file.with_suffix(".py"))
sys.meta_path.insert(0, Sources)
compiled, compile = [], re._compiler.compile
def recording(pattern, flags=0):
    frame = sys._getframe(1)
    while frame.f_code.co_filename == re.__file__:
        frame = frame.f_back
    name = frame.f_code.co_filename
    if "lambdaproxy" in pathlib.Path(name).parts[-4:] and not isinstance(pattern, re.Pattern):
        text = pattern.decode("latin-1") if isinstance(pattern, bytes) else pattern
        compiled.append((name, text, int(flags)))
    return compile(pattern, flags)
re._compiler.compile = recording
failed = []
for path in sorted(pathlib.Path("lambdaproxy").rglob("*.py")):
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    try:
        importlib.import_module(name)
    except ImportError as error:
        failed.append((name, str(error)))
print(json.dumps(compiled))
"""


def wrong_before_3_11_5(pattern: str, flags: int = 0) -> bool:
    """Whether an expression uses what Python 3.11.0 to 3.11.4 match wrongly (gh-106052)."""

    def walk(node) -> bool:
        if isinstance(node, _parser.SubPattern):
            return any(walk(item) for item in node.data)
        if isinstance(node, tuple) and node and str(node[0]) == "ATOMIC_GROUP":
            return True
        if isinstance(node, tuple) and node and str(node[0]) == "POSSESSIVE_REPEAT":
            body = node[1][2].data
            if len(body) != 1 or str(body[0][0]) not in ONE_CHARACTER:
                return True
        return isinstance(node, (tuple, list)) and any(walk(item) for item in node)

    return walk(_parser.parse(pattern, flags & ~re.DEBUG))


def _is_allowed(text: str) -> bool:
    """Whether a text that looks wrong is an expression that is right: `)*+` may stand in a set of characters."""
    try:
        return not wrong_before_3_11_5(text)
    except re.error:
        return False


@pytest.mark.parametrize(
    ("pattern", "wrong"),
    [
        (r"(?:ab?)*+", True),
        (r"(?:a|bc)++x", True),
        (r"x(?:a+)?+", True),
        (r"(a*){2,3}+", True),
        (r"(?>a+)b", True),
        (r"(?=(?:a(?:bc)*+))", True),
        (r"[ab]*+c++d?+.{1,3}+", False),
        (r"(?:[ab]++c)*", False),
        (r"(\+?)\}", False),
    ],
)
def test_what_is_refused(pattern, wrong):
    assert wrong_before_3_11_5(pattern) is wrong


def test_no_expression_needs_a_newer_python():
    found = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    compiled = json.loads(found.stdout.splitlines()[-1])
    assert any(pattern == _CHUNK_LINE.pattern.decode("latin-1") for _, pattern, _ in compiled)
    assert [(name, pattern) for name, pattern, flags in compiled if wrong_before_3_11_5(pattern, flags)] == []


def test_no_source_of_an_expression_does():
    # What is compiled only when it is called.
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
                text = node.value.decode("latin-1") if isinstance(node.value, bytes) else node.value
                if WRITTEN.search(text) and not _is_allowed(text):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


@pytest.mark.parametrize("line", [b"5;\r\n", b"5;;a\r\n", b"5;a=\r\n", b'5;a="x\r\n', b'5;a="x"y\r\n', b"5;a=b c\r\n"])
def test_chunk_lines_that_are_none(line):
    assert _CHUNK_LINE.match(line) is None


@pytest.mark.parametrize("line", [b"5\r\n", b"5;a\r\n", b"5;a=b\r\n", b'f;a="x\\"y;";b\t= c ;d\r\n'])
def test_chunk_lines(line):
    found = _CHUNK_LINE.match(line)
    assert found is not None and found.end() == len(line)


#: Repeated, each would take years were a repeat to give back its characters in more than one way.
HOSTILE = [
    b"a",
    b"a,",
    b"a ,",
    b", ",
    b" ",
    b"a \t,\t ",
    b";a",
    b";a=b",
    b';a="b"',
    b';a="',
    b'"',
    b"\\",
    b'\\"',
    b"; a = b ",
]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("end", [b"", b"!(", b'"', b"\r", b";", b"="])
@pytest.mark.parametrize("begin", [b"", b"5", b'5;a="', b"a,"])
def test_hostile_lines_are_refused_or_read_at_once(begin, piece, end):
    line = begin + piece * (65536 // len(piece)) + end
    LIST.match(line)
    _CHUNK_LINE.match(line)
    _CHUNK_LINE.match(line + b"\r\n")
