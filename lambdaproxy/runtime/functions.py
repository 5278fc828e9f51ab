"""What an embedded function is: its settings, from the command line or from a `[function.NAME]` table."""

from __future__ import annotations

import difflib
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lambdaproxy.base.archives import unpack
from lambdaproxy.runtime import values as checks
from lambdaproxy.runtime.variables import read_env_file

_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}\Z", re.ASCII)
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*\Z")
EXEC_WRAPPER = "AWS_LAMBDA_EXEC_WRAPPER"
_NODE_SUFFIXES = (".mjs", ".cjs", ".js")


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """One embedded function.

    `handler` is written as on AWS (`module.function`, `folder/module.function`); `runtime` is an AWS identifier or its
    family (`python`, `python3.12`, `nodejs`, `nodejs20.x`, `provided.al2023`). `directory` is the task root, absolute.
    `timeout` is in seconds, `memory` in MB: it is what REPORT and the context say; `memory_limit` is enforced where
    it is set. `concurrency` is the number reserved for this function; None means the invoker's default.
    `executable` is what a `provided` function runs (`bootstrap` in the task root by default).
    `ric` names the runtime interface client: `builtin`, `awslambdaric` or `aws-lambda-ric`.
    `credentials` is `none` (the function gets dummies) or `inherit` (it gets the operator's own).
    `temporary` is the size of `/tmp` in MB; `namespace` is whether it has folders of its own where the kernel allows.
    `per_environment` is how many requests an environment of Lambda Managed Instances takes at once: processes do so
    for Python, threads of one process for Node.
    `web` says that it is a web server, and `handler` the file that starts it; `endpoint` is the host that its requests
    must name.
    `unable` says why it cannot run here: it answers so, as one whose program is missing does.
    """

    name: str
    handler: str
    runtime: str
    directory: str
    environment: tuple[tuple[str, str], ...] = ()
    env_file: str | None = None
    timeout: float = 30.0
    memory: int = 128
    memory_limit: int | None = None
    concurrency: int | None = None
    streaming: bool = False
    layers: tuple[str, ...] = ()
    python: str | None = None
    node: str | None = None
    executable: str | None = None
    ric: str = "builtin"
    credentials: str = "none"
    aliases: tuple[str, ...] = ()
    idle_timeout: float = 300.0
    prewarm: int = 0
    log_format: str = "text"
    temporary: int = 512
    namespace: bool = True
    web: bool = False
    endpoint: str | None = None
    per_environment: int | None = None
    on_success: str | None = None
    on_failure: str | None = None
    unable: str | None = None

    @property
    def ours(self) -> bool:
        """Whether a runtime of ours runs it, which takes its events from a socket that it inherits."""
        return self.ric == "builtin" and self.family != "provided" and not self.web

    @property
    def threads(self) -> bool:
        """Whether one process takes several requests at once, in threads."""
        return self.per_environment is not None and self.family == "nodejs" and self.ours

    @property
    def alone(self) -> bool:
        """Whether nothing but our runtime asks for its events: no wrapper and no extension can be there to do so."""
        may_wrap = self.env_file is not None or any(name == EXEC_WRAPPER for name, _ in self.environment)
        return self.ours and not self.layers and not may_wrap

    @property
    def family(self) -> str:
        """`python`, `nodejs` or `provided`."""
        for family in ("python", "nodejs"):
            if self.runtime.startswith(family):
                return family
        return "provided"


def parse_local(text: str, base_dir: str | None = None) -> FunctionSettings:
    """`NAME=HANDLER` of `--local`.

    HANDLER is `path/file.py:function`, `path/file.mjs:function` (also .js, .cjs), `package.module:function`, an
    executable file, or a directory that holds an executable `bootstrap`. Raises `ValueError` with a sentence.
    """
    name, equals, where = text.partition("=")
    if not equals or not where:
        if ":" in text:
            example = f"app={text}"
        elif os.path.splitext(text)[1] in (".py", *_NODE_SUFFIXES):
            example = f"app={text}:handler"
        else:
            example = "hello=examples/hello.py:handler or hello=package.module:handler"
        raise ValueError(f"{text!r} is not NAME=HANDLER; write for example {example}")
    check_name(name)
    base = os.path.abspath(base_dir or os.curdir)
    path, colon, function = where.rpartition(":")
    if not colon:
        return _local_executable(name, os.path.join(base, os.path.expanduser(where)), where, _meant(base, where))
    if not function.isidentifier() and not re.fullmatch(r"[\w$.]+", function):
        raise ValueError(f"{where!r}: {function!r} is no name of a function; write FILE:FUNCTION or MODULE:FUNCTION")
    suffix = os.path.splitext(path)[1]
    if suffix == ".py" or suffix in _NODE_SUFFIXES:
        file = os.path.join(base, os.path.expanduser(path))
        if not os.path.isfile(file):
            raise ValueError(f"there is no file {path} (for the function {name}); paths are relative to {base}")
        stem = os.path.splitext(os.path.basename(file))[0]
        runtime = "python" if suffix == ".py" else "nodejs"
        return FunctionSettings(name, f"{stem}.{function}", runtime, os.path.dirname(file))
    if _MODULE.match(path):
        return FunctionSettings(name, f"{path}.{function}", "python", base)
    raise ValueError(
        f"{path!r} (for the function {name}) is neither a .py, .js, .mjs or .cjs file nor the dotted name of a module"
    )


def _meant(base: str, where: str) -> str:
    """What somebody meant who left the function out, or wrote the handler as AWS has it; or nothing."""
    suffixes = (".py", *_NODE_SUFFIXES)
    if os.path.splitext(where)[1] in suffixes:
        return f"{where}:handler"
    stem, _, function = where.rpartition(".")
    files = (f"{place}{suffix}" for place in (stem, stem.replace(".", "/")) for suffix in suffixes)
    return next((f"{file}:{function}" for file in files if stem and os.path.isfile(os.path.join(base, file))), "")


def _local_executable(name: str, path: str, where: str, meant: str) -> FunctionSettings:
    if os.path.isdir(path):
        path = os.path.join(path, "bootstrap")
    if not os.path.isfile(path) or not os.access(path, os.X_OK):
        raise ValueError(
            f"{where!r} (for the function {name}) is no executable file and holds no executable bootstrap; "
            "a handler is written FILE:FUNCTION or MODULE:FUNCTION" + (f", as in {name}={meant}" if meant else "")
        )
    return FunctionSettings(name, "bootstrap", "provided", os.path.dirname(path), executable=path)


def check_name(name: str) -> str:
    """The name, if Lambda would take it; raises `ValueError`."""
    if not _NAME.match(name):
        raise ValueError(f"{name!r} is no name of a function: 1 to 64 letters, digits, hyphens and underscores")
    return name


_KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "handler": ("handler", checks.text),
    "runtime": ("runtime", checks.runtime),
    "directory": ("directory", checks.text),
    "environment": ("environment", checks.variables),
    "env-file": ("env_file", checks.text),
    "timeout": ("timeout", checks.seconds),
    "memory": ("memory", checks.memory),
    "concurrency": ("concurrency", checks.count),
    "streaming": ("streaming", checks.flag),
    "layers": ("layers", checks.texts),
    "python": ("python", checks.text),
    "node": ("node", checks.text),
    "executable": ("executable", checks.text),
    "ric": ("ric", checks.one_of("builtin", "awslambdaric", "aws-lambda-ric")),
    "credentials": ("credentials", checks.one_of("none", "inherit")),
    "aliases": ("aliases", checks.alias_list),
    "idle-timeout": ("idle_timeout", checks.seconds),
    "prewarm": ("prewarm", checks.count),
    "log-format": ("log_format", checks.one_of("text", "json")),
    "ephemeral-storage": ("temporary", checks.temporary),
    "namespace": ("namespace", checks.flag),
    "web": ("web", checks.flag),
    "endpoint": ("endpoint", checks.domain),
    "environment-concurrency": ("per_environment", checks.environment_concurrency),
    "on-success": ("on_success", checks.text),
    "on-failure": ("on_failure", checks.text),
}
FUNCTION_KEYS = tuple(_KEYS)
"""The keys of a `[function.NAME]` table."""


class BadKey(ValueError):
    """A key of a function's table that cannot be used; the text begins with the key."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key


def function_settings(name: str, table: Mapping[str, Any], base_dir: str) -> FunctionSettings:
    """A `[function.NAME]` table; paths in it are relative to `base_dir`, the folder of the file.

    `handler` may be given as on AWS or in the words of `--local`, which say runtime and directory too; what the table
    says itself wins. Raises `BadKey`, a `ValueError` that begins with the key, such as `timeout: must be ...`.
    """
    check_name(name)
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            raise BadKey(key, "a function has no such key" + (f"; did you mean {near[0]}?" if near else ""))
        field, check = _KEYS[key]
        try:
            found[field] = check(value)
        except ValueError as problem:
            raise BadKey(key, str(problem)) from None
    values: dict[str, Any] = {}
    handler = found.get("handler")
    runtime = found.get("runtime", "")
    if handler is not None and ":" in handler:
        try:
            local = parse_local(f"{name}={handler}", base_dir)
        except ValueError as problem:
            raise BadKey("handler", str(problem)) from None
        values = {"handler": local.handler, "runtime": local.runtime, "directory": local.directory}
        found.pop("handler")
    values |= found
    if "executable" in values and "runtime" not in values:
        values["runtime"] = "provided"
    if values.get("web") and not values.get("runtime", "").startswith("provided"):
        values.setdefault("handler", "index.js")
    if "handler" not in values:
        if not values.get("runtime", runtime).startswith("provided"):
            raise BadKey("handler", 'is missing; write handler = "module.function" as on AWS')
        values["handler"] = "bootstrap"
    if "memory" in values:
        values["memory_limit"] = values["memory"]
    return _resolved(name, values, os.path.abspath(base_dir))


def _resolved(name: str, values: dict[str, Any], base: str) -> FunctionSettings:
    def path(key: str, value: str) -> str:
        full = os.path.normpath(os.path.join(base, os.path.expanduser(value)))
        if not os.path.exists(full):
            raise BadKey(key, f"there is no {full}")
        return full

    def folder(key: str, value: str) -> str:
        full = path(key, value)
        if not os.path.isdir(full):
            raise BadKey(key, f"{full} is no folder")
        return full

    values["directory"] = folder("directory", values.get("directory", "."))
    if values.get("web"):
        values["streaming"] = True
        if not values.get("runtime", "").startswith("provided"):
            file = path("handler", os.path.join(values["directory"], values["handler"]))
            if not os.path.isfile(file):
                raise BadKey("handler", f"{file} is no file; with web = true it is the one that starts the server")
            values.setdefault("runtime", "python" if file.endswith(".py") else "nodejs")
    elif "endpoint" in values:
        raise BadKey("endpoint", "only web functions have one; it goes with web = true")
    values["layers"] = tuple(_layer(path("layers", one)) for one in values.get("layers", ()))
    if values.get("env_file"):
        values["env_file"] = path("env-file", values["env_file"])
        try:
            read_env_file(values["env_file"])
        except ValueError as problem:
            raise BadKey("env-file", str(problem)) from None
    for key in ("python", "node"):
        if key in values:
            values[key] = _interpreter(key, values[key], path, (base, values["directory"]))
    if values.get("executable"):
        values["executable"] = path("executable", os.path.join(values["directory"], values["executable"]))
        _check_program("executable", values["executable"])
    if "runtime" not in values:
        values["runtime"] = _guess(values["directory"], values["handler"])
    if values.get("per_environment"):
        _check_managed(values)
    if values["runtime"].startswith("provided") and "executable" not in values:
        own = os.path.join(values["directory"], "bootstrap")
        places = [own, *(os.path.join(layer, "bootstrap") for layer in values["layers"][::-1])]
        _check_program("executable", path("executable", next(filter(os.path.exists, places), own)))
    return FunctionSettings(name=name, **values)


def _check_managed(values: Mapping[str, Any]) -> None:
    key = "environment-concurrency"
    if not values["runtime"].startswith(("python", "nodejs")):
        raise BadKey(key, "only Python and Node functions take several requests at once as on Lambda here")
    if values["runtime"].startswith("nodejs") and (values.get("web") or values.get("ric", "builtin") != "builtin"):
        raise BadKey(key, "in Node only our own runtime takes several requests at once: it goes without web and ric")


def _layer(path: str) -> str:
    """The folder of a layer: itself, or what a zip holds."""
    if os.path.isdir(path):
        return path
    try:
        return unpack(path)
    except ValueError as problem:
        raise BadKey("layers", str(problem)) from None


def _interpreter(key: str, value: str, path: Callable[[str, str], str], bases: tuple[str, str]) -> str:
    """The path of an interpreter, of the one in a virtual environment, or the name of one on PATH.

    A folder is looked for beside the file and in the function's own folder.
    """
    base, own = bases
    inside = os.path.join(own, os.path.expanduser(value))
    if not os.path.exists(os.path.join(base, os.path.expanduser(value))) and os.path.isdir(inside):
        value = inside
    if os.sep not in value and not os.path.isdir(os.path.join(base, value)):
        if shutil.which(value) is None:
            raise BadKey(key, f"there is neither a folder {value} in {base} nor a program of that name on PATH")
        return value
    full = path(key, value)
    if os.path.isdir(full):
        inside = os.path.join(full, "bin", key)
        if not os.path.exists(inside):
            raise BadKey(key, f"{full} is a folder without bin/{key}")
        full = inside
    _check_program(key, full)
    return full


def _check_program(key: str, path: str) -> None:
    if not os.path.isfile(path):
        raise BadKey(key, f"{path} is no file")
    if not os.access(path, os.X_OK):
        raise BadKey(key, f"{path} is not executable; chmod +x it")


def _guess(directory: str, handler: str) -> str:
    """The family of a function whose table names no runtime: by the file that holds its handler."""
    if handler == "bootstrap" and os.path.exists(os.path.join(directory, "bootstrap")):
        return "provided"
    stem = os.path.join(directory, handler.rpartition(".")[0])
    node = next((stem + suffix for suffix in _NODE_SUFFIXES if os.path.exists(stem + suffix)), None)
    if node is not None and os.path.exists(f"{stem}.py"):
        raise BadKey("handler", f'both {stem}.py and {node} are there; write runtime = "python" or runtime = "nodejs"')
    return "python" if node is None else "nodejs"
