"""How what we log is written: JSON objects for programs, or text for people; with priorities for systemd's journal.

One `jq` reads everything: events of ours and of Twisted, access lines, and what embedded functions print.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import orjson
from twisted.logger import (
    FileLogObserver,
    LogEvent,
    eventAsText,
    formatEventAsClassicLogText,
    globalLogBeginner,
)

from lambdaproxy.watch import colours, journal
from lambdaproxy.watch.lines import stdout_descriptor
from lambdaproxy.wire.failures import printable

JSON, TEXT = "json", "text"
FORMATS = (TEXT, JSON)
LEVELS = ("debug", "info", "warn", "error", "critical")

ACCESS, FUNCTION = "lambdaproxy.access", "lambdaproxy.function"
"""Who passes on finished access lines, and what functions print; both in `lines`. No level keeps these back."""

SOCKET = "websocket"
"""The event of access lines about messages and ends of WebSocket connections."""

_THEIRS = {
    "trace": "debug", "debug": "debug", "info": "info", "warn": "warn", "warning": "warn", "error": "error",
    "fatal": "critical", "critical": "critical",
}  # fmt: skip
"""Levels as functions say them (Lambda guide, JSON log format), in our words."""

_PLAIN = (str, int, float, bool, type(None))
_OURS = frozenset(("time", "level", "event", "logger", "message", "traceback", "format", "isError", "system"))


class Manner:
    """How lines for one destination are written: `level` is the least that is, `by_journal` who reads them there."""

    def __init__(self, form: str, level: str = "info", by_journal: bool = False, coloured: bool = False) -> None:
        self.form, self._by_journal, self._coloured = form, by_journal, coloured and form == TEXT
        self._least = LEVELS.index(level)

    def event(self, event: LogEvent) -> str | None:
        """An event of Twisted's log as whole lines, or None where it is not to be written."""
        level = _level(event)
        printed = event.get("log_namespace") in (ACCESS, FUNCTION) and "lines" in event
        if not printed and LEVELS.index(level) < self._least:
            return None
        if self.form == JSON:
            text = "".join(_json_lines(event, level))
        elif printed and event["log_namespace"] == ACCESS:
            return self.access(f"{event['lines']}\n")
        else:
            text = formatEventAsClassicLogText(event, stamp) or ""
        if not text:
            return None
        if self._coloured:
            text = colours.printed(text) if printed else colours.event(text, level)
        return journal.prefixed(level, text) if self._by_journal else text

    def access(self, lines: str) -> str:
        """Finished access lines, which are JSON, as they are written here."""
        if self.form == TEXT:
            lines = "".join([f"{_shaped(line)}\n" for line in lines.split("\n") if line])
            lines = colours.access(lines) if self._coloured else lines
        return journal.prefixed("info", lines) if self._by_journal else lines


def stamp(seconds: float | None) -> str:
    """When something happened, in UTC to the millisecond: the one form of time in all that we write."""
    return datetime.fromtimestamp(seconds or 0, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def _level(event: LogEvent) -> str:
    level = event.get("log_level")
    name = getattr(level, "name", "critical" if event.get("isError") else "info")
    return name if name in LEVELS else "info"


def _json_lines(event: LogEvent, level: str) -> Iterator[str]:
    name = event.get("log_namespace") or "-"
    if name == ACCESS and "lines" in event:
        yield f"{event['lines']}\n"
        return
    line: dict[str, Any] = {"time": stamp(event.get("log_time")), "level": level, "event": _name(event, name)}
    if name == FUNCTION and "lines" in event:
        for each in event["lines"].split("\n"):
            function, _, text = each.partition(": ")
            yield _dumped(line | {"event": "function-output", "function": function, "message": text} | _record(text))
        return
    line["message"] = eventAsText(event, includeTraceback=False, includeTimestamp=False, includeSystem=False)
    line["logger"] = name
    if name.startswith("lambdaproxy"):
        for key, value in event.items():
            if not key.startswith("log_") and key not in _OURS:
                line[key] = value if isinstance(value, _PLAIN) else str(value)
        if line["event"] == "function-log":
            line |= _record(str(event.get("line")))
    failure = event.get("log_failure")
    if failure is not None:
        line["traceback"] = failure.getTraceback()
    if line["message"] or failure is not None:
        yield _dumped(line)


def _record(text: str) -> dict[str, Any]:
    """What a function logged as a JSON object: `record`, and what it says of `level` and `message` in our words.

    The object stays a value of its own, because its keys may be any, and ours mean something.
    """
    if not (text.startswith("{") and text.endswith("}")):
        return {}
    try:
        record = orjson.loads(text)
        orjson.dumps(record)  # what nests too deeply for programs that read logs stays text
    except (ValueError, TypeError):
        return {}
    found: dict[str, Any] = {"record": orjson.Fragment(text)}  # as it was printed, long numbers too
    said = record.get("level", record.get("severity"))
    level = _THEIRS.get(said.lower()) if isinstance(said, str) else None
    if level is not None:
        found["level"] = level
    message = record.get("message", record.get("msg"))
    if isinstance(message, str):
        found["message"] = message
    return found


def _name(event: LogEvent, namespace: str) -> str:
    if namespace in ("stdout", "stderr"):
        return "printed"
    return str(event.get("event", "other")) if namespace.startswith("lambdaproxy") else "twisted"


def _dumped(line: dict[str, Any]) -> str:
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE).decode()
    except TypeError:  # what is no text for UTF-8, or a number that is too large
        clean = {key: str(value).encode("utf-8", "backslashreplace").decode() for key, value in line.items()}
        return orjson.dumps(clean, option=orjson.OPT_APPEND_NEWLINE).decode()


def _shaped(line: str) -> str:
    """A finished access line in text; what has no form of its own is written as it is, and loses no others.

    Functions, and what answers for Lambda, choose some of the words: none of them moves a terminal or ends the line.
    """
    try:
        text = for_people(orjson.loads(line))
    except (ValueError, KeyError, TypeError):
        text = line
    return printable(text, len(text))


def for_people(line: dict[str, Any]) -> str:
    """An access line in text: what was asked, what came of it, how long it took, and what went wrong.

    `KeyError` or `TypeError` for a line that is of no kind that we know.
    """
    return _of_socket(line) if line["event"] == SOCKET else _of_request(line)


def _of_socket(line: dict[str, Any]) -> str:
    function = f" {line['function']}" if line["function"] else ""
    text = f"{line['time']} [{line['event']}] {line['kind']} {line['websocket']} {line['route']}{function}"
    text += f" {line['ms']} ms"
    if line["outcome"] != "ok":
        text += f", {line['outcome']}"
    return f"{text}, connection {line['connection']}, request {line['id']}"


def _of_request(line: dict[str, Any]) -> str:
    function = f" {line['function']}" if line["function"] else ""
    if line["version"] not in (None, "$LATEST"):
        function += f" (version {line['version']})"
    text = (
        f"{line['time']} [{line['event']}] {line['status']} {line['method']} {line['path']}{function} {line['ms']} ms"
    )
    if line["queue_ms"]:
        text += f", {line['queue_ms']} of them waiting"
    if line["outcome"] != "ok":
        text += f", {line['outcome']}"
        told = ": ".join(str(each) for each in (line["error"], line["code"]) if each)
        text += f" ({told})" if told else ""
    aws = line["aws_request_id"]
    return f"{text}, AWS request {aws}" if aws and aws != line["id"] else f"{text}, request {line['id']}"


class Manners:
    """What `--log-format` and `--log-level` say of each destination: text on a terminal, JSON elsewhere by default."""

    def __init__(self, form: str | None = None, level: str = "info") -> None:
        self._form, self._level = form, level

    @property
    def stdout(self) -> Manner:
        """Of standard output as it was when the program began."""
        descriptor = stdout_descriptor()
        coloured = _is_terminal(descriptor) and colours.wanted(os.environ)
        return Manner(self.form_on(descriptor), self._level, journal.reads(descriptor), coloured)

    @property
    def file(self) -> Manner:
        """Of a log file."""
        return Manner(self._form or JSON, self._level)

    def form_on(self, descriptor: int) -> str:
        """JSON or text, on what is open there."""
        return self._form or (TEXT if _is_terminal(descriptor) else JSON)

    def shape(self, observer: Any) -> None:
        """Have one of twistd's observers write in our manner."""
        observer = getattr(observer, "_observer", observer)
        if isinstance(observer, FileLogObserver):
            observer.formatEvent = (self.stdout if _is_stdout(observer._outFile) else self.file).event

    def shape_twistd(self) -> None:
        """The same for those that are yet to be made: twistd begins to log after it has asked for the service.

        An observer of the application would do for standard output; but it would switch off twistd's log files.
        """
        begin: Callable[..., Any] = globalLogBeginner.beginLoggingTo

        def shaped(observers: Any, *arguments: Any, **more: Any) -> Any:
            found = list(observers)
            for each in found:
                self.shape(each)
            return begin(found, *arguments, **more)

        globalLogBeginner.beginLoggingTo = shaped  # type: ignore[method-assign]


def _is_stdout(file: Any) -> bool:
    try:
        return bool(file.fileno() == stdout_descriptor())
    except (AttributeError, OSError, ValueError):
        return False


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
