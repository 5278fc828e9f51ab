"""Whether there is a handler of a function, as far as its files tell: nothing is imported and nothing is run."""

from __future__ import annotations

import glob
import os
import re
from difflib import get_close_matches
from importlib.machinery import PathFinder

from lambdaproxy.runtime.functions import FunctionSettings

_PYTHON = (".py", ".pyc", ".so", ".*.so")
_NODE = ("", ".js", ".mjs", ".cjs")
_ANYHOW = (b"import *", b"globals(", b"setattr(", b"__getattr__", b"sys.modules")
"""What lets a module have names that it does not spell."""
_NAMES = re.compile(rb"^(?:(?:async\s+)?def\s+(\w+)|(\w+)\s*=)", re.MULTILINE)
"""The functions and variables of a module of Python."""


def why_missing(settings: FunctionSettings) -> str | None:
    """One sentence if the handler's file is not there, or never spells its name; None where that cannot be told.

    It is no error: on AWS the invocation of such a function fails, and here too, and a build may bring the file.
    """
    if settings.unable is not None or settings.web or settings.family == "provided":
        return None
    module, dot, name = settings.handler.rpartition(".")
    if settings.family == "nodejs":
        folder, base = os.path.split(settings.handler)
        module, dot, name = base.partition(".")
        module = os.path.join(folder, module)
    if not dot or not name:
        return f"the handler {settings.handler!r} names no function; write module.function"
    find = _of_python if settings.family == "python" else _of_node
    found = find(settings, module)
    if found is None:
        return None
    if not found:
        suffix = ".py" if settings.family == "python" else ".js"
        file = module.replace(".", "/") + suffix if settings.family == "python" else module + suffix
        return f"the handler {settings.handler} is in no file: there is no {file} in {settings.directory}"
    first = name.partition(".")[0]
    names = _without(found, first)
    if names is None:
        return None
    near = get_close_matches(first, names, 1)
    meant = f"; did you mean {near[0]}?" if near else ""
    return f"the handler {settings.handler} is not there: {found} has no {first}{meant}"


def _of_python(settings: FunctionSettings, module: str) -> str | None:
    """The file of a module; empty where there is none, None where it may be somewhere else."""
    parts = module.replace("/", ".").split(".")
    roots = [settings.directory]
    for layer in settings.layers:
        roots += [*glob.glob(os.path.join(glob.escape(layer), "python", "lib", "python*", "site-packages"))]
        roots.append(os.path.join(layer, "python"))
    roots += dict(settings.environment).get("PYTHONPATH", "").split(os.pathsep)
    for root in filter(None, roots):
        whole = os.path.join(root, *parts)
        if os.path.isfile(f"{whole}.py"):
            return f"{whole}.py"
        if os.path.isdir(whole) or any(glob.glob(glob.escape(whole) + suffix) for suffix in _PYTHON):
            return None
    if any(os.path.exists(os.path.join(root, parts[0])) for root in filter(None, roots)):
        return ""
    if settings.env_file is not None or settings.python is not None:
        return None  # these may bring folders of their own
    return None if parts[0] and PathFinder.find_spec(parts[0]) is not None else ""


def _of_node(settings: FunctionSettings, module: str) -> str | None:
    stem = os.path.join(settings.directory, module)
    for suffix in _NODE:
        if os.path.isfile(stem + suffix):
            return stem + suffix
    # It may be a package, or one of a layer, by its path.
    return None if os.path.isabs(module) or os.path.isdir(stem) or settings.layers else ""


def _without(path: str, name: str) -> list[str] | None:
    """The names of a module that never spells `name`; None where it does, or may have it some other way."""
    # A bundle's names may be made in many ways; what is short and never says the name has none.
    if not path.endswith(".py"):
        return None
    try:
        with open(path, "rb") as file:
            text = file.read(1 << 20)
            whole = not file.read(1)
    except OSError:
        return None
    if not whole or re.search(rb"\b%s\b" % re.escape(name.encode()), text) or any(one in text for one in _ANYHOW):
        return None
    return [(function or variable).decode() for function, variable in _NAMES.findall(text)]
