"""`lambdaproxy report`, of files and of processes."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from lambdaproxy.command import report
from lambdaproxy.errors import ConfigError
from tests.aws.lambda_stub import lambda_stub
from tests.processes import Server, reserved_port, run_program

PROGRAM = str(Path(sys.executable).parent / "lambdaproxy")
METRICS = """# TYPE lambdaproxy_bill_since_timestamp_seconds gauge
lambdaproxy_bill_since_timestamp_seconds 1000.0
# TYPE lambdaproxy_bill_requests_total counter
lambdaproxy_bill_requests_total{route="GET /a"} 1000.0
# TYPE lambdaproxy_bill_bytes_total counter
lambdaproxy_bill_bytes_total{route="GET /a"} 5e+06
# TYPE lambdaproxy_bill_refused_total counter
lambdaproxy_bill_refused_total{reason="time",route="GET /a",service="rest"} 3.0
"""


def ask(*words, stdin=None):
    done = run_program(PROGRAM, "report", *words, stdin=stdin or "")
    return done.returncode, done.stdout, done.stderr


def test_a_file_and_standard_input(tmp_path):
    file = tmp_path / "metrics"
    file.write_text(METRICS)
    assert "1,000 requests and 4.8 MB" in report.run([str(file)], 4600.0)
    code, said, _ = ask("--json", "-", stdin=METRICS)
    assert code == 0
    found = json.loads(said)
    assert found["routes"][0]["refused"] == [{"service": "rest", "reason": "time", "requests": 3.0}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nope"], "--nope: lambdaproxy report takes"),
        (["--prices"], "--prices: name a file"),
        (["--prices", "/nowhere.toml"], "/nowhere.toml: No such file"),
        (["a", "b"], "b: there is one place"),
        (["/nowhere"], "/nowhere: No such file"),
        (["http://127.0.0.1:x/"], "no metrics came"),
        (["http://[::1/"], "no metrics came"),
    ],
)
def test_what_cannot_be(words, said):
    with pytest.raises((report.Refused, ConfigError)) as caught:
        report.run(words, time.time())
    assert said in str(caught.value)


@pytest.mark.parametrize("text", ["", "junk{", "x 1\n", '{"a":1}', METRICS.replace("since", "other")])
def test_what_are_no_metrics_of_ours(tmp_path, text):
    (tmp_path / "m").write_text(text)
    with pytest.raises(report.Refused, match="these are no metrics of a lambdaproxy that counts"):
        report.run([str(tmp_path / "m")], time.time())


@pytest.mark.parametrize("text", ["secret 1 2 3 4", 'secret{a="b" 1', "# TYPE secret nothing", "secret{"])
def test_what_a_function_answered_instead_is_not_quoted(tmp_path, text):
    (tmp_path / "m").write_text(text + "\n")
    with pytest.raises(report.Refused) as caught:
        report.run([str(tmp_path / "m")], time.time())
    assert "secret" not in str(caught.value)


def test_nobody_there():
    with reserved_port() as port:
        code, _, said = ask(f"http://127.0.0.1:{port}")
    assert code == 1
    assert said.count("\n") == 1
    assert "Connection refused" in said


def test_of_workers_the_whole(tmp_path):
    with lambda_stub() as stub:
        env = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "eu-west-1"}
        words = ("--endpoint-url", stub.url, "--allow", "alb", "--workers", "2", "--control", str(tmp_path / "c"))
        with Server(*words, env=env) as server:
            named = {"X-Lambda-Function": "alb"}
            for _ in range(10):
                assert server.request("POST", "/x", b"x" * 600_000, named)[0] == 200
            code, said, wrong = ask("--json", server.url)
            assert (code, wrong) == (0, "")
            [route] = json.loads(said)["routes"]
            assert route["requests"] == 10
            assert route["bytes"] > 10 * 1_200_000
            assert json.loads(said)["totals"]["http"]["so_far"] == pytest.approx(20 / 1e6)
            assert json.loads(said)["connections"] >= 10
            code, said, _ = ask(server.url)
            assert "HTTP API" in said
