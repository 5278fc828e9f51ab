"""Mistakes that people make, and what they are told: the message alone says where it is and what to write."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from twisted.python import usage

from lambdaproxy.config.cli import Options
from lambdaproxy.errors import ConfigError
from lambdaproxy.start.assembly import assemble

ROOT = Path(__file__).parent.parent.parent
HELLO = f'handler = "{ROOT}/examples/hello.py:handler"'


def told(*arguments: str) -> str:
    """What is said of a command line; empty where nothing is."""
    options = Options()
    try:
        options.parseOptions(list(arguments))
        assemble(options.configuration())
    except (usage.UsageError, ConfigError) as error:
        return str(error)
    return ""


FILES = [
    # what the file says, the line, the message
    (b"port = 80 # caf\xe9", 1, "this is not UTF-8 text; save the file as UTF-8"),
    ("port = 80".encode("utf-16"), 1, "this is not UTF-8 text; save the file as UTF-8"),
    ("format = alb", 1, 'texts stand in quotes, as in host = "127.0.0.1"'),
    ("port = 80\nhost = 0.0.0.0", 2, 'texts stand in quotes, as in host = "127.0.0.1"'),
    ("port = 1\nport = 2", 2, "a key and a table may stand only once"),
    ("prot = 80", 1, "did you mean 'port'?"),
    ('aws_region = "eu-west-1"', 1, "did you mean 'aws-region'?"),
    ("[lambdaproxy]\nport = 1", 1, "there is no table lambdaproxy; settings stand above all tables"),
    ('[functions.a]\nhandler = "x"', 1, "did you mean [function.NAME]?"),
    ('[[routes]]\npath = "/"', 1, "did you mean [[route]]?"),
    ('[route]\npath = "/"', 1, "route must be written as [[route]] tables"),
    ('function = "api"', 1, "the setting function stands in a [settings] table"),
    ('invoker = "eu"', 1, "the setting invoker stands in a [settings] table"),
    ('[[route]]\nfunction = "a"', 1, 'a route needs a path, such as path = "/users/{id}"'),
    ('[[route]]\npath = "users"', 2, "does not begin with /"),
    ('[[route]]\npath = "/users/:id"', 2, "a parameter is written {id}"),
    ('[[route]]\npath = "/users/<int:id>"', 2, "a parameter is written {id}"),
    ('[[route]]\npath = "/users/*"', 2, "a parameter is written {proxy+}"),
    ('[[route]]\npath = "/{a+}/b"', 2, "must be the last segment"),
    ('[[route]]\npath = "/"\nmethod = "GET"', 3, "did you mean 'methods'?"),
    ('[[route]]\npath = "/"\nmethods = ["get"]', 3, 'methods must be a list such as ["GET", "POST"], in capitals'),
    ('[[route]]\npath = "/"\nhost = "a:80"', 3, "(without a port)"),
    ('[[route]]\npath = "/"\nhost = 5', 3, "host: 5 is no text; put it in quotes"),
    ("[[route]]\npath = 5", 2, "a route needs a path"),
    ('[[route]]\npath = "/"\nmax-connections = 3', 3, "cannot be set for a route; write it above all tables"),
    ('[[route]]\npath = "/"\ninvoker = "eu"', 3, "unknown invoker 'eu'. There are: aws, local"),
    ('format = "apigatewayv2"', 1, "did you mean 'apigateway-v2'?"),
    ('format = "alb:multivalue=yes"', 1, "did you mean 'multi_value'?"),
    ('format = {type = "alb"}', 1, 'a table here needs a name, as in {name = "alb"}'),
    ('timeout = "5 minutes"', 1, "write seconds, or a number with ms, s, m or h"),
    ('max-body = "6 megabytes"', 1, "write bytes, or a number with k, M or G"),
    ("port = [80]", 1, "port: a list cannot stand here; give one value"),
    ("port = 2020-01-01", 1, "port: 2020-01-01 is a date; put it in quotes"),
    ('[function.a]\nruntime = "python3.12"', 1, 'write handler = "module.function" as on AWS'),
    (f"[function.a]\n{HELLO}\nmemroy = 3", 3, "did you mean memory?"),
    (f'[function.a]\n{HELLO}\nenvironment = ["A=1"]', 3, "environment: must be a table of NAME = VALUE"),
    ('[invoker.x]\nkind = "awz"', 2, "did you mean 'aws'?"),
    ("[invoker.x]", 1, 'needs a kind, such as kind = "aws"'),
    ('[invoker.x]\nkind = "aws"\nregoin = "a"', 3, "did you mean 'region'?"),
    ('[invoker.local]\nkind = "aws"', 2, "this name is that of embedded functions; give it another"),
]


@pytest.mark.parametrize(("text", "line", "says"), FILES, ids=[str(each[0])[:40] for each in FILES])
def test_a_mistake_in_a_file(tmp_path, text, line, says):
    path = tmp_path / "p.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    message = told("--config", str(path))
    assert message.startswith(f"{path}:{line}: "), message
    assert says in message
    assert "\n" not in message


def test_a_file_with_a_mark_of_its_encoding_and_lines_as_on_windows(tmp_path):
    path = tmp_path / "p.toml"
    path.write_bytes(b"\xef\xbb\xbfport = 80\r\nhost = '::1'\r\n")
    assert told("--config", str(path)) == ""
    path.write_bytes(b"\xef\xbb\xbfport = 80\r\nhots = '::1'\r\n")
    assert told("--config", str(path)).startswith(f"{path}:2: unknown key 'hots'")


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        (
            "--port 127.0.0.1:8011",
            "--port: '127.0.0.1:8011' is no Twisted endpoint; write tcp:8011:interface=127.0.0.1",
        ),
        ("--port http://127.0.0.1:8011/", "write tcp:8011:interface=127.0.0.1"),
        ("--port [::1]:80", r"write tcp6:80:interface=\:\:1"),
        (
            "--metrics-listen :9100",
            "--metrics-listen: ':9100' is no Twisted endpoint; write tcp:9100:interface=0.0.0.0",
        ),
        ("--port https://example.com", "is neither a port nor a Twisted endpoint such as tcp:8011"),
        ("--port 99999", "ports go from 0 to 65535"),
        ("--host 127.0.0.1:8011", "write --host 127.0.0.1 --port 8011"),
        ("--host 300.1.1.1", "is no address such as 127.0.0.1"),
        ("--host ''", "--host: it is empty"),
        ("--config ''", "--config: it is empty; name a TOML file"),
        ("--allow a,b", "give the option once for each pattern"),
        ("--format alb:multi_value", "'multi_value' is no key=value"),
        (
            "--function arn:aws:lambda:x",
            "is no function ARN such as arn:aws:lambda:eu-west-1:123456789012:function:api",
        ),
        ("--local hello", "write for example hello=examples/hello.py:handler"),
        ("--local a=examples/nope.py:handler", "--local: there is no file examples/nope.py"),
        ("--debug hello", "--debug: unknown embedded function 'hello'. There are none"),
        ("--function-header Host", "take another header, such as X-Lambda-Function"),
        ("--trusted-proxy localhost", "neither an address nor a network such as 10.0.0.0/8, nor none"),
        ("--endpoint-url localhost:3001", "is no URL such as https://"),
        ("--invoke-api 3001", "add --local NAME=HANDLER"),
        ("--invoke-mode stream", "is none of buffered, response-stream, event, dry-run"),
        ("--sam-template nope.yaml", "nope.yaml (--sam-template): No such file or directory"),
    ],
)
def test_a_mistake_on_the_command_line(typed, says, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert says in told(*shlex.split(typed))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%eth0", "localhost", "0.0.0.0", "my-host.example.com"])
def test_addresses_to_listen_on(host):
    assert told("--host", host) == ""
