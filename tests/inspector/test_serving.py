"""The inspector in a real process: what it shows, who may look, what can be sent again."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from tests.processes import WAIT, Server, request, until

HELLO = ("--local", "show=tests/functions/show.py:handler", "--function", "show", "--format", "apigateway-v2")


class Inspected(Server):
    """A server with an inspector; `look` gives a page's JSON."""

    def __init__(self, *arguments, endpoint="0", **more):
        super().__init__(*arguments, "--inspect", endpoint, **more)
        found = self.process.wait_for(r"Inspector: (http://\S+:(\d+)/(?:\?token=(\S+))?)")
        self.inspector, self.token = int(found[2]), found[3]

    def __enter__(self):
        return self

    def look(self, path, body=None, headers=None, status=200):
        method = "GET" if body is None else "POST"
        sent = {"X-Inspector": "1"} if body is not None else {}
        data = b"" if body is None else json.dumps(body).encode()
        code, _, text = request(self.inspector, method, path, data, {**sent, **(headers or {})})
        assert code == status, text
        return json.loads(text)


@pytest.fixture(scope="module")
def running():
    with Inspected(*HELLO) as server:
        yield server


@pytest.fixture
def server(running):
    """The one of most tests, which has seen nothing yet."""
    running.look("/api/clear", {})
    return running


def test_a_request_is_seen_and_sent_again(server):
    server.request(
        "POST", "/a?b=c", b'{"x":1}', {"Content-Type": "application/json", "Authorization": "Bearer s3cret-token"}
    )
    [line] = server.look("/api/requests")["requests"]
    assert (line["method"], line["path"], line["function"], line["status"]) == ("POST", "/a", "show", 200)
    found = server.look(f"/api/requests/{line['number']}")
    assert found["event"]["value"]["body"] == '{"x":1}'
    assert found["format"] == "apigateway-v2"
    assert "START RequestId" in found["log"]
    assert "s3cret-token" not in json.dumps(found)
    assert "s3cret-token" in json.dumps(server.look(f"/api/requests/{line['number']}?reveal=1"))
    formats = server.look(f"/api/requests/{line['number']}/formats")["formats"]
    assert {each["format"] for each in formats} >= {"alb", "apigateway-v1", "function-url"}
    again = server.look(
        "/api/replay",
        {"number": line["number"], "target": "/other", "body": "changed", "format": "apigateway-v1",
         "headers": [["Authorization", "(hidden)"], ["X-New", "y"]]},
    )  # fmt: skip
    found = server.look(f"/api/requests/{again['number']}?reveal=1")
    event = found["event"]["value"]
    assert (event["resource"], event["path"], event["body"]) == ("/{proxy+}", "/other", "changed")
    assert event["headers"]["Authorization"] == "Bearer s3cret-token", "what was hidden is sent as it was"
    assert event["headers"]["X-New"] == "y"
    server.process.wait_for(r'"path":"/other"')


def test_a_function_that_the_header_named_is_named_again():
    with Inspected("--local", "show=tests/functions/show.py:handler") as server:
        server.request("GET", "/x", headers={"X-Lambda-Function": "show"})
        [line] = server.look("/api/requests")["requests"]
        again = server.look("/api/replay", {"number": line["number"], "headers": [["X-A", "b"]]})
        assert server.look(f"/api/requests/{again['number']}")["status"] == 200


@pytest.mark.parametrize(
    "said",
    [
        {"number": 999}, {"number": None}, {"method": "get"}, {"target": "no"}, {"target": "/a b"},
        {"target": "/\r\nX: y"},
        {"headers": "x"}, {"headers": [["a"]]}, {"headers": [["a b", "c"]]}, {"headers": [["a", "b\r\nc: d"]]},
        {"body_base64": "!"}, {"format": "nothing"}, {"format": "alb:no=yes"}, {"function": "a b"},
        {"function": "absent"},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_sent_is_said(server, said):
    server.request("GET", "/x")
    [line] = server.look("/api/requests")["requests"]
    code, _, text = request(
        server.inspector, "POST", "/api/replay", json.dumps({"number": line["number"], **said}).encode(),
        {"X-Inspector": "1"},
    )  # fmt: skip
    assert code in (200, 400, 404), text
    if code == 200:  # it was sent, and its answer is an error
        assert server.look(f"/api/requests/{json.loads(text)['number']}")["status"] >= 400
    assert "Traceback" not in server.process.output
    assert server.request("GET", "/x")[0] == 200


def test_who_leaves_while_a_request_is_sent_again_leaves_nothing_behind(tmp_path):
    (tmp_path / "slow.py").write_text(
        "import time\ndef handler(event, context):\n"
        "    if 'wait' in event['rawPath']:\n        time.sleep(60)\n    return 'x'\n"
    )
    with Inspected(
        "--local", f"f={tmp_path}/slow.py:handler", "--function", "f", "--format", "apigateway-v2"
    ) as server:
        server.request("GET", "/x?token=hunter2000")
        [line] = server.look("/api/requests")["requests"]
        said = json.dumps({"number": line["number"], "target": "/wait?token=(hidden)"}).encode()
        with socket.create_connection(("127.0.0.1", server.inspector), WAIT) as asking:
            asking.sendall(
                b"POST /api/replay HTTP/1.1\r\nHost: localhost\r\nX-Inspector: 1\r\nContent-Length: %d\r\n\r\n%b"
                % (len(said), said)
            )
            until(lambda: len(server.look("/api/requests")["requests"]) == 2, "sent again")
        until(lambda: all(each["done"] for each in server.look("/api/requests")["requests"]), "it is over")
        again = server.look(f"/api/requests/{line['number'] + 1}?reveal=1")
        assert (again["fate"], again["target"]) == ("client_gone", "/wait?token=hunter2000")


def test_who_may_look(server):
    look = lambda headers, method="GET", path="/api/requests": request(  # noqa: E731
        server.inspector, method, path, b"{}" if method == "POST" else b"", headers
    )[0]
    assert look({}) == 200
    assert look({"Host": "evil.example"}) == 403
    assert look({"Origin": "https://evil.example"}) == 403
    assert look({"Sec-Fetch-Site": "cross-site"}) == 403
    for path in ("/api/clear", "/api/replay", "/api/pause"):
        assert look({}, "POST", path) == 404, "a form of another site cannot send the header"
        assert look({"X-Inspector": "1", "Origin": "https://evil.example"}, "POST", path) == 403
    assert look({"X-Inspector": "1"}, "POST", "/api/clear") == 200
    assert look({}, "GET", "/../etc/passwd") == 404
    assert look({}, "DELETE", "/") == 404
    status, headers, page = request(server.inspector, "GET", "/", b"", {})
    assert status == 200
    assert "default-src 'none'" in headers["content-security-policy"]
    assert b"http://" not in page.replace(b"http://127", b"")


def test_elsewhere_a_token_is_asked_for():
    allow = ("--allow", "f", "--endpoint-url", "http://127.0.0.1:9", "--aws-region", "us-east-1")
    env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}
    with Inspected(*allow, env=env) as server:
        assert server.token
        assert request(server.inspector, "GET", "/", b"", {})[0] == 403
        assert request(server.inspector, "GET", "/?token=x", b"", {})[0] == 403
        assert request(server.inspector, "GET", "/app.js", b"", {"Cookie": "lambdaproxy-inspector=x"})[0] == 403
        status, headers, _ = request(server.inspector, "GET", f"/?token={server.token}", b"", {})
        assert status == 200
        cookie = headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        seen = {"Cookie": f"other=1; {cookie.partition(';')[0]}"}
        assert request(server.inspector, "GET", "/api/requests", b"", seen)[0] == 200


def test_pages_are_told_as_requests_come_and_end_with_us():
    with Inspected(*HELLO) as server, socket.create_connection(("127.0.0.1", server.inspector), WAIT) as page:
        page.settimeout(WAIT)
        page.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        told = b""
        while b"retry:" not in told:
            told += page.recv(65536)
        server.request("GET", "/seen")
        while b'"done":true' not in told:
            told += page.recv(65536)
        [last] = json.loads(re.findall(rb"event: requests\ndata: (\[.*\])\n", told)[-1])
        assert (last["path"], last["status"]) == ("/seen", 200)
        server.process.stop()
        assert "Stopped" in server.process.output, "an open page holds up no stop"


def test_what_is_no_request_is_shown_with_its_bytes(server):
    with socket.create_connection(("127.0.0.1", server.port), WAIT) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nCookie: s3cret\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400")
    until(lambda: server.look("/api/requests")["requests"], "the refusal is seen")
    [line] = server.look("/api/requests")["requests"]
    found = server.look(f"/api/requests/{line['number']}")
    assert found["refused"]["reason"] == "host"
    assert "Host: b" in found["refused"]["bytes"]
    assert "s3cret" not in json.dumps(found)


BROKEN = [
    (  # clients' names are in lower case in this format, and this client sent none
        "def handler(event, context):\n    return event['headers']['X-Tenant']",
        "function_error",
        "KeyError",
    ),
    (
        "def handler(event, context):\n    return {'body': 5, 'headers': 5, 'statusCode': 'x'}",
        "malformed_result",
        "statusCode",
    ),
    ("def handler(event, context):\n    raise KeyError('x')", "function_error", "KeyError"),
    ("import time\ndef handler(event, context):\n    time.sleep(30)", "function_timeout", ""),
    (
        "def handler(event, context):\n    return {'statusCode': 200, 'headers': {'a b': 'c'}}",
        "malformed_result",
        "header",
    ),
    (
        "def handler(event, context):\n    return {'statusCode': 200, 'body': '!', 'isBase64Encoded': True}",
        "malformed_base64",
        "base64",
    ),
]


def broken(folder: Path) -> Inspected:
    """A server with the functions of `BROKEN`, each behind its number."""
    config = folder / "p.toml"
    tables = ['format = "function-url"\n']
    for number, (code, _, _) in enumerate(BROKEN):
        (folder / f"broken{number}.py").write_text(code)
        tables.append(
            f'[function.broken{number}]\nhandler = "broken{number}.handler"\n'
            f"directory = {json.dumps(str(folder))}\ntimeout = 1\n"
            f'[[route]]\npath = "/{number}"\nfunction = "broken{number}"\n'
        )
    config.write_text("".join(tables))
    return Inspected("--config", str(config))


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    with broken(tmp_path_factory.mktemp("broken")) as server:
        yield server


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_what_is_wrong_with_a_function_is_said(faulty, number):
    code, label, word = BROKEN[number]
    faulty.look("/api/clear", {})
    assert faulty.request("GET", f"/{number}")[0] >= 500
    [line] = faulty.look("/api/requests")["requests"]
    problem = faulty.look(f"/api/requests/{line['number']}")["problem"]
    assert problem["label"] == label
    assert word in problem["detail"]
    assert problem["advice"]
    if "raise KeyError" in code or "X-Tenant" in code:
        assert re.search(r"KeyError: '(x|X-Tenant)'", problem["detail"]), "the message is there at once"


def found_by_default(*arguments):
    """The endpoint of the inspector of a command line."""
    from lambdaproxy.config.cli import Options
    from lambdaproxy.start.assembly import assemble
    from lambdaproxy.start.inspecting import endpoint_of

    options = Options()
    options.parseOptions(arguments)
    return endpoint_of(assemble(options.configuration()), alone="--workers" not in arguments)


@pytest.mark.parametrize(
    ("arguments", "endpoint"),
    [
        (HELLO, "tcp:8012:interface=127.0.0.1"),
        ((*HELLO, "--host", "::1"), "tcp:8012:interface=127.0.0.1"),
        ((*HELLO, "--inspect", "9000"), "tcp:9000:interface=127.0.0.1"),
        ((*HELLO, "--inspect", "off"), None),
        ((*HELLO, "--host", "0.0.0.0"), None),
        ((*HELLO, "--port", "unix:/tmp/x.sock"), None),
        ((*HELLO, "--port", "haproxy:tcp:8011:interface=127.0.0.1"), None),
        ((*HELLO, "--workers", "2"), None),
        ((*HELLO, "--allow", "other"), None),
        (("--function", "f"), None),
        ((), None),
    ],
    ids=lambda each: " ".join(each[6:]) if isinstance(each, tuple) else "",
)
def test_it_is_on_where_everything_is_embedded_and_nobody_else_comes(arguments, endpoint):
    assert found_by_default(*arguments) == endpoint


def test_a_port_that_is_taken_keeps_nobody_from_starting():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with Inspected(*HELLO, endpoint=str(taken)) as server:
            server.process.wait_for(f"tcp:{taken}:interface=127.0.0.1 was taken, so the inspector has this port")
            assert server.inspector != taken
            assert server.look("/api/requests")["requests"] == []


def test_it_gives_way_to_every_port_that_was_asked_for():
    words = (*HELLO, "--invoke-api", "0", "--invoke-api-unsigned", "--metrics-listen", "tcp:0:interface=127.0.0.1")
    with Inspected(*words) as server:
        server.process.wait_for("Lambda Invoke API for SDKs on")
        opened = re.findall(r"ProxySite starting on (\d+)", server.process.output)
        assert len(opened) == 4 and int(opened[-1]) == server.inspector


@pytest.mark.parametrize("written", ["tcp6:8012:interface=\\:\\:1", "tcp:port=8012", "ssl:8012:privateKey=k.pem"])
def test_any_other_port_is_on_the_same_address(written):
    from lambdaproxy.start.inspecting import _PORT

    assert _PORT.sub(r"\g<1>0", written, count=1) == written.replace("8012", "0")


@pytest.mark.parametrize("asked", [True, False], ids=["log-tail", "plain"])
def test_the_log_of_functions_on_aws_is_shown_and_written_only_where_it_was_asked_for(asked):
    from tests.aws.lambda_stub import lambda_stub

    with lambda_stub() as stub:
        words = ("--allow", "log", "--allow", "stream-5", "--endpoint-url", stub.url, "--aws-region", "us-east-1")
        env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}
        with Inspected(*words, *(["--log-tail"] if asked else []), env=env) as server:
            seen = {"Cookie": f"lambdaproxy-inspector={server.token}"}
            assert server.request("GET", "/x", headers={"X-Lambda-Function": "log"})[0] == 200
            [line] = server.look("/api/requests", headers=seen)["requests"]
            assert "hello" in server.look(f"/api/requests/{line['number']}", headers=seen)["log"]
            server.process.stop()
            assert server.process.output.count("hello") == asked
            assert "\x1b" not in server.process.output, "what a terminal would obey is written as text"


def test_the_log_of_a_stream_on_aws_is_shown(tmp_path):
    from tests.aws.lambda_stub import lambda_stub

    with lambda_stub() as stub:
        (tmp_path / "p.toml").write_text(
            '[[route]]\npath = "/x"\nfunction = "stream-5"\nformat = "function-url"\ninvoke-mode = "response-stream"\n'
        )
        words = ("--config", str(tmp_path / "p.toml"), "--allow", "x", "--endpoint-url", stub.url)
        env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}
        with Inspected(*words, env=env) as server:
            seen = {"Cookie": f"lambdaproxy-inspector={server.token}"}
            assert server.request("GET", "/x")[0] == 200
            [line] = server.look("/api/requests", headers=seen)["requests"]
            assert server.look(f"/api/requests/{line['number']}", headers=seen)["log"] == "log"
