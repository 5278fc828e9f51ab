"""Mistakes that people make, and what they are told: the message alone says where it is and what to write."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from twisted.python import usage

from lambdaproxy.config.cli import Options
from lambdaproxy.errors import ConfigError
from lambdaproxy.start.assembly import assemble
from lambdaproxy.start.places import check_places, check_profiles

ROOT = Path(__file__).parent.parent.parent
AWS_FILE = "/nonexist/config"
HELLO = f'handler = "{ROOT}/examples/hello.py:handler"'


def told(*arguments: str) -> str:
    """What is said of a command line; empty where nothing is."""
    options = Options()
    try:
        options.parseOptions(list(arguments))
        configuration = options.configuration()
        assembled = assemble(configuration)
        check_places(configuration.settings, configuration.origins)
        check_profiles(assembled, {"AWS_CONFIG_FILE": AWS_FILE, "AWS_SHARED_CREDENTIALS_FILE": "/nonexist"})
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
    ("port = true", 1, "port: true cannot stand here: this is no setting of yes or no"),
    ("host = '::1'\naccess-log = false", 2, "access-log: false cannot stand here"),
    ("allow = 3", 1, "allow: 3 is a number; put it in quotes if it is meant as a text"),
    ("allow = ['a-*', 3]", 1, "allow: 3 is a number"),
    ("[settings]\nfunction = 5", 2, "function: 5 is a number"),
    ("[[route]]\npath = '/'\nfunction = 5", 3, "function: 5 is a number"),
    ("format = 2.0", 1, "format: 2.0 is a number"),
    ("aws-profile = 1", 1, "aws-profile: 1 is a number"),
    ("access-log = 1", 1, "access-log: 1 is a number"),
    (f"[local.a]\n{HELLO}", 1, "is a [function.NAME] table"),
    (f"[local]\na = '{ROOT}/examples/hello.py:handler'", 1, "is a [function.NAME] table"),
    ('[invoker.x]\nkind = "aws"\nregion = true', 3, "region: true cannot stand here"),
    ('host = "::1"\naws-profile = "nosuch"', 2, "aws-profile: the profile 'nosuch' is not in the AWS files"),
    (
        'invoker = {x = {kind = "aws", profile = "nosuch"}}\n[settings]\ninvoker = "x"',
        1,
        "profile: the profile 'nosuch' is not in the AWS files",
    ),
    ('port = "tpc:80"', 1, "port: tpc:80: unknown kind of endpoint 'tpc'; did you mean 'tcp'?"),
    ('host = "::1"\ninspect = "unix:/nonexist/x.sock"', 2, "inspect: there is no folder /nonexist for x.sock"),
    ("port = 8011\nmetrics-listen = 8011", 2, "metrics-listen: tcp:8011:interface=127.0.0.1 is where "),
    ('access-log = "/nonexist/dir/x.log"', 1, "access-log: there is no folder /nonexist/dir for x.log"),
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
        ("--aws-profile nosuch", "--aws-profile: the profile 'nosuch' is not in the AWS files (/nonexist/config and"),
        ("--port tpc:80", "--port: tpc:80: unknown kind of endpoint 'tpc'; did you mean 'tcp'?"),
        ("--metrics-listen haproxy:tpc:80", "--metrics-listen: haproxy:tpc:80: unknown kind of endpoint 'tpc'"),
        ("--port tcp:http", "--port: tcp:http is no endpoint that Twisted understands"),
        ("--inspect tcp:99999", "--inspect: tcp:99999: ports go from 0 to 65535"),
        ("--inspect tcp:80:nope=1", "--inspect: tcp:80:nope=1 is no endpoint that Twisted understands"),
        ("--port unix:/nonexist/x.sock", "--port: there is no folder /nonexist for x.sock; make it"),
        ("--port unix:LICENSE", "LICENSE is no socket, and would be in the way of one"),
        ("--metrics-listen unix:address=docs", "docs is no socket, and would be in the way of one"),
        ("--port unix:LICENSE/x.sock", "LICENSE is no folder for x.sock"),
        ("--workers 2 --control /nonexist/c", "--control: there is no folder /nonexist for c"),
        ("--port 8011 --metrics-listen 8011", "--metrics-listen: tcp:8011:interface=127.0.0.1 is where --port listens"),
        ("--inspect 8011", "--inspect: tcp:8011:interface=127.0.0.1 is where --port listens already"),
        ("--host 0.0.0.0 --inspect 8011", "is where --port listens already"),
        ("--port haproxy:tcp:80 --inspect tcp:80:interface=localhost", "is where --port listens already"),
        (r"--port tcp6:80 --inspect tcp6:80:interface=\\:\\:1", "is where --port listens already"),
        (
            "--local a=examples/hello.py:handler --invoke-api 8011",
            "--invoke-api: tcp:8011:interface=127.0.0.1 is where",
        ),
        ("--inspect 9000 --metrics-listen 9000", "is where --metrics-listen listens already"),
        ("--port unix:/tmp/a.sock --inspect unix:/tmp/../tmp/a.sock", "is where --port listens already"),
        ("--access-log /nonexist/dir/x.log", "--access-log: there is no folder /nonexist/dir for x.log"),
        ("--access-log docs", "docs is a folder; name a file in it"),
        (
            "--local a=examples/hello.py:handler --invoke-api 3001 --invoke-api-keys /nonexist/keys",
            "--invoke-api-keys: there is no folder /nonexist for keys",
        ),
        ("--sam-template nope.yaml", "nope.yaml (--sam-template): No such file or directory"),
    ],
)
def test_a_mistake_on_the_command_line(typed, says, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert says in told(*shlex.split(typed))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%eth0", "localhost", "0.0.0.0", "my-host.example.com"])
def test_addresses_to_listen_on(host):
    assert told("--host", host) == ""


@pytest.mark.parametrize(
    "typed",
    [
        "--port 0 --metrics-listen 0",
        "--port 8011 --metrics-listen 8012 --inspect off",
        "--port tcp:80:interface=127.0.0.1 --inspect tcp:80:interface=127.0.0.2",
        r"--port 80 --inspect tcp6:80:interface=\\:\\:1",
        "--port systemd:domain=INET:index=0 --metrics-listen systemd:name=metrics",
        "--port unix:/tmp/new.sock:mode=600 --access-log -",
        "--access-log off",
        f"--local a={ROOT}/examples/hello.py:handler --invoke-api 3001",
    ],
)
def test_places_that_are_good(typed):
    assert told(*shlex.split(typed)) == ""


def test_a_profile_is_looked_for_in_the_files_of_aws(tmp_path, monkeypatch):
    (tmp_path / "config").write_text("[profile blue]\nregion = eu-west-1\n")
    for name, value in (("AWS_CONFIG_FILE", tmp_path / "config"), ("AWS_SHARED_CREDENTIALS_FILE", tmp_path / "none")):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setitem(globals(), "AWS_FILE", str(tmp_path / "config"))
    assert told("--aws-profile", "blue") == ""
    assert told("--aws-profile", "bleu").endswith("the profile 'bleu' is not in the AWS files; did you mean 'blue'?")
