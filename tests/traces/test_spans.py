"""Spans as a collector gets them, of real processes: parents, ids and attributes."""

from __future__ import annotations

import http.client
import json
import re

import pytest

from tests.aws.lambda_stub import lambda_stub
from tests.processes import WAIT, Server, request, reserved_port, until

pytest.importorskip("opentelemetry.sdk.trace", reason="needs lambdaproxy[otel]")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs lambdaproxy[otel]")

from tests.traces.collector import Collector

KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
SENT = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "vendor=value",
    "User-Agent": "tester/1",
}
FORMATS = (
    "alb", "alb:multi_value=yes", "apigateway-v1", "apigateway-v2", "apigateway-v2:payload=1.0", "function-url",
    "vpc-lattice", "vpc-lattice:version=1",
)  # fmt: skip


def settings(collector, **more):
    return {**KEYS, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50", **more}


def shown(event):
    """The headers of an event, in lower case."""
    fields = {
        name.lower(): value[-1] if isinstance(value, list) else value
        for name, value in (event.get("headers") or {}).items()
    }
    several = {name.lower(): texts[-1] for name, texts in (event.get("multiValueHeaders") or {}).items()}
    return {**several, **fields}


@pytest.fixture(scope="module")
def collector():
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def stub():
    with lambda_stub() as running:
        yield running


@pytest.fixture(scope="module")
def server(collector, stub, tmp_path_factory):
    config = tmp_path_factory.mktemp("traces") / "p.toml"
    routes = [
        f'[[route]]\npath = "/{number}/{{id}}"\nformat = "{name}"\nfunction = "alb:live"\n'
        for number, name in enumerate(FORMATS)
    ]
    routes += [
        '[[route]]\npath = "/slow"\nfunction = "sleep-5"\ntimeout = 0.3\n',
        '[[route]]\npath = "/fails"\nfunction = "fail"\n',
        '[[route]]\npath = "/stream"\nfunction = "stream-slow"\nformat = "function-url"\n'
        'invoke-mode = "response-stream"\n',
        '[[route]]\npath = "/torn"\nfunction = "stream-fail"\nformat = "function-url"\n'
        'invoke-mode = "response-stream"\n',
        '[[route]]\npath = "/again"\nfunction = "alb"\ntimeout = 20\n',
        '[[route]]\npath = "/never"\nfunction = "alb"\ntimeout = 0.5\n',
    ]
    config.write_text("\n".join(routes))
    with Server(
        "--config", str(config), "--endpoint-url", stub.url, "--allow", "alb", "--trusted-proxy", "127.0.0.1",
        env=settings(collector),
    ) as running:  # fmt: skip
        yield running


@pytest.mark.parametrize("number", range(len(FORMATS)), ids=FORMATS)
@pytest.mark.parametrize("parent", [True, False], ids=["continued", "begun"])
def test_every_format(server, collector, number, parent):
    path = f"/{number}/{parent}"
    trace = f"0af7651916cd43dd8448eb211c8031{number:02}"
    sent = {**SENT, "traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    headers = sent if parent else {"User-Agent": "tester/1"}
    status, answer, body = server.request("POST", f"{path}?secret=x", b"body", headers)
    assert status == 200
    own, *waits, attempt = collector.of(path)
    assert {each.name for each in waits} <= {"wait"}
    assert (own.kind, own.name) == ("server", f"POST /{number}/{{id}}")
    if parent:
        assert (own.trace, own.parent) == (trace, "b7ad6b7169203331")
        assert own.state == "vendor=value"
    else:
        assert own.parent == ""
        line = server.process.wait_for(rf'\{{[^\n]*"path":"{path}"[^\n]*\}}')[0]
        root = json.loads(line)["trace"]
        assert own.trace == root.removeprefix("1-").replace("-", ""), "the log's trace id finds it"
    assert not own.error
    seen = own.attributes
    assert (seen["http.request.method"], seen["http.response.status_code"]) == ("POST", 200)
    assert (seen["http.route"], seen["url.path"], seen["url.scheme"]) == (f"/{number}/{{id}}", path, "http")
    assert (seen["server.address"], seen["server.port"]) == ("127.0.0.1", server.port)
    assert (seen["client.address"], seen["user_agent.original"]) == ("127.0.0.1", "tester/1")
    assert (seen["network.protocol.version"], seen["http.request.body.size"]) == ("1.1", 4)
    assert seen["lambdaproxy.request_id"] == answer.get("x-request-id", seen["lambdaproxy.request_id"])
    assert "secret" not in json.dumps([seen, attempt.attributes])
    assert own.resource["service.name"] == "lambdaproxy"
    # The attempt is a child of the request, and within it.
    assert (attempt.trace, attempt.parent, attempt.kind, attempt.name) == (own.trace, own.id, "client", "Lambda/Invoke")
    assert own.start <= attempt.start <= attempt.end <= own.end + 1_000_000
    called = attempt.attributes
    assert (called["faas.invoked_name"], called["lambdaproxy.qualifier"]) == ("alb", "live")
    assert (called["faas.invoked_provider"], called["faas.invoked_region"]) == ("aws", "eu-west-1")
    assert (called["rpc.system"], called["rpc.service"], called["rpc.method"]) == ("aws-api", "Lambda", "Invoke")
    assert called["http.response.status_code"] == 200
    assert called["aws.request_id"] == "5f0e2a54-0000-4000-8000-000000000000"
    # The function is told of the request's span, whatever the client said.
    event = shown(json.loads(body))
    assert event["traceparent"] == f"00-{own.trace}-{own.id}-{'01' if parent else event['traceparent'][-2:]}"
    assert event.get("tracestate") == ("vendor=value" if parent else None)


def test_a_client_that_said_no_is_not_followed_and_that_is_handed_on(server, collector):
    no = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    status, _, body = server.request("GET", "/1/no", headers={"traceparent": no})
    assert status == 200
    assert re.fullmatch(r"00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-00", shown(json.loads(body))["traceparent"])
    server.request("GET", "/1/after-no")
    collector.of("/1/after-no")
    assert not [each for each in collector.spans if each.attributes.get("url.path") == "/1/no"]


@pytest.mark.parametrize(
    "sent",
    [
        [("traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01")],
        [("traceparent", "junk")],
        [("traceparent", SENT["traceparent"]), ("Traceparent", SENT["traceparent"])],
        [("tracestate", "a=b")],
        [("traceparent", SENT["traceparent"][:-1]), ("tracestate", "=,=")],
        [("traceparent", "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")],
        [("traceparent", "\xff\xfe")],
    ],
    ids=str,
)
def test_what_is_no_trace_context_begins_a_trace(server, collector, sent, request):
    path = f"/3/bad-{abs(hash(str(sent)))}"
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT)
    connection.putrequest("GET", path)
    for name, text in sent:
        connection.putheader(name, text.encode("latin-1"))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 200
    event = shown(json.loads(response.read()))
    connection.close()
    own, *_ = collector.of(path)
    assert own.parent == ""
    assert own.trace != "0af7651916cd43dd8448eb211c80319c"
    assert event["traceparent"].startswith(f"00-{own.trace}-{own.id}-")
    assert "tracestate" not in event


def test_what_clients_send_is_bounded_and_not_logged(server, collector):
    path = "/1/" + "p" * 5000
    sent = {"User-Agent": "a" * 3000, "baggage": "hunter2 hunter2,=,;", "tracestate": "hunter2=;=hunter2," * 200}
    sent["traceparent"] = "00-0af7651916cd43dd8448eb211c803199-b7ad6b7169203331-01"
    assert server.request("GET", path, headers=sent)[0] == 200
    own, *_ = collector.of(path[:2048])
    assert own.trace == "0af7651916cd43dd8448eb211c803199"
    assert (len(own.attributes["user_agent.original"]), own.state) == (256, "")
    assert "hunter2" not in server.process.output


def test_a_time_out(server, collector):
    assert server.request("GET", "/slow")[0] == 504
    own, *_, attempt = collector.of("/slow")
    assert (own.error, own.attributes["error.type"], own.attributes["http.response.status_code"]) == (
        True,
        "timeout",
        504,
    )
    assert (attempt.parent, attempt.error, attempt.attributes["error.type"]) == (own.id, True, "timeout")
    assert "http.response.status_code" not in attempt.attributes


def test_an_error_of_the_function(server, collector):
    assert server.request("GET", "/fails")[0] == 502
    own, *_, attempt = collector.of("/fails")
    assert own.attributes["error.type"] == "function_error"
    assert (attempt.error, attempt.attributes["error.type"]) == (True, "Unhandled")
    assert attempt.attributes["http.response.status_code"] == 200


def test_a_throttle_that_ends(server, collector, stub):
    stub.control(status=429)
    before = stub.seen().get("429", 0)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT)
    connection.request("GET", "/again")
    until(lambda: stub.seen().get("429", 0) > before, "it was throttled")
    stub.control(status=200)
    response = connection.getresponse()
    assert response.status == 200
    response.read()
    connection.close()
    own, first, *others = collector.of("/again")
    assert not own.error
    assert (first.kind, first.error) == ("client", True)
    assert first.attributes["error.type"] == "TooManyRequestsException"
    assert first.attributes["http.response.status_code"] == 429
    *between, last = others
    assert (last.kind, last.error, last.attributes["http.response.status_code"]) == ("client", False, 200)
    assert last.attributes["http.request.resend_count"] == own.attributes["lambdaproxy.attempts"] - 1 >= 1
    waits = [each for each in between if each.kind == "internal"]
    assert [each.attributes["lambdaproxy.wait"] for each in waits] == ["retry"] * len(waits)
    assert first.end <= waits[0].start <= waits[0].end <= last.start + 1_000_000
    assert {each.parent for each in (first, *others)} == {own.id}


def test_a_throttle_that_does_not(server, collector, stub):
    stub.control(status=429)
    try:
        status = server.request("GET", "/never")[0]
    finally:
        stub.control(status=200)
    assert status in (429, 500, 502, 503, 504)
    own, first, *others = collector.of("/never")
    assert own.attributes["error.type"] in ("throttled", "timeout")
    assert first.attributes["error.type"] == "TooManyRequestsException"
    assert all(each.end for each in others), "no span is left open"


def test_a_stream_lasts_as_long_as_it_does(server, collector):
    status, _, body = server.request("GET", "/stream")
    assert (status, body.count(b"data:")) == (200, 5)
    own, *_, attempt = collector.of("/stream")
    assert attempt.name == "Lambda/InvokeWithResponseStream"
    assert attempt.end - attempt.start > 200_000_000
    assert own.end - own.start > 200_000_000
    assert (own.error, attempt.error) == (False, False)


def test_a_stream_that_is_torn(server, collector):
    with pytest.raises((http.client.HTTPException, OSError)):
        server.request("GET", "/torn")
    own, *_, attempt = collector.of("/torn")
    assert (own.error, attempt.error, attempt.attributes["error.type"]) == (True, True, "Unhandled")


def test_what_is_refused(server, collector):
    status = server.request("GET", "/refused", headers={"X-Lambda-Function": "other"})[0]
    assert status >= 400
    [own] = collector.of("/refused")
    assert own.attributes["error.type"] == "not_permitted"
    assert own.attributes["http.response.status_code"] == status
    assert server.request("GET", "/metrics")[0] == 200
    server.request("GET", "/1/after-metrics")
    collector.of("/1/after-metrics")
    assert not [each for each in collector.spans if each.attributes.get("url.path") == "/metrics"]


def test_embedded_functions(collector, tmp_path):
    (tmp_path / "f.py").write_text(
        "import json, time\ndef handler(event, context):\n"
        "    if 'fail' in event['path']:\n        raise KeyError('x')\n"
        "    if 'slow' in event['path']:\n        time.sleep(30)\n"
        "    return {'statusCode': 200, 'body': json.dumps(event)}\n"
    )
    config = tmp_path / "p.toml"
    config.write_text(
        f'[settings]\nfunction = "f"\n[function.f]\nhandler = "f.handler"\ndirectory = "{tmp_path}"\ntimeout = 1\n'
    )
    env = settings(collector, OTEL_SERVICE_NAME="mine", OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test")
    with Server("--config", str(config), env=env) as server:
        status, _, body = server.request("GET", "/local/good", headers=SENT)
        assert status == 200
        own, *waits, attempt = collector.of("/local/good")
        assert own.resource["service.name"] == "mine"
        assert own.resource["deployment.environment.name"] == "test"
        assert [each.attributes["lambdaproxy.wait"] for each in waits] == ["worker"], "a cold start is waited for"
        assert (attempt.name, attempt.kind, attempt.parent) == ("Lambda/Invoke", "client", own.id)
        assert (attempt.attributes["faas.invoked_name"], attempt.attributes["faas.invoked_provider"]) == (
            "f", "lambdaproxy",
        )  # fmt: skip
        assert shown(json.loads(body))["traceparent"] == f"00-{own.trace}-{own.id}-01"
        server.request("GET", "/local/fail")
        own, *_, attempt = collector.of("/local/fail")
        assert (attempt.error, attempt.attributes["error.type"]) == (True, "Unhandled")
        server.request("GET", "/local/slow")
        own, *_, attempt = collector.of("/local/slow")
        assert own.attributes["error.type"] == "function_timeout"
        assert attempt.error
        # What is refused before anybody is asked whether it is wanted.
        assert server.request("GET", "/local/foreign", headers={"Origin": "https://evil.example"})[0] == 403
        [own] = collector.of("/local/foreign")
        assert own.attributes["error.type"] == "foreign_page"
        server.process.stop()


def test_the_last_spans_are_sent_at_the_end(collector):
    env = settings(collector, OTEL_BSP_SCHEDULE_DELAY="600000")
    with Server("--local", "show=tests/functions/show.py:handler", "--function", "show", env=env) as server:
        server.process.wait_for(f"Traces: spans go to {collector.url}/v1/traces")
        server.request("GET", "/at-the-end")
        server.process.stop()
    assert collector.of("/at-the-end")


def test_a_dead_collector_is_said_once_and_so_is_its_return():
    with reserved_port() as port:
        env = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
            "OTEL_BSP_MAX_QUEUE_SIZE": "20",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "5",
        }
        named = {"X-Lambda-Function": "show"}
        with Server("--local", "show=tests/functions/show.py:handler", env=env) as server:
            for number in range(60):
                assert server.request("GET", f"/dead/{number}", headers=named)[0] == 200
            server.process.wait_for(r"Spans cannot be sent to http\S+, and are lost until they can: \S+")
            server.process.wait_for(r"20 spans wait to be sent \(OTEL_BSP_MAX_QUEUE_SIZE\): further ones are dropped")
            until(lambda: b'lambdaproxy_spans_total{outcome="failed"}' in server.request("GET", "/metrics")[2], "lost")
            with Collector(port) as collector:

                def came():
                    server.request("GET", "/alive", headers=named)
                    return collector.spans

                until(came, "spans come")
                server.process.wait_for(r"Spans are sent to http\S+ again; \d+ were lost")
            assert server.process.output.count("Spans cannot be sent") == 1
            assert "Traceback" not in server.process.output
        assert "Stopped" in server.process.output


def test_a_stop_waits_for_no_dead_collector_for_long():
    with reserved_port() as port:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}", "OTEL_BSP_SCHEDULE_DELAY": "600000"}
        with Server("--local", "show=tests/functions/show.py:handler", "--function", "show", env=env) as server:
            server.request("GET", "/lost")
            server.process.stop()
            assert "the last spans could not be sent within 5 s" in server.process.output
            assert "Stopped" in server.process.output


def test_workers_have_spans_of_their_own(collector, stub, tmp_path):
    words = ("--endpoint-url", stub.url, "--function", "alb", "--workers", "2", "--control", str(tmp_path / "c"))
    with Server(*words, "--inspect", "off", env=settings(collector)) as server:
        for number in range(20):
            assert request(server.port, "GET", f"/worker/{number}")[0] == 200
        found = [collector.of(f"/worker/{number}")[0] for number in range(20)]
        assert len({each.trace for each in found}) == 20
        assert len({each.resource["service.instance.id"] for each in found}) in (1, 2)
        server.process.stop()
        assert server.process.output.count("Traces: spans go to") == 1
