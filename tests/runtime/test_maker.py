"""The plugin, and what all functions share, made from the settings."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.task import Clock
from zope.interface.verify import verifyObject

from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import ConfigError
from lambdaproxy.interfaces import IInvoker, IInvokerMaker
from lambdaproxy.registry import invoker_maker
from lambdaproxy.runtime import site as site_module
from lambdaproxy.runtime.invoke_keys import load_or_make_keys
from lambdaproxy.runtime.maker import local
from lambdaproxy.runtime.site import debug_ports, invoke_url, make_site
from lambdaproxy.watch.metrics import Metrics
from tests.runtime.support import function


class Reactor(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.started: list[Any] = []

    def callWhenRunning(self, call: Any) -> None:
        self.started.append(call)


def context(*functions: Any, **settings: Any) -> Any:
    return SimpleNamespace(
        held=None,
        reactor=Reactor(),
        settings=Settings(**settings),
        metrics=Metrics(),
        functions={one.name: one for one in functions},
    )


def make(context: Any, **options: Any) -> Any:
    values = {option.name: option.default for option in local.options} | options
    return local.make("local", values, context)


def test_it_is_a_plugin():
    assert verifyObject(IInvokerMaker, local)
    assert invoker_maker("local") is local


@pytest.mark.slow
def test_it_makes_the_invoker_and_starts_nothing():
    about = context(function("f", "hello.py:handler", prewarm=1), aws_region="eu-west-1", no_reload=True)
    invoker = make(about, concurrency=3, queue=0, account="000000000000")
    assert verifyObject(IInvoker, invoker)
    assert invoker.site.arn("f") == "arn:aws:lambda:eu-west-1:000000000000:function:f"
    assert not invoker.site.reload
    assert invoker.count_workers() == 0
    assert about.reactor.started == [invoker.prewarm]
    assert about.reactor.getDelayedCalls() == []


def test_options_are_checked():
    with pytest.raises(ValueError, match="'x' is not a whole number"):
        local.options[0].parse("x")


def test_mistakes_are_configuration_errors():
    with pytest.raises(ConfigError, match="--debug g: there is no embedded function 'g'; there are: f"):
        make(context(function("f", "hello.py:handler"), debug=("g",)))


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("tcp:8012:interface=127.0.0.1", "http://127.0.0.1:8012"),
        ("tcp:port=8012", "http://127.0.0.1:8012"),
        ("tcp:8012:interface=0.0.0.0", "http://127.0.0.1:8012"),
        ("tcp6:8012:interface=\\:\\:1", "http://[::1]:8012"),
        ("tcp:8012:interface=192.0.2.1:backlog=5", "http://192.0.2.1:8012"),
        ("tcp:0", None),
        ("unix:/run/x", None),
    ],
)
def test_address_of_the_invoke_api(endpoint, url):
    assert invoke_url(endpoint) == url


def test_functions_get_the_keys_of_the_invoke_api(tmp_path):
    path = str(tmp_path / "keys")
    settings = Settings(invoke_api="tcp:8012:interface=127.0.0.1", invoke_api_keys=path)
    site = make_site(settings, {}, "123456789012")
    (keys,) = load_or_make_keys(path)
    assert site.keys == (keys.access_key, keys.secret_key, None)
    assert site.endpoint == "http://127.0.0.1:8012"
    unsigned = make_site(
        Settings(invoke_api="tcp:8012", invoke_api_keys=path, invoke_api_unsigned=True), {}, "123456789012"
    )
    assert unsigned.keys == ("lambdaproxy",) * 3


class TestDebug:
    def functions(self) -> Any:
        found = [
            function("a", "hello.py:handler"),
            function("b", "hello.py:handler"),
            function("n", "node.mjs:handler"),
        ]
        return {one.name: one for one in (*found, function("s", "shell"))}

    def test_ports(self):
        assert debug_ports(("a", "b", "n"), self.functions()) == {"a": 5678, "b": 5679, "n": 9229}
        assert debug_ports(("a:6000",), self.functions()) == {"a": 6000}

    @pytest.mark.parametrize(
        ("named", "says"),
        [
            (("x",), "there is no embedded function 'x'"),
            (("s",), "only Python and Node functions"),
            (("a:x",), "'x' is no port"),
            (("a:1", "b:1"), "port 1 is given to another function"),
        ],
    )
    def test_mistakes(self, named, says):
        with pytest.raises(ValueError, match=says):
            debug_ports(named, self.functions())

    def test_how_to_attach_is_said(self):
        functions = self.functions()
        assert '"port": 5678' in site_module.attach_text(functions["a"], 5678)
        assert "chrome://inspect" in site_module.attach_text(functions["n"], 9229)


def test_a_full_disc_leaves_no_half_of_a_file_of_keys(tmp_path):
    """It would be in the way of the next start."""
    path = tmp_path / "keys"
    code = (
        "import resource, sys; from lambdaproxy.runtime.invoke_keys import load_or_make_keys\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "try: load_or_make_keys(sys.argv[1])\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{path} cannot be made: File too large\n", done.stderr
    assert not path.exists()
