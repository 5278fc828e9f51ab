"""`lambdaproxy event KIND`: an event as a front door would send it, made by the format's own codec, or a service's."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from lambdaproxy import __version__, registry
from lambdaproxy.base.ids import new_ids
from lambdaproxy.command.samples import SAMPLES, About, Asked, Sample
from lambdaproxy.command.words import Words, pair
from lambdaproxy.config.settings import Settings
from lambdaproxy.config.templates import check_template
from lambdaproxy.config.values import spec
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.http1.grammar import Malformed
from lambdaproxy.http1.head import parse_request
from lambdaproxy.interfaces import IMessageCodec
from lambdaproxy.messages import Match, Request, request_of
from lambdaproxy.routing import Route, Router
from lambdaproxy.start import explain
from lambdaproxy.tap import refuse
from lambdaproxy.web.forwarded import Origin
from lambdaproxy.web.heads import make_head
from lambdaproxy.web.limits import Limits

_CLIENT = (("Accept", "*/*"), ("User-Agent", f"lambdaproxy/{__version__}"))
"""What every client sends, and functions rely on."""


def run(words: Sequence[str], usage: str) -> None:
    """Print the event."""
    print(text(words, usage=usage))


def text(words: Sequence[str], now: float | None = None, usage: str = "") -> str:
    """The event that was asked for, as JSON; ends with a sentence where there is none."""
    now = time.time() if now is None else now
    if not words or words[0] in ("--help", "-h"):
        if words:
            print(_help(usage))
            raise SystemExit(0)
        refuse(f"say which event, as in lambdaproxy event apigateway-v2 --path /users; there are {', '.join(_kinds())}")
    kind, rest = words[0], words[1:]
    name = kind.partition(":")[0]
    try:
        if name in registry.codec_makers():
            document = _of_format(kind, rest, now)
        elif name in SAMPLES:
            document = _of_service(name, SAMPLES[name], rest, now)
        else:
            refuse(registry.unknown("kind of event", name, _kinds()))
    except (ValueError, LambdaProxyError) as error:
        said = error.detail or error.public if isinstance(error, LambdaProxyError) else error
        refuse(f"lambdaproxy event {name}: {said}")
    shown = json.dumps(document, indent=2, ensure_ascii=False)
    # Half a surrogate pair is no text, and its escape means the same in JSON.
    return shown.encode("utf-8", "backslashreplace").decode()


def options() -> list[str]:
    """All options, as they are typed."""
    services = [f"--{each.name}" for sample in SAMPLES.values() for each in sample.options]
    return [*format_words("FORMAT").options(), *services, "--region", "--account"]


def _kinds() -> list[str]:
    return [*registry.codec_makers(), *SAMPLES]


def _help(usage: str) -> str:
    lines = [usage, "", "formats, for a request (lambdaproxy event FORMAT --help):"]
    lines += [f"  {name:24} {maker.help}" for name, maker in registry.codec_makers().items()]
    lines += ["", "services (lambdaproxy event SERVICE --help):"]
    lines += [f"  {name:24} {sample.help}" for name, sample in SAMPLES.items()]
    return "\n".join(lines)


# --- events of formats ---


def _of_format(kind: str, words: Sequence[str], now: float) -> Any:
    given = format_words(kind).read(words)
    chosen = spec(kind)
    codec = registry.make_codec(chosen)
    request, route = _request(chosen.name, given, now), None
    if IMessageCodec.providedBy(codec):
        return json.loads(_of_connection(codec, request, given.route))
    if given.route:
        method, _, path = given.route.rpartition(" ")
        check_template(path)
        methods = (method,) if method and method != "ANY" else ()
        route = Route(path, None, methods, Settings(format=chosen), codec, None, None, None, None, None)
    match = Match() if route is None else _match(route, request)
    return json.loads(codec.encode_request(request, match))


def format_words(kind: str) -> Words:
    """The options for an event of a format."""
    words = Words(
        f"lambdaproxy event {kind} ['METHOD https://host/path'] [options]",
        "The event that this format has for the request. A body that is JSON is called so. Options of the format\n"
        f"follow its name, as in {kind.partition(':')[0]}:KEY=VALUE; lambdaproxy serve --help-formats lists them.",
        'Example: lambdaproxy event apigateway-v2 --method POST --path /users --body \'{"name": "Ada"}\'',
    )
    words.add_argument("request", nargs="*", help=argparse.SUPPRESS)
    words.add_argument("--method", metavar="METHOD", help="GET, and with a body POST")
    words.add_argument("--path", metavar="PATH", help="the path, perhaps with a query; /")
    words.add_argument("--query", metavar="NAME=VALUE", action="append", default=[], type=pair("=", "NAME=VALUE"),
                       help="a parameter of the query; may be repeated")  # fmt: skip
    words.add_argument("-H", "--header", metavar="'NAME: VALUE'", action="append", default=[],
                       type=pair(":", "'NAME: VALUE'"), help="a header; may be repeated")  # fmt: skip
    words.add_argument("-d", "--body", metavar="TEXT", help="the body; @FILE reads one, @- standard input")
    words.add_argument("--host", metavar="HOST", help="the host that is asked")
    words.add_argument("--client", metavar="ADDRESS", default="203.0.113.7", help="who asks; 203.0.113.7")
    words.add_argument(
        "--route",
        metavar="'[METHOD] TEMPLATE'",
        help="the route that it took, as in 'GET /users/{id}'; of connections its key",
    )
    return words


def _of_connection(codec: IMessageCodec, request: Request, key: str | None) -> bytes:
    """An event of a connection: its end for the route `$disconnect`, a message with a body, else its handshake."""
    opened = codec.opened(request)
    if key == "$disconnect":
        return codec.encode_disconnect(opened, 1000, "", request.id, request.received)
    if not request.body:
        if key not in (None, "$connect"):
            raise ValueError(f"--route: {key} is a route of messages; give the message with --body")
        return codec.encode_request(replace(request, method="GET"), Match())
    if key == "$connect":
        raise ValueError("--body: a handshake has none")
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        raise ValueError("--body: a message is a text, in UTF-8") from None
    key = key or codec.selection.key(text) or "$default"
    return codec.encode_message(opened, key, text, request.id, request.received)


def _request(name: str, given: argparse.Namespace, now: float) -> Request:
    if given.request and given.path is not None:
        raise ValueError("--path: the path stands in the request already")
    typed = " ".join(given.request)
    try:
        asked = explain.parse([typed or "/"], ())
    except ValueError:
        raise ValueError(f"{typed!r} is no request such as 'GET https://host/path'") from None
    target = asked.target if given.path is None else given.path if given.path.startswith("/") else f"/{given.path}"
    if given.query:
        more = "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in given.query)
        target += ("&" if "?" in target else "?") + more
    body = _body(given.body)
    headers = list(given.header)
    names = {key.lower() for key, _ in headers}
    headers += [(key, value) for key, value in _CLIENT if key.lower() not in names]
    host = given.host or asked.host or getattr(registry.codec_makers()[name], "sample_host", "example.com")
    if given.body is not None and "content-type" not in names and _is_json(body):
        headers.append(("Content-Type", "application/json"))
    if given.body is not None and not names & {"content-length", "transfer-encoding"}:
        headers.append(("Content-Length", str(len(body))))
    method = (given.method or (asked.method if given.request else "POST" if given.body is not None else "GET")).upper()
    lines = [f"{method} {target} HTTP/1.1", *([] if "host" in names else [f"Host: {host}"])]
    lines += [f"{key}: {value}" for key, value in headers]
    if any("\n" in line or "\r" in line for line in lines):
        raise ValueError("there is no such request: a line end in its path or a header")
    block = "".join(f"{line}\r\n" for line in (*lines, "")).encode("utf-8", "surrogateescape")
    try:
        parsed = parse_request(block, Limits.configured(Settings()).head)
    except Malformed as error:
        raise ValueError(f"there is no such request: {error.reason}, {error.detail}") from None
    https = "http://" not in typed
    origin = Origin("https" if https else "http", parsed.host, 443 if https else 80, given.client)
    head = make_head(parsed, origin, ids=new_ids(now), received=now)
    return request_of(head, head.headers, body)


def _match(route: Route, request: Request) -> Match:
    default = replace(route, path=None, methods=())
    found, match = Router((route,), default).match(request.method, request.host, request.target)
    if found is default:
        raise ValueError(f"--route: {route.path} does not take {request.method} {request.target.decode('latin-1')}")
    return match


def _body(given: str | None) -> bytes:
    if given is None:
        return b""
    if not given.startswith("@"):
        return given.encode("utf-8", "surrogateescape")
    if given == "@-":
        return sys.stdin.buffer.read()
    try:
        with open(given[1:], "rb") as file:
            return file.read()
    except OSError as error:
        raise ValueError(f"--body: {given[1:]}: {error.strerror}") from None


def _is_json(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict | list)
    except (ValueError, RecursionError):
        return False


# --- events of services ---


def _of_service(name: str, sample: Sample, words: Sequence[str], now: float) -> Any:
    given = vars(service_words(name, sample).read(words))
    about = About(now, given["region"], given["account"])
    values = {each.name: each.default if given[each.name] is None else given[each.name] for each in sample.options}
    return sample.make(about, values)


def service_words(name: str, sample: Sample) -> Words:
    """The options of a service's event."""
    parser = Words(f"lambdaproxy event {name} [options]", f"What a function gets: {sample.help}.")
    for each in sample.options:
        shown = each.default[0] if isinstance(each.default, tuple) and each.default else each.default
        shown = json.dumps(shown) if each.json and shown is not None else shown
        more = f"; {shown}" if shown not in (None, "", ()) else ""
        parser.add_argument(
            f"--{each.name}",
            metavar=each.metavar,
            dest=each.name,
            action="append" if each.many else "store",
            type=_type(each),
            help=f"{each.help}{more}".replace("%", "%%"),
        )
    parser.add_argument("--region", default="us-east-1", metavar="REGION", help="the region; us-east-1")
    parser.add_argument("--account", default="123456789012", metavar="NUMBER", help="the account; 123456789012")
    return parser


def _type(each: Asked) -> Any:
    if each.pair:
        return pair("=", each.metavar)
    if each.json:
        return _json
    return _whole if isinstance(each.default, int) else str


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(text)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no JSON: {error}") from None
