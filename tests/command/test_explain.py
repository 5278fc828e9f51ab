"""What `explain` says is what the rules do."""

from __future__ import annotations

import re

import pytest

from lambdaproxy.command import shown
from lambdaproxy.start import explain
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.tap import Options
from tests.processes import ROOT, Server

FILE = f"""
allow = ["api-*"]
timeout = "2m"
[settings]
function = "api-rest"
[invoker.eu]
kind = "aws"
region = "eu-west-1"
[[route]]
path = "/users/{{id}}"
methods = ["GET"]
function = "users:prod"
invoker = "eu"
format = "apigateway-v2:stage=prod"
max-body = "1k"
[[route]]
path = "/{{proxy+}}"
host = "api.example.com"
function = "hello"
[[route]]
path = "/users/{{proxy+}}"
[[route]]
path = "/users/{{id}}"
function = "posts"
[[route]]
path = "/slow"
function = "slow"
format = "apigateway-v1:limits=aws"
[function.hello]
handler = "{ROOT}/examples/hello.py:handler"
"""


@pytest.fixture
def assembly(tmp_path) -> Assembly:
    file = tmp_path / "p.toml"
    file.write_text(FILE)
    return assembled("--config", str(file))


def assembled(*words: str) -> Assembly:
    options = Options()
    options.parseOptions(list(words))
    return options.assembly


def told(assembly: Assembly, *words: str, headers: tuple[str, ...] = ()) -> str:
    return "\n".join(explain.lines(assembly, explain.parse(words, headers)))


@pytest.mark.parametrize(
    ("words", "headers"),
    [(["GET http://a\udc80/"], []), (["G\ud800 /"], []), (["/"], ["a: \udc80"]), (["/"], ["\ud800: b"])],
)
def test_what_is_no_text_is_refused(words, headers):
    with pytest.raises(ValueError, match="no character"):
        explain.parse(words, headers)


@pytest.mark.parametrize("header", ["A: b\r\nX-Lambda-Function: posts", "A: b\n", "A\r: b", "A: \0"])
def test_a_header_of_several_lines_is_none(header):
    with pytest.raises(ValueError, match="a header is one line"):
        explain.parse(["/"], [header])


@pytest.mark.parametrize(
    ("request_", "headers", "says"),
    [
        ("GET https://x.org/users/7?a=1", (), r"route +GET /users/\{id\} \(.*p.toml:9\)"),
        ("GET https://x.org/users/7", (), r"why +it is for any host, the path /users/\{id\}, the method GET"),
        ("GET https://x.org/users/7", (), r"parameters id = '7'"),
        ("GET https://x.org/users/7", (), r"function +users:prod on eu: the route's own \(.*p.toml:12\)\n"),
        ("GET /users/7", ("X-Lambda-Function: api-1",), r"X-Lambda-Function does not overrule it"),
        ("GET /users/7", (), r"invoker +aws, region eu-west-1, from the configuration; retry safe"),
        ("GET /users/7", (), r"format +apigateway-v2:stage=prod \(.*p.toml:14\)"),
        ("GET /users/7", (), r"limits +120 s for the invocation \(.*p.toml:3\)\n +1024 bytes of body \(.*p.toml:15\)"),
        ("GET /users/7", (), r"not taken +ANY api.example.com/\S+ .*: its host is api.example.com, not localhost"),
        ("GET /users/7", (), r"not taken +ANY /users/\{proxy\+\} .*: it matches, but its path is less specific"),
        ("GET /users/7", (), r"not taken +ANY /users/\{id\} .*: it matches, but names no method"),
        ("POST /users/7", (), r"not taken +GET /users/\{id\} .*: its method is GET"),
        ("GET /else", (), r"route +none matches"),
        ("GET /else", (), r"not taken +GET /users/\{id\} .*: its path does not match"),
        (
            "GET /else",
            (),
            r"function +api-rest on aws: no X-Lambda-Function was sent.*of the whole \(.*:5\)",
        ),
        (
            "GET /else",
            ("x-lambda-function: api-1:prod",),
            r"answer +404, not-found: api-1:prod is not permitted",
        ),
        (
            "GET /else",
            ("X-LAMBDA-FUNCTION: api-1",),
            r"function +api-1 on aws: named in X-Lambda-Function, and",
        ),
        ("GET https://api.example.com/users/7", (), r"route +ANY api.example.com/\{proxy\+\}"),
        ("GET https://API.example.com:8443/users/7", (), r"route +ANY api.example.com/\{proxy\+\}"),
        ("GET /x", ("Host: api.example.com",), r"route +ANY api.example.com/\{proxy\+\}"),
        ("GET https://api.example.com/users/7", (), r"GET /users/\{id\} .*: it matches, but its host is less specific"),
        ("GET https://api.example.com/x", (), r"invoker +local: runs functions"),
        ("GET /slow", (), r"limits +29 s for the invocation \(all that apigateway-v1 gives it\)"),
        ("GET /users%2F7", (), r"route +ANY /users/\{proxy\+\}|route +none|route +GET"),
        ("GET /a b", (), r"answer +400, before any route is looked for: request-line"),
        ("G\u00cbT /", (), r"answer +400, before"),
    ],
)
def test_what_is_said(assembly, request_, headers, says):
    text = told(assembly, request_, headers=headers)
    assert re.search(says, text), text


def test_pages_of_our_own_and_hosts():
    assembly = assembled()
    assert "a page of our own" in told(assembly, "/metrics")
    assert "answer     400, bad-function-header: No X-Lambda-Function header was sent" in told(assembly, "/else")
    assert "answer     403, forbidden: Host evil.example.com is not answered to" in told(
        assembly, "GET", "http://evil.example.com/"
    )
    assert "function   f on aws" in told(assembly, "GET /metrics", headers=("X-Lambda-Function: f",))
    assert "a page of our own" not in told(assembled("--disable-metrics"), "/metrics")
    assert "a page of our own" not in told(assembled("--metrics-listen", "0"), "/metrics")
    assert "403, forbidden" in told(assembled("--port", "tcp:1:interface=127.0.0.1"), "http://evil.example.com/")
    assert "forbidden" not in told(assembled("--port", "tcp:1:interface=0.0.0.0"), "http://evil.example.com/")


def test_a_request_in_two_words_and_without_a_method(assembly):
    assert told(assembly, "POST", "https://x.org").startswith("POST https://x.org/\n")
    assert told(assembly, "https://x.org?a=1").startswith("GET https://x.org/?a=1\n")


def test_a_server_does_what_was_said(tmp_path):
    """Statuses of requests that reach no function, and of those that reach an embedded one."""
    file = tmp_path / "p.toml"
    file.write_text(FILE.replace('"users:prod"\ninvoker = "eu"', '"hello"').replace('"posts"', '"hello"'))
    words = ("--config", str(file))
    assembly = assembled(*words)
    with Server(*words, env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}) as server:
        for target, headers in (
            ("/users/7", {}),
            ("/else", {"X-Lambda-Function": "other"}),
            ("/else", {"X-Lambda-Function": "a b"}),
            ("/users/7/x", {"X-Lambda-Function": "no"}),
        ):
            lines = told(assembly, target, headers=tuple(f"{name}: {value}" for name, value in headers.items()))
            expected = re.search(r"answer +(\d+)", lines)
            assert server.request("GET", target, headers=headers)[0] == (int(expected[1]) if expected else 200)


def test_the_status_is_that_of_the_format(tmp_path):
    """A method that a service does not take has a status of its own there, and a gateway response may have another."""
    file = tmp_path / "p.toml"
    file.write_text(
        """
        [settings]
        function = "f"
        [[route]]
        path = "/url"
        format = "function-url"
        [[route]]
        path = "/rest"
        format = "apigateway-v1"
        [[route]]
        path = "/own"
        format = "apigateway-v1"
        gateway-responses.MISSING_AUTHENTICATION_TOKEN = {status-code = 418}
        gateway-responses.DEFAULT_4XX = {status-code = 418}
        """
    )
    assembly = assembled("--config", str(file))
    for path, status in (("/url", 405), ("/rest", 403), ("/own", 418)):
        assert re.search(rf"answer +{status}, bad-request", told(assembly, "PURGE", path)), path


def test_what_a_route_and_a_websocket_api_decide_by_themselves(tmp_path):
    file = tmp_path / "p.toml"
    file.write_text(
        """
        [authorizer.me]
        kind = "closed"
        [[route]]
        path = "/x"
        function = "f"
        rate = "10/s"
        allow-from = ["127.0.0.0/8"]
        gateway-responses.DEFAULT_4XX = {status-code = 418}
        format = "apigateway-v1"
        [websocket.chat]
        path = "/chat"
        function = "f"
        origins = ["https://a.example"]
        max-message = "64KB"
        idle-timeout = "off"
        connections = "me"
        """
    )
    assembly = assembled("--config", str(file))
    text = told(assembly, "/x")
    for said in (
        r"allow-from +127.0.0.0/8 \(.*p.toml:8\)",
        r"rate +10/s with bursts of \d+, by route \(.*p.toml:7\)",
        r"refusals +DEFAULT_4XX are answered otherwise \(.*p.toml:9\)",
    ):
        assert re.search(said, text), (said, text)
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    text = told(assembly, "/chat", headers=(*upgrade, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
    for said in (
        r"routes +\$disconnect to f, \$default to f",
        "origins +pages of https://a.example",
        "65536 bytes of a message, 65536 of a frame; idle off, life 86400 s, ping 60 s",
    ):
        assert re.search(said, text), (said, text)
    # What `config` says of them can be read again, and says the same.
    first = "\n".join(shown.lines(assembly))
    assert 'connections = "me"' in first and "@connections" not in first
    file.write_text(first)
    again = "\n".join(shown.lines(assembled("--config", str(file))))
    assert re.sub(r" +#.*", "", again) == re.sub(r" +#.*", "", first)


def test_who_may_come_in(tmp_path):
    keys, file = tmp_path / "keys", tmp_path / "p.toml"
    keys.write_text(f"partner {'0' * 64}\n")
    file.write_text(
        f"""
        format = "apigateway-v2"
        cors = "https://a.example"
        [authorizer.partners]
        kind = "api-key"
        file = "{keys}"
        [[route]]
        path = "/x"
        methods = ["GET"]
        function = "f"
        authorizer = "partners"
        """
    )
    found = assembled("--config", str(file))
    text = told(found, "GET", "/x")
    assert re.search(r"authorizer  ?partners, api-key \(.*p.toml:11\)", text)
    assert re.search(r"cors +pages of https://a.example \(.*p.toml:3\)", text)
    text = told(found, "OPTIONS", "/x", headers=("Origin: https://a.example", "Access-Control-Request-Method: GET"))
    assert re.search(r"answer +204, ok: a preflight", text)
