"""How long the first byte of a streamed result takes from the function to the client.

    python benchmarks/bench_stream.py [--rounds 500] [--busy 0]

A server plays the Lambda API: it answers `InvokeWithResponseStream` at once with its head, waits a few milliseconds,
and then sends an event with an HTTP prelude and the time (the clock of the machine, which all processes share). The
client takes the time when it has read it. Each round asks, one after the other and with the same upstream, over plain
HTTP and over TLS,

* `direct`: the server itself;
* `relay`: through a process that passes bytes on, `twisted.protocols.portforward`: what two hops and a turn of a
  reactor cost on this machine at this moment, that is the floor;
* `proxy`: through lambdaproxy, from whose answer the client reads the first byte of the body.

Prints milliseconds. `--busy` clients ask the proxies for buffered results all the time, to see a stream among others.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

PRELUDE = b'{"statusCode":200,"headers":{"Content-Type":"text/event-stream"}}' + bytes(8)
STREAM_PATH = b"/2021-11-15/functions/f/response-streaming-invocations"
RESULT = b'{"statusCode":200,"headers":{"Content-Type":"application/json"},"body":"{}"}'
STAMP = re.compile(rb"at (\d+);")
END = b"0\r\n\r\n"


# -- the processes -----------------------------------------------------------------------------------------------------


async def upstream(cert: str, key: str) -> None:
    """The Lambda API on two ports, plain and TLS, which are printed."""
    from lambdaproxy.wire.eventstream import invoke_complete, payload_chunk

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                found = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
                await reader.readexactly(int(found[1]) if found else 0)
                if STREAM_PATH in head:
                    await stream(writer)
                else:
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(RESULT), RESULT))
        writer.close()

    async def stream(writer: asyncio.StreamWriter) -> None:
        def send(data: bytes) -> None:
            writer.write(b"%x\r\n%b\r\n" % (len(data), data))

        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n"
            b"X-Amz-Executed-Version: $LATEST\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        await asyncio.sleep(random.uniform(0.002, 0.01))
        send(payload_chunk(PRELUDE + b"at %d;" % time.monotonic_ns()))
        await asyncio.sleep(0.002)
        send(invoke_complete(b"{}"))
        writer.write(END)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    plain = await asyncio.start_server(client, "127.0.0.1", 0)
    tls = await asyncio.start_server(client, "127.0.0.1", 0, ssl=context)
    print(plain.sockets[0].getsockname()[1], tls.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


def relay(*ports: str) -> None:
    """Passes bytes on to the ports, from as many others, which are printed."""
    from twisted.internet import reactor as _reactor
    from twisted.protocols import portforward

    class Out(portforward.ProxyClient):
        transport: Any

        def connectionMade(self) -> None:
            self.transport.setTcpNoDelay(True)
            super().connectionMade()

    class OutFactory(portforward.ProxyClientFactory):
        protocol = Out

    class In(portforward.ProxyServer):
        transport: Any
        clientProtocolFactory = OutFactory

        def connectionMade(self) -> None:
            self.transport.setTcpNoDelay(True)
            super().connectionMade()

    reactor: Any = _reactor
    listening = []
    for port in ports:
        factory = portforward.ProxyFactory("127.0.0.1", int(port))
        factory.protocol = In
        listening.append(reactor.listenTCP(0, factory, interface="127.0.0.1"))
    print(*[each.getHost().port for each in listening], flush=True)
    reactor.run()


@contextlib.contextmanager
def running(*arguments: str, env: dict[str, str] | None = None) -> Iterator[list[int]]:
    """A process that prints its ports in its first line."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, cwd=ROOT, env=env, text=True)
    assert process.stdout is not None
    try:
        yield [int(port) for port in process.stdout.readline().split()]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


@contextlib.contextmanager
def proxy(url: str, cert: str) -> Iterator[int]:
    """lambdaproxy in front of the Lambda API at `url`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    env |= {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}
    env |= {"AWS_EC2_METADATA_DISABLED": "true", "PYTHONPATH": str(ROOT)}
    config = f"""
        port = {port}
        format = "function-url"
        access-log = "off"
        endpoint-url = "{url}"
        ca-bundle = "{cert}"
        [[route]]
        path = "/buffered"
        function = "f"
        [[route]]
        path = "/stream"
        function = "f"
        invoke-mode = "response-stream"
    """
    file = Path(cert).with_name(f"{port}.toml")
    file.write_text(config)
    twistd = "import sys; from twisted.scripts.twistd import run; sys.argv[0] = 'twistd'; run()"
    process = subprocess.Popen(
        [sys.executable, "-c", twistd, "-n", "--pidfile=", "lambdaproxy", "--config", str(file)],
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port)).close()
                break
            time.sleep(0.05)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def certificate(directory: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1, and its key, made with the `openssl` program."""
    cert, key = str(directory / "cert.pem"), str(directory / "key.pem")
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    more = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert]
    subprocess.run(["openssl", *options.split(), *more], check=True, stderr=subprocess.DEVNULL)
    return cert, key


# -- the client --------------------------------------------------------------------------------------------------------


def ask(connection: socket.socket, path: bytes, chunked: bool = True) -> float:
    """One request; milliseconds from the time in the answer to its arrival."""
    connection.sendall(b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}" % path)
    data, late = b"", 0.0
    while not data.endswith(END if chunked else b"{}"):
        piece = connection.recv(65536)
        now = time.monotonic_ns()
        if not piece:
            raise ConnectionError(f"closed after {data!r}")
        data += piece
        if not late and (found := STAMP.search(data)):
            late = (now - int(found[1])) / 1e6
    assert data.startswith(b"HTTP/1.1 200 "), data
    return late


def connect(port: int, context: ssl.SSLContext | None = None) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(connection, server_hostname="127.0.0.1") if context else connection


def keep_busy(port: int, over: threading.Event) -> None:
    connection = connect(port)
    while not over.is_set():
        ask(connection, b"/buffered", chunked=False)
        time.sleep(0.005)


def measure(rounds: int, busy: int, cert: str, key: str) -> dict[str, list[float]]:
    """The delays of each way, in milliseconds."""
    with contextlib.ExitStack() as stack:
        plain, tls = stack.enter_context(running(__file__, "--upstream", cert, key))
        plain_relay, tls_relay = stack.enter_context(running(__file__, "--relay", str(plain), str(tls)))
        ours = stack.enter_context(proxy(f"http://127.0.0.1:{plain}", cert))
        ours_tls = stack.enter_context(proxy(f"https://127.0.0.1:{tls}", cert))
        context = ssl.create_default_context(cafile=cert)
        ways = {
            "direct": (connect(plain), STREAM_PATH),
            "relay": (connect(plain_relay), STREAM_PATH),
            "proxy": (connect(ours), b"/stream"),
            "direct, TLS": (connect(tls, context), STREAM_PATH),
            "relay, TLS": (connect(tls_relay, context), STREAM_PATH),
            "proxy, TLS": (connect(ours_tls), b"/stream"),
        }
        for _ in range(50):
            for connection, path in ways.values():
                ask(connection, path)
        over = threading.Event()
        others = [threading.Thread(target=keep_busy, args=(p, over)) for p in (ours, ours_tls) for _ in range(busy)]
        for each in others:
            each.start()
        delays: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, (connection, path) in ways.items():
                delays[name].append(ask(connection, path))
        over.set()
        for each in others:
            each.join()
        return delays


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--busy", type=int, default=0, help="clients that ask each proxy for other results meanwhile")
    parser.add_argument("--upstream", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--relay", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.upstream:
        asyncio.run(upstream(*arguments.upstream))
    elif arguments.relay:
        relay(*arguments.relay)
    else:
        with tempfile.TemporaryDirectory() as directory:
            delays = measure(arguments.rounds, arguments.busy, *certificate(Path(directory)))
        print(f"{'ms':14}{'median':>8}{'p90':>8}{'p99':>8}{'most':>8}")
        for name, values in delays.items():
            values.sort()
            shown = (values[int(len(values) * part)] for part in (0.5, 0.9, 0.99))
            print(f"{name:14}" + "".join(f"{value:8.2f}" for value in (*shown, values[-1])))


if __name__ == "__main__":
    main()
