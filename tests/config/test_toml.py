"""The configuration file: everything it may say, and an error with file, line and key for everything else."""

import pytest

from lambdaproxy.config import toml
from lambdaproxy.config.values import Spec
from lambdaproxy.errors import ConfigError
from lambdaproxy.selection import FunctionName

GOOD = """\
port = 8012
aws-region = "eu-west-1"
allow = ["api-*", "api-*:prod"]
timeout = "2m"
disable-metrics = true
format = {name = "alb", multi_value = true}

[invoker.eu]
kind = "aws"

[[route]]
path = "/users/{id}"
methods = ["GET", "POST"]
function = "users:prod"
invoker = "eu"
timeout = 3.5
format = "apigateway-v1:stage=prod"

[[route]]
host = "*.example.com"
path = "/{proxy+}"
function = "web"

[function.hello]
handler = "hello.handler"
"""


@pytest.fixture
def read(tmp_path):
    def reading(text):
        path = tmp_path / "proxy.toml"
        path.write_text(text)
        return toml.read(str(path))

    return reading


def test_everything(read):
    file = read(GOOD)
    values = dict(file.values)
    assert [pattern.text for pattern in values.pop("allow")] == ["api-*", "api-*:prod"]
    assert values == {
        "port": "8012",
        "aws_region": "eu-west-1",
        "timeout": 120.0,
        "disable_metrics": True,
        "format": Spec("alb", (("multi_value", "yes"),)),
    }
    first, second = file.routes
    assert (first.path, first.methods, first.host) == ("/users/{id}", ("GET", "POST"), None)
    assert first.values["function"] == FunctionName("users", "prod")
    assert (first.values["timeout"], first.values["invoker"]) == (3.5, "eu")
    assert second.host == "*.example.com"
    assert second.where(None).endswith("proxy.toml:19")
    assert second.where("path").endswith("proxy.toml:21")
    assert file.invokers["eu"].kind == "aws"
    assert file.functions["hello"].table == {"handler": "hello.handler"}
    assert file.functions["hello"].where("handler").endswith("proxy.toml:25")
    assert file.origins["timeout"].endswith("proxy.toml:4")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("prot = 1", 1, "did you mean 'port'"),
        ("port = 1\n\nport = 2", 3, "overwrite"),
        ("port = ", 1, "Invalid"),
        ("port = 99999", 1, "port: 99999"),
        ("\ntimeout = 'soon'", 2, "timeout: 'soon'"),
        ("format = 'alp'", 1, "did you mean 'alb'"),
        ("format = {name = 'alb', multi_valu = true}", 1, "did you mean 'multi_value'"),
        ("format = {multi_value = true}", 1, "needs a name"),
        ("allow = ['a', {}]", 1, "a table cannot stand here; give one value"),
        ("[route]\npath = '/'", 1, "[[route]]"),
        ("[[route]]\nfunction = 'a'", 1, "needs a path"),
        ("[[route]]\npath = 'a'", 2, "does not begin with /"),
        ("[[route]]\npath = '/{a+}/b'", 2, "must be the last segment"),
        ("[[route]]\npath = '/'\nmethods = ['get']", 3, "in capitals"),
        ("[[route]]\npath = '/'\nhost = 'a:80'", 3, "without a port"),
        ("[[route]]\npath = '/'\nport = 1", 3, "port cannot be set for a route; write it above all tables"),
        ("[[route]]\npath = '/'\nfuncton = 'a'", 3, "did you mean 'function'"),
        ("[[route]]\npath = '/a'\n[[route]]\npath = '/b'\ntimeout = 0", 5, "more than 0"),
        ("[invoker.x]\nregion = 'eu'", 1, "needs a kind"),
        ("[invoker.x]\nkind = 'aw'", 2, "did you mean 'aws'"),
        ("[invoker.x]\nkind = 'aws'\nregon = 'eu-west-1'", 3, "did you mean 'region'"),
        ("invoker = {x = 1}", 1, "[invoker.NAME]"),
        ("invoker = 'eu'\n\n[invoker.eu]\nkind = 'aws'", 3, "put it into a [settings] table"),
        ("port = 1\n[settings]\n\nport = 2", 4, "port is set twice"),
        ("[settings]\nprot = 2", 2, "did you mean 'port'"),
        ("\n\n[functions.hello]\nhandler = 'a.b'", 3, "there is no table functions; did you mean [function.NAME]?"),
    ],
)
def test_errors_name_the_place(read, text, line, says):
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert f"proxy.toml:{line}: " in str(caught.value)
    assert says in str(caught.value)


def test_a_file_that_is_not_there():
    with pytest.raises(ConfigError, match=r"--config: .*nowhere.toml: No such file"):
        toml.read("/nowhere.toml")


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="UTF-8"):
        toml.read(str(path))


def test_settings_whose_names_are_those_of_tables(read):
    settings = "[settings]\ninvoker = 'eu'\nfunction = 'hello'\n"
    file = read(settings + "[invoker.eu]\nkind = 'aws'\n[function.hello]\nhandler = 'a.b'")
    assert file.values["invoker"] == "eu"
    assert str(file.values["function"]) == "hello"
    assert file.origins["function"].endswith(":3")


@pytest.mark.parametrize(
    ("method", "near"), [("GTE", "; did you mean GET?"), ("OPTION", "; did you mean OPTIONS?"), ("PURGE", "")]
)
def test_a_method_that_is_none_of_http_is_said_and_kept(tmp_path, method, near):
    file = tmp_path / "proxy.toml"
    file.write_text(f'[[route]]\npath = "/"\nmethods = ["GET", "{method}", "PATCH"]\n')
    found = toml.read(str(file))
    assert found.routes[0].methods == ("GET", method, "PATCH")
    (note,) = found.notes
    assert note.startswith(f"{file}:3: methods: {method} is no method of HTTP") and near in note
    assert ("did you mean" in note) == bool(near)
