"""What the standard variables ask for, and what is said of those that we do not do."""

from __future__ import annotations

import pytest

from lambdaproxy.traces.environment import wanted
from lambdaproxy.traces.tracing import tracing
from lambdaproxy.watch.metrics import Metrics

URL = "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    ("environment", "on", "words"),
    [
        ({}, False, []),
        ({"OTEL_SERVICE_NAME": "x"}, False, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL}, True, []),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": URL}, True, []),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True, []),
        ({"OTEL_TRACES_EXPORTER": " OTLP "}, True, []),
        ({"OTEL_TRACES_EXPORTER": ""}, False, []),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False, []),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": URL}, False, []),
        ({"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": URL}, False, []),
        ({"OTEL_SDK_DISABLED": "false", "OTEL_EXPORTER_OTLP_ENDPOINT": URL}, True, []),
        ({"OTEL_TRACES_EXPORTER": "console"}, False, ["OTEL_TRACES_EXPORTER=console", "write otlp"]),
        ({"OTEL_TRACES_EXPORTER": "otlp,console"}, False, ["OTEL_TRACES_EXPORTER=otlp,console"]),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            False,
            ["OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "http/protobuf", "4318"],
        ),
        (
            {
                "OTEL_EXPORTER_OTLP_ENDPOINT": URL,
                "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
            },
            True,
            [],
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_CONFIG_FILE": "x.yaml"}, False, ["OTEL_CONFIG_FILE"]),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_LOGS_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "none"},
            True,
            ["OTEL_LOGS_EXPORTER=otlp", "/metrics"],
        ),
    ],
)
def test_the_variables(environment, on, words):
    found = wanted(environment)
    assert found.on is on
    said = " ".join(found.sentences)
    assert bool(said) is bool(words)
    for word in words:
        assert word in said


def test_without_the_packages_one_sentence_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    monkeypatch.delitem(sys.modules, "lambdaproxy.traces.sending", raising=False)
    made, [sentence] = tracing(None, Metrics(), {"OTEL_EXPORTER_OTLP_ENDPOINT": URL})
    assert made is None
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is set" in sentence
    assert "pip install 'lambdaproxy[otel]'" in sentence


def test_what_is_off_imports_nothing():
    import subprocess
    import sys

    code = "import sys, lambdaproxy.start.service; print(*[n for n in sys.modules if n.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == ""
