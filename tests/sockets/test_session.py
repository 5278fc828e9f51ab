"""Connections from their handshake to their end: events in order, replies, errors, and `$disconnect` once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail

from lambdaproxy.errors import (
    BufferFull,
    ConnectionFailed,
    ConnectionGone,
    DeniedByPolicy,
    InvokeTimeout,
    PayloadTooLarge,
    Throttled,
    Unauthorized,
)
from lambdaproxy.gate.socket_api import AWS, SocketLimits
from lambdaproxy.messages import InvocationResult
from lambdaproxy.watch.manner import TEXT, Manner
from tests.sockets.serving import HANDSHAKE, World, echo


def test_a_connection_from_its_beginning_to_its_end():
    world = World()
    client = world.connect()
    assert client.head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in client.head  # RFC 6455, 1.3
    client.text("one")
    client.text('{"action": "two"}')
    assert client.texts() == ["one", '{"action": "two"}']
    client.close(1000, "bye")
    assert client.closed == (1000, "")
    assert world.function.keys() == ["$connect", "$default", "$default", "$disconnect"]
    ends = world.function.events[-1]["requestContext"]
    assert (ends["disconnectStatusCode"], ends["disconnectReason"]) == (1000, "bye")
    ids = {event["requestContext"]["connectionId"] for event in world.function.events}
    assert len(ids) == 1
    assert len({event["requestContext"]["requestId"] for event in world.function.events}) == 4
    client.leave()
    world.settle()
    lines = [json.loads(line) for line in world.lines]
    assert [(line["event"], line.get("kind"), line["outcome"]) for line in lines] == [
        ("request", None, "ok"),
        ("websocket", "message", "ok"),
        ("websocket", "message", "ok"),
        ("websocket", "disconnect", "ok"),
    ]
    assert lines[0]["status"] == 101
    for line in lines[1:]:
        assert (line["attempts"], line["version"], line["code"], line["queue_ms"]) == (1, "$LATEST", None, 0.0)
        assert line["invoke_ms"] is not None
    assert [line["bytes"] for line in lines[1:]] == [3, 17, None]
    billed = {name: world.counted(f"lambdaproxy_bill_socket_{name}_total") for name in ("messages", "refused")}
    assert billed == {"messages": {("chat",): 4}, "refused": {}}, "two came, and two were sent"
    shown = Manner(TEXT).access("".join(f"{line}\n" for line in world.lines)).splitlines()
    assert len(shown) == len(lines) and all(
        f" [{line['event']}] " in text for line, text in zip(lines, shown, strict=True)
    )
    assert world.counted("lambdaproxy_websocket_connections_open") == {("chat",): 0}
    assert world.counted("lambdaproxy_websocket_closed_total") == {("chat", "1000"): 1}
    assert world.counted("lambdaproxy_websocket_sent_total") == {("chat", "reply"): 2}


@pytest.mark.parametrize("status", [301, 401, 403, 501])
def test_a_function_turns_a_client_away(status):
    world = World(lambda event: {"statusCode": status, "body": "no"})
    client = world.connect()
    assert client.status == status
    assert world.function.keys() == ["$connect"]
    world.settle()


@pytest.mark.parametrize(
    "answer",
    [
        fail(InvokeTimeout("late")),
        fail(ConnectionFailed("no")),
        InvocationResult(b'{"errorType":"ValueError"}', "Unhandled"),
        InvocationResult(b"null"),
        {"statusCode": 200, "Data": "x"},
    ],
)
def test_a_function_that_fails_is_a_502(answer):
    world = World(lambda event: answer)
    assert world.connect().status == 502
    assert world.function.keys() == ["$connect"]
    world.settle()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ((b"Version: 13", b"Version: 8"), 426),
        ((b"Sec-WebSocket-Version: 13\r\n", b""), 426),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhl"), 400),
        ((b"dGhlIHNhbXBsZSBub25jZQ==", b"dGhlIHNhbXBsZSBub25jZR=="), 400),
        ((b"Connection: Upgrade", b"Connection: keep-alive"), 400),
        (
            (b"Host: ws.example.com\r\n", b"Host: ws.example.com\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"),
            400,
        ),
        ((b"Host: ws.example.com\r\n", b"Host: ws.example.com\r\nContent-Length: 3\r\n"), 400),
        ((b"GET /prod", b"GET /other"), 403),
        ((b"GET /prod", b"POST /prod"), 403),
        ((b"Upgrade: websocket", b"Upgrade: h2c"), 403),
    ],
)
def test_what_is_no_handshake_runs_nothing(change, status):
    world = World()
    client = world.connect(HANDSHAKE.replace(*change))
    client.raw(b"abc")
    assert client.status == status
    assert world.function.events == []
    world.settle()


def test_the_function_chooses_the_subprotocol():
    world = World(lambda event: {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "b"}})
    client = world.connect(HANDSHAKE[:-2] + b"Sec-WebSocket-Protocol: a, b\r\n\r\n")
    assert b"\r\nSec-WebSocket-Protocol: b" in client.head
    assert world.function.events[0]["headers"]["Sec-WebSocket-Protocol"] == "a, b"


OURS = ("https://www.example.com", "https://*.app.example.com", "same-host")


@pytest.mark.parametrize(
    ("origins", "taken"),
    [
        ([], True),  # no browser
        ([b"https://www.example.com"], True),
        ([b"HTTPS://WWW.example.com"], True),
        ([b"https://a.app.example.com"], True),
        ([b"http://ws.example.com"], True),  # the handshake's own host
        ([b"https://ws.example.com:8443"], True),
        ([b"https://www.example.com:444"], False),
        ([b"http://www.example.com"], False),
        ([b"https://www.example.com.evil.example"], False),
        ([b"https://evil.example?www.example.com"], False),
        ([b"https://ws.example.com.evil.example"], False),
        ([b"https://ws.example.com@evil.example"], False),
        ([b"https://ws.example.com:x@evil.example"], False),
        ([b"https://ws.example.com:evil.example"], False),
        ([b"https://evil.example#.app.example.com"], False),
        ([b"https://evil.example?.app.example.com"], False),
        ([b"https://evil.example\\.app.example.com"], False),
        ([b"https://evil.example:1@a.app.example.com"], False),
        ([b"https://a.app.example.com:1.app.example.com"], False),
        ([b"https://"], False),
        ([b"ws.example.com"], False),
        ([b"file://ws.example.com"], False),
        ([b"null"], False),
        ([b""], False),
        ([b"https://www.example.com", b"https://evil.example"], False),
        ([b"\xff"], False),
        ([b"https://" + b"a" * 9000 + b".app.example.com"], False),
    ],
)
def test_whose_pages_may_connect(origins, taken):
    world = World(origins=OURS)
    fields = b"".join(b"oRigin: " + each + b"\r\n" for each in origins)
    client = world.connect(HANDSHAKE[:-2] + fields + b"\r\n")
    assert client.status == (101 if taken else 403)
    assert world.function.keys() == (["$connect"] if taken else [])
    if not taken:
        assert any('"foreign_origin"' in line for line in world.lines)
        world.settle()


def test_pages_that_origins_name_may_ask_a_listener_on_this_machine():
    """Where pages of other sites are refused, as of a development server."""
    from lambdaproxy.base.hosts import Hosts

    cases: list[tuple[Any, bytes, int]] = [
        (None, b"https://www.example.com", 403),
        (OURS, b"https://www.example.com", 101),
        (OURS, b"https://evil.example", 403),
        (OURS, b"http://localhost:3000", 101),  # the handshake's own host, at another port
        (("https://www.example.com",), b"http://localhost:3000", 403),
    ]
    for origins, page, status in cases:
        world = World(origins=origins)
        world.site.hosts = Hosts()
        head = HANDSHAKE.replace(b"ws.example.com", b"localhost:8011")
        client = world.connect(head[:-2] + b"Origin: " + page + b"\r\n\r\n")
        assert client.status == status, page


class Authorizer:
    def __init__(self, error: Exception) -> None:
        self.error = error

    def authorize(self, request: Any, match: Any, scopes: Any) -> Any:
        raise self.error


@pytest.mark.parametrize(("error", "status"), [(Unauthorized("x"), 401), (DeniedByPolicy("x"), 403)])
def test_an_authorizer_keeps_out(error, status):
    world = World(authorizers=lambda name: Authorizer(error))
    assert world.connect().status == status
    assert world.function.events == []


def test_routes_are_selected_by_the_message():
    world = World(routes={"join": True, "$default": False, "$disconnect": False})
    client = world.connect()
    for message in ('{"action":"join"}', '{"action":"$connect"}', '{"action":"$disconnect"}', '{"action":"x"}', "text"):
        client.text(message)
    assert world.function.functions == ["connect", "join", "default", "default", "default", "default"]
    assert world.function.keys() == ["$connect", "join", *["$default"] * 4]
    assert client.texts() == ['{"action":"join"}']


def test_a_message_that_no_route_takes_is_forbidden():
    world = World(routes={"join": True})
    client = world.connect()
    client.text("x")
    (text,) = client.texts()
    found = json.loads(text)
    connection = world.function.events[0]["requestContext"]["connectionId"]
    assert text == f'{{"message": "Forbidden", "connectionId":"{connection}", "requestId":"{found["requestId"]}"}}'
    client.close()
    assert world.function.keys() == ["$connect"]


def test_an_error_is_told_and_the_connection_goes_on():
    def answer(event):
        if event.get("body") == "bad":
            return InvocationResult(b'{"errorType":"E"}', "Unhandled")
        return echo(event)

    world = World(answer, routes={"$default": False})
    client = world.connect()
    client.text("bad")
    client.text("good")
    assert [json.loads(text)["message"] for text in client.texts()] == ["Internal server error"]
    assert client.closed is None
    assert world.counted("lambdaproxy_websocket_events_total") == {
        ("chat", "$default", "function_error"): 1,
        ("chat", "$default", "ok"): 1,
    }
    [bad, good] = [json.loads(line) for line in world.lines[1:]]
    assert (bad["outcome"], bad["error"], bad["code"]) == ("function_error", "function_error", "E")
    assert (good["outcome"], good["error"], good["code"]) == ("ok", None, None)


def test_the_bill_counts_messages_in_parts_and_how_long_connections_are_open():
    world = World(limits=SocketLimits(message=1 << 20))
    client = world.connect()
    client.text("é" * 16_385)
    client.text("x" * 131_073)
    world.sockets.post(next(iter(world.sockets._open)), b"y" * 32_768)
    world.sockets.counts.look(5.0)
    second = world.connect()
    world.sockets.counts.look(10.0)
    assert world.counted("lambdaproxy_bill_socket_messages_total") == {("chat",): 2 * 2 + 2 * 5 + 1}
    assert world.counted("lambdaproxy_bill_socket_refused_total") == {("chat",): 2}
    assert world.counted("lambdaproxy_bill_socket_seconds_total") == {("chat",): 25.0}
    for each in (client, second):
        each.leave()
    world.sockets.counts.look(10.0)
    assert world.counted("lambdaproxy_bill_socket_seconds_total") == {("chat",): 25.0}
    world.settle()


def test_messages_are_handled_one_after_the_other():
    waiting: list[Deferred[Any]] = []

    def answer(event):
        if "body" not in event:
            return echo(event)
        waiting.append(Deferred())
        return waiting[-1].addCallback(lambda _: echo(event))

    world = World(answer)
    client = world.connect()
    for number in range(5):
        client.text(str(number))
    assert len(waiting) == 1
    assert client.transport.producerState == "paused"
    client.close(1001, "gone")
    for number in range(5):
        assert len(waiting) == number + 1
        waiting[number].callback(None)
    assert client.texts() == list("01234")
    assert client.closed == (1001, "")
    assert world.function.keys()[-1] == "$disconnect"
    world.settle()


def slowly(waiting: list[Deferred[Any]]) -> Any:
    """A function that gives each message back when the next of `waiting` is told."""

    def answer(event):
        if "body" not in event:
            return echo(event)
        waiting.append(Deferred())
        return waiting[-1].addCallback(lambda _: echo(event))

    return answer


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (b"\x83\x80abcd", 1002),  # an opcode that is none
        (b"\x82\x80abcd", 1003),
        (b"\x81\x81\0\0\0\0\xff", 1007),
        (b"\x81\xff\0\0\0\0\xff\xff\xff\xff\0\0\0\0", 1009),
    ],
)
def test_what_was_sent_before_a_fault_is_answered(wrong, code):
    waiting: list[Deferred[Any]] = []
    world = World(slowly(waiting))
    client = world.connect()
    client.text("first")
    client.raw(wrong)
    client.text("never read")
    assert client.closed is None
    client.raw(b"\x81\xff" * 50_000)
    assert world.held.requests.held == 0
    waiting[0].callback(None)
    assert client.texts() == ["first"]
    assert client.closed == (code, "")
    assert world.function.keys() == ["$connect", "$default", "$disconnect"]
    assert world.function.events[-1]["requestContext"]["disconnectStatusCode"] == code
    client.leave()
    world.settle()


@pytest.mark.parametrize("whole", [True, False])
def test_a_message_that_finds_no_room_does_not_cost_the_answer_before_it(whole):
    waiting: list[Deferred[Any]] = []
    world = World(slowly(waiting), bodies=50_000)
    client = world.connect()
    client.text("first")
    frame = bytes(client._protocol.send_data("x" * 60_000))
    client.raw(frame if whole else frame[:-1])
    assert client.closed is None
    assert world.held.requests.held == 0
    waiting[0].callback(None)
    assert client.texts() == ["first"]
    assert client.closed == (1013, "")
    assert world.function.keys() == ["$connect", "$default", "$disconnect"]
    client.leave()
    world.settle()


def test_a_client_that_sends_for_ever_does_not_put_off_the_end():
    waiting: list[Deferred[Any]] = []
    world = World(slowly(waiting))
    client = world.connect()
    for number in range(4):
        client.text(str(number))
    world.site.drain(30)
    world.pass_time(2)
    assert client.closed is None
    waiting[0].callback(None)
    client.text("4")
    waiting[1].callback(None)
    # The first two had been read, and were answered; the others did not run.
    assert len(waiting) == 2
    assert client.texts() == ["0", "1"]
    assert client.closed == (1001, "Going away")
    client.leave()
    world.settle()


def test_the_end_is_told_after_the_message_that_is_being_handled_and_once():
    waiting: Deferred[Any] = Deferred()
    world = World(lambda event: waiting if "body" in event else echo(event))
    client = world.connect()
    client.text("x")
    client.leave()
    assert world.function.keys() == ["$connect", "$default"]
    waiting.callback({"statusCode": 200, "body": "late"})
    assert world.function.keys() == ["$connect", "$default", "$disconnect"]
    assert world.function.events[-1]["requestContext"]["disconnectStatusCode"] == 1006
    world.settle()


def test_who_leaves_while_the_function_decides_has_been_there():
    for result, keys in (
        ({"statusCode": 200}, ["$connect", "$disconnect"]),
        ({"statusCode": 401}, ["$connect"]),
        (InvocationResult(b"{}", "Unhandled"), ["$connect"]),
    ):
        waiting: Deferred[Any] = Deferred()
        answers: list[Any] = [waiting, {"statusCode": 200}]
        world = World(lambda event, answers=answers: answers.pop(0))  # type: ignore[misc]
        client = world.connect()
        client.leave()
        assert world.function.keys() == ["$connect"]
        drained = world.sockets.drained(60)
        assert not drained.called
        waiting.callback(result)
        assert world.function.keys() == keys
        assert drained.called
        world.settle()


def test_a_handshake_that_finds_no_place_waits_for_its_turn():
    answers: list[Any] = [fail(Throttled("many")), fail(Throttled("many"))]
    world = World(lambda event: answers.pop(0) if answers else {"statusCode": 200})
    client = world.connect()
    assert client.transport.value() == b""
    world.pass_time(1)
    assert client.status == 101
    assert world.function.keys() == ["$connect"] * 3
    # Whoever has left before its turn has never been there.
    answers[:] = [fail(Throttled("many"))]
    late = world.connect()
    late.leave()
    world.pass_time(1)
    assert world.function.keys() == ["$connect"] * 4
    client.leave()
    assert world.function.keys()[4:] == ["$disconnect"]
    world.settle()


class Spans:
    """Writes down who waits for what."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def opening(self, *_: Any) -> None: ...

    def began(self, head: Any, *_: Any) -> None:
        self.told.append(head.method.lower())

    def waits(self, head: Any, why: str = "turn") -> None:
        self.told.append(f"waits for {why}")

    def goes_on(self, head: Any) -> None:
        self.told.append("goes on")

    def ended(self, *_: Any) -> None:
        self.told.append("ended")


def test_what_waits_until_its_function_takes_it_is_timed_and_traced():
    busy = 1

    def answer(event: Any) -> Any:
        nonlocal busy
        busy -= 1
        return fail(Throttled("many")) if busy >= 0 else {"statusCode": 200}

    world = World(answer)
    spans = world.sockets.spans = Spans()
    client = world.connect()
    world.pass_time(1)
    assert client.status == 101
    busy = 2
    client.text("one")
    world.pass_time(1)
    client.text("at once")
    busy = 1000
    client.text("never")
    world.pass_time(40)
    busy = 0
    client.leave()
    world.settle()
    lines = [json.loads(line) for line in world.lines]
    assert [line["outcome"] for line in lines] == ["ok", "ok", "ok", "throttled", "ok"]
    first, second, none, late, _ = [line["queue_ms"] for line in lines]
    assert first >= 100 and second >= 200 and none == 0 and late >= 28_000
    counted = world.metrics.histogram("lambdaproxy_queue_duration_seconds", "").cells.values()
    assert sum(sum(cell.counts) for cell in counted) == 3
    waits = ["waits for place", "goes on"]
    assert spans.told[:2] == waits
    assert spans.told[2:12] == ["message", *waits, *waits, "ended", "message", "ended", "message", *waits[:1]]


def test_a_handshake_does_not_wait_for_ever():
    world = World(lambda event: fail(Throttled("many")))
    client = world.connect()
    world.pass_time(31)
    assert client.status == 502
    world.settle()


def test_what_comes_with_the_handshake_is_not_lost():
    world = World()
    from wsproto.frame_protocol import FrameProtocol

    client = world.connect(HANDSHAKE + bytes(FrameProtocol(True, []).send_data("early")))
    assert client.texts() == ["early"]


# -- silence, and the end of the service ---------------------------------------------------------------------------


def test_silence_is_ended():
    world = World(limits=SocketLimits(idle=20.0, ping=None))
    client = world.connect()
    world.pass_time(15)
    client.text("x")
    world.pass_time(15)
    assert client.closed is None
    world.pass_time(6)
    assert client.closed == (1001, "Going away")
    ends = world.function.events[-1]["requestContext"]
    assert (ends["disconnectStatusCode"], ends["disconnectReason"]) == (1001, "Going away")


def test_a_life_is_bounded():
    world = World(limits=SocketLimits(life=20.0, ping=None))
    client = world.connect()
    for _ in range(25):
        client.text("x")
        world.pass_time(1)
    assert client.closed == (1001, "Going away")


def test_who_does_not_answer_a_ping_is_gone():
    world = World(limits=SocketLimits(ping=10.0))
    alive, dead = world.connect(), world.connect()
    for _ in range(3):
        world.pass_time(10.5)
        assert ("ping", b"") in alive.got()
        alive.raw(bytes(alive._protocol.pong()))
    assert dead.transport.aborted and not alive.transport.aborted
    assert world.function.events[-1]["requestContext"]["disconnectStatusCode"] == 1006
    assert world.counted("lambdaproxy_websocket_closed_total") == {("chat", "1006"): 1}


def test_pings_are_answered_and_keep_a_connection():
    world = World(limits=SocketLimits(idle=10.0, ping=None))
    client = world.connect()
    for _ in range(4):
        client.raw(bytes(client._protocol.ping(b"abc")))
        world.pass_time(5)
    assert client.got().count(("pong", b"abc")) == 4
    assert client.closed is None


def test_a_drain_says_goodbye_and_tells_the_function():
    waiting: Deferred[Any] = Deferred()
    world = World(lambda event: waiting if "body" in event else echo(event))
    idle, busy = world.connect(), world.connect()
    busy.text("x")
    drained = world.site.drain(30)
    world.pass_time(2)
    assert idle.closed == (1001, "Going away")
    assert busy.closed is None
    waiting.callback({"statusCode": 200, "body": "last"})
    assert busy.texts() == ["last"]
    assert busy.closed == (1001, "Going away")
    idle.leave()
    busy.leave()
    assert drained.called
    assert world.function.keys().count("$disconnect") == 2
    assert world.sockets.drained(1).called
    world.settle()


def test_a_drain_does_not_wait_for_ever():
    world = World(lambda event: Deferred() if "body" in event else echo(event))
    client = world.connect()
    client.text("x")
    world.site.drain(5)
    world.pass_time(6)
    assert client.closed == (1001, "Going away")
    drained = world.sockets.drained(3)
    world.pass_time(3)
    assert drained.called


def test_a_reload_waits_while_functions_are_being_told():
    """Where thousands leave at once, telling of them takes longer than any fixed time."""
    waiting: list[Deferred[Any]] = []

    def answer(event):
        if event["requestContext"]["eventType"] != "DISCONNECT":
            return echo(event)
        waiting.append(Deferred())
        return waiting[-1]

    for hurry in (False, True):
        waiting.clear()
        world = World(answer)
        for client in [world.connect() for _ in range(5)]:
            client.leave()
        drained = world.sockets.drained(10, patient=True)
        for each in tuple(waiting[:4]):
            world.pass_time(8)
            assert not drained.called
            each.callback({"statusCode": 200})
        if hurry:
            world.pass_time(5)
            world.sockets.hurry()
            waiting[4].callback({"statusCode": 200})
        else:
            world.pass_time(9)
            assert not drained.called
            world.pass_time(2)
        assert drained.called


# -- the registry --------------------------------------------------------------------------------------------------


def failure_of(deferred: Deferred[Any]) -> Any:
    found: list[Any] = []
    deferred.addErrback(found.append)
    return found[0].value if found else None


def test_others_send_ask_and_close():
    world = World()
    client = world.connect(HANDSHAKE[:-2] + b"User-Agent: me\r\n\r\n")
    connection = world.function.events[0]["requestContext"]["connectionId"]
    assert world.sockets.post(connection, "hé".encode()).called
    assert client.texts() == ["hé"]
    found: list[Any] = []
    world.sockets.get(connection, "chat").addCallback(found.append)
    assert found[0].user_agent == "me"
    assert abs(found[0].last_active - found[0].connected) < 5
    assert isinstance(failure_of(world.sockets.get(connection, "other")), ConnectionGone)
    assert world.sockets.delete(connection).called
    assert client.closed == (1000, "")
    for late in (world.sockets.post(connection, b"x"), world.sockets.get(connection), world.sockets.delete(connection)):
        assert isinstance(failure_of(late), ConnectionGone)
    assert world.function.keys() == ["$connect", "$disconnect"]


def test_a_connection_that_is_not_there_yet_is_gone():
    waiting: Deferred[Any] = Deferred()
    world = World(lambda event: waiting)
    client = world.connect()
    connection = world.function.events[0]["requestContext"]["connectionId"]
    assert isinstance(failure_of(world.sockets.post(connection, b"x")), ConnectionGone)
    waiting.callback({"statusCode": 200})
    assert world.sockets.post(connection, b"y").called
    assert client.texts() == ["y"]


def test_what_is_too_large_is_not_sent():
    world = World(limits=AWS)
    client = world.connect()
    connection = world.function.events[0]["requestContext"]["connectionId"]
    assert isinstance(failure_of(world.sockets.post(connection, bytes(128 * 1024 + 1))), PayloadTooLarge)
    assert world.sockets.post(connection, b"x" * 128 * 1024).called
    assert len(client.texts()[0]) == 128 * 1024


def test_the_id_says_where_the_connection_is():
    from lambdaproxy.base.places import Place, place_of

    world = World()
    world.connect()
    assert place_of(world.function.events[0]["requestContext"]["connectionId"]) == Place(0, 3)


def test_only_so_many_messages_are_handled_at_once():
    waiting: list[Deferred[Any]] = []

    def answer(event):
        if "body" not in event:
            return echo(event)
        waiting.append(Deferred())
        return waiting[-1].addCallback(lambda _: echo(event))

    world = World(answer, most=2)
    clients = [world.connect() for _ in range(5)]
    for client in clients:
        client.text("x")
    assert len(waiting) == 2
    for number in range(5):
        waiting[number].callback(None)
    assert [client.texts() for client in clients] == [["x"]] * 5
    assert BufferFull.status == 429
