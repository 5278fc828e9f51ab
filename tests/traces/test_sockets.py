"""Spans of WebSocket connections: the handshake, each message, the end; a real process and another's client."""

from __future__ import annotations

import json

import pytest

from tests.processes import Server, until

pytest.importorskip("opentelemetry.sdk.trace", reason="needs lambdaproxy[otel]")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs lambdaproxy[otel]")
pytest.importorskip("wsproto", reason="wsproto is not installed")
pytest.importorskip("websockets", reason="websockets is not installed")

from websockets.sync.client import connect

from tests.traces.collector import Collector

FUNCTION = """
def handler(event, context):
    if "fail" in (event.get("body") or ""):
        raise ValueError("x")
    return {"statusCode": 200, "body": event["requestContext"]["connectionId"]}
"""
CLIENT = "0af7651916cd43dd8448eb211c8031aa"


def test_a_connection_and_what_comes_through_it(tmp_path):
    (tmp_path / "chat.py").write_text(FUNCTION)
    file = tmp_path / "proxy.toml"
    file.write_text(
        f'[function.chat]\nhandler = "chat.handler"\ndirectory = {json.dumps(str(tmp_path))}\n'
        '[websocket.chat]\nfunction = "chat"\n[websocket.chat.routes]\nask = {function = "chat", two-way = true}\n'
    )
    with Collector() as collector:
        env = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}

        def told(name):
            """The one span of that name, and those below it."""
            until(lambda: [each for each in collector.spans if each.name == name], name)
            [own] = [each for each in collector.spans if each.name == name]
            below = [each for each in collector.spans if each.parent == own.id]
            return own, below

        with Server("--config", str(file), env=env) as server:
            sent = {"traceparent": f"00-{CLIENT}-b7ad6b7169203331-01"}
            with connect(f"ws://127.0.0.1:{server.port}/prod", additional_headers=sent, open_timeout=60) as client:
                client.send('{"action": "ask"}')
                connection = client.recv(60)
                client.send("fail")
                client.recv(60)
                signed = {
                    "Authorization": "AWS4-HMAC-SHA256 Credential=A/20261126/us-east-1/execute-api/aws4_request, "
                    "SignedHeaders=host, Signature=00",
                    "X-Amz-Date": "20261126T000000Z",
                }
                path = f"/prod/@connections/{connection.replace('=', '%3D')}"
                assert server.request("POST", path, b"hello", signed)[0] == 200
                assert client.recv(60) == "hello"
            assert told("POST /prod/@connections/{connection}")[1] == [], "nobody was invoked"
            handshake, below = told("GET /prod")
            assert (handshake.trace, handshake.parent) == (CLIENT, "b7ad6b7169203331")
            assert handshake.attributes["http.response.status_code"] == 101
            assert handshake.attributes["lambdaproxy.websocket.connection_id"] == connection
            assert not handshake.error
            assert [each.attributes["faas.invoked_name"] for each in below if each.kind == "client"] == ["chat"]
            for name, route, sent_bytes, wrong in (
                ("message ask", "ask", len(connection), None),
                ("message $default", "$default", None, "function_error"),
                ("disconnect $disconnect", "$disconnect", None, None),
            ):
                own, below = told(name)
                assert (own.kind, own.parent, own.error) == ("server", "", wrong is not None)
                assert own.trace != CLIENT, "a trace of its own"
                assert own.links == [(CLIENT, handshake.id)]
                seen = own.attributes
                assert (seen["lambdaproxy.websocket"], seen["lambdaproxy.websocket.connection_id"]) == (
                    "chat", connection,
                )  # fmt: skip
                assert (seen["lambdaproxy.websocket.route"], seen["client.address"]) == (route, "127.0.0.1")
                assert seen.get("error.type") == wrong
                assert sent_bytes is None or seen["lambdaproxy.websocket.sent"] == sent_bytes
                [attempt] = [each for each in below if each.kind == "client"]
                assert (attempt.trace, attempt.name) == (own.trace, "Lambda/Invoke")
                assert attempt.attributes.get("error.type") == ("Unhandled" if wrong else None)
                assert own.start <= attempt.start <= attempt.end <= own.end + 1_000_000
                line = json.loads(
                    server.process.wait_for(rf'\{{[^\n]*"id":"{seen["lambdaproxy.request_id"]}"[^\n]*\}}')[0]
                )
                assert line["trace"].removeprefix("1-").replace("-", "") == own.trace, "the log's trace id finds it"
            assert told("message ask")[0].attributes["lambdaproxy.websocket.received"] == len('{"action": "ask"}')
            # Who said no at the handshake decides for that alone: what follows is sampled by itself.
            no = {"traceparent": "00-0af7651916cd43dd8448eb211c8031bb-b7ad6b7169203331-00"}
            with connect(f"ws://127.0.0.1:{server.port}/prod", additional_headers=no, open_timeout=60) as client:
                client.send('{"action": "ask"}')
                other = client.recv(60)
            of_other = lambda: [  # noqa: E731
                each for each in collector.spans if each.attributes.get("lambdaproxy.websocket.connection_id") == other
            ]
            until(lambda: len(of_other()) == 2, "the message and the end")
            assert [each.links for each in of_other()] == [[], []]
            assert len([each for each in collector.spans if each.name == "GET /prod"]) == 1
