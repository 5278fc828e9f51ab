"""`lambdaproxy-conformance`: asks a door from outside, stands alone, and finds what is wrong."""

from __future__ import annotations

import http.server
import json
import subprocess
import sys
import threading

import pytest

from lambdaproxy_conformance import __main__ as command
from lambdaproxy_conformance import cases, report
from lambdaproxy_conformance.__main__ import main
from lambdaproxy_conformance.compare import compare
from lambdaproxy_conformance.functions import echo
from lambdaproxy_conformance.probe import Setup, masked, probe, unseen
from lambdaproxy_conformance.wire import Door
from tests.processes import ROOT, Server

FOLDER = ROOT / "conformance"
ECHO = FOLDER / "lambdaproxy_conformance" / "functions"

#: A door of ours -> the format it is asked as, what it was set up with, and how many cases can be asked at least.
OURS = {
    "alb": ("alb", (), 40),
    "alb:multi_value=yes": ("alb", ("--option", "multi_value=yes"), 3),
    "apigateway-v1": ("apigateway-v1", (), 15),
    "apigateway-v1:binary_media_types=*/*": ("apigateway-v1", ("--option", "binary_media_types=*/*"), 3),
    "apigateway-v2": ("apigateway-v2", (), 25),
    "apigateway-v2:payload=1.0": ("apigateway-v2:payload=1.0", (), 6),
    "function-url": ("function-url", (), 10),
    "vpc-lattice": ("vpc-lattice", (), 10),
    "vpc-lattice:version=1": ("vpc-lattice", ("--option", "version=1"), 2),
}


@pytest.mark.parametrize("door", OURS)
def test_our_own_doors_do_what_aws_does(door, capsys):
    format, setup, least = OURS[door]
    function = ("--local", f"f={ECHO / 'echo.py'}:handler", "--function", "f", "--error-detail", "no")
    with Server(*function, "--format", door) as server:
        assert main([server.url, "--format", format, *setup, "--report", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"]["failed"] == 0 and found["counts"]["passed"] >= least
    assert all(case["source"] and case["grade"] in cases.GRADES for case in found["cases"])


@pytest.mark.parametrize("path", ["/", "/prod"])
def test_our_own_websocket_api_does_what_aws_does(path, tmp_path, capsys):
    pytest.importorskip("wsproto", reason="wsproto is not installed")
    (tmp_path / "proxy.toml").write_text(f"""
[function.f]
handler = "{ECHO / "echo.py"}:handler"
concurrency = 1
[websocket.door]
path = "{path}"
function = "f"
[websocket.door.routes]
"$default" = {{function = "f", two-way = true}}
""")
    with Server("--config", str(tmp_path / "proxy.toml"), "--error-detail", "no") as server:
        code = main([server.url.rstrip("/") + path, "--format", "apigateway-websocket", "--report", "json"])
    found = json.loads(capsys.readouterr().out)
    assert [case for case in found["cases"] if case["verdict"] == "failed"] == []
    assert (code, found["counts"]["passed"]) == (0, found["counts"]["passed"]) and found["counts"]["passed"] >= 18


@pytest.fixture
def wrong_door():
    """A door that says 200 and `hello` to everything, and shows an event that nobody would send."""

    class Wrong(http.server.BaseHTTPRequestHandler):
        def answer(self):
            body = b'{"event": {"path": "/elsewhere"}}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("X-Own", "1")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_HEAD = do_PATCH = do_DELETE = do_OPTIONS = answer

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Wrong)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "words, meant",
    [
        (["apigateway-v2"], "apigateway-v2"),
        (["apigateway-v2", "payload=2.0"], "apigateway-v2"),
        (["apigateway-v2", "payload=1.0"], "apigateway-v2:payload=1.0"),
        (["apigateway-v2:payload=1.0"], "apigateway-v2:payload=1.0"),
        (["apigateway-v2:payload=1.0", "payload=1.0"], "apigateway-v2:payload=1.0"),
        (["apigateway-v2:payload=1.0", "payload=2.0"], None),
        (["apigateway-v2", "payload=3.0"], None),
        (["apigateway-v1", "payload=1.0"], None),
        (["alb", "payload=2.0"], None),
    ],
)
def test_a_payload_is_part_of_the_format(words, meant, monkeypatch, capsys):
    """An option that says which events are wanted chooses the cases, however it is said, or is refused."""
    asked = []

    def run(door, format, setup):
        asked.append(format)
        return []

    monkeypatch.setattr(command, "run", run)
    options = [word for option in words[1:] for word in ("--option", option)]
    assert command.main(["http://127.0.0.1:1", "--format", words[0], *options]) == 2  # nothing could be asked
    assert asked == ([meant] if meant else [])
    if meant is None:
        assert "does not go with --format" in capsys.readouterr().err


@pytest.mark.parametrize("format", sorted({cases.format_of(case) for case in cases.every()}))
def test_a_wrong_door_is_found_out(format, wrong_door, capsys):
    """Every case that can be asked fails: one that cannot is worth nothing."""
    assert main([wrong_door, "--format", format, "--report", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    passed = [case["name"] for case in found["cases"] if case["verdict"] == "passed"]
    assert passed == []


def test_what_fails_is_told_with_its_source(wrong_door, capsys):
    assert main([wrong_door, "--format", "function-url"]) == 1
    told = capsys.readouterr().out
    assert "FAILED  function-url: a string" in told and "Invoking Lambda function URLs" in told
    assert "skipped" in told.splitlines()[-1]


def test_a_page_of_it(wrong_door, capsys):
    assert main([wrong_door, "--format", "alb", "--report", "html"]) == 1
    page = capsys.readouterr().out
    assert page.startswith("<!doctype html>") and "&lt;html&gt;" in page and "http-equiv" not in page
    assert "src=" not in page and "href=" not in page


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ftp://localhost", "--format", "alb"], "is no URL"),
        (["localhost:3000", "--format", "alb"], "is no URL"),
        (["http://127.0.0.1:1", "--format", "alb", "--option", "multi"], "no key=value"),
        (["http://127.0.0.1:1", "--format", "alb", "--option", "multi_value=maybe"], "no case could be asked"),
    ],
)
def test_mistakes(arguments, words, capsys):
    assert main(arguments) == 2
    assert words in capsys.readouterr().err


def test_a_door_that_is_not_there_fails_its_cases(capsys):
    assert main(["http://127.0.0.1:1", "--format", "vpc-lattice", "--timeout", "5"]) == 1
    assert "no answer: ConnectionRefusedError" in capsys.readouterr().out


def test_what_cannot_be_seen_is_skipped_with_the_reason():
    door = Door("http://localhost")
    told = {case["name"]: unseen(case, door, Setup()) for case in cases.every()}
    reasons = " ".join(told.values())
    for part in ("trusted proxy", "other options", "needs the route", "streams", "Lambda API to say", "from outside"):
        assert part in reasons
    assert not told["a string"]


def test_a_stage_of_another_name():
    expected = {"requestContext": {"stage": "prod", "path": "/prod/a", "requestId": "x"}, "path": "/prod/a"}
    seen = {"requestContext": {"stage": "dev", "path": "/dev/a", "requestId": "y"}, "path": "/prod/a"}
    assert compare(masked(expected, "event", ("prod", "dev")), seen, "event") == []
    assert compare(masked(expected, "event", None), seen, "event") != []


def test_the_echo_function_says_what_it_is_told():
    result = {"statusCode": 418}
    from base64 import b64encode

    text = b64encode(json.dumps(result).encode()).decode()
    assert echo.handler({"headers": {"x-conformance-result": text}}, None) == result
    assert echo.handler({"multiValueHeaders": {"X-Conformance-Result": [text]}}, None) == result
    many = echo.handler({"requestContext": {"elb": {}}, "multiValueHeaders": {}}, None)
    assert many["multiValueHeaders"] == {"Content-Type": ["application/json"]}


def test_it_stands_alone():
    """No module of the proxy and nothing that is installed: `-I -S`, and only its own folder on the path."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); from lambdaproxy_conformance.__main__ import main; "
        "import lambdaproxy_conformance.report; "
        "assert not any(m.split('.')[0] in ('lambdaproxy', 'twisted') for m in sys.modules); main(['--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(FOLDER)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "") and "--format" in done.stdout


def test_a_report_counts_every_case(wrong_door):
    door = Door(wrong_door)
    every = [case for case in cases.every() if cases.format_of(case) == "alb"]
    outcomes = [probe(case, door, Setup()) for case in every]
    assert sum(report.counts(outcomes).values()) == len(every)
    assert report.as_text(outcomes, verbose=True).count("\n") >= len(every)
