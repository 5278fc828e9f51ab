import zipfile
from dataclasses import replace

import pytest

from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.handlers import why_missing

FILES = {
    "app.py": "def handler(event, context): ...",
    "made.py": "from app import *",
    "package/__init__.py": "",
    "package/inner.py": "run = print",
    "index.js": "exports.handler = 1",
    "src/main.mjs": "export const handler = 1",
    "layer/python/wrapped.py": "def wrap(): ...",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("handlers")
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("runtime", "handler", "says"),
    [
        ("python3.12", "app.handler", None),
        ("python3.12", "app.hanlder", "app.py has no hanlder; did you mean handler?"),
        ("python3.12", "app.handle", "app.py has no handle; did you mean handler?"),
        ("python3.12", "app.quite_another", "app.py has no quite_another"),
        ("python3.12", "made.anything", None),
        ("python3.12", "package/inner.run", None),
        ("python3.12", "package.inner.walk", "inner.py has no walk"),
        ("python3.12", "package.iner.run", "there is no package/iner.py in "),
        ("python3.12", "package.anything", None),
        ("python3.12", "gone.handler", "there is no gone.py in "),
        ("python3.12", "json.loads", None),
        ("python3.12", "wrapped.wrap", None),
        ("python3.12", "handler", "names no function"),
        ("nodejs22.x", "index.handler", None),
        ("nodejs22.x", "src/main.handler", None),
        ("nodejs22.x", "index.whatever", None),
        ("nodejs22.x", "/opt/nodejs/wrapper.handler", None),
        ("provided.al2023", "anything", None),
    ],
)
def test_handlers(folder, runtime, handler, says):
    layers = (str(folder / "layer"),) if handler.startswith("wrapped") else ()
    found = why_missing(FunctionSettings("f", handler, runtime, str(folder), layers=layers))
    assert found is None if says is None else says in (found or "")


def test_a_missing_file_of_node(folder):
    settings = FunctionSettings("f", "src/gone.handler", "nodejs22.x", str(folder))
    assert f"there is no src/gone.js in {folder}" in (why_missing(settings) or "")
    assert why_missing(replace(settings, layers=(str(folder / "layer"),))) is None


def test_what_may_come_from_elsewhere_is_not_judged(folder):
    settings = FunctionSettings("f", "gone.handler", "python3.12", str(folder))
    for changed in ({"python": "/usr/bin/python3"}, {"env_file": "x"}, {"web": True}, {"unable": "no"}):
        assert why_missing(replace(settings, **changed)) is None


def test_odd_files_are_no_fault(folder):
    (folder / "large.py").write_text("#" * (2 << 20))
    with zipfile.ZipFile(folder / "zipped.zip", "w"):
        pass
    assert why_missing(FunctionSettings("f", "large.handler", "python3.12", str(folder))) is None
