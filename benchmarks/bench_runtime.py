"""Measures the embedded runtime: cold start, warm latency, our own processor time, and ten thousand mixed invocations.

    python benchmarks/bench_runtime.py [cold] [warm] [mixed] [scan]

Prints one line for each figure and ends with 1 if a bar is missed. Run it on an idle machine.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import orjson
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore, ensureDeferred
from twisted.internet.task import deferLater
from twisted.internet.testing import StringTransport

from lambdaproxy.messages import Function, Invocation, InvocationResult
from lambdaproxy.runtime.functions import FunctionSettings, parse_local
from lambdaproxy.runtime.invoker import LocalInvoker
from lambdaproxy.runtime.runtimes import Site

reactor: Any = _reactor
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EVENT = orjson.dumps(
    {"requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/x"}},
     "httpMethod": "GET", "path": "/hello/world", "queryStringParameters": {"name": "value", "other": "thing"},
     "headers": {"accept": "text/html,application/xhtml+xml", "accept-encoding": "gzip, deflate, br", "cookie": "a=b",
                 "host": "example.com", "user-agent": "Mozilla/5.0 (X11; Linux x86_64)", "x-forwarded-for": "192.0.2.1",
                 "x-forwarded-port": "443", "x-forwarded-proto": "https", "x-padding": "p" * 220},
     "body": "", "isBase64Encoded": False}
)  # fmt: skip
missed: list[str] = []


def report(name: str, value: float, unit: str, bar: float | None = None) -> None:
    verdict = "" if bar is None else f"   (bar: {bar:g} {unit}{', MISSED' if value > bar else ''})"
    if bar is not None and value > bar:
        missed.append(name)
    print(f"{name:58} {value:9.3f} {unit}{verdict}", flush=True)


def local(name: str, handler: str, **changes: Any) -> FunctionSettings:
    from dataclasses import replace

    return replace(parse_local(f"{name}=tests/functions/{handler}", HERE), **changes)


def invocation(name: str, payload: bytes = EVENT, mode: Any = "buffered", seconds: float = 120) -> Invocation:
    now = reactor.seconds()
    trace = "1-5759e988-bd862e3fe1be46a994272793"
    return Invocation(Function("local", name), payload, now + seconds, str(uuid4()), trace, mode)


def invoker(*functions: FunctionSettings, reload: bool = False, **options: Any) -> LocalInvoker:
    site = Site(reload=reload)
    return LocalInvoker(reactor, {one.name: one for one in functions}, write=lambda _: None, site=site, **options)


def runtimes() -> list[tuple[str, FunctionSettings, float, float | None]]:
    """Name, function, bar of the cold start (ms), bar of the warm latency (ms)."""
    found: list[tuple[str, FunctionSettings, float, float | None]] = [
        ("python", local("python", "hello.py:handler"), 60, 0.3)
    ]
    if shutil.which("node"):
        found.append(("node", local("node", "node.mjs:handler"), 90, None))
    return found


async def cold() -> None:
    for name, settings, bar, _ in runtimes():
        times = []
        for _ in range(15):
            one = invoker(settings)
            began = time.perf_counter()
            await one.invoke(invocation(name))
            times.append((time.perf_counter() - began) * 1000)
            await one.stop()
        report(f"cold start to first answer, {name}, median of 15", statistics.median(times), "ms", bar)
        report(f"cold start to first answer, {name}, best of 15", min(times), "ms")
    plain = []
    for _ in range(15):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        plain.append((time.perf_counter() - began) * 1000)
    report("for comparison: python -c pass, median of 15", statistics.median(plain), "ms")


async def warm() -> None:
    for name, settings, _, bar in runtimes():
        for reload in (False, True):
            one = invoker(settings, reload=reload)
            for _ in range(300):
                await one.invoke(invocation(name))
            count, times = 3000, []
            before = resource.getrusage(resource.RUSAGE_SELF)
            batches, batch = [], time.process_time()
            for number in range(1, count + 1):
                # A request comes with a turn of the reactor of its own.
                await deferLater(reactor, 0)
                made = invocation(name)
                began = time.perf_counter()
                await one.invoke(made)
                times.append(time.perf_counter() - began)
                if number % 100 == 0:
                    batches.append(time.process_time() - batch)
                    batch = time.process_time()
            after = resource.getrusage(resource.RUSAGE_SELF)
            own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            times.sort()
            what = f"{name}{', watching files' if reload else ''}"
            report(f"warm latency, {what}, median", times[count // 2] * 1000, "ms", bar)
            report(f"warm latency, {what}, 99 %", times[count * 99 // 100] * 1000, "ms")
            report(f"own processor time, {what}", own / count * 1e6, "us", 150 if name == "python" else None)
            report(f"own processor time, {what}, best hundred", min(batches) * 1e4, "us")
            await one.stop()
    settings = local("python", "hello.py:handler")
    one = invoker(settings, concurrency=2)
    count = 6000
    began = time.perf_counter()
    limit: DeferredSemaphore = DeferredSemaphore(2)
    await DeferredList([limit.run(lambda: one.invoke(invocation("python"))) for _ in range(count)])
    report("throughput, python, 2 workers", count / (time.perf_counter() - began), "/s")
    await one.stop()


def expect_error(type: str) -> Callable[[InvocationResult], bool]:
    return lambda result: result.function_error == "Unhandled" and orjson.loads(result.payload)["errorType"] == type


def expect(payload: bytes) -> Callable[[InvocationResult], bool]:
    return lambda result: result.function_error is None and result.payload == payload


async def mixed() -> None:
    """10,000 invocations at 50 at once, of every kind; then nothing may be left."""
    large = b'"' + b"x" * (6291456 - 2) + b'"'
    kinds: list[tuple[int, str, bytes, Any, Callable[[InvocationResult], bool]]] = [
        (8600, "fast", b'{"a":1}', "buffered", expect(b'{"a": 1}')),
        (900, "slow", b'{"seconds":0.05}', "buffered", expect(b'"slept"')),
        (150, "raises", b"{}", "buffered", expect_error("Broken")),
        (100, "exits", b"{}", "buffered", expect_error("Runtime.ExitError")),
        (50, "killed", b"{}", "buffered", expect_error("Runtime.ExitError")),
        (50, "late", b'{"seconds":20}', "buffered", expect_error("Sandbox.Timedout")),
        (50, "large", large, "buffered", expect(b"6291456")),
        (50, "toolarge", b'{"size":6291557}', "buffered", expect_error("Function.ResponseSizeTooLarge")),
    ]
    functions = [
        local("fast", "hello.py:echo"),
        local("slow", "hello.py:sleeps"),
        local("raises", "hello.py:raises"),
        local("exits", "hello.py:leaves"),
        local("killed", "hello.py:killed"),
        local("late", "hello.py:sleeps", timeout=0.2),
        local("large", "hello.py:size"),
        local("toolarge", "hello.py:large"),
    ]
    if shutil.which("node"):
        functions.append(local("streams", "node.mjs:streams"))
        kinds.append((50, "streams", b'{"count":3}', "stream", lambda result: result.function_error is None))
    else:
        kinds[0] = (kinds[0][0] + 50, *kinds[0][1:])
    sockets_before, processes_before = _sockets(), _children()
    one = invoker(*functions, concurrency=6, queue=1000)
    jobs = [kind for kind in kinds for _ in range(kind[0])]
    random.Random(1).shuffle(jobs)
    right: Counter[str] = Counter()
    wrong: list[str] = []

    async def run(kind: Any) -> None:
        _, name, payload, mode, check = kind
        try:
            result = await one.invoke(invocation(name, payload, mode))
            good = check(result)
            if good and mode == "stream":
                consumer: Any = StringTransport()
                await result.payload.start(consumer)
                good = consumer.value() == b"piece 0\npiece 1\npiece 2\n"
        except Exception as error:
            good, result = False, repr(error)
        if good:
            right[name] += 1
        else:
            wrong.append(f"{name}: {str(result)[:200]}")

    limit: DeferredSemaphore = DeferredSemaphore(50)
    began = time.perf_counter()
    await DeferredList([limit.run(lambda kind=kind: ensureDeferred(run(kind))) for kind in jobs])
    seconds = time.perf_counter() - began
    await one.stop()
    print(f"mixed: {dict(right)}", flush=True)
    for line in wrong[:10]:
        print("wrong:", line)
    report("mixed invocations", len(jobs), "")
    report("mixed invocations answered wrongly", len(wrong), "", 0)
    report("mixed, seconds", seconds, "s")
    report("processes left", len(_children() - processes_before), "", 0)
    report("sockets left", _sockets() - sockets_before, "", 0)
    left = [call for call in reactor.getDelayedCalls() if "_report" not in str(call)]
    report("timers left", len(left), "", 0)


async def scan() -> None:
    import tempfile

    from lambdaproxy.runtime.reload import scan as look

    for count in (100, 1000, 5000):
        with tempfile.TemporaryDirectory() as folder:
            for n in range(count):
                open(os.path.join(folder, f"f{n}.py"), "w").close()
            began = time.perf_counter()
            look([folder], 10000)
            report(f"looking for changes in {count} files", (time.perf_counter() - began) * 1000, "ms")


def _children() -> set[str]:
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[1] == str(os.getpid()) and fields[0] != "Z":
                found.add(entry)
    return found


def _sockets() -> int:
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


def calibrate() -> float:
    """How many seconds of processor time five million additions take just now."""
    began, total = time.process_time(), 0
    for number in range(5_000_000):
        total += number
    return time.process_time() - began


async def main(names: list[str]) -> None:
    report("for comparison: five million additions", calibrate(), "s")
    for name in names or ["cold", "warm", "scan", "mixed"]:
        await {"cold": cold, "warm": warm, "scan": scan, "mixed": mixed}[name]()


def start() -> None:
    def ended(result: object) -> None:
        if hasattr(result, "printTraceback"):
            result.printTraceback()
            missed.append("the benchmark itself")
        reactor.stop()

    done: Deferred[None] = ensureDeferred(main(sys.argv[1:]))
    done.addBoth(ended)


if __name__ == "__main__":
    reactor.callWhenRunning(start)
    reactor.run()
    if missed:
        print("missed:", ", ".join(missed))
        sys.exit(1)
