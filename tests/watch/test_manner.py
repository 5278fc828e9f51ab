"""How what we log is written: one jq reads everything, people read text, the journal gets priorities."""

from __future__ import annotations

import ast
import io
import json
import os
import pty
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.logger import FileLogObserver, Logger, LogLevel, LogPublisher
from twisted.python.failure import Failure

from lambdaproxy.messages import Response
from lambdaproxy.watch import journal
from lambdaproxy.watch.accounts import access_line
from lambdaproxy.watch.manner import JSON, TEXT, Manner, Manners, for_people
from lambdaproxy.watch.trail import Trail
from tests.memory import head

ROOT = Path(__file__).parent.parent.parent


def written(manner, write):
    """What an observer writes of the events that `write` logs."""
    text = io.StringIO()
    publisher = LogPublisher(FileLogObserver(text, manner.event))
    write(Logger(namespace="lambdaproxy.somewhere", observer=publisher))
    return text.getvalue()


def test_an_event_is_an_object_with_its_fields():
    text = written(Manner(JSON), lambda log: log.warn("cannot reach {url}", event="gone", url="http://x", tries=3))
    line = json.loads(text)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warn",
        "event": "gone",
        "message": "cannot reach http://x",
        "logger": "lambdaproxy.somewhere",
        "url": "http://x",
        "tries": 3,
    }


@given(st.text(), st.one_of(st.integers(), st.floats(), st.binary(), st.text(), st.none()))
def test_whatever_is_logged_is_one_line_of_json(text, value):
    out = written(Manner(JSON), lambda log: log.info("said {text}", text=text, value=value))
    assert out.count("\n") == 1 and out.endswith("\n")
    assert set("".join(map(chr, range(32)))) & set(out[:-1]) == set()
    assert json.loads(out)["message"].startswith("said ")


def test_what_is_no_text_for_utf_8_is_escaped():
    line = json.loads(written(Manner(JSON), lambda log: log.info("{x}", x="\udc80")))
    assert line["message"] == line["x"] == "\\udc80"


def test_a_failure_has_its_traceback_in_the_same_line():
    def fail(log):
        try:
            raise RuntimeError("why")
        except RuntimeError:
            log.failure("It went wrong", failure=Failure(), event="internal")

    line = json.loads(written(Manner(JSON), fail))
    assert (line["level"], line["event"], line["message"]) == ("critical", "internal", "It went wrong")
    assert "RuntimeError: why" in line["traceback"]


def test_what_functions_print_is_an_object_a_line():
    publisher_lines = 'f: first\nf: {"a": 1}\ng: x: y'
    text = io.StringIO()
    log = Logger(namespace="lambdaproxy.function", observer=LogPublisher(FileLogObserver(text, Manner(JSON).event)))
    log.info("{lines}", lines=publisher_lines)
    lines = [json.loads(line) for line in text.getvalue().splitlines()]
    assert {line["event"] for line in lines} == {"function-output"}
    assert [(line["function"], line["message"]) for line in lines] == [("f", "first"), ("f", '{"a": 1}'), ("g", "x: y")]
    assert [line.get("record") for line in lines] == [None, {"a": 1}, None]


@pytest.mark.parametrize(
    ("printed", "expected"),
    [
        ('{"level":"WARN","message":"late","order":7}', {"level": "warn", "message": "late"}),
        ('{"severity":"Fatal","msg":"gone"}', {"level": "critical", "message": "gone"}),
        ('{"level":30,"message":{"a":1}}', {"level": "info"}),
        ('{"level":"loud","time":"x","event":"mine","function":"other"}', {"level": "info", "function": "f"}),
        ("{}", {"record": {}}),
        ('{"a":1} and more', None), ('{"a":NaN}', None), ('{"a":1', None), ('[{"a":1}]', None), ("{'a': 1}", None),
        ('{"a":' * 300 + "1" + "}" * 300, None), ('{"a":' * 5000 + "1" + "}" * 5000, None),
        ('{"a":"\\ud800"}', None), ('{"a":123456789012345678901234567890}', {"level": "info"}),
    ],
)  # fmt: skip
def test_a_json_object_that_a_function_prints_is_one_record(printed, expected):
    event = {
        "log_namespace": "lambdaproxy.function",
        "log_level": LogLevel.info,
        "log_format": "{lines}",
        "lines": f"f: {printed}",
    }
    written = Manner(JSON).event(event)
    assert written is not None
    [line] = [json.loads(each) for each in written.splitlines()]
    assert (line["event"], line["function"]) == ("function-output", "f")
    if expected is None:
        assert "record" not in line
        assert (line["message"], line["level"]) == (printed, "info")
    else:
        assert line["record"] == json.loads(printed)
        assert {**line, **expected} == line
        assert line["message"] == expected.get("message", printed)


def test_so_is_one_in_the_log_of_a_function_on_aws():
    event = {
        "log_namespace": "lambdaproxy.watch.accounts", "log_level": LogLevel.info, "event": "function-log",
        "log_format": "[{function}] {line}", "function": "f", "line": '{"level":"ERROR","message":"no","a":[1]}',
    }  # fmt: skip
    line = json.loads(Manner(JSON).event(event) or "")
    assert (line["level"], line["message"], line["record"]["a"]) == ("error", "no", [1])


@pytest.mark.parametrize(("least", "kept"), [("debug", 4), ("info", 3), ("warn", 2), ("error", 1), ("critical", 0)])
@pytest.mark.parametrize("form", [JSON, TEXT])
def test_levels_below_the_least_are_left_out_but_neither_access_lines_nor_functions(form, least, kept):
    manner = Manner(form, least)

    def write(log):
        for level in (LogLevel.debug, LogLevel.info, LogLevel.warn, LogLevel.error):
            log.emit(level, "it happened")

    assert written(manner, write).count("\n") == kept
    for namespace in ("lambdaproxy.access", "lambdaproxy.function"):
        event = {"log_namespace": namespace, "log_level": LogLevel.info, "log_format": "{lines}", "lines": "{}"}
        assert manner.event(event)


def test_text_has_one_form_of_time_and_access_lines_are_text_wherever_they_go():
    """Those that go through twistd's log (`--access-log log`), too."""
    line = {
        "time": "2026-11-21T21:23:54.085Z", "level": "info", "event": "websocket", "kind": "message", "websocket": "w",
        "route": "r", "function": None, "ms": 1.5, "outcome": "ok", "connection": "c", "id": "i",
    }  # fmt: skip
    shown = "2026-11-21T21:23:54.085Z [websocket] message w r 1.5 ms, connection c, request i\n"
    lines = "\n".join([json.dumps(line)] * 2)
    event: dict[str, Any] = {"log_namespace": "lambdaproxy.access", "log_level": LogLevel.info, "lines": lines}
    assert Manner(TEXT).event(event) == shown * 2
    assert Manner(TEXT, by_journal=True).event(event) == f"<6>{shown}" * 2
    ours = {
        "log_namespace": "lambdaproxy.x",
        "log_level": LogLevel.info,
        "log_format": "hi",
        "log_time": 1795296234.085,
    }
    assert Manner(TEXT).event(ours) == "2026-11-21T21:23:54.085Z [lambdaproxy.x#info] hi\n"
    assert json.loads(Manner(JSON).event(ours) or "")["time"] == "2026-11-21T21:23:54.085Z"


def test_the_journal_gets_a_priority_before_each_line():
    manner = Manner(TEXT, by_journal=True)
    text = written(manner, lambda log: log.error("two\nlines"))
    assert [line[:3] for line in text.splitlines()] == ["<3>", "<3>"]
    assert manner.access("") == ""
    assert Manner(JSON, by_journal=True).access('{"a":1}\n{"b":2}\n') == '<6>{"a":1}\n<6>{"b":2}\n'
    assert [journal.prefixed(level, "x\n")[:3] for level in journal.PRIORITIES] == ["<7>", "<6>", "<4>", "<3>", "<2>"]


def test_the_journal_is_known_by_the_number_of_its_socket():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        found = os.fstat(ours.fileno())
        told = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert journal.reads(ours.fileno(), told)
        assert not journal.reads(theirs.fileno(), told)
        for text in ("", "1", "a:b", "1:2:3"):
            assert not journal.reads(ours.fileno(), {"JOURNAL_STREAM": text})
        assert not journal.reads(-1, told) and not journal.reads(ours.fileno(), {})


def test_text_is_for_terminals_unless_something_is_asked_for():
    leader, terminal = pty.openpty()
    reading, writing = os.pipe()
    try:
        assert Manners().form_on(terminal) == TEXT
        assert Manners().form_on(writing) == JSON and Manners().form_on(-1) == JSON
        assert Manners(JSON).form_on(terminal) == JSON and Manners(TEXT).form_on(writing) == TEXT
        assert Manners().file.form == JSON and Manners(TEXT).file.form == TEXT
    finally:
        for descriptor in (leader, terminal, reading, writing):
            os.close(descriptor)


def test_an_access_line_for_people():
    trail = Trail()
    trail.queued, trail.version, trail.aws_request_id = 0.0015, "7", "aws-1"
    trail.error, trail.code = "function_error", "ValueError"
    line = access_line(head(), "users:prod", Response(502, outcome="function"), 3, 0.01, "", trail, "ANY /", 0.01)
    assert for_people(json.loads(line)) == (
        "2025-06-15T15:06:40.250Z [request] 502 POST /add users:prod (version 7) 10.0 ms, 1.5 of them waiting, "
        "function (function_error: ValueError), AWS request aws-1"
    )


def test_a_message_of_a_websocket_for_people():
    line = {
        "time": "T", "level": "info", "event": "websocket", "id": "r-1", "client": "127.0.0.1", "kind": "message",
        "websocket": "chat", "connection": "c-1", "route": "ask", "function": "f", "outcome": "ok", "received": 3,
        "bytes": None, "ms": 1.5, "trace": "t",
    }  # fmt: skip
    assert for_people(line) == "T [websocket] message chat ask f 1.5 ms, connection c-1, request r-1"
    line |= {"function": None, "outcome": "no-route", "route": "none"}
    assert for_people(line) == "T [websocket] message chat none 1.5 ms, no-route, connection c-1, request r-1"


@pytest.mark.parametrize("strange", ['{"event":"new"}', "{}", "[1]", "7", "no JSON", '{"event":"websocket"}', '"'])
def test_a_line_without_a_form_is_written_as_it_is_and_loses_no_other(strange):
    known = access_line(head(), "f", Response(200), 3, 0.01, "")
    shown = for_people(json.loads(known))
    assert Manner(TEXT).access(f"{known}\n{strange}\n{known}\n") == f"{shown}\n{strange}\n{shown}\n"


@pytest.mark.parametrize(
    "strange", ["\n200 GET /forged", "\r", "\x1b[2J", "\x7f", "\x9b31m", "\u2028", "\u202e", "\ud800"]
)
@pytest.mark.parametrize(
    "line",
    [
        {
            "time": "T", "event": "request", "status": 200, "method": "GET", "path": "/", "function": "f",
            "version": "7", "ms": 1, "queue_ms": 2, "outcome": "o", "error": "e", "code": "c",
            "aws_request_id": "a", "id": "r",
        },
        {
            "time": "T", "event": "websocket", "kind": "message", "websocket": "w", "route": "k", "function": "f",
            "ms": 1, "outcome": "o", "connection": "c", "id": "r",
        },
        {"event": "unknown", "path": "/"},
    ],
)  # fmt: skip
def test_nothing_in_a_line_for_people_moves_a_terminal_or_begins_another_line(line, strange):
    """A function chooses the type of its error, and what answers for Lambda what its headers say."""
    for key in line.keys() - {"event", "ms", "queue_ms", "status"}:
        written = json.dumps(line | {key: f"a{strange}b"}, ensure_ascii=strange == "\ud800")
        shown = Manner(TEXT).access(f"{written}\n")
        assert shown.endswith("\n") and shown[:-1].isprintable(), (key, shown)


def test_a_line_ends_where_json_ends_it():
    """A path may have what only text takes for the end of a line."""
    known = access_line(head(target=b"/a\x85b"), "f", Response(200), 3, 0.01, "", route="/\u2028")
    assert Manner(TEXT).access(f"{known}\n") == for_people(json.loads(known)).replace("\x85", "?") + "\n"


LEVELS = {"debug", "info", "warn", "error", "critical", "failure", "emit"}
LOGS = {"log", "_log", "_limited", "_logs", "_overload", "_warnings"}


def calls_of_logs():
    """Every call that logs something, where it is, and the names of its fields."""
    for path in sorted((ROOT / "lambdaproxy").rglob("*.py")):
        if path.parent.name == "supervise" or path.name in ("logs.py", "journal.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                base = node.func.value
                name = base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "")
                if name in LOGS:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


@pytest.mark.slow
def test_everything_that_is_logged_has_an_event_that_the_manual_names():
    manual = (ROOT / "docs/operations/logs.md").read_text()
    found = list(calls_of_logs())
    assert len(found) > 40
    nameless, unknown = [], []
    for where, node in found:
        events = [each.value for each in node.keywords if each.arg == "event"]
        lines = any(isinstance(each, ast.Constant) and each.value == "{lines}" for each in node.args)
        if not events and not lines:
            nameless.append(where)
        for each in events:
            names = [part.value for part in ast.walk(each) if isinstance(part, ast.Constant)]
            unknown += [f"{where}: {name}" for name in names if isinstance(name, str) and f"`{name}`" not in manual]
    assert nameless == [] and unknown == []
