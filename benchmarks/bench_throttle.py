"""What a throttled function costs: calls over real sockets to a stand-in that enforces a concurrency.

    .venv/bin/python benchmarks/bench_throttle.py

For each load (times the capacity of PLACES at a time, SECONDS each): calls that ran and were refused, what became of
the requests, the throughput as a share of the capacity and of what a limit of exactly PLACES lets through (timers and
the way there and back cost some of the capacity, most on a busy machine), and the 99th percentile, beside that of an
unlimited function.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred, gatherResults

sys.path.insert(0, str(Path(__file__).parents[1]))

from lambdaproxy.aws.maker import AwsInvokerMaker
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.messages import Function, Invocation
from lambdaproxy.watch.metrics import Metrics
from tests.aws.lambda_stub import lambda_stub

clock: Any = reactor


class Load:
    """Calls of one function, and what came of them."""

    def __init__(self, invoker: Any, function: str) -> None:
        self.invoker, self.function = invoker, function
        self.outcomes: Counter[str] = Counter()
        self.times: list[float] = []

    async def call(self) -> None:
        """One call, waited for."""
        began = clock.seconds()
        invocation = Invocation(Function("aws", self.function), b"{}", began + 30, "id", "1-a-b")
        try:
            await self.invoker.invoke(invocation)
            self.outcomes["ok"] += 1
            self.times.append(clock.seconds() - began)
        except LambdaProxyError as error:
            self.outcomes[error.label] += 1
            await task.deferLater(clock, 0.001, lambda: None)

    async def client(self, until: float) -> None:
        """Calls again as soon as it is answered."""
        while clock.seconds() < until:
            await self.call()

    async def arrivals(self, rate: float, until: float) -> None:
        """Calls at random, whatever becomes of those before."""
        running = []
        while clock.seconds() < until:
            running.append(Deferred.fromCoroutine(self.call()))
            await task.deferLater(clock, random.expovariate(rate), lambda: None)
        await gatherResults(running)

    def p99(self) -> float:
        """Seconds."""
        return sorted(self.times)[int(len(self.times) * 0.99)] if self.times else 0.0


EXACT, UNLIMITED = "exact", "unlimited"


async def measure(arguments: argparse.Namespace, port: int, stub: Any) -> None:
    """Print a line for each load and kind of traffic."""
    capacity = arguments.places / arguments.each
    print(f"{arguments.places} at once, {arguments.each:g} s each: {capacity:g}/s; {arguments.seconds:g} s each line")
    for kind in ("clients", "random"):
        for load in (0.9, 1.0, 1.2, 5.0):
            line, ran_with = "", {}
            for against in ("", EXACT, *((UNLIMITED,) if load <= 1 else ())):
                places = 10_000 if against == UNLIMITED else arguments.places
                options = {"region": "eu-west-1", "endpoint-url": f"http://127.0.0.1:{port}", "profile": None}
                if against == EXACT:
                    options["max-in-flight-per-function"] = places
                invoker = AwsInvokerMaker().make("aws", options, SimpleNamespace(reactor=reactor, metrics=Metrics()))
                calls = Load(invoker, f"limited-{places}-{arguments.each}".replace(".", "_"))
                before = stub.seen()
                until = clock.seconds() + arguments.seconds
                if kind == "clients":
                    clients = round(load * arguments.places)
                    await gatherResults([Deferred.fromCoroutine(calls.client(until)) for _ in range(clients)])
                else:
                    await calls.arrivals(load * capacity, until)
                await invoker.stop()
                after = stub.seen()
                ran, refused = (after.get(key, 0) - before.get(key, 0) for key in ("ran", "throttled"))
                ran_with[against] = ran
                if not against:
                    p99 = calls.p99()
                    line = (
                        f"{kind} {load:g}: {ran} ran ({ran / (capacity * arguments.seconds):.3f} of capacity), "
                        f"{refused} refused ({refused / (ran + refused):.2%}), {dict(calls.outcomes)}, "
                        f"p99 {p99 * 1000:.0f} ms"
                    )
                elif against == EXACT:
                    line += f", {ran_with[''] / ran:.3f} of a fixed limit's"
                else:
                    line += f", {p99 / calls.p99():.2f} x unlimited"
            print(line, flush=True)


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=10)
    parser.add_argument("--each", type=float, default=0.05)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    os.environ.update(AWS_ACCESS_KEY_ID="AKID", AWS_SECRET_ACCESS_KEY="secret")
    with lambda_stub() as stub:
        task.react(lambda _: Deferred.fromCoroutine(measure(arguments, stub.port, stub)))


if __name__ == "__main__":
    main()
