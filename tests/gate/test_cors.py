"""CORS as each format's service has it; sources of the facts stand in `lambdaproxy/gate/cors.py`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import succeed
from twisted.internet.task import Clock
from twisted.python.usage import UsageError

from lambdaproxy.config.cli import Options
from lambdaproxy.config.cors import cors, cors_of_table
from lambdaproxy.errors import ConfigError, LambdaProxyError, NotFound
from lambdaproxy.gate.cors import CorsRules
from lambdaproxy.gate.decided import Decided
from lambdaproxy.messages import InvocationResult, Request, Response
from lambdaproxy.proxy import Proxy
from lambdaproxy.start.assembly import assemble
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from tests.memory import MemoryCodec, MemoryInvoker, head
from tests.processes import ROOT, Server

PAGE = "https://a.example"


class Answering(MemoryInvoker):
    """Gives the same result for each event, and keeps the events."""

    def __init__(self, result):
        super().__init__()
        self.result, self.events = result, []

    def invoke(self, invocation):
        self.invocations.append(invocation)
        self.events.append(json.loads(invocation.payload))
        return succeed(InvocationResult(json.dumps(self.result).encode()))


class Door:
    """A proxy made from a TOML file, asked without sockets."""

    def __init__(self, tmp_path, text, result=None):
        file = tmp_path / "proxy.toml"
        file.write_text(text)
        options = Options()
        options.parseOptions(["--config", str(file)])
        assembly = assemble(options.configuration())
        self.invoker = Answering({"statusCode": 200, "body": "hi"} if result is None else result)
        metrics, self.clock = Metrics(), Clock()
        accounts = Accounts(self.clock, metrics, FunctionLabels(frozenset()), None)
        self.proxy = Proxy(
            self.clock, assembly.router, assembly.header, assembly.resolve, lambda name: self.invoker, assembly.timeout,
            accounts,
        )  # fmt: skip

    def would(self):
        """Look at a request as the hints at start do."""
        return self.proxy.would_invoke(head(method="GET", target=b"/x", headers=(), content_length=0))

    def ask(self, method, target="/x", client="192.0.2.1", host="example.com", **headers):
        """Status, the headers as a list of pairs with lower-case names, and the body."""
        fields = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
        asked = head(method=method, target=target.encode(), headers=fields, content_length=0, client=client, host=host)
        admission = None
        try:
            admission = self.proxy.admit(asked)
            coroutine = self.proxy.handle(admission, b"")
            try:
                coroutine.send(None)
            except StopIteration as stop:
                response = stop.value
        except LambdaProxyError as error:
            response = self.proxy.answer(asked, error, admission)
        return response.status, [(n.decode().lower(), v.decode()) for n, v in response.headers], response.body

    def preflight(self, target="/x", method="GET", origin=PAGE, **more):
        return self.ask("OPTIONS", target, Origin=origin, Access_Control_Request_Method=method, **more)

    @property
    def invoked(self):
        return len(self.invoker.events)


def request(headers):
    asked = head(headers=headers)
    return Request(
        "OPTIONS", asked.target, asked.version, headers, b"", asked.scheme, asked.host, asked.port, asked.client, "",
        None, asked.id, asked.trace_id, asked.received,
    )  # fmt: skip


def of_cors(headers):
    return [(name, value) for name, value in headers if name.startswith("access-control-") or name == "vary"]


ROUTE = """
format = "apigateway-v2"
function-header = "none"
cors = {{allow-origins = ["{origin}"], allow-methods = ["GET"], allow-headers = ["X-One"]}}
[[route]]
path = "{path}"
{methods}
function = "f"
"""


def test_an_http_api_answers_options_that_no_route_takes(tmp_path):
    door = Door(tmp_path, ROUTE.format(origin=PAGE, path="/x", methods='methods = ["GET"]'))
    status, headers, body = door.ask("OPTIONS")
    assert (status, body) == (204, b"")
    assert [name for name, _ in headers] == ["apigw-requestid"]
    status, headers, _ = door.preflight(Access_Control_Request_Headers="x-one")
    assert status == 204
    assert headers[-1][0] == "apigw-requestid"
    assert of_cors(headers) == [
        ("vary", "origin"),
        ("access-control-allow-origin", PAGE),
        ("access-control-allow-headers", "X-One"),
        ("access-control-allow-methods", "GET"),
    ]
    assert door.invoked == 0


@pytest.mark.parametrize(
    "asked",
    [
        {"origin": "https://b.example"},
        {"origin": "http://a.example"},
        {"origin": "https://a.example:8443"},
        {"origin": "https://a.example.evil"},
        {"origin": "null"},
        {"method": "PUT"},
        {"method": "get"},
        {"Access_Control_Request_Headers": "x-one, x-two"},
    ],
)
def test_a_preflight_that_is_not_permitted_is_answered_without_a_permission(tmp_path, asked):
    door = Door(tmp_path, ROUTE.format(origin=PAGE, path="/{any+}", methods='methods = ["GET", "PUT"]'))
    status, headers, _ = door.preflight(**asked)
    assert status == 204
    assert of_cors(headers) == [("vary", "origin")]
    assert door.invoked == 0


def test_an_http_api_without_cors_knows_no_such_route(tmp_path):
    text = ROUTE.format(origin=PAGE, path="/x", methods='methods = ["POST"]')
    door = Door(tmp_path, "".join(line for line in text.splitlines(True) if not line.startswith("cors")))
    status, headers, body = door.preflight(method="POST")
    assert (status, body) == (404, b'{"message":"Not Found"}')
    assert of_cors(headers) == []


@pytest.mark.parametrize("path", ["/{any+}", "/x", "$default"])
def test_a_route_of_an_http_api_that_takes_any_method_gets_the_preflight(tmp_path, path):
    door = Door(tmp_path, ROUTE.format(origin=PAGE, path=path, methods=""))
    assert door.preflight()[0] == 200
    assert door.invoker.events[0]["requestContext"]["http"]["method"] == "OPTIONS"


def test_preflight_always_answers_before_any_route(tmp_path):
    text = ROUTE.format(origin=PAGE, path="/x", methods="").replace(
        "allow-origins", 'preflight = "always", allow-origins'
    )
    door = Door(tmp_path, text)
    assert door.preflight()[0] == 204
    assert door.ask("OPTIONS")[0] == 200, "what is no preflight is the route's"
    assert door.invoked == 1


@pytest.mark.parametrize(
    ("origin", "sent", "permitted"),
    [
        ("*", "https://b.example", "*"),
        ("https://*", "https://b.example:8443", "https://b.example:8443"),
        ("https://*", "http://b.example", None),
        ("https://*", "https://[::1]:8443", "https://[::1]:8443"),
        ("https://*", "https://user@b.example", None),
        ("https://*", "https://b.example#a", None),
        ("https://*", "https://b.example?a", None),
        ("https://*", "https://b.example:a", None),
        ("http://*", "http://localhost:5173", "http://localhost:5173"),
        (PAGE, PAGE, PAGE),
        (PAGE, "https://A.example", "https://A.example"),
        (PAGE, "https://b.example", None),
        (PAGE, "null", None),
        (PAGE, "", None),
    ],
)
def test_origins(tmp_path, origin, sent, permitted):
    door = Door(tmp_path, ROUTE.format(origin=origin, path="/x", methods='methods = ["GET"]'))
    status, headers, _ = door.ask("GET", Origin=sent)
    assert status == 200
    assert dict(headers).get("access-control-allow-origin") == permitted


def test_an_http_api_replaces_what_the_function_says_even_where_the_page_may_not_ask(tmp_path):
    result = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "access-control-max-age": "5"}}
    door = Door(tmp_path, ROUTE.format(origin=PAGE, path="/x", methods=""), result)
    _, headers, _ = door.ask("GET", Origin=PAGE)
    assert of_cors(headers) == [("vary", "origin"), ("access-control-allow-origin", PAGE)]
    assert of_cors(door.ask("GET", Origin="https://b.example")[1]) == [("vary", "origin")]
    assert of_cors(door.ask("GET")[1]) == []


def test_errors_carry_the_permission_or_the_page_could_not_read_them(tmp_path):
    text = ROUTE.format(origin="*", path="/x", methods='methods = ["POST"]')
    door = Door(tmp_path, text, {"statusCode": "no number"})
    status, headers, body = door.ask("POST", Origin="http://localhost:5173")
    assert (status, body) == (500, b'{"message":"Internal Server Error"}')
    assert of_cors(headers) == [("vary", "origin"), ("access-control-allow-origin", "*")]
    status, headers, _ = door.ask("PUT", Origin="http://localhost:5173")
    assert status == 404
    assert ("access-control-allow-origin", "*") in headers
    door = Door(
        tmp_path, text.replace("allow-origins", 'on-errors = "integration", allow-origins'), {"statusCode": "x"}
    )
    assert of_cors(door.ask("PUT", Origin="http://localhost:5173")[1]) == []
    assert len(of_cors(door.ask("POST", Origin="http://localhost:5173")[1])) == 2


URL = """
format = "function-url"
function-header = "none"
[settings]
function = "f"
[cors]
allow-origins = ["https://localhost:8080"]
allow-methods = ["GET", "POST"]
allow-headers = ["authorization", "content-type", "x-books-authorization"]
allow-credentials = true
"""
LOCAL = "https://localhost:8080"


def test_a_function_url_answers_every_preflight(tmp_path):
    door = Door(tmp_path, URL)
    status, headers, body = door.preflight(method="POST", origin=LOCAL, Access_Control_Request_Headers="content-type")
    assert (status, body) == (200, b"")
    assert [pair for pair in headers if pair[0] != "x-amzn-requestid"] == [
        ("content-type", "application/json"),
        ("vary", "Origin"),
        ("access-control-allow-origin", LOCAL),
        ("access-control-allow-headers", "authorization,content-type,x-books-authorization"),
        ("access-control-allow-methods", "GET,POST"),
        ("access-control-allow-credentials", "true"),
    ]
    status, headers, _ = door.preflight(origin="https://b.example")
    assert status == 200
    assert of_cors(headers) == []
    assert door.invoked == 0
    assert door.ask("OPTIONS", Origin=LOCAL)[0] == 200
    assert door.invoked == 1, "without Access-Control-Request-Method it is no preflight"


def test_a_function_url_adds_to_what_the_function_says(tmp_path):
    door = Door(tmp_path, URL, {"statusCode": 200, "headers": {"access-control-allow-origin": LOCAL}})
    _, headers, _ = door.ask("GET", Origin=LOCAL)
    assert sorted(of_cors(headers)) == [
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-origin", LOCAL),
        ("access-control-allow-origin", LOCAL),
        ("vary", "Origin"),
    ]
    assert of_cors(door.ask("GET", Origin="https://b.example")[1]) == [("access-control-allow-origin", LOCAL)]


def test_a_function_url_names_the_page_where_any_may_ask(tmp_path):
    door = Door(tmp_path, URL.replace('["https://localhost:8080"]', '["*"]'))
    assert ("access-control-allow-origin", PAGE) in door.ask("GET", Origin=PAGE)[1]


def test_a_function_url_without_cors_leaves_all_to_the_function(tmp_path):
    door = Door(tmp_path, URL.partition("[cors]")[0], {"statusCode": 204, "headers": {"access-control-max-age": "5"}})
    status, headers, _ = door.preflight()
    assert status == 204
    assert of_cors(headers) == [("access-control-max-age", "5")]
    assert door.invoker.events[0]["headers"]["access-control-request-method"] == "GET"


@pytest.mark.parametrize("format", ["alb", "alb:multi_value=yes", "apigateway-v1"])
def test_other_formats_answer_preflights_of_routes_that_do_not_name_options(tmp_path, format):
    text = f"""
        format = "{format}"
        function-header = "none"
        cors = "{PAGE}, https://b.example"
        [[route]]
        path = "/x"
        function = "f"
        [[route]]
        path = "/own"
        methods = ["OPTIONS", "GET"]
        function = "f"
    """
    door = Door(tmp_path, text, {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}})
    status, headers, _ = door.preflight(Access_Control_Request_Headers="x-any")
    assert status == 204
    assert of_cors(headers) == [
        ("vary", "Origin"),
        ("access-control-allow-origin", PAGE),
        ("access-control-allow-headers", "*"),
        ("access-control-allow-methods", "*"),
    ]
    assert door.invoked == 0
    assert of_cors(door.ask("GET", Origin=PAGE)[1])[1:] == [("access-control-allow-origin", PAGE)]
    door.preflight("/own")
    assert door.invoked == 2


def test_a_preflight_is_judged_by_the_route_that_the_page_wants(tmp_path):
    text = f"""
        format = "apigateway-v2"
        function-header = "none"
        function = "f"
        [[route]]
        path = "/x"
        methods = ["GET"]
        [[route]]
        path = "/x"
        methods = ["POST"]
        cors = "{PAGE}"
    """
    door = Door(tmp_path, text.replace('function = "f"\n', "", 1).replace("methods", 'function = "f"\n        methods'))
    assert ("access-control-allow-origin", PAGE) in door.preflight(method="POST")[1]
    assert door.preflight(method="GET")[0] == 404
    assert of_cors(door.ask("GET", Origin=PAGE)[1]) == []
    assert ("access-control-allow-origin", PAGE) in door.ask("POST", Origin=PAGE)[1]


def test_with_credentials_a_star_would_be_taken_for_a_name():
    rules = CorsRules(
        cors_of_table({"allow-origins": [PAGE], "allow-methods": "*", "allow-headers": "*", "allow-credentials": True}),
        MemoryCodec(),
    )
    asked = (
        (b"Origin", PAGE.encode()),
        (b"access-control-request-method", b"PATCH"),
        (b"Access-Control-Request-Headers", b"x-a,x-b"),
    )
    fields = dict(rules.answer(request(asked)).headers)
    assert fields[b"Access-Control-Allow-Methods"] == b"PATCH"
    assert fields[b"Access-Control-Allow-Headers"] == b"x-a,x-b"


def test_what_is_exposed_and_how_long_it_may_be_remembered():
    rules = CorsRules(
        cors_of_table({"AllowOrigins": ["*"], "AllowMethods": ["*"], "ExposeHeaders": ["X-A", "X-B"], "MaxAge": 300}),
        MemoryCodec(),
    )
    asked = ((b"Origin", b"https://c.example"), (b"Access-Control-Request-Method", b"PATCH"))
    fields = dict(rules.answer(request(asked)).headers)
    assert fields[b"Access-Control-Max-Age"] == b"300"
    assert b"Access-Control-Expose-Headers" not in fields
    answered = dict(rules.added(Response(200), asked[:1], True).headers)
    assert answered[b"Access-Control-Expose-Headers"] == b"X-A,X-B"
    assert b"Access-Control-Max-Age" not in answered


def test_two_origins_are_none():
    rules = CorsRules(cors("*"), MemoryCodec())
    twice = ((b"Origin", b"https://c.example"), (b"origin", b"https://d.example"))
    assert rules.added(Response(200), twice, True).headers == ()


@given(st.binary(max_size=60).filter(lambda value: value not in (b"https://a.example", b"")))
def test_no_other_origin_passes(origin):
    rules = CorsRules(cors(PAGE), MemoryCodec())
    fields = rules.added(Response(200), ((b"Origin", origin),), True).headers
    assert all(name == b"Vary" for name, _ in fields) or origin.lower() == PAGE.encode()


MISTAKES = [
    ({}, "allow-origins"),
    ({"allow-origins": []}, "allow-origins"),
    ({"allow-origin": ["*"]}, "did you mean allow-origins"),
    ({"allow-origins": ["https://a.example/"]}, "leave out what follows the host"),
    ({"allow-origins": ["a.example"]}, "is no origin such as https://"),
    ({"allow-origins": ["https://a.example:443"]}, "leave out :443, the usual port of https"),
    ({"allow-origins": ["https://b.example", "HTTP://A.example:80"]}, "leave out :80, the usual port of http"),
    ({"allow-origins": ["https://*.a.example:443"], "wildcards": "any"}, "leave out :443"),
    ({"allow-origins": ["https://a.example:0443"]}, "write the port as 443, or leave it out"),
    ({"allow-origins": ["https://a.example:65536"]}, "65536 is no port"),
    ({"allow-origins": ["https://a.example:0"]}, "0 is no port"),
    ({"allow-origins": ["http://[0:0:0:0:0:0:0:1]:3000"]}, "write the host as [::1]"),
    ({"allow-origins": ["http://[::g]"]}, "is no origin"),
    ({"allow-origins": ["http://[1:2]"]}, "[1:2] is no address"),
    ({"allow-origins": ["http://127.1:3000"]}, "127.1 is no address"),
    ({"allow-origins": ["http://10.0.0.256"]}, "10.0.0.256 is no address"),
    ({"allow-origins": ["wss://a.example"]}, "a page has the scheme https wherever it connects to"),
    ({"allow-origins": ["https://*.a.example"]}, 'wildcards = "any"'),
    ({"allow-origins": ["*"], "allow-methods": ["get"]}, "capitals"),
    ({"allow-origins": ["*"], "allow-headers": ["a b"]}, "'a b' is no header name"),
    ({"allow-origins": ["*"], "max-age": 86401}, "-1 to 86400"),
    ({"allow-origins": ["*"], "max-age": "soon"}, "whole number of seconds"),
    ({"allow-origins": ["*"], "allow-credentials": "maybe"}, "neither yes nor no"),
    ({"allow-origins": ["*"], "preflight": "never"}, "none of unrouted, always"),
    ({"allow-origins": ["*"], "AllowOrigins": ["*"]}, "given twice"),
    ({"allow-origins": 5}, "list of texts"),
    ({"allow-origins": ["https://a.example\r\nX: y"]}, "is no origin"),
]


@pytest.mark.parametrize(("table", "words"), MISTAKES, ids=lambda value: value if isinstance(value, str) else "")
def test_mistakes(table, words):
    with pytest.raises(ValueError) as caught:
        cors_of_table(table)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "origin",
    ["https://a.example:8443", "http://a.example:443", "https://a.example:80", "http://localhost:3000", "null", "http://*",
     "http://[::1]:3000", "http://[::ffff:7f00:1]", "http://127.0.0.1:3000", "https://1and1.example", "HTTPS://A.example",
     "chrome-extension://abc", "https://a.example."],
)  # fmt: skip
def test_what_a_browser_may_send_is_taken(origin):
    assert cors_of_table({"allow-origins": [origin]}).allow_origins == (origin,)


@pytest.mark.parametrize(
    ("format", "refused"), [("apigateway-v2", True), ("alb", True), ("apigateway-v1", True), ("function-url", False)]
)
def test_credentials_for_any_page_are_refused_as_an_http_api_refuses_them(tmp_path, format, refused):
    text = f'format = "{format}"\n[cors]\nallow-origins = ["*"]\nallow-credentials = true\n'
    if not refused:
        Door(tmp_path, text)
        return
    with pytest.raises(ConfigError) as caught:
        Door(tmp_path, text)
    assert "allow-credentials" in str(caught.value)
    assert "proxy.toml:2" in str(caught.value)


def test_an_origin_that_nobody_sends_is_named_with_its_line(tmp_path):
    with pytest.raises(UsageError, match=r"proxy\.toml:2: cors: no browser sends 'https://a\.example:443'; leave out"):
        Door(tmp_path, 'format = "alb"\ncors = "https://a.example:443"\n')


def test_a_pattern_in_a_host_where_it_is_asked_for():
    rules = CorsRules(cors_of_table({"allow-origins": ["https://*.a.example"], "wildcards": "any"}), MemoryCodec())
    assert rules.allows(b"https://www.a.example")
    assert not rules.allows(b"https://a.example")
    assert not rules.allows(b"https://evil.example/.a.example")
    assert not rules.allows(b"https://www.a.example:1")


def test_an_origin_that_is_no_name_is_not_compared_with_patterns():
    rules = CorsRules(cors_of_table({"allow-origins": ["https://*.*.a.example"], "wildcards": "any"}), MemoryCodec())
    assert rules.allows(b"https://" + b"x." * 100 + b"a.example")
    assert not rules.allows(b"https://" + b"x." * 200 + b"a.example")


def test_a_decided_answer_is_no_failure(tmp_path):
    door = Door(tmp_path, URL)
    asked = head(
        method="OPTIONS", headers=((b"Origin", LOCAL.encode()), (b"Access-Control-Request-Method", b"GET")),
        content_length=0,
    )  # fmt: skip
    with pytest.raises(Decided):
        door.proxy.admit(asked)
    assert door.proxy.in_flight == 0
    assert door.proxy.answer(asked, NotFound()).status == 403


WELCOMING = """
function-header = "none"
[[route]]
path = "/cors"
format = "function-url"
function = "f"
cors = {allow-origins = ["https://a.example"]}
[[route]]
path = "/mock"
format = "apigateway-v1"
function = "f"
methods = ["GET"]
[[route]]
path = "/mock"
format = "apigateway-v1"
methods = ["OPTIONS"]
fixed-response = 200
response-headers = {Access-Control-Allow-Origin = "https://A.example", Access-Control-Allow-Methods = "GET"}
[[route]]
path = "/any"
format = "apigateway-v1"
methods = ["OPTIONS"]
fixed-response = 200
response-headers = {Access-Control-Allow-Origin = "*"}
[[route]]
path = "/plain"
format = "function-url"
function = "f"
"""


@pytest.mark.parametrize(
    ("method", "target", "origin", "wanted", "welcome"),
    [
        ("GET", "/cors", PAGE, None, True),
        ("OPTIONS", "/cors", PAGE, "GET", True),
        ("GET", "/cors", "https://b.example", None, False),
        ("GET", "/cors", None, None, False),
        ("GET", "/mock", PAGE, None, True),
        ("OPTIONS", "/mock", PAGE, "GET", True),
        ("GET", "/mock", "https://b.example", None, False),
        ("OPTIONS", "/any", "https://b.example", "GET", True),
        ("GET", "/any", "https://b.example", None, False),
        ("OPTIONS", "/any", "https://b.example", None, True),
        ("GET", "/plain", PAGE, None, False),
        ("GET", "/nothing", PAGE, None, False),
    ],
)
def test_whose_pages_are_welcome(tmp_path, method, target, origin, wanted, welcome):
    named = {b"Origin": origin, b"Access-Control-Request-Method": wanted}
    headers = tuple((name, value.encode()) for name, value in named.items() if value is not None)
    asked = head(method=method, target=target.encode(), headers=headers, content_length=0)
    assert Door(tmp_path, WELCOMING).proxy.welcomes(asked) is welcome


def test_no_page_is_welcome_where_no_route_names_one(tmp_path):
    asked = head(target=b"/x", headers=((b"Origin", PAGE.encode()),))
    text = 'format = "function-url"\nfunction-header = "none"\n[[route]]\npath = "/x"\nfunction = "f"\n'
    assert Door(tmp_path, text).proxy.welcomes(asked) is False


def test_pages_that_are_permitted_reach_a_listener_on_loopback_and_others_do_not(tmp_path):
    config = tmp_path / "proxy.toml"
    config.write_text(
        f"""
        local = ["hello=examples/hello.py:handler"]
        format = "apigateway-v2"
        [[route]]
        path = "/open"
        methods = ["POST"]
        function = "hello"
        cors = "{PAGE}"
        [[route]]
        path = "/closed"
        methods = ["POST"]
        function = "hello"
        [[route]]
        path = "/mock"
        methods = ["OPTIONS"]
        fixed-response = {{status-code = 200, message-body = "{{}}"}}
        response-headers = {{Access-Control-Allow-Origin = "{PAGE}"}}
        [[route]]
        path = "/mock"
        methods = ["POST"]
        function = "hello"
        """.replace("=examples/", f"={ROOT}/examples/")
    )
    wanted = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    with Server("--config", str(config)) as server:
        assert server.request("POST", "/open", b"{}", {"Origin": PAGE})[0] == 200
        status, headers, _ = server.request("OPTIONS", "/open", headers=wanted)
        assert (status, headers["access-control-allow-origin"]) == (204, PAGE)
        for path, origin in (("/closed", PAGE), ("/open", "https://b.example")):
            assert server.request("POST", path, b"{}", {"Origin": origin})[0] == 403
        assert server.request("OPTIONS", "/closed", headers=wanted)[0] == 403
        # What a REST API's mock integration answers permits as much.
        status, headers, _ = server.request("OPTIONS", "/mock", headers=wanted)
        assert (status, headers["access-control-allow-origin"]) == (200, PAGE)
        assert server.request("POST", "/mock", b"{}", {"Origin": PAGE})[0] == 200
        for origin in ("https://b.example", "null"):
            assert server.request("POST", "/mock", b"{}", {"Origin": origin})[0] == 403
            assert server.request("OPTIONS", "/mock", headers={**wanted, "Origin": origin})[0] == 403
        # Of a path alone, with a function of the page's own choice, nobody has said anything.
        named = {"Origin": PAGE, "X-Lambda-Function": "hello"}
        assert server.request("PUT", "/mock", b"{}", named)[0] == 403
