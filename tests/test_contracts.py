"""Our codecs and invokers keep the promises of their interfaces."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.trial.unittest import SynchronousTestCase, TestCase

from lambdaproxy import registry
from lambdaproxy.config.settings import Settings
from lambdaproxy.config.values import spec
from lambdaproxy.errors import InvokeRejected
from lambdaproxy.runtime.functions import parse_local
from lambdaproxy.start.invokers import Context
from lambdaproxy.start.invoking import invoke_site
from lambdaproxy.testing import CodecContract, InvokerContract
from lambdaproxy.watch.metrics import Metrics
from tests.processes import ROOT, WAIT

FORMATS = {
    "Alb": "alb",
    "AlbMultiValue": "alb:multi_value=yes",
    "AlbLimited": "alb:limits=aws",
    "RestApi": "apigateway-v1",
    "RestApiBinary": "apigateway-v1:binary_media_types=*/*:limits=aws",
    "HttpApi": "apigateway-v2",
    "HttpApiStage": "apigateway-v2:stage=prod",
    "HttpApiPayload1": "apigateway-v2:payload=1.0",
    "FunctionUrl": "function-url",
    "VpcLattice": "vpc-lattice",
    "VpcLatticeFirst": "vpc-lattice:version=1:limits=aws:incomplete=accept",
    "FunctionUrlPlain": "function-url:errors=plain",
    "WebSocket": "apigateway-websocket",
    "WebSocketLimited": "apigateway-websocket:limits=aws:stage_variables=a=b:domain=ws.example.com",
}


def _codec_tests(name: str, format: str) -> type:
    def make(self: Any) -> Any:
        return registry.make_codec(spec(format))

    return type(f"{name}CodecTests", (CodecContract, SynchronousTestCase), {"make": make})


globals().update({f"{name}CodecTests": _codec_tests(name, format) for name, format in FORMATS.items()})


def _context() -> Context:
    functions = {
        name: parse_local(f"{name}=tests/functions/contract.py:{name}", str(ROOT))
        for name in ("echo", "raises", "slow")
    }
    return Context(reactor, Settings(no_reload=True), Metrics(), functions)


def _make(kind: str, context: Context, **options: Any) -> Any:
    maker = registry.invoker_maker(kind)
    return maker.make(kind, {option.name: option.default for option in maker.options} | options, context)


class LocalInvokerTests(InvokerContract, TestCase):
    timeout = WAIT
    reactor = reactor

    def setUp(self) -> None:
        self.invoker = _make("local", _context())
        self.addCleanup(self.invoker.stop)


class AwsInvokerTests(InvokerContract, TestCase):
    """Against the Invoke API that the embedded runtime serves."""

    timeout = WAIT
    reactor = reactor
    unknown = InvokeRejected

    def setUp(self) -> None:
        context = _context()
        local = _make("local", context)
        self.addCleanup(local.stop)
        port = context.reactor.listenTCP(0, invoke_site(context.reactor, local, None)[0], interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.patch_environment()
        url = f"http://127.0.0.1:{port.getHost().port}"
        self.invoker = _make("aws", context, **{"endpoint-url": url, "region": "eu-west-1"})
        self.addCleanup(self.invoker.stop)

    def patch_environment(self) -> None:
        import os

        for name, value in {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}.items():
            before = os.environ.get(name)
            os.environ[name] = value
            self.addCleanup(os.environ.pop, name) if before is None else self.addCleanup(
                os.environ.__setitem__, name, before
            )

    async def test_it_provides_the_interface(self) -> None:  # type: ignore[override]
        await self.call("echo")  # until then no credentials were found, and it is not ready
        super().test_it_provides_the_interface()
