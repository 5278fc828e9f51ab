"""Which Python or Node runs a function: the one that its Runtime names, wherever it was installed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lambdaproxy.runtime import interpreters as known
from lambdaproxy.runtime.environment import Site
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.interpreters import find_interpreter, interpreters, missing_text
from lambdaproxy.runtime.layers import Namespaces
from lambdaproxy.runtime.runtimes import command
from lambdaproxy.runtime.site import cache_folder

OWN = f"python{sys.version_info[0]}.{sys.version_info[1]}"


def program(path: Path, text: str = "ELF") -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(known, "packaged_node", lambda: None)
    return tmp_path


@pytest.mark.parametrize(
    ("runtime", "variable", "places"),
    [
        ("python2.12", "", [".local/share/uv/python/cpython-2.12.9-linux-x86_64-gnu/bin/python2.12"]),
        ("python2.12", "UV_PYTHON_INSTALL_DIR", ["place/cpython-2.12.1-macos/bin/python2.12"]),
        ("python2.12", "", [".pyenv/versions/2.12.9/bin/python2.12", ".pyenv/versions/2.12.10/bin/python2.12"]),
        ("python2.12", "PYENV_ROOT", ["place/versions/2.12.1/bin/python2.12"]),
        ("python2.12", "", [".local/share/mise/installs/python/2.12.3/bin/python2.12"]),
        ("python2.12", "", [".asdf/installs/python/2.12.3/bin/python2.12"]),
        ("nodejs21.x", "", [".nvm/versions/node/v21.9.0/bin/node", ".nvm/versions/node/v21.10.0/bin/node"]),
        ("nodejs21.x", "NVM_DIR", ["place/versions/node/v21.9.0/bin/node"]),
        ("nodejs21.x", "", [".local/share/fnm/node-versions/v21.9.0/installation/bin/node"]),
        ("nodejs21.x", "FNM_DIR", ["place/node-versions/v21.9.0/installation/bin/node"]),
        ("nodejs21.x", "", [".volta/tools/image/node/21.9.0/bin/node"]),
        ("nodejs21.x", "", [".asdf/installs/nodejs/21.9.0/bin/node"]),
    ],
)
def test_places(home, runtime, variable, places):
    environ = {"HOME": str(home), "PATH": str(home / "none")} | ({variable: str(home / "place")} if variable else {})
    assert find_interpreter(runtime, environ) is None
    paths = [program(home / place) for place in places]
    assert find_interpreter(runtime, environ) == paths[-1]
    other = runtime.replace("1", "3")
    assert find_interpreter(other, environ) is None


def test_on_the_path_but_no_shim(home):
    environ = {"HOME": str(home), "PATH": f"{home}/shims:{home}/bin"}
    program(home / "shims" / "python2.12", "#!/bin/sh\nexec pyenv\n")
    assert find_interpreter("python2.12", environ) is None
    own = program(home / "bin" / "python2.12")
    assert find_interpreter("python2.12", environ) == own
    assert find_interpreter(OWN, environ) == sys.executable


def test_a_node_is_asked_for_its_version_once(home, monkeypatch):
    node = program(home / "bin" / "node")
    monkeypatch.setitem(known._versions, node, "21")
    environ = {"HOME": str(home), "PATH": str(home / "bin")}
    assert find_interpreter("nodejs21.x", environ) == node
    assert find_interpreter("nodejs18.x", environ) is None


@pytest.mark.parametrize("runtime", ["python", "nodejs", "provided", "provided.al2023"])
def test_without_a_version_nobody_is_looked_for(runtime):
    assert find_interpreter(runtime, {"PATH": "/usr/bin"}) is None


def test_what_is_missing_is_said_with_what_runs_instead(home):
    environ = {"HOME": str(home), "PATH": str(home)}
    functions = [
        FunctionSettings("a", "m.h", OWN, "/"),
        FunctionSettings("b", "m.h", "python2.12", "/"),
        FunctionSettings("c", "m.h", "python2.12", "/", python="/usr/bin/python3"),
        FunctionSettings("d", "m.h", "nodejs9.x", "/", unable="it has no code"),
        *(FunctionSettings(f"e{number}", "m.h", "nodejs9.x", "/") for number in range(7)),
    ]
    found, missing = interpreters(functions, environ)
    assert found == {OWN: sys.executable}
    assert missing == {"python2.12": ["b"], "nodejs9.x": [f"e{number}" for number in range(7)]}
    text = missing_text("python2.12", ["b"], environ)
    assert text.startswith("There is no python2.12 on this machine for b: Python 3.")
    assert text.endswith("uv python install 2.12) or name one with python = in [function.NAME]")
    assert "e4 and 2 more: no Node at all runs it" in missing_text("nodejs9.x", missing["nodejs9.x"], environ)


def test_it_is_what_runs_the_function():
    site = Site(interpreters={"python3.9": "/usr/bin/env"}, namespaces=Namespaces())
    made = command(FunctionSettings("f", "m.h", "python3.9", "/"), site, "127.0.0.1:9", "s")
    assert made.argv[0] == "/usr/bin/env"
    own = command(FunctionSettings("f", "m.h", "python3.9", "/", python=sys.executable), site, "127.0.0.1:9", "s")
    assert own.argv[0] == sys.executable


def test_byte_code_has_a_folder_of_ours(tmp_path):
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == f"{tmp_path}/lambdaproxy/bytecode"
    assert cache_folder({"HOME": str(tmp_path)}) == f"{tmp_path}/.cache/lambdaproxy/bytecode"
    assert (cache_folder({"HOME": "/proc/nowhere"}) or "").rpartition("/")[2].startswith("lambdaproxy-")
    assert (cache_folder({}) or "").rpartition("/")[2].startswith("lambdaproxy-")
