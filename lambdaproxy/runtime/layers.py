"""Where a function finds its code, its layers and its temporary files: as on Lambda where the kernel allows it.

With namespaces (`sandbox`) its layers are merged in `/opt`, its code is in `/var/task` too, and `/tmp` is its own.
Without, the folders of layers are named where a search path takes them, and the later layer comes first.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from lambdaproxy.base.archives import temporary
from lambdaproxy.runtime.functions import FunctionSettings

SANDBOX = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sandbox.py")
TRY_SECONDS = 10.0
_NODE_FOLDER = re.compile(r"node\d+\Z")


@dataclass(frozen=True, slots=True)
class Namespaces:
    """What the kernel allows: mount namespaces at all, and to merge layers in one (`merges`); else `why` not."""

    allowed: bool = False
    merges: bool = False
    why: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of one function. `plan` is for the sandbox, empty where there is none.

    `opt` are the folders that the function sees in the place of `/opt`, the first wins; `real` are those that hold it.
    """

    plan: str
    opt: tuple[str, ...]
    real: tuple[str, ...]

    def seen(self, *parts: str) -> list[str]:
        """The folders `parts` of all layers that there are, as the function sees them."""
        if self.plan:
            there = any(os.path.isdir(os.path.join(one, *parts)) for one in self.real)
            return [os.path.join("/opt", *parts)] if there else []
        return [folder for one in self.real if os.path.isdir(folder := os.path.join(one, *parts))]

    def file(self, *parts: str) -> tuple[str, str] | None:
        """A file of a layer as the function sees it, and where it is; None if no layer has it."""
        for one in self.real:
            path = os.path.join(one, *parts)
            if os.path.isfile(path):
                return (os.path.join("/opt", *parts) if self.plan else path), path
        return None

    def extensions(self) -> list[str]:
        """The programs in `extensions` of all layers, as the function sees them; a later layer's is in front."""
        found = {}
        for one in self.real[::-1]:
            for name, path in _programs(one):
                found[name] = os.path.join("/opt/extensions", name) if self.plan else path
        return [found[name] for name in sorted(found)]

    def node_folders(self, runtime: str) -> Iterator[str]:
        """The folders of Node's packages in layers, those of the function's own version first."""
        version = re.match(r"nodejs(\d+)", runtime)
        found = {
            name
            for one in self.real
            if os.path.isdir(os.path.join(one, "nodejs"))
            for name in os.listdir(os.path.join(one, "nodejs"))
            if _NODE_FOLDER.match(name) and (version is None or name == f"node{version[1]}")
        }
        for name in sorted(found, key=lambda name: -int(name[4:])):
            yield from self.seen("nodejs", name, "node_modules")
        yield from self.seen("nodejs", "node_modules")


@cache
def shared_folder(name: str) -> str:
    """The folder for temporary files that the processes of this function share; it goes with ours."""
    return temporary()


def has_extensions(layer: str) -> bool:
    """Whether a layer has programs that Lambda would start beside the function."""
    return next(_programs(layer), None) is not None


def _programs(layer: str) -> Iterator[tuple[str, str]]:
    """The names and paths of the extensions of one layer."""
    folder = os.path.join(layer, "extensions")
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            yield name, path


def layout(settings: FunctionSettings, namespaces: Namespaces, needed: Iterable[str] = (), hosts: str = "") -> Layout:
    """The folders of this function; what is `needed` (interpreters, caches) stays visible where ours would hide it.

    `hosts` is a file that takes the place of `/etc/hosts`.
    """
    # What a later layer brings lies over what an earlier one did.
    real = settings.layers[::-1]
    opt = list(real)
    paths = {name for one in (settings.directory, *real, *needed) for name in (one, os.path.realpath(one))}
    if real and any(path.startswith("/opt/") for path in paths - {*real}):
        opt.append("/opt")  # our own interpreter, say, is in there
    usable = namespaces.allowed and settings.namespace and (len(opt) < 2 or namespaces.merges)
    if not usable or any("\n" in path for path in (*paths, hosts)) or (real and not os.path.isdir("/opt")):
        return Layout("", real, real)
    kept = sorted(path for path in paths if path.startswith("/tmp/") and os.path.exists(path))  # noqa: S108
    kept = [path for path in kept if not any(path.startswith(other + "/") for other in kept)]
    # Processes of one environment have one /tmp.
    tmp = f"share {shared_folder(settings.name)}" if settings.per_environment else f"tmp {settings.temporary}"
    lines = [f"task {settings.directory}", *(f"opt {one}" for one in opt), tmp]
    lines += [f"hosts {hosts}"] if hosts and any(map(has_extensions, real)) else []
    return Layout("\n".join([*lines, *(f"keep {path}" for path in kept)]), ("/opt",) if real else (), real)


def try_namespaces() -> Namespaces:
    """Ask the kernel, by doing it in a process of its own, twice; takes some 40 ms."""
    if sys.platform != "linux":
        return Namespaces(why="this system has none")
    refused = _try(f"task {os.sep}usr\ntmp 1")
    if refused is not None:
        return Namespaces(why=refused)
    merges = _try("opt /usr\nopt /etc") is None
    return Namespaces(True, merges, "" if merges else "the kernel merges no folders for this user")


def _try(plan: str) -> str | None:
    command = [sys.executable, "-I", "-S", SANDBOX, plan]
    try:
        done = subprocess.run(command, capture_output=True, timeout=TRY_SECONDS, check=False, stdin=subprocess.DEVNULL)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as problem:
        return str(problem)
    lines = done.stdout.decode("utf-8", "replace").strip().splitlines()
    return None if done.returncode == 0 else (lines or ["it failed without a reason"])[0]
