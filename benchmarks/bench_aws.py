"""The cost of the way out: signing, connection, request, parsing the answer, result - without the kernel.

    /usr/bin/python3.11 benchmarks/bench_aws.py

Prints microseconds per small invocation over an in-memory transport, the best of seven runs, and those of the parts.
"""

from __future__ import annotations

import argparse
import gc
import time
from typing import Any, ClassVar

from twisted.internet.task import Clock

from lambdaproxy.aws.credentials import Credentials
from lambdaproxy.aws.endpoint import Endpoint
from lambdaproxy.aws.invoker import AwsInvoker
from lambdaproxy.aws.pool import Pool
from lambdaproxy.aws.source import Fetched
from lambdaproxy.http1.head import parse_response
from lambdaproxy.messages import Function, Invocation
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.wire.sigv4 import Keys, Template, amz_date

BODY = (
    b'{"statusCode":200,"headers":{"Content-Type":"application/json"},"body":"{\\"ok\\":true}","isBase64Encoded":false}'
)
HEAD = (
    b"HTTP/1.1 200 OK\r\nDate: Sat, 01 Jan 2028 00:00:00 GMT\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\nConnection: keep-alive\r\nx-amzn-RequestId: 5f0e2a54-8d1c-4c4a-9a2e-0123456789ab\r\n"
    b"X-Amz-Executed-Version: $LATEST\r\nx-amzn-Remapped-Content-Length: 0\r\n"
    b"X-Amzn-Trace-Id: root=1-5e1b4151-5ac6c58f3375aa3c7c6b73c9;sampled=0\r\n\r\n"
) % len(BODY)
ANSWER = HEAD + BODY
EVENT = (
    b'{"requestContext":{"elb":{"targetGroupArn":"arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/x/y"}},'
    b'"httpMethod":"POST","path":"/add","queryStringParameters":{"test":"true"},"headers":{"host":"127.0.0.1:8011",'
    b'"user-agent":"bench","x-forwarded-for":"127.0.0.1"},"body":"{\\"test\\":1}","isBase64Encoded":false}'
)


class Last:
    """The connection that sent a request last. (An attribute of a class would be slower: setting it drops caches.)"""

    protocol: Any = None


class Transport:
    """Takes requests; the answers are given from outside, as a reactor does."""

    last: ClassVar[Last] = Last()

    def __init__(self, protocol: Any) -> None:
        self.protocol = protocol
        # Where Twisted's transports keep what the kernel has not taken.
        self.dataBuffer, self.offset, self._tempDataLen = b"", 0, 0

    def write(self, data: bytes) -> None:
        self.last.protocol = self.protocol

    def abortConnection(self) -> None:
        pass

    loseConnection = abortConnection


class Reactor(Clock):
    """Timers that never run; the time is the real one, from the same function as in Twisted's reactors."""

    seconds = staticmethod(time.monotonic)

    def connectTCP(self, host: str, port: int, factory: Any, timeout: float) -> None:
        protocol = factory.buildProtocol(None)
        protocol.makeConnection(Transport(protocol))


class Source:
    def fetch(self, anew: bool) -> Fetched:
        return Fetched(Keys("AKIDEXAMPLE", "secret" * 7, "token" * 150), None, "bench")

    def changed(self) -> bool:
        return False


def make() -> AwsInvoker:
    from twisted.internet.defer import succeed

    from lambdaproxy.aws.dns import Resolver

    reactor, metrics = Reactor(), Metrics()
    there = Endpoint(False, "127.0.0.1", 80, "eu-west-1")
    credentials = Credentials(reactor, Source(), lambda work: succeed(work()), metrics, "aws")
    resolver = Resolver(reactor, "127.0.0.1", lambda work: succeed(work()))
    pool = Pool(reactor, there, resolver, None, metrics, "aws")
    credentials.start()
    return AwsInvoker(reactor, there, credentials, pool, metrics, "aws")


def best(function: Any, count: int, rounds: int) -> float:
    times = []
    for _ in range(rounds):
        gc.collect()
        start = time.perf_counter()
        for _ in range(count):
            function()
        times.append((time.perf_counter() - start) / count * 1e6)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    invoker = make()
    function = Function("aws", "hello")
    results: list[Any] = [None]
    last = Transport.last

    invocation = Invocation(
        function,
        EVENT,
        time.monotonic() + 1000,
        "5f0e2a54-8d1c-4c4a-9a2e-0123456789ab",
        "1-5e1b4151-5ac6c58f3375aa3c7c6b73c9",
    )

    def invoke() -> None:
        invoker.invoke(invocation).addCallback(keep)
        last.protocol.dataReceived(ANSWER)

    def keep(result: Any) -> None:
        results[0] = result

    invoke()
    assert results[0].payload == BODY, results
    keys, date = Keys("AKIDEXAMPLE", "secret" * 7, "token" * 150), amz_date(time.time())
    template = Template(keys, "eu-west-1", "lambda", "POST", b"/x", ((b"host", b"lambda.eu-west-1.amazonaws.com"),))
    for name, work in (
        ("sign", lambda: template.signature(EVENT, date)),
        ("parse the answer's head", lambda: parse_response(HEAD)),
        ("the whole outgoing half", invoke),
    ):
        print(f"{name:30} {best(work, arguments.count, arguments.rounds):6.2f} us")


if __name__ == "__main__":
    main()
