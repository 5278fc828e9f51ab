"""`lambdaproxy-conformance`: asks a door from outside, stands alone, and finds what is wrong."""

from __future__ import annotations

import base64
import http.server
import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest

from lambdaproxy_conformance import __main__ as command
from lambdaproxy_conformance import cases, report
from lambdaproxy_conformance.__main__ import main
from lambdaproxy_conformance.compare import compare
from lambdaproxy_conformance.functions import echo
from lambdaproxy_conformance.probe import Setup, masked, probe, unseen
from lambdaproxy_conformance.wire import Door
from tests.processes import ROOT, Server
from tests.web.test_site import certificate

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
        assert main([server.url, "--format", format, *setup, "--grade", "A,B,C", "--report", "json"]) == 0
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
        url = server.url.replace("http:", "ws:").rstrip("/") + path
        code = main([url, "--format", "apigateway-websocket", "--grade", "A,B,C", "--report", "json"])
        assert main([server.url, "--format", "apigateway-websocket"]) == (0 if path == "/" else 2)
    told = capsys.readouterr()
    found = json.JSONDecoder().raw_decode(told.out)[0]
    assert [case for case in found["cases"] if case["verdict"] == "failed"] == []
    assert ("does the URL lack its stage" in told.err) == (path != "/")
    assert (code, found["counts"]["passed"]) == (0, found["counts"]["passed"]) and found["counts"]["passed"] >= 18


class Wrong(http.server.BaseHTTPRequestHandler):
    """Says 200 to everything, and shows an event that nobody would send."""

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


@pytest.fixture
def wrong_door():
    """Its URL."""
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
    asked: list[str] = []

    def run(door, chosen, setup, jobs):
        asked.extend({cases.format_of(case) for case in chosen})
        return []

    monkeypatch.setattr(command, "run", run)
    options = [word for option in words[1:] for word in ("--option", option)]
    # nothing could be asked
    assert command.main(["http://127.0.0.1:1", "--format", words[0], "--anyway", *options]) == 2
    assert asked == ([meant] if meant else [])
    if meant is None:
        assert "does not go with --format" in capsys.readouterr().err


@pytest.mark.parametrize("format", sorted({cases.format_of(case) for case in cases.every()}))
def test_a_wrong_door_is_found_out(format, wrong_door, capsys):
    """Every case that can be asked fails: one that cannot is worth nothing."""
    assert main([wrong_door, "--format", format, "--anyway", "--grade", "A,B,C", "--report", "json"]) == 1
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
        (["localhost:3000", "--format", "alb"], "did you mean http://localhost:3000?"),
        (["http://localhost:99999", "--format", "alb"], "ports are 1 to 65535"),
        (["http://localhost:0", "--format", "alb"], "ports are 1 to 65535"),
        (["http://a..b", "--format", "alb"], "a host or a port that cannot be"),
        (["http://u:secret@localhost/?a=1", "--format", "alb"], "URL 'http://localhost/?a=1' has more than a path"),
        (["http://localhost/a b", "--format", "alb"], "must be written as %"),
        (["ws://localhost", "--format", "alb"], "whose format is apigateway-websocket"),
        (["http://localhost", "--format", "alb", "--host-header", "a\r\nb"], "cannot be a host"),
        (["https://localhost", "--format", "alb", "--ca", "/dev/null"], "no file with certificates"),
        (["http://localhost", "--format", "alb", "--timeout", "0"], "no time to wait"),
        (["http://localhost", "--format", "alb", "--jobs", "0"], "no number of cases"),
        (["http://localhost", "--format", "alb", "--grade", "D"], "no list of A, B, C"),
        (["http://localhost", "--format", "alb", "--case", "nothing like it"], "--list tells their names"),
        (["http://localhost"], "--format is needed"),
        (["--format", "alb"], "a URL is needed"),
        (["http://127.0.0.1:1", "--format", "alb", "--option", "multi"], "no key=value"),
        (["http://127.0.0.1:1", "--format", "alb"], "nobody listens at that port"),
    ],
)
def test_mistakes(arguments, words, capsys):
    """One sentence each, and nothing else."""
    assert main(arguments) == 2
    told = capsys.readouterr()
    assert words in told.err and told.err.count("\n") == 1 and told.out == "" and "secret" not in told.err


def event_of(**members):
    return json.dumps({"event": members}).encode()


def answer(body, head="200 OK"):
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (head.encode(), len(body), body)


@pytest.fixture
def saying():
    """A function: what is sent to each connection, one after the other (the last to all that follow; None: nothing, for
    ever) -> the door's host and port."""
    ends = []

    def opened(*answers):
        sock = socket.create_server(("127.0.0.1", 0))
        held = []

        def serve():
            left = list(answers)
            while True:
                try:
                    connection, _ = sock.accept()
                except OSError:
                    return
                held.append(connection)
                said = left.pop(0) if len(left) > 1 else left[0]
                if said is not None:
                    connection.settimeout(30)
                    connection.recv(65536)
                    for part in [said] if isinstance(said, bytes) else said:
                        try:
                            connection.sendall(part)
                        except OSError:
                            break
                    connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()

        def end():
            sock.shutdown(socket.SHUT_RDWR)
            sock.close()
            for connection in held:
                connection.close()
            thread.join(30)

        ends.append(end)
        return f"127.0.0.1:{sock.getsockname()[1]}"

    yield opened
    for end in ends:
        end()


def drips():
    """A head without an end: a byte now and then."""
    yield b"HTTP/1.1 200 OK\r\nX-A: "
    for _ in range(3000):
        time.sleep(0.01)
        yield b"a"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"", "closes the connection without an answer; is it https://?"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "answers what is no HTTP (BadStatusLine"),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 500 + b"\r\n", "answers what is no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", "breaks off in its answer, after 3 bytes"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "breaks off in its answer"),
        ([b"HTTP/1.1 200 OK\r\n\r\n", *[b"a" * 65536] * 200], "the answer has 8 MB and more"),
        (None, "does not answer within 0.3 s"),
        (drips(), "does not answer within 0.3 s"),
        (
            b"HTTP/1.1 301 Gone\r\nLocation: http://a/\x1b[2J\r\nContent-Length: 0\r\n\r\n",
            r"redirects to 'http://a/\x1b[2J' (301)",
        ),
        (answer(b"<h1>Hello\x1b"), r"is answered 200 b'<h1>Hello\x1b', and not by the echo function"),
        (answer(b"[" * 100_000), "and not by the echo function"),
        (answer(b"{}", "404 Not Found"), "does the URL lack its stage"),
        (answer(event_of(version="2.0", requestContext={"http": {}})), "the event of apigateway-v2 or function-url"),
        (
            answer(event_of(httpMethod="GET", resource="/")),
            "the event of apigateway-v1 or apigateway-v2:payload=1.0, not",
        ),
        (answer(event_of(raw_path="/")), "the event of vpc-lattice"),
        (
            answer(event_of(requestContext={"eventType": "CONNECT", "connectionId": "a"})),
            "of apigateway-websocket, not",
        ),
        (answer(event_of(requestContext={"elb": {}}, multiValueHeaders={})), "say so with --option multi_value=yes"),
    ],
)
def test_a_door_that_cannot_be_asked_is_told_in_a_sentence(said, words, saying, capsys):
    timeout = "0.3" if "0.3" in words else "30"
    assert main([f"http://{saying(said)}", "--format", "alb", "--timeout", timeout]) == 2
    told = capsys.readouterr()
    assert words in told.err and told.err.count("\n") == 1 and told.out == "" and "\x1b" not in told.err


def frame(payload, opcode=1):
    return bytes((0x80 | opcode, len(payload))) + payload


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (answer(b"no", "404 Not Found"), "handshake with 404 b'no'"),
        (b"HTTP/1.1 302 Found\r\nLocation: /prod\r\n\r\n", "redirects to '/prod'"),
        (b"HTTP/1.1 101 Go\r\n\r\n", "does not answer a message (the connection ended)"),
        (
            b"HTTP/1.1 101 Go\r\n\r\n" + frame(b"\x03\xf3", 8),
            "does not answer a message (the connection was closed with 1011)",
        ),
        (b"HTTP/1.1 101 Go\r\n\r\n\xc1\x03abc", "wrongly deflated"),
        (b"HTTP/1.1 101 Go\r\n\r\n\x81\x7f" + b"\xff" * 8, "a frame of 18446744073709551615 bytes"),
        (b"HTTP/1.1 101 Go\r\n\r\n" + frame(b"hello"), "another function than the echo function"),
        (b"HTTP/1.1 101 Go\r\n\r\n" + frame(b"\xff"), "another function than the echo function"),
        (b"HTTP/1.1 101 Go\r\n\r\n" + frame(b'{"event": {}}'), "has not heard of $connect"),
    ],
)
def test_a_websocket_api_that_cannot_be_asked_is_told_in_a_sentence(said, words, saying, capsys):
    assert main([f"ws://{saying(said)}", "--format", "apigateway-websocket"]) == 2
    told = capsys.readouterr()
    assert words in told.err and told.err.count("\n") == 1 and told.out == ""


def test_a_door_that_stops_answering_is_not_waited_for_case_by_case(saying, capsys):
    url = f"http://{saying(answer(event_of(path='/')), None)}"
    assert main([url, "--format", "alb", "--timeout", "0.2", "--verbose"]) == 1
    told = capsys.readouterr().out
    assert told.count("no answer: the door does not answer within 0.2 s") == 1
    assert told.count("(the door had stopped answering)") >= 30


def test_several_cases_at_once_are_told_in_their_order(wrong_door, capsys):
    told = []
    for jobs in ("1", "8"):
        assert main([wrong_door, "--format", "alb", "--jobs", jobs, "--report", "json"]) == 1
        told.append([case["name"] for case in json.loads(capsys.readouterr().out)["cases"]])
    assert told[0] == told[1]


def test_tls(tmp_path, capsys):
    """A certificate that nobody signed is told in a sentence, and can be believed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    key, cert = certificate(tmp_path)
    context.load_cert_chain(cert, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Wrong)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    ask = [f"https://localhost:{port}", "--format", "vpc-lattice", "--case", "base64"]
    try:
        assert main(ask) == 2
        assert "--ca FILE names one that is, --insecure believes any" in capsys.readouterr().err
        assert main([*ask, "--ca", cert]) == 1
        assert main([*ask, "--insecure"]) == 1
        assert main([f"http://localhost:{port}", *ask[1:], "--timeout", "20"]) == 2
        assert "is it https://?" in capsys.readouterr().err
    finally:
        server.shutdown()
        server.server_close()


def test_a_password_is_sent_and_not_reported(saying, capsys):
    """Of a URL only what may be passed on stands in a report; what the door makes of it is no difference."""
    echoed = answer(event_of(path="/\x1b[2J<script>", headers={"authorization": "Basic dTpzZWNyZXQ="}))
    for kind in ("text", "json", "html", "issue"):
        arguments = ["--format", "apigateway-v2", "--case", "plain", "--report", kind]
        assert main([f"http://u:secret@{saying(echoed)}/dev", *arguments]) == 1
        told = capsys.readouterr().out
        for secret in ("secret", "u:", "dTpzZWNyZXQ=", "Authorization", "authorization should be absent", "\x1b"):
            assert secret not in told, (kind, secret)
        assert kind != "html" or ("&lt;script&gt;" in told and "<script>" not in told)
    assert main([f"http://u:secret@{saying(answer(b'dTpzZWNyZXQ='))}", "--format", "alb"]) == 2
    assert "b'***'" in capsys.readouterr().err


def test_the_stage_is_what_the_first_event_says(saying, capsys):
    about = {"http": {"path": "/dev/capture/plain"}, "stage": "dev"}
    event = answer(event_of(version="2.0", rawPath="/dev/capture/plain", requestContext=about))
    ask = ["--format", "apigateway-v2", "--case", "recorded: the path /capture/plain"]
    assert main([f"http://{saying(event)}/dev", *ask]) == 0
    assert main([f"http://{saying(event)}/dev", *ask, "--stage", "$default"]) == 1


def test_what_one_of_the_echo_functions_cannot_say_is_not_asked():
    """Node writes 200 for 200.0; a door cannot be blamed for taking that."""
    (case,) = (case for case in cases.every() if case["name"] == "the status is a fraction")
    assert "which Node does not" in unseen(case, Door("http://localhost"), Setup())


def test_a_function_that_is_not_told_of_a_connection(saying, capsys):
    said = b"HTTP/1.1 101 Go\r\n\r\n" + frame(b'{"event": {}}')
    ask = ["--format", "apigateway-websocket", "--case", "a connection without a User-Agent", "--anyway"]
    assert main([f"ws://{saying(said)}", *ask]) == 1
    assert "was not told of the connection's begin, or another process of it was" in capsys.readouterr().out


def test_the_list_of_cases(capsys):
    assert main(["--list", "--report", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert len(listed) == len(cases.every())
    assert all(case["name"] and case["source"] and case["grade"] in cases.GRADES for case in listed)
    names = [(case["format"], case["name"]) for case in listed]
    assert len(set(names)) == len(names)
    assert main(["--list", "--format", "alb", "--case", "BASE64 with"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "B  alb: base64 with line breaks" in told and "       ELB guide, Lambda functions as targets" in told
    assert main(["--echo"]) == 0
    assert capsys.readouterr().out.strip() == str(ECHO)


def test_what_aws_has_not_said_is_asked_on_demand(wrong_door, capsys):
    assert main([wrong_door, "--format", "alb", "--option", "multi_value=maybe"]) == 2
    assert "no case could be asked" in capsys.readouterr().err
    ask = [wrong_door, "--format", "alb", "--case", "Location //", "--report", "json"]
    assert main(ask) == 2
    told = capsys.readouterr()
    assert "is of grade C: --grade A,B,C asks it" in told.out and "no case could be asked" in told.err
    assert main([*ask, "--grade", "c"]) == 1


def test_reports_of_issues(wrong_door, capsys):
    """What was sent, what the function returned, what came, what AWS does, and who says so."""
    ask = [wrong_door, "--format", "alb", "--report", "issue", "--name", "Wrong 1.0"]
    assert main([*ask, "--case", "the status is", "--grade", "A,B,C"]) == 1
    told = capsys.readouterr().out
    head, _, same = told.partition("The same in:")
    for words in (
        "## alb: the status is text\n\nAsked of Wrong 1.0.",
        'The function returns:\n\n    {"statusCode": "200"}',
        "Sent:\n\n    GET / HTTP/1.1\n    Host: ",
        "Came:\n\n    HTTP/1.1 200 OK\n    Server: ",
        "    status: expected 502, is 200",
        "Source (grade B, AWS's documentation): ELB guide, Lambda functions as targets.",
    ):
        assert words in head
    assert "X-Conformance-Result" not in told and "* the status is 600" in same
    assert main([*ask, "--case", "function error"]) == 1
    assert "The function fails." in capsys.readouterr().out
    assert main([*ask, "--case", "JSON is text"]) == 1
    assert 'The function returns the event that it gets, as `{"event": ...}`' in capsys.readouterr().out


def test_blocks_of_reports_cannot_be_ended():
    assert report._indented("a\r\n```\n\x1b[1m\n") == ["    a", "    ```", r"    \x1b[1m"]


def test_the_echo_functions_are_alike(tmp_path):
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    socket_of = {"connectionId": "a", "eventType": "CONNECT"}
    message = {"connectionId": "a", "eventType": "MESSAGE"}
    results = [{"statusCode": 418, "body": "é"}, "text", None, [1], {"conformance": "raise"}]
    asked = [base64.b64encode(json.dumps(result).encode()).decode() for result in results]
    events = [
        *({"headers": {"x-conformance-result": text}} for text in asked),
        {"multiValueHeaders": {"X-Conformance-Result": [asked[0]]}},
        {"headers": None},
        {"requestContext": {"elb": {}}, "multiValueHeaders": {}},
        {"requestContext": {"elb": {}}, "headers": {}},
        {"requestContext": socket_of},
        *(
            {"requestContext": message, "body": body}
            for body in (
                "hello",
                '{"conformance": "CONNECT"}',
                '{"conformance": "raise"}',
                "[1]",
                '{"conformance": "no"}',
            )
        ),
        {"requestContext": message, "body": '{"conformance": "result", "result": {"a": 1}}'},
        {"requestContext": message, "body": '{"conformance": "CONNECT", "connectionId": "b"}'},
    ]

    def python(event):
        try:
            return echo.handler(event, None)
        except RuntimeError:
            return "raised"

    program = (
        f"import {{handler}} from {json.dumps((ECHO / 'echo.mjs').as_uri())}; const found = [];"
        "for (const event of JSON.parse(process.argv[1]))"
        " found.push(await handler(event).catch(() => 'raised')); console.log(JSON.stringify(found));"
    )
    done = subprocess.run(
        ["node", "--input-type=module", "-e", program, json.dumps(events)],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr

    def read(results):
        """Bodies are compared as what they say: the two write JSON with and without spaces."""
        return [
            {**result, "body": json.loads(result["body"])}
            if "event" in str(getattr(result, "get", str)("body"))
            else result
            for result in results
        ]

    assert read(json.loads(done.stdout)) == read([python(event) for event in events])


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
    text = base64.b64encode(json.dumps(result).encode()).decode()
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
