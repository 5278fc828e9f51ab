"""What is remembered of each request: metrics, one access line, and a warning where something went wrong."""

from __future__ import annotations

from collections.abc import Callable
from time import gmtime, strftime

import orjson
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger, LogLevel

from lambdaproxy import __version__
from lambdaproxy.base.native import form
from lambdaproxy.errors import FunctionError, LambdaProxyError, NotPermitted
from lambdaproxy.messages import Function, Head, Response
from lambdaproxy.watch.cells import Cell, HistogramCell
from lambdaproxy.watch.logs import Limited
from lambdaproxy.watch.metrics import OTHER, FunctionLabels, Metrics
from lambdaproxy.watch.trail import NOTHING, Trail

_log = Logger(__name__)

REQUEST = "request"
"""The event of access lines of the main listener."""

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"))
NONE = "none"
"""The label where no function was chosen, and where no route was found."""

MOST_TALLIES = 2048
"""Functions whose cells are kept at hand; clients may invent names."""

_LEVELS = {
    "bad-request": LogLevel.info,
    "bad-function-header": LogLevel.info,
    "forbidden": LogLevel.warn,
    "not-found": LogLevel.info,
    "too-large": LogLevel.info,
    "function": LogLevel.error,
    "rejected": LogLevel.error,
    "connection": LogLevel.error,
    "internal": LogLevel.critical,
}


class _Tally:
    """The cells of one function, kept at hand: invocations by outcome, answers by method, status and route."""

    __slots__ = ("answers", "function", "invocations", "labels", "queue")

    def __init__(self, function: str | None, labels: tuple[str, str]) -> None:
        self.function, self.labels = function, labels
        self.invocations: dict[str, tuple[Cell, HistogramCell]] = {}
        self.answers: dict[tuple[str, int, str | None], tuple[Cell, HistogramCell]] = {}
        self.queue: HistogramCell | None = None


class Accounts:
    """Counts, times and writes down; nothing here may raise into the way of a request.

    `line` takes a finished access line, or is None where they are off. Paths are logged without their query, which may
    hold secrets.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        metrics: Metrics,
        labels: FunctionLabels,
        line: Callable[[str], object] | None,
    ) -> None:
        self._labels = labels
        self._line = line
        self._limited = Limited(_log, reactor)
        self._tails = Limited(_log, reactor, most=100)
        self._requests = metrics.counter(
            "lambdaproxy_requests_total", "Requests answered.", ("route", "function", "alias", "method", "code")
        )
        self._durations = metrics.histogram(
            "lambdaproxy_request_duration_seconds",
            "From the end of the headers to the last byte sent.",
            ("route", "function", "alias"),
        )
        self._invocations = metrics.counter(
            "lambdaproxy_invocations_total", "Invocations by outcome.", ("function", "alias", "outcome")
        )
        self._invoke_seconds = metrics.histogram(
            "lambdaproxy_invocation_duration_seconds", "From the event to the whole result.", ("function", "alias")
        )
        self._queue_seconds = metrics.histogram(
            "lambdaproxy_queue_duration_seconds",
            "Of invocations that waited: how long they were not with their function.",
            ("function", "alias"),
        )
        self._errors = metrics.counter(
            "lambdaproxy_errors_total", "Requests that got an error of ours as their answer.", ("reason",)
        )
        self._gone = metrics.counter(
            "lambdaproxy_client_gone_total", "Requests whose client left, or read too slowly.", ("fate",)
        )
        self._failovers = metrics.counter(
            "lambdaproxy_failovers_total", "Invocations that did not run, and another invoker's.", ("function", "to")
        )
        build = metrics.gauge("lambdaproxy_build_info", "The version and form that run.", ("version", "form"), "max")
        build.cell(__version__, form()).set(1)
        self._tallies: dict[Function, _Tally] = {}
        self._nobody = _Tally(None, (NONE, ""))

    def _tally(self, function: Function) -> _Tally:
        if len(self._tallies) >= MOST_TALLIES:
            self._tallies.clear()
        tally = self._tallies[function] = _Tally(str(function), self._labels.label(function.name, function.qualifier))
        return tally

    def invoked(self, head: Head, function: Function, outcome: str, seconds: float) -> None:
        """An invocation ended; `outcome` is `ok`, `abandoned` or the label of an error."""
        tally = self._tallies.get(function) or self._tally(function)
        if outcome == "ok" and OTHER in tally.labels and self._labels.proved(function.name, function.qualifier):
            self._tallies.clear()
            tally = self._tally(function)
        cells = tally.invocations.get(outcome)
        if cells is None:
            cells = self._invocations.cell(*tally.labels, outcome), self._invoke_seconds.cell(*tally.labels)
            tally.invocations[outcome] = cells
        cells[0].inc()
        cells[1].observe_traced(seconds, head.trace_id, head.received + seconds)

    def waited(self, head: Head, function: Function, queued: float | None, seconds: float) -> None:
        """An event that is no request ended; it was not with its function for so long."""
        if queued:
            self._waited(self._tallies.get(function) or self._tally(function), head, queued, seconds)

    def _waited(self, tally: _Tally, head: Head, queued: float, seconds: float) -> None:
        if tally.queue is None:
            tally.queue = self._queue_seconds.cell(*tally.labels)
        tally.queue.observe_traced(queued, head.trace_id, head.received + seconds)

    def failed(self, head: Head, function: Function | None, error: LambdaProxyError) -> None:
        """A request gets an error as its answer."""
        self._errors.cell(error.label).inc()
        level = LogLevel.warn if isinstance(error, NotPermitted) else _LEVELS.get(error.outcome, LogLevel.warn)
        self._limited.emit(
            level,
            f"{error.label}: {{detail}} (request {{id}}, function {{function}}, client {{client}}{{aws}})",
            event="request-failed",
            error=error.label,
            code=error.code or (error.detail if isinstance(error, FunctionError) else ""),
            aws_request_id=error.aws_request_id,
            detail=error.detail or error.public,
            id=head.id,
            function=str(function) if function else "-",
            client=head.client or "-",
            outcome=error.outcome,
            aws=_aws_request(error, head.id),
        )

    def failed_over(self, head: Head, function: Function, other: Function, error: LambdaProxyError) -> None:
        """The function did not run, and another invoker is asked."""
        label = self._labels.label(function.name, function.qualifier)[0]
        self._failovers.cell(label, other.invoker).inc()
        self._limited.emit(
            LogLevel.warn,
            "{function} on {invoker} did not run, {other} is asked: {detail} (request {id})",
            event="failed-over",
            function=str(function),
            invoker=function.invoker,
            other=other.invoker,
            detail=error.detail or error.public,
            id=head.id,
        )

    def tail(self, head: Head, function: Function, tail: bytes) -> None:
        """The end of the log of a function that runs elsewhere (`log-tail`)."""
        for line in tail.decode("utf-8", "replace").splitlines():
            self._tails.info(
                "[{function} {id}] {line}",
                event="function-log",
                function=str(function),
                id=head.id,
                line=line.encode("unicode_escape").decode() if not line.isprintable() else line,
            )

    def _answers(self, tally: _Tally, method: str, status: int, route: str | None) -> tuple[Cell, HistogramCell]:
        named = method if method in METHODS else OTHER
        way = route or NONE
        function, alias = self._labels.beside(way, tally.function, tally.labels)
        cells = (
            self._requests.cell(way, function, alias, named, f"{status // 100}xx"),
            self._durations.cell(way, function, alias),
        )
        if named == method:
            tally.answers[method, status, route] = cells
        return cells

    def finished(
        self,
        head: Head,
        function: Function | None,
        response: Response,
        sent: int,
        seconds: float,
        fate: str,
        trail: Trail = NOTHING,
        route: str | None = None,
        first: float | None = None,
    ) -> None:
        """A request ended: answered, or its client gone. `route` is the one that took it, as the start shows it.

        `first` is when the first byte of the answer was sent, in seconds as `seconds`, if it was sent before the last.
        """
        tally = self._nobody if function is None else self._tallies.get(function) or self._tally(function)
        cells = tally.answers.get((head.method, response.status, route)) or self._answers(
            tally, head.method, response.status, route
        )
        cells[0].inc()
        cells[1].observe_traced(seconds, head.trace_id, head.received + seconds)
        if trail.queued:
            self._waited(tally, head, trail.queued, seconds)
        if fate:
            self._gone.cell(fate).inc()
        if self._line is not None:
            if first is None and not fate:
                first = seconds
            self._line(access_line(head, tally.function, response, sent, seconds, fate, trail, route, first))


def _aws_request(error: LambdaProxyError, known: str) -> str:
    """What to look for in CloudWatch, where the reason does not name it."""
    name = error.aws_request_id
    return f", AWS request {name}" if name and name != known and name not in error.detail else ""


_second = 0
_stamp = ""


def _milliseconds(seconds: float) -> float:
    """To the microsecond: `round` does it by way of text, for which it takes twice as long."""
    return int(seconds * 1_000_000 + 0.5) / 1000


def access_line(
    head: Head,
    function: str | None,
    response: Response,
    sent: int,
    seconds: float,
    fate: str,
    trail: Trail = NOTHING,
    route: str | None = None,
    first: float | None = None,
    event: str = REQUEST,
) -> str:
    """One JSON object: when the head was complete, who asked for what, what came of it, in how many milliseconds."""
    global _second, _stamp
    whole = int(head.received)
    if whole != _second:
        _second, _stamp = whole, strftime("%Y-%m-%dT%H:%M:%S", gmtime(whole))
    line = {
        "time": f"{_stamp}.{int((head.received - whole) * 1000):03d}Z",
        "level": "info",
        "event": event,
        "id": head.id,
        "client": head.client,
        "method": head.method,
        "host": head.host,
        "path": head.target.partition(b"?")[0].decode("latin-1"),
        "route": route,
        "function": function,
        "status": response.status,
        "outcome": fate or response.outcome,
        "error": trail.error,
        "code": trail.code,
        "received": trail.received,
        "bytes": sent,
        "ms": _milliseconds(seconds),
        "first_ms": _milliseconds(first) if first is not None else None,
        "queue_ms": None if trail.queued is None else _milliseconds(trail.queued),
        "invoke_ms": None if trail.invoked is None else _milliseconds(trail.invoked),
        "attempts": trail.attempts,
        "version": trail.version,
        "aws_request_id": trail.aws_request_id,
        "trace": head.trace_id,
    }
    return orjson.dumps(line).decode()
