"""What to type at start to see an embedded function answer: a request that was tried on our own rules first.

Of a WebSocket API it is the address that clients connect to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from shlex import quote
from urllib.parse import urlsplit

from lambdaproxy.config.conditions import HEADER, HOST, PATH, QUERY
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.http1.head import RequestHead
from lambdaproxy.proxy import Proxy
from lambdaproxy.routing import Route, Router
from lambdaproxy.start.routes import LOCAL
from lambdaproxy.web.forwarded import Origin
from lambdaproxy.web.heads import make_head

_WILD = re.compile(r"[*?]")
_PARAMETER = re.compile(r"\{[^/]*\}")
_PATHS = ("/", "/hello", "/a/b")

HANDSHAKE = (
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
)
"""What `ws://` means besides (RFC 6455, 4.1)."""


@dataclass(frozen=True, slots=True)
class _Try:
    """A request that may reach the function; `host` is a route's own, `named` whether the header names the function.

    `authorizer` asks for something that only the operator knows. `opens` is the route whose connection it opens.
    """

    method: str = "GET"
    path: str = "/"
    host: str = ""
    named: bool = False
    authorizer: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    opens: Route | None = None


def hint(name: str, header: str | None, router: Router, proxy: Proxy, url: str, options: str = "") -> str | None:
    """The `curl` command that invokes the embedded function `name` on the listener `url`; None if no request does.

    A route of its own comes first, because there it gets the events that it is written for, with the `ws://` address of
    a WebSocket API that names it; then what needs no header.
    """
    # What anybody may ask comes first.
    for each in sorted(_tries(name, header, router), key=lambda each: each.authorizer is not None):
        if _reaches(each, name, header, proxy, url):
            if each.opens is not None:
                return _address(each, url, options)
            return _curl(each, name, header, url, options)
    return None


def _tries(name: str, header: str | None, router: Router) -> Iterator[_Try]:
    plain = [route for route in router.routes if route.socket is None]
    for route in plain:
        if route.function is not None and route.function.name == name:
            yield from _of_route(route)
    for route in router.routes:
        if route.socket is not None and any(each.name == name and each.invoker == LOCAL for each in route.functions()):
            host = (route.host or "").replace("*.", "www.")
            yield _Try("GET", route.path or "/", host, authorizer=route.authorizer, headers=HANDSHAKE, opens=route)
    for route in (router.default, *plain):
        if route.fallback is not None and route.fallback.name == name:
            yield from _of_route(route)
    if header is not None:
        for route in (router.default, *plain):
            yield from (replace(each, named=True) for each in _of_route(route))


def _of_route(route: Route) -> Iterator[_Try]:
    host = (route.host or "").replace("*.", "www.")
    template = route.path
    paths = [_PARAMETER.sub("1", template), _PARAMETER.sub("example", template)] if template else [*_PATHS]
    headers: tuple[tuple[str, str], ...] = ()
    query = ""
    for each in route.conditions.conditions if route.conditions is not None else ():
        value = _WILD.sub("1", each.values[0])
        if each.kind == HEADER:
            headers = (*headers, (each.name, value))
        elif each.kind == HOST:
            host = value
        elif each.kind == PATH:
            paths = [value, *paths]
        elif each.kind == QUERY:
            query += f"{'&' if query else '?'}{value if value[:1] != '=' else 'q' + value}"
    for method in route.methods or ("GET",):
        for path in paths:
            yield _Try(method, path + query, host, authorizer=route.authorizer, headers=headers)


def _reaches(each: _Try, name: str, header: str | None, proxy: Proxy, url: str) -> bool:
    host = each.host or urlsplit(url).netloc
    headers: tuple[tuple[bytes, bytes], ...] = ((b"Host", host.encode()),)
    headers += tuple((name.encode(), value.encode("utf-8", "replace")) for name, value in each.headers)
    if each.named and header is not None:
        headers += ((header.encode(), name.encode()),)
    asked = RequestHead(each.method, each.path.encode(), "HTTP/1.1", headers, host, 0, True, False)
    head = make_head(asked, Origin("http", host, 80, "127.0.0.1"))
    try:
        function = proxy.would_invoke(head)
    except LambdaProxyError:
        return False
    if each.opens is not None:
        return function == each.opens.function
    return function.name == name and function.invoker == LOCAL


def _address(each: _Try, url: str, options: str) -> str:
    """Where a WebSocket client connects, and what it has to say or do besides."""
    besides = []
    if each.host:
        besides.append(f"with the header Host: {each.host}")
    if options:
        besides.append(f"as curl does with {options}")
    if each.authorizer is not None:
        besides.append(f"with what the authorizer {each.authorizer} asks for")
    address = "ws" + url.rstrip("/").removeprefix("http") + each.path
    return f"{address} # {', '.join(besides)}" if besides else address


def _curl(each: _Try, name: str, header: str | None, url: str, options: str) -> str:
    words = ["curl"]
    if options:
        words.append(options)
    if each.method == "HEAD":
        words.append("-I")
    elif each.method != "GET":
        words.append(f"-X {each.method}")
    if each.host:
        words.append(f"-H {quote(f'Host: {each.host}')}")
    words += [f"-H {quote(f'{name}: {value}')}" for name, value in each.headers]
    if each.named:
        words.append(f"-H {quote(f'{header}: {name}')}")
    words.append(quote(url.rstrip("/") + each.path))
    if each.authorizer is not None:
        words.append(f" # with what the authorizer {each.authorizer} asks for")
    return " ".join(words)
