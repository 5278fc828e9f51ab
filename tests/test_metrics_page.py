"""What a scraper gets of a real process: both formats, clean by Prometheus's own linter."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.processes import ROOT, Server, reserved_port
from tests.processes import request as ask

ECHO = "tests/functions/echo.py"
PROMTOOL = shutil.which("promtool")


@pytest.fixture(scope="module", params=[(), ("--workers", "1")], ids=["alone", "with a supervisor"])
def pages(request):
    """The text, and the OpenMetrics text, of a process that has answered, failed and refused."""
    local = [f"--local={name}={ECHO}:{name}" for name in ("handler", "raises")]
    inspect = ("--inspect", "0") if not request.param else ()
    with (
        reserved_port() as port,
        reserved_port() as api,
        Server(
            *local,
            "--metrics-listen",
            str(port),
            "--invoke-api",
            str(api),
            "--invoke-api-unsigned",
            *inspect,
            *request.param,
        ) as server,
    ):
        for name in ("handler", "handler", "raises", "invented"):
            server.request("POST", "/", b"x", {"X-Lambda-Function": name})
        ask(api, "POST", "/2015-03-31/functions/handler/invocations", b"{}")
        openmetrics = ask(port, "GET", "/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        text = ask(port, "GET", "/metrics")
        assert openmetrics[1]["content-type"].startswith("application/openmetrics-text")
        yield text[2].decode(), openmetrics[2].decode()


def test_the_linter_of_prometheus_finds_nothing(pages):
    if PROMTOOL is None:
        pytest.skip("promtool is not installed")
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=pages[0].encode(), capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_no_two_families_have_one_name_in_either_format(pages):
    text, openmetrics = pages
    families = [family.name for family in parse_openmetrics(openmetrics)]
    assert len(families) == len(set(families)) and "lambdaproxy_requests" in families
    assert {family.name for family in parse_text(text)} == set(families)


def test_a_slow_request_leads_to_its_trace(pages):
    found = [
        sample.exemplar.labels["trace_id"]
        for family in parse_openmetrics(pages[1])
        if family.name == "lambdaproxy_request_duration_seconds"
        for sample in family.samples
        if sample.exemplar is not None
    ]
    assert found and all(each.startswith("1-") and len(each) == 35 for each in found)


@pytest.mark.parametrize(
    "line",
    [
        'lambdaproxy_requests_total{alias="",code="2xx",function="handler",method="POST",route="ANY $default"} 2.0',
        'lambdaproxy_requests_total{alias="",code="5xx",function="raises",method="POST",route="ANY $default"} 1.0',
        'lambdaproxy_requests_total{alias="",code="4xx",function="other",method="POST",route="ANY $default"} 1.0',
        'lambdaproxy_invocations_total{alias="",function="raises",outcome="function_error"} 1.0',
        'lambdaproxy_errors_total{reason="function_error"} 1.0',
        'lambdaproxy_function_limit{alias="",function="handler",invoker="local"} 10.0',
        'lambdaproxy_held_bytes{what="answers"} 0.0',
        'lambdaproxy_invoke_api_requests_total{code="2xx",function="handler"} 1.0',
        'lambdaproxy_connections_open{listener="metrics"} 1.0',
        'lambdaproxy_connections_total{listener="invoke-api"} 1.0',
        "lambdaproxy_ready 1.0",
    ],
)
def test_what_is_shown(pages, line):
    assert line in pages[0].splitlines()


def test_the_event_loop_is_watched(pages):
    assert "lambdaproxy_event_loop_lag_seconds_count" in pages[0]


def test_the_page_of_the_manual_names_every_metric_and_no_other(pages):
    described = set(re.findall(r"`(lambdaproxy_\w+)`", (ROOT / "docs/operations/metrics.md").read_text()))
    shown = {family.name + ("_total" if family.type == "counter" else "") for family in parse_text(pages[0])}
    ours = {name for name in shown if name.startswith("lambdaproxy_")}
    written = set()
    for path in (ROOT / "lambdaproxy").rglob("*.py"):
        made = r'(?:counter|gauge|histogram)\(\s*"(lambdaproxy_\w+)"'
        written.update(re.findall(made, path.read_text()))
    begin = "lambdaproxy_config_last_reload"  # the supervisor makes these, and puts two names together
    written |= {f"{begin}_successful", f"{begin}_timestamp_seconds"}
    written |= {"lambdaproxy_processes", "lambdaproxy_processes_replaced_total"}
    assert ours | written == described
