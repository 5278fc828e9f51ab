"""Spans of every way in which a request can end, in every format: parents, ids and attributes."""

from __future__ import annotations

import pytest

from tests.aws.lambda_stub import lambda_stub
from tests.processes import Server

pytest.importorskip("opentelemetry.sdk.trace", reason="needs lambdaproxy[otel]")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="needs lambdaproxy[otel]")

from tests.traces.collector import Collector
from tests.traces.test_spans import FORMATS, SENT, settings

ENDS = {
    "fails": ("fail-x", None, "function_error", "Unhandled"),
    "late": ("sleep-30", 0.2, "timeout", "timeout"),
    "few": ("limited-0-1", 0.4, None, "TooManyRequestsException"),
    "refused": ("denied", None, "rejected", "AccessDeniedException"),
    "stream": ("stream-5", None, None, None),
}
"""What becomes of a request: its function, its time-out, and the `error.type` of its span and of its first attempt."""


@pytest.mark.parametrize("format", FORMATS)
def test_every_end_in_every_format(ends, collector, format):
    """Right parents, ids and attributes, whatever the front door makes of it for its client."""
    number = FORMATS.index(format)
    for end, (function, _, wrong, met) in ENDS.items():
        path = f"/{number}/{end}"
        trace = f"0af7651916cd43dd8448eb21{number:02x}{list(ENDS).index(end):06x}"
        status, _, body = ends.request("GET", path, headers={**SENT, "traceparent": f"00-{trace}-b7ad6b7169203331-01"})
        own, *below = collector.of(path)
        assert (own.kind, own.name, own.trace, own.parent) == ("server", f"GET {path}", trace, "b7ad6b7169203331"), end
        assert own.attributes["http.response.status_code"] == status
        assert own.error == (status >= 500), end
        assert {each.parent for each in below} == {own.id}
        assert {each.trace for each in below} == {trace}
        assert all(own.start <= each.start <= each.end for each in below)
        attempts = [each for each in below if each.kind == "client"]
        assert {each.attributes["faas.invoked_name"] for each in attempts} == {function}
        assert attempts[0].attributes.get("error.type") == met
        assert attempts[0].error == (met is not None)
        answered = {"fails": 200, "few": 429, "refused": 403, "stream": 200}.get(end)
        assert attempts[0].attributes.get("http.response.status_code") == answered
        repeats = [each.attributes.get("http.request.resend_count", 0) for each in attempts]
        assert repeats == list(range(len(attempts)))
        assert own.attributes["lambdaproxy.attempts"] == len(attempts)
        if end == "few":
            assert own.attributes["error.type"] in ("throttled", "timeout")
            waits = [each.attributes["lambdaproxy.wait"] for each in below if each.kind == "internal"]
            assert len(attempts) == 1 or "retry" in waits
        elif wrong is not None:
            assert own.attributes["error.type"] == wrong
        if end == "stream":
            assert (status, body, attempts[0].name) == (200, b"xxxxx", "Lambda/InvokeWithResponseStream")
            assert "error.type" not in own.attributes


@pytest.fixture(scope="module")
def ends(collector, tmp_path_factory):
    config = tmp_path_factory.mktemp("ends") / "p.toml"
    routes = []
    for number, format in enumerate(FORMATS):
        for end, (function, timeout, _, _) in ENDS.items():
            routes.append(f'[[route]]\npath = "/{number}/{end}"\nfunction = "{function}"\nformat = "{format}"\n')
            routes.append(f"timeout = {timeout}\n" if timeout is not None else "")
            routes.append('invoke-mode = "response-stream"\n' if end == "stream" else "")
    config.write_text("".join(routes))
    with lambda_stub() as stub:
        words = ("--config", str(config), "--endpoint-url", stub.url, "--allow", "alb", "--trusted-proxy", "127.0.0.1")
        with Server(*words, env=settings(collector)) as running:
            yield running


@pytest.fixture(scope="module")
def collector():
    with Collector() as running:
        yield running
