"""What forged tokens cost, and for how long they hold up the loop.

    python benchmarks/bench_tokens.py [--tokens 5000]

A real reactor, a real issuer in another process, and an authorizer of kind `jwt` that is asked one token in each turn
of the loop. A line for each kind of forgery: the processor time of a token, the longest turn (processor time of this
thread, so that what else runs on the machine does not count), what was answered, how often the issuer was asked, and
the memory that is left.
"""

from __future__ import annotations

import argparse
import base64
import gc
import hmac
import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

from joserfc import jws
from joserfc.jwk import RSAKey
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from lambdaproxy import registry
from lambdaproxy.authorizers.jwt_maker import JwtMaker
from lambdaproxy.messages import Match, Request

KEY = RSAKey.generate_key(2048, parameters={"kid": "rsa"})
OTHER = RSAKey.generate_key(2048, parameters={"kid": "rsa"})


def issuer(manner: str, keys: str) -> None:
    """Serve until the standard input ends; prints the port, then a line for each request."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            print(self.path, flush=True)
            if manner == "silent":
                time.sleep(60)
            url = f"http://127.0.0.1:{self.server.server_port}"  # type: ignore[attr-defined]
            body = keys.encode()
            if self.path.endswith("configuration"):
                body = json.dumps({"issuer": url, "jwks_uri": f"{url}/keys"}).encode()
            elif manner == "large":
                body = json.dumps(
                    {"keys": [{"kid": str(n), "kty": "RSA", "n": "A" * 500} for n in range(9500)]}
                ).encode()
            elif manner == "many":
                body = json.dumps({"keys": json.loads(keys)["keys"] + [{"kid": str(n)} for n in range(8000)]}).encode()
            elif manner == "slow":
                time.sleep(1.2)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                pass

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port, flush=True)
    server.serve_forever()


def part(document: Any) -> str:
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed(claims: dict[str, Any], key: RSAKey = KEY, **head: Any) -> str:
    return jws.serialize_compact({"alg": "RS256", "kid": "rsa", **head}, json.dumps(claims).encode(), key, ["RS256"])


def forgeries(url: str, number: int) -> dict[str, tuple[str, Callable[[int], str]]]:
    """By name: the manner of the issuer, and the token of a number."""
    good = {"iss": url, "aud": "web", "exp": int(time.time()) + 3600}
    text = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(good)}"
    public = f"{text}.{part(hmac.digest(KEY.as_pem(private=False), text.encode(), 'sha256'))}"
    none = f"{part({'alg': 'none', 'kid': 'rsa'})}.{part(good)}."
    others = [signed({**good, "n": n}, OTHER) for n in range(8)]
    expired, audience = signed({**good, "exp": 1}), signed({**good, "aud": "other"})
    huge = signed({**good, "x": ["[]"] * 9000, "exp": 1})
    nested = f"{part(b'[' * 11000)}.{part(good)}.x"
    unknown, good_text = f".{others[0].partition('.')[2]}", signed(good)
    return {
        "good, known": ("", lambda n: good_text),
        "alg none": ("", lambda n: none),
        "HS256, public key": ("", lambda n: public),
        "another key": ("", lambda n: others[n % 8]),
        "expired": ("", lambda n: expired),
        "another audience": ("", lambda n: audience),
        "48 KB": ("", lambda n: huge),
        "11,000 levels": ("", lambda n: nested),
        "unknown kids": ("", lambda n: part({"alg": "RS256", "kid": f"k{n}"}) + unknown),
        "unknown kids, slow issuer": ("slow", lambda n: part({"alg": "RS256", "kid": f"k{n}"}) + unknown),
        "unknown kids, silent issuer": ("silent", lambda n: part({"alg": "RS256", "kid": f"k{n}"}) + unknown),
        "a set of 8,000 keys": ("many", lambda n: part({"alg": "RS256", "kid": f"k{n}"}) + unknown),
        "a set of 5 MB": ("large", lambda n: part({"alg": "RS256", "kid": f"k{n}"}) + unknown),
    }


def request(text: str) -> Request:
    fields = ((b"Authorization", b"Bearer " + text.encode()),)
    return Request("GET", b"/", "1.1", fields, b"", "http", "localhost", 80, "127.0.0.1", "", None, "id", "trace", 0.0)


def rss() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


async def measure(name: str, number: int) -> None:
    keys = json.dumps({"keys": [KEY.as_dict(private=False)]})
    manner = forgeries("", 0)[name][0]
    child = subprocess.Popen(
        [sys.executable, __file__, "--issuer", manner, keys], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    url = f"http://127.0.0.1:{int(child.stdout.readline())}"
    maker = JwtMaker()
    options = registry.parse_options("bench", maker.options, (("issuer", url), ("audience", "web")))
    authorizer: Any = maker.make("bench", options, SimpleNamespace(reactor=reactor))
    authorizer.start()
    await pause(0.5)
    forged = forgeries(url, number)[name][1]
    requests = [request(forged(n)) for n in range(number)]
    answers: Counter[str] = Counter()
    gc.collect()
    before, cpu, longest = rss(), 0.0, 0.0
    done: Deferred[None] = Deferred()
    match = Match()
    sent, last = 0, time.thread_time()

    def answered(result: Any) -> None:
        answers[getattr(getattr(result, "value", result), "challenge", "let in")[-40:] or "?"] += 1

    def turn() -> None:
        nonlocal sent, last, longest
        now = time.thread_time()
        longest, last = max(longest, now - last), now
        if sent < number:
            try:
                found = authorizer.authorize(requests[sent], match, ())
            except Exception as error:
                answered(error)
            else:
                found.addBoth(answered) if isinstance(found, Deferred) else answered(found)
            sent += 1
        elif answers.total() == number:
            done.callback(None)
            return
        reactor.callLater(0, turn)  # type: ignore[attr-defined]

    started = time.thread_time()
    reactor.callLater(0, turn)  # type: ignore[attr-defined]
    await done
    cpu = time.thread_time() - started
    child.terminate()
    asked = len(child.stdout.read().splitlines())
    child.wait()
    await authorizer.stop()
    said = ", ".join(f"{count} x {text.split('=')[-1]}" for text, count in answers.most_common(3))
    print(
        f"{name:30} {cpu / number * 1e6:7.0f} us  longest turn {longest * 1e3:6.2f} ms  issuer asked {asked} times  "
        f"memory {(rss() - before) / 1e6:+5.1f} MB  {said}",
        flush=True,
    )


def pause(seconds: float) -> Deferred[None]:
    waiting: Deferred[None] = Deferred()
    reactor.callLater(seconds, waiting.callback, None)  # type: ignore[attr-defined]
    return waiting


async def run(number: int) -> None:
    for name in forgeries("", 0):
        await measure(name, number)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tokens", type=int, default=5000)
    parser.add_argument("--issuer", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.issuer:
        issuer(*given.issuer)
        return
    running = Deferred.fromCoroutine(run(given.tokens))
    running.addErrback(lambda failure: failure.printTraceback())
    running.addBoth(lambda _: reactor.stop())  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
