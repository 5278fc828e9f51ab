"""`lambdaproxy invoke NAME`: one invocation, of a lambdaproxy that runs or of one that is there for it alone.

The result is standard output, and nothing else is; what the function wrote is standard error.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.internet.task import react
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogBeginner
from zope.interface import implementer

from lambdaproxy.base.ids import new_ids
from lambdaproxy.base.platform import use_monotonic_clock
from lambdaproxy.command.remote import chosen, remote
from lambdaproxy.command.words import Refused, part
from lambdaproxy.errors import ConfigError, FunctionError, LambdaProxyError
from lambdaproxy.messages import Invocation, InvocationResult, Mode
from lambdaproxy.runtime.invoker import LocalInvoker
from lambdaproxy.selection import parse_function
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.invokers import Context, Invokers
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.wire.failures import error_type

HELP = """\
The result goes to standard output, its log to standard error.

  NAME               the function, perhaps NAME:ALIAS; may be left out where there is only one
  -e, --event WHAT   the event: a file, - for standard input, or JSON; {}
  --event-type TYPE  RequestResponse, Event (until its last attempt has ended), or DryRun
  --stream           write a streamed result as it comes
  --client-context JSON  what context.client_context is
  --url URL          ask the Invoke API of a lambdaproxy that runs (serve --invoke-api PORT); a port will do
  --keys FILE        the keys for it; invoke-api-keys, if it is there
  --no-log           leave the log out
  -t, --template PATH  the same as --sam-template

Without --url the function runs for this invocation alone: the options that say what there is are those of serve
(--local, --config, --sam-template, --template-parameters, --env-vars, ...). Where none of them is given, the first
of lambdaproxy.toml, template.yaml, template.yml, template.json, cdk.out, serverless.yml that is here is taken.

It ends with 0; with 2 where the function failed; with 1 where it was not invoked, and says why.

  lambdaproxy invoke Hello -t template.yaml -e event.json
  lambdaproxy event apigateway-v2 --path /users | lambdaproxy invoke --local api=app.py:handler -e -"""

_OWN = {
    "-e": "FILE", "--event": "FILE", "--event-type": "TYPE", "--stream": "", "--url": "URL", "--keys": "FILE",
    "--no-log": "", "--client-context": "JSON", "-t": "PATH", "--template": "PATH", "-h": "",
}  # fmt: skip
KINDS: Mapping[str, Mode] = {"RequestResponse": "buffered", "Event": "event", "DryRun": "dry-run"}
_SOURCES = (
    ("lambdaproxy.toml", "--config"),
    ("template.yaml", "--sam-template"),
    ("template.yml", "--sam-template"),
    ("template.json", "--sam-template"),
    ("cdk.out", "--sam-template"),
    ("serverless.yml", "--sam-template"),
)
FAILED = 2
INTERRUPTED = 130
"""What shells expect of a program that ended because of Ctrl+C."""
START_SECONDS = 30.0
"""What an embedded function may take besides its time-out: two initialisations, and the end."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed; `rest` are options of serve."""

    name: str | None
    event: bytes
    kind: str
    stream: bool
    context: str | None
    url: str | None
    keys: str | None
    log: bool
    rest: tuple[str, ...]


def parse(words: Sequence[str]) -> Typed:
    """What was typed; raises `Refused` with what to write."""
    own, names, rest = part(words, _OWN)
    if len(names) > 1:
        raise Refused(f"{names[1]}: name one function, and give its event with --event")
    kind = _one(own, "--event-type") or "RequestResponse"
    found = {name.lower().replace("-", ""): name for name in KINDS}.get(kind.lower().replace("-", ""))
    if found is None:
        raise Refused(f"--event-type: {kind!r} is none of {', '.join(KINDS)}")
    context = _one(own, "--client-context")
    if context is not None:
        _check_json(context.encode("utf-8", "surrogateescape"), "--client-context")
    template = _one(own, "--template", "-t")
    if template is not None:
        rest += ["--sam-template", template]
    url, stream = _one(own, "--url"), "--stream" in own
    if stream and found != "RequestResponse":
        raise Refused("--stream: only an invocation of type RequestResponse has a result")
    if url is not None and rest:
        raise Refused(f"{rest[0]}: with --url the functions are those of the lambdaproxy that runs there")
    event = _event(_one(own, "--event", "-e"))
    return Typed(
        next(iter(names), None), event, found, stream, context, url, _one(own, "--keys"), "--no-log" not in own,
        tuple(rest),
    )  # fmt: skip


def _one(own: Mapping[str, list[str]], *names: str) -> str | None:
    given = [value for name in names for value in own.get(name, ())]
    if len(given) > 1:
        raise Refused(f"{names[0]} is given {len(given)} times; give it once")
    return given[0] if given else None


def _event(given: str | None) -> bytes:
    if given is None:
        return b"{}"
    if given == "-":
        where, data = "--event: standard input", sys.stdin.buffer.read()
    elif given.lstrip()[:1] in ("{", "[", '"'):
        where, data = "--event", given.encode("utf-8", "surrogateescape")
    else:
        where = f"--event: {given}"
        try:
            with open(given, "rb") as file:
                data = file.read()
        except OSError as error:
            raise Refused(f"{where}: {error.strerror}") from None
    _check_json(data, where)
    return data


def _check_json(data: bytes, where: str) -> None:
    try:
        json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{where}: this is no JSON: {error}") from None


def with_source(typed: Typed) -> tuple[str, ...]:
    """The options of serve, with the source that is here where none is given; raises `Refused`."""
    given = {word.partition("=")[0] for word in typed.rest}
    if given & {
        "--local",
        "--config",
        "--sam-template",
        "--aws-region",
        "--aws-profile",
        "--endpoint-url",
        "--invoker",
    }:
        return typed.rest
    for name, option in _SOURCES:
        if os.path.exists(name):
            print(f"lambdaproxy: functions of {name}", file=sys.stderr)
            return (*typed.rest, option, name)
    raise Refused(
        "say where the function is, as in --sam-template template.yaml or --local hello=app.py:handler, or where "
        "lambdaproxy runs, as in --url 8013"
    )


def at_url(typed: Typed) -> NoReturn:
    """Ask a lambdaproxy that runs; ends the program."""
    assert typed.url is not None
    there = remote(typed.url, typed.keys)
    name = there.name(typed.name)
    failed: str | None = None
    if typed.stream:
        for piece, complete in there.stream(name, typed.event, typed.context):
            _write(piece)
            if complete is not None:
                failed = complete.get("ErrorCode")
                if failed:
                    print(f"lambdaproxy: {name} failed: {complete.get('ErrorDetails') or failed}", file=sys.stderr)
    else:
        result, failed, log = there.invoke(name, typed.event, typed.kind, typed.context)
        if typed.log:
            _write_log(log)
        _write(result, whole=True)
    raise SystemExit(FAILED if failed else 0)


def alone(assembly: Assembly, typed: Typed) -> NoReturn:
    """Make what the invocation needs, invoke, and end the program."""
    globalLogBeginner.beginLoggingTo([_Log(typed.log)], redirectStandardIO=False)  # type: ignore[list-item]
    name = _known(assembly, typed.name)
    differences = assembly.configuration.differences
    if differences:
        print(
            f"lambdaproxy: {len(differences)} of what is written is not done as it is; lambdaproxy check with the same "
            "options lists it",
            file=sys.stderr,
        )
    react(lambda reactor: Deferred.fromCoroutine(_run(reactor, assembly, typed, name)))
    raise AssertionError("react does not return")


def _known(assembly: Assembly, wanted: str | None) -> str:
    """The function that is meant; embedded ones by their logical names, too."""
    names = list(assembly.functions)
    logical = {table.logical: table.name for table in assembly.configuration.functions.values() if table.logical}
    if wanted is not None:
        name, colon, alias = wanted.partition(":")
        wanted = logical[name] + colon + alias if name not in names and name in logical else wanted
        if not names:
            return wanted
    return chosen(wanted, names if wanted is None else [*names, *logical])


async def _run(reactor: Any, assembly: Assembly, typed: Typed, name: str) -> None:
    use_monotonic_clock(reactor)
    invokers = Invokers(assembly, Context(reactor, assembly.settings, Metrics(), assembly.functions))
    finished = interrupted = False

    def end() -> Deferred[None]:
        nonlocal interrupted
        interrupted = not finished
        return invokers.stop()

    reactor.addSystemEventTrigger("before", "shutdown", end)
    try:
        function = assembly.resolve(parse_function(name))
        invoker = invokers.get(function.invoker)
        embedded = isinstance(invoker, LocalInvoker)
        seconds = (assembly.settings.timeout or assembly.timeout(function)) + (START_SECONDS if embedded else 0)
        ids = new_ids(time.time())
        mode: Mode = "stream" if typed.stream else KINDS[typed.kind]
        invocation = Invocation(
            function, typed.event, reactor.seconds() + seconds, *ids, mode, typed.context, log_tail=not embedded
        )
        result = await invoker.invoke(invocation)
        failed = await _show(result, typed, None if embedded else result.log_tail)
        if mode == "event" and isinstance(invoker, LocalInvoker):
            failed = await invoker.when_no_event_waits() > 0
        finished = True
    except LambdaProxyError as error:
        raise _refused(f"{name} was not invoked: {error.detail or error.public}") from None
    except (ConfigError, ValueError) as error:
        raise _refused(error) from None
    finally:
        await invokers.stop()
    raise SystemExit(INTERRUPTED if interrupted else FAILED if failed else 0)


async def _show(result: InvocationResult, typed: Typed, log: bytes | None) -> bool:
    """Write the result; whether the function failed."""
    if not isinstance(result.payload, bytes):
        try:
            await result.payload.start(_Output())
        except FunctionError as error:
            print(f"lambdaproxy: the function failed: {error.detail}", file=sys.stderr)
            return True
        return False
    if log and typed.log:
        _write_log(log)
    if result.function_error is not None and typed.stream:
        kind = error_type(result.payload) or result.function_error
        print(f"lambdaproxy: the function failed: {kind}", file=sys.stderr)
    _write(result.payload, whole=True)
    return result.function_error is not None


def _refused(reason: object) -> SystemExit:
    print(f"lambdaproxy: {reason}", file=sys.stderr)
    return SystemExit(1)


def _write(data: bytes, whole: bool = False) -> None:
    out = sys.stdout.buffer
    out.write(data)
    if whole and data and not data.endswith(b"\n"):
        out.write(b"\n")
    out.flush()


def _write_log(log: bytes) -> None:
    sys.stderr.write(log.decode("utf-8", "replace"))
    sys.stderr.flush()


@implementer(IConsumer)
class _Output:
    """Standard output for a body that comes in pieces: a pipe that nobody reads holds only us."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """What is written is gone when `write` returns."""

    def unregisterProducer(self) -> None:
        """Nothing is kept."""

    def write(self, data: bytes) -> None:
        _write(data)


class _Log:
    """Writes functions' lines and warnings to standard error, as soon as they come."""

    def __init__(self, functions: bool) -> None:
        self._functions = functions

    def __call__(self, event: LogEvent) -> None:
        lines = event.get("lines") if event.get("log_namespace") == "lambdaproxy.function" else None
        if lines is not None:
            text = re.sub(r"(?m)^[\w-]+: ", "", lines) if self._functions else ""
        elif event.get("log_level", LogLevel.info) >= LogLevel.warn:
            text = f"lambdaproxy: {formatEvent(event)}"
        else:
            return
        if text:
            sys.stderr.write(text.encode("utf-8", "backslashreplace").decode() + "\n")
            sys.stderr.flush()
