"""Where the time of a small request goes, part by part, without the kernel: the program is put together as it runs.

    /usr/bin/python3.11 benchmarks/bench_stages.py [--format alb] [--profile]

Each line adds a part to the one before: microseconds per request, the best of seven runs. `--profile` shows in which
modules the whole spends its time instead.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import time
from types import SimpleNamespace
from typing import Any

import bench_aws
import bench_front
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from lambdaproxy.config.cli import configure
from lambdaproxy.messages import InvocationResult
from lambdaproxy.proxy import Proxy
from lambdaproxy.start.assembly import assemble
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from lambdaproxy.web.site import ProxySite


class Ready:
    """An invoker whose function has answered already."""

    def invoke(self, invocation: Any) -> Any:
        return succeed(InvocationResult(bench_aws.BODY))


def served(invoker: Any, format: str) -> Any:
    """The receiving end of a connection to a site in front of `invoker`."""
    assembly = assemble(configure({"format": [format]}, {}, None))
    clock, metrics = Clock(), Metrics()
    reactor = SimpleNamespace(seconds=time.monotonic, callLater=clock.callLater)
    accounts = Accounts(clock, metrics, FunctionLabels(frozenset(("hello",))), lambda line: None)
    proxy = Proxy(
        reactor,  # type: ignore[arg-type]
        assembly.router,
        assembly.header,
        assembly.resolve,
        lambda name: invoker,
        lambda function: 30.0,
        accounts,
    )
    return bench_front.connected(ProxySite(reactor, proxy, metrics))


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    options.add_argument("--times", type=int, default=10_000)
    options.add_argument("--format", default="alb")
    options.add_argument("--profile", action="store_true")
    given = options.parse_args()
    request = bench_front.HEAD + b'{"a":1}'
    front, middle = bench_front.channel(), served(Ready(), given.format)
    outgoing = served(bench_aws.make(), given.format)

    def whole(request: bytes) -> None:
        outgoing(request)
        bench_aws.Transport.last.protocol.dataReceived(bench_aws.ANSWER)

    if given.profile:
        profile(lambda: whole(request), given.times)
        return
    print(f"{'whole':>8} {'more':>8}  microseconds a request")
    before = 0.0
    for name, receive in (
        ("the listening side, access line and metrics", front),
        ("and routing, event and result", middle),
        ("and signing, sending and reading the invocation", whole),
    ):
        took = bench_front.cost(lambda receive=receive: receive(request), given.times)
        print(f"{took:8.1f} {took - before:8.1f}  {name}")
        before = took


def profile(work: Any, times: int) -> None:
    """The modules by the time spent in them, in per cent (a profiler makes calls look dearer than they are)."""
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(times):
        work()
    profiler.disable()
    spent: dict[str, float] = {}
    stats: Any = pstats.Stats(profiler)
    for (path, _, name), (_, _, own, _, _) in stats.stats.items():
        module = name if path == "~" else os.path.relpath(path) if "lambdaproxy" in path else os.path.basename(path)
        spent[module] = spent.get(module, 0) + own
    total = sum(spent.values())
    for module, own in sorted(spent.items(), key=lambda item: -item[1])[:30]:
        print(f"{own / total:6.1%}  {module}")


if __name__ == "__main__":
    main()
