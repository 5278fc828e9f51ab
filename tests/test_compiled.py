"""Both forms of the program, compiled and not, are one: all of it is of one form, and errors say where they are."""

import ast
import configparser
import importlib
import traceback
from pathlib import Path

import pytest

from lambdaproxy.base.native import form
from lambdaproxy.http1.grammar import Malformed
from lambdaproxy.http1.head import parse_request

ROOT = Path(__file__).parent.parent
SETTINGS = configparser.ConfigParser(interpolation=None)
SETTINGS.read(ROOT / "setup.cfg", encoding="utf-8")
MODULES = SETTINGS["mypyc"]["modules"].split()


@pytest.mark.parametrize("path", MODULES)
def test_a_module_on_the_way_of_a_request_is_of_the_form_that_is_shown(path):
    assert (ROOT / path).is_file(), "setup.cfg names a module that is gone"
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    assert str(module.__file__).endswith(".py") is (form() == "python")


def test_a_traceback_names_file_and_line():
    with pytest.raises(Malformed) as caught:
        parse_request(b"GET / HTTP/1.1\r\n\r\n")
    last = traceback.extract_tb(caught.tb)[-1]
    assert last.filename.endswith("lambdaproxy/http1/head.py")
    line = (ROOT / "lambdaproxy/http1/head.py").read_text().splitlines()[(last.lineno or 0) - 1]
    assert line.strip().startswith("raise Malformed(400,")


#: What takes all that a generator expression gives, or what mypyc knows to end early.
TAKERS = {"all", "any", "deque", "dict", "extend", "frozenset", "join", "list", "max", "min", "next", "set", "sorted"}
TAKERS |= {"startswith", "sum", "tuple", "update", "bytes", "bytearray"}


@pytest.mark.parametrize("path", MODULES)
def test_no_generator_expression_has_to_be_lazy(path):
    """Compiled ones are lists: who takes a few of their values would have made all of them."""
    tree = ast.parse((ROOT / path).read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    taken = {id(each) for call in calls for each in call.args if ast.unparse(call.func).split(".")[-1] in TAKERS}
    taken |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Starred)}
    lazy = [node for node in ast.walk(tree) if isinstance(node, ast.GeneratorExp) and id(node) not in taken]
    assert not [ast.unparse(node) for node in lazy]


@pytest.mark.parametrize("path", MODULES)
def test_no_exception_has_attributes_of_its_class(path):
    """Where its module is compiled they are lost, and it would have those of its base: a label, an outcome, a text."""
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for node in ast.parse((ROOT / path).read_text()).body:
        if isinstance(node, ast.ClassDef) and issubclass(getattr(module, node.name), BaseException):
            own = [ast.unparse(each) for each in node.body if isinstance(each, ast.Assign | ast.AnnAssign)]
            assert own == [], f"{node.name} belongs into a module that is not compiled"
