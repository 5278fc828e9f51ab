"""The configuration, put together: which invoker runs what, and contradictions found before the start."""

import pytest

from lambdaproxy.config.cli import Options
from lambdaproxy.errors import ConfigError
from lambdaproxy.messages import Function
from lambdaproxy.selection import FunctionName
from lambdaproxy.start.assembly import assemble

LOCAL = ("--local", "hello=examples/hello.py:handler")


def make(*arguments, file=None, tmp_path=None):
    if file is not None:
        path = tmp_path / "p.toml"
        path.write_text(file)
        arguments = (*arguments, "--config", str(path))
    options = Options()
    options.parseOptions(list(arguments))
    return assemble(options.configuration())


@pytest.mark.parametrize(
    ("arguments", "name", "invoker"),
    [
        ((), "any", "aws"),
        (LOCAL, "hello", "local"),
        (LOCAL, "other", "local"),
        ((*LOCAL, "--allow", "*"), "hello", "local"),
        ((*LOCAL, "--allow", "*"), "other", "aws"),
        ((*LOCAL, "--invoker", "aws"), "other", "aws"),
    ],
)
def test_where_a_name_from_the_header_runs(arguments, name, invoker):
    assert make(*arguments).resolve(FunctionName(name)) == Function(invoker, name)


PARTIAL = "123456789012:function:hello"
ARN = f"arn:aws:lambda:eu-west-1:{PARTIAL}"


@pytest.mark.parametrize("name", [PARTIAL, ARN])
def test_embedded_functions_answer_to_their_arns(name):
    assembly = make(*LOCAL, "--function", f"{name}:$LATEST.PUBLISHED")
    assert assembly.router.default.fallback == Function("local", "hello", "$LATEST.PUBLISHED")
    assert assembly.resolve(FunctionName(name)) == Function("local", "hello")
    assert make(*LOCAL, "--invoker", "aws", "--aws-region", "eu-west-1").resolve(FunctionName(name)).invoker == "aws"


def test_an_arn_of_another_region_than_its_invoker_is_refused_at_the_start(tmp_path):
    file = f"""
[[route]]
path = "/a"
function = "{PARTIAL}"

[[route]]
path = "/b"
function = "{ARN}:prod"
"""
    make("--aws-region", "eu-west-1", file=file, tmp_path=tmp_path)
    with pytest.raises(ConfigError) as caught:
        make("--aws-region", "eu-west-2", file=file, tmp_path=tmp_path)
    assert ":8: " in str(caught.value)
    assert "the ARN is of region eu-west-1, but the invoker's region is eu-west-2" in str(caught.value)
    with pytest.raises(ConfigError, match="--function: arn:"):
        make("--aws-region", "eu-west-2", "--function", ARN)


def test_timeouts():
    assembly = make(*LOCAL, "--invoker", "aws")
    assert assembly.timeout(Function("aws", "x")) == 1800
    assert assembly.timeout(Function("local", "hello")) > 30


@pytest.mark.parametrize(
    ("arguments", "embedded", "used"),
    [
        ((), False, {"aws"}),
        (LOCAL, True, {"local"}),
        ((*LOCAL, "--allow", "*"), False, {"aws"}),
        ((*LOCAL, "--function", "hello"), True, {"local"}),
        ((*LOCAL, "--function", "hello", "--function-header", "none", "--allow", "*"), True, {"local"}),
    ],
)
def test_invokers_that_are_needed(arguments, embedded, used):
    assembly = make(*arguments)
    assert assembly.used_invokers() == used
    assert assembly.all_embedded is embedded


SOCKET = """
[websocket.chat]
{what}
[websocket.chat.routes]
ask = {ask}
"""


@pytest.mark.parametrize(
    ("what", "ask", "embedded"),
    [
        ('function = "hello"', '"hello"', True),
        ("", '"hello"', True),  # nothing runs at a handshake
        ('connections = "off"', '"hello"', True),
        ("", '{function = "hello", invoker = "aws"}', False),
        ('function = "far"\ninvoker = "aws"', '{function = "hello", invoker = "local"}', False),
    ],
)
def test_a_websocket_api_reaches_accounts_only_by_its_functions(what, ask, embedded, tmp_path):
    pytest.importorskip("wsproto", reason="wsproto is not installed")
    assembly = make(*LOCAL, file=SOCKET.format(what=what, ask=ask), tmp_path=tmp_path)
    assert assembly.all_embedded is embedded


def test_routes(tmp_path):
    assembly = make(
        *LOCAL,
        file="""
[invoker.eu]
kind = "aws"
[[route]]
path = "/a"
function = "hello"
[[route]]
path = "/b"
function = "far:prod"
invoker = "eu"
format = "function-url"
[[route]]
path = "/c"
""",
        tmp_path=tmp_path,
    )
    first, second, third = assembly.router.routes
    assert first.function == Function("local", "hello")
    assert second.function == Function("eu", "far", "prod")
    assert second.codec.name == "function-url"
    assert third.function is None
    assert assembly.names() == {"hello", "far", "far:prod"}
    assert any("far:prod on eu" in line for line in assembly.describe())


@pytest.mark.parametrize(
    ("arguments", "file", "says"),
    [
        (("--invoke-api-unsigned",), None, "--invoke-api-unsigned: it goes with --invoke-api"),
        (("--trusted-proxy", "none", "--trusted-proxy", "10.0.0.0/8"), None, "contradict"),
        ((), "[[route]]\npath = '/'\n\ninvoker = 'uk'", "p.toml:4: unknown invoker 'uk'"),
        (("--invoker", "eu"), None, "--invoker: unknown invoker 'eu'"),
        (("--invoke-api", "9001"), None, "--invoke-api: there is no embedded function"),
        ((*LOCAL, *LOCAL), None, "hello is given twice"),
        (("--local", "hello"), None, "--local: 'hello' is not NAME=HANDLER"),
        (("--local", "a=nowhere.py:x"), None, "--local: there is no file nowhere.py"),
        ((*LOCAL, "--function", "hallo"), None, "--function: unknown embedded function 'hallo'; did you mean 'hello'"),
        ((), "[[route]]\npath = '/'\ninvoker = 'eu'", "p.toml:3: unknown invoker 'eu'"),
        ((), "[[route]]\npath = '/'\n[[route]]\npath = '/'", "p.toml:3: the routes"),
        ((), "[function.f]\nhandler = 1", "p.toml:2: "),
        ((), "[function.f]\nhandle = 'a.b'", "p.toml:2: "),
    ],
)
def test_contradictions_are_found_before_the_start(arguments, file, says, tmp_path):
    with pytest.raises(ConfigError) as caught:
        make(*arguments, file=file, tmp_path=tmp_path)
    assert says in str(caught.value)
