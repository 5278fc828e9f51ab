"""`[websocket.NAME]` tables: what they give, and what is said of mistakes, with its line."""

from __future__ import annotations

import pytest

pytest.importorskip("wsproto", reason="wsproto is not installed")

from lambdaproxy import registry
from lambdaproxy.config.cli import configure
from lambdaproxy.errors import ConfigError
from lambdaproxy.gate.socket_api import AWS, SocketLimits
from lambdaproxy.messages import Function
from lambdaproxy.start.assembly import assemble

FUNCTION = '[function.f]\nhandler = "f.handler"\n'


def assembled(tmp_path, text):
    (tmp_path / "f.py").write_text("def handler(event, context): return {}\n")
    file = tmp_path / "proxy.toml"
    file.write_text(FUNCTION + text)
    return assemble(configure({}, {}, str(file)))


def api(tmp_path, text):
    (found,) = assembled(tmp_path, text).sockets()
    return found


def test_one_function_for_all(tmp_path):
    found = api(tmp_path, '[websocket.chat]\nfunction = "f"\n')
    assert (found.name, found.path, found.stage, found.host) == ("chat", "/prod", "prod", None)
    assert set(found.routes) == {"$disconnect", "$default"}
    assert found.limits == SocketLimits()
    assert found.codec.selection.key('{"action":"x"}') == "x"


def test_everything(tmp_path):
    text = """
[websocket.chat]
host = "ws.example.com"
path = "/"
stage = "dev"
api-id = "abc"
route-selection-expression = "$request.body.a.b"
stage-variables = {table = "t", more = "m"}
limits = "aws"
max-message = "64k"
idle-timeout = "1m"
max-lifetime = "off"
compression = false
timeout = 7
[websocket.chat.routes]
"$connect" = "f:prod"
join = {function = "f", two-way = true, timeout = "3s"}
leave = {function = "x", invoker = "aws"}
"""
    assembly = assembled(tmp_path, text)
    (found,) = assembly.sockets()
    assert (found.path, found.host, found.stage) == ("/", "ws.example.com", "dev")
    assert (found.limits.message, found.limits.frame, found.limits.idle) == (65536, AWS.frame, 60.0)
    assert (found.limits.life, found.limits.ping, found.limits.deflate) == (None, None, False)
    assert found.routes["join"].answers and found.routes["join"].timeout == 3.0
    assert found.routes["leave"].function == Function("aws", "x") and found.routes["leave"].timeout == 7.0
    assert found.codec.timeout == 29.0
    route = next(route for route in assembly.router.routes if route.socket is found)
    assert route.function == Function("local", "f", "prod")
    assert found.codec.encode_message.__self__ is found.codec
    assert {"x", "f"} <= {function.name for function in route.functions()}
    assert "aws" in assembly.used_invokers()
    lines = "\n".join(assembly.describe())
    assert "WEBSOCKET ws.example.com/ " in lines
    assert "WEBSOCKET ws.example.com/ join" in lines and "which answers" in lines


def test_without_connect_everybody_may_connect(tmp_path):
    assembly = assembled(tmp_path, '[websocket.chat.routes]\n"$default" = "f"\n')
    route = next(route for route in assembly.router.routes if route.socket is not None)
    assert route.function is not None and route.function.invoker == "none"
    assert "connected, and nothing runs" in "\n".join(assembly.describe())
    assert "none" in assembly.used_invokers()
    assert assembly.maker("none")[0].make("none", {}, None).ready() is None


def test_a_page_of_the_same_path_is_another_routes(tmp_path):
    assembly = assembled(
        tmp_path,
        '[[route]]\npath = "/prod"\nfunction = "f"\n[websocket.chat]\nfunction = "f"\nhost = "a.example.com"\n',
    )
    plain, _ = assembly.router.match("GET", "a.example.com", b"/prod", (), "")
    asked, _ = assembly.router.match("GET", "a.example.com", b"/prod", ((b"upgrade", b"WebSocket"),), "")
    assert plain.socket is None and asked.socket is not None


def test_whose_pages_may_connect(tmp_path):
    found = api(tmp_path, '[websocket.chat]\nfunction = "f"\norigins = "same-host"\n')
    assert found.origins is not None
    assert api(tmp_path, '[websocket.chat]\nfunction = "f"\norigins = "http://a.example:443"\n').origins is not None
    assert api(tmp_path, '[websocket.chat]\nfunction = "f"\n').origins is None


def test_settings_for_http_are_not_inherited(tmp_path):
    (tmp_path / "f.py").write_text("def handler(event, context): return {}\n")
    file = tmp_path / "proxy.toml"
    file.write_text('cors = "*"\ninvoke-mode = "event"\n' + FUNCTION + '[websocket.chat]\nfunction = "f"\n')
    route = next(route for route in assemble(configure({}, {}, str(file))).router.routes if route.socket is not None)
    assert route.cors is None and route.mode == "buffered"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[websocket.chat]\n", 3, "there is none, so nothing would run"),
        ('[websocket.chat]\nfunction = "f"\nfunktion = "f"\n', 5, "did you mean 'function'?"),
        ('[websocket.chat]\nfunction = "g"\n', 4, "unknown embedded function 'g'"),
        ('[websocket.chat]\nfunction = "f"\npath = "prod"\n', 5, "is no path"),
        ('[websocket.chat]\nfunction = "f"\npath = "/{x}"\n', 5, "is no path"),
        ('[websocket.chat]\nfunction = "f"\nhost = "a b"\n', 5, "is no host name"),
        ('[websocket.chat]\nfunction = "f"\nhost = 7\n', 5, "put it in quotes"),
        ('[websocket.chat]\nfunction = "f"\nlimits = "AWS"\n', 5, "must be one of"),
        ('[websocket.chat]\nfunction = "f"\nroute-selection-expression = "$x"\n', 5, "no route selection expression"),
        ('[websocket.chat]\nfunction = "f"\nmax-message = "7M"\n', 5, "do not fit into an event"),
        ('[websocket.chat]\nfunction = "f"\nidle-timeout = 0\n', 5, "more than 0"),
        ('[websocket.chat]\nfunction = "f"\norigins = []\n', 5, "it is a list of origins"),
        ('[websocket.chat]\nfunction = "f"\norigins = [7]\n', 5, "it is a list of origins"),
        ('[websocket.chat]\nfunction = "f"\norigins = ["example.com"]\n', 5, "is no origin such as"),
        ('[websocket.chat]\nfunction = "f"\norigins = ["https://example.com/"]\n', 5, "leave out what follows"),
        ('[websocket.chat]\nfunction = "f"\norigins = ["https://example.com:443"]\n', 5, "leave out :443"),
        ('[websocket.chat]\nfunction = "f"\norigins = ["HTTP://*.example.com:80"]\n', 5, "leave out :80"),
        ('[websocket.chat]\nfunction = "f"\norigins = ["wss://example.com"]\n', 5, "the scheme https wherever"),
        ('[websocket.chat]\nfunction = "f"\ndomain = "localhost:x"\n', 5, "is no domain name, with or without a port"),
        ('[websocket.chat]\nfunction = "f"\ncompression = "maybe"\n', 5, "neither yes nor no"),
        ('[websocket.chat]\nfunction = "f"\nauthorizer = "who"\n', 5, "unknown authorizer"),
        ('[websocket.chat]\nfunction = "f"\ncors = "*"\n', 5, "unknown key of a WebSocket API"),
        ('[websocket.chat]\nfunction = "f"\nformat = "alb"\n', 5, "unknown format of WebSocket APIs"),
        ('[websocket.chat]\nfunction = "f"\nroutes = ["a"]\n', 5, "it is a table of functions"),
        ("[websocket.chat.routes]\njoin = {two-way = true}\n", 4, "it needs a function"),
        ('[websocket.chat.routes]\njoin = {function = "f", twoway = true}\n', 4, "did you mean 'two-way'?"),
        ('[websocket.chat.routes]\n"$connect" = {function = "f", two-way = true}\n', 4, "only routes of messages"),
        ('[websocket.chat.routes]\njoin = {function = "f", invoker = "eu"}\n', 4, "unknown invoker 'eu'"),
        ('[websocket.chat.routes]\njoin = {function = "g", invoker = "local"}\n', 4, "unknown embedded function 'g'"),
        ('[websocket.chat.routes]\n"" = "f"\n', 4, "is no route key"),
        ('[websocket.Chat]\nfunction = "f"\n', 3, "is no name"),
        ("[[websocket]]\na = 1\n", 3, "must be written as"),
        ('[websockets.chat]\nfunction = "f"\n', 3, r"did you mean \[websocket.NAME\]"),
        ('[[route]]\npath = "/"\nfunction = "f"\nformat = "apigateway-websocket"\n', 6, r"write a \[websocket.NAME\]"),
        (
            '[websocket.a]\nfunction = "f"\n[websocket.b]\nfunction = "f"\n',
            5,
            "match the same requests|can match the same requests",
        ),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, text, line, words):
    with pytest.raises(ConfigError, match=words) as caught:
        assembled(tmp_path, text)
    assert f"proxy.toml:{line}: " in str(caught.value), str(caught.value)


def test_the_domain_in_events_may_have_a_port():
    """By it functions make the URL of `@connections`, where no name without a port leads here."""
    maker = registry.codec_makers()["apigateway-websocket"]
    given = (("domain", "localhost:8443"),)
    assert registry.parse_options(maker.name, maker.options, given)["domain"] == "localhost:8443"
