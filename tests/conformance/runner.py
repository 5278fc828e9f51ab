"""Replays conformance cases against a codec; the form of a case is in README.md.

python -m tests.conformance.runner FILE...      every codec that is installed, by the name in the case
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lambdaproxy import errors
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.interfaces import IEventCodec
from lambdaproxy.messages import InvocationResult, Match, Request, Response, Tls
from lambdaproxy_conformance.cases import body_of, load
from lambdaproxy_conformance.compare import compare, compare_headers, compare_part, missing_headers, prune

MakeCodec = Callable[[str, Iterable[tuple[str, str]]], IEventCodec]


class Mismatch(AssertionError):
    """A codec does something else than the case says; the text names the case and every difference."""


def run(case: Mapping[str, Any], make_codec: MakeCodec) -> None:
    """Replay one case; `Mismatch` if the codec does something else."""
    codec = make_codec(case["codec"], option_pairs(case.get("options", {})))
    request = request_of(case.get("request", {}))
    if "socket" in case and "response" not in case:
        found = run_socket(codec, case, request)
        if found:
            raise Mismatch(f"{case['name']}: " + "; ".join(found))
        return
    match = match_of(case.get("route"))
    differences: list[str] = []
    if "event" in case or "event_includes" in case:
        event = json.loads(codec.encode_request(request, match))
        for change in case.get("normalise", ()):
            event = NORMALISERS[change](event)
        if "event" in case:
            differences += compare(case["event"], event, "event")
        differences += compare_part(case.get("event_includes", {}), event, "event")
    if "response" in case:
        response = respond(codec, case, request, match)
        differences += compare_response(case["response"], response)
    if differences:
        raise Mismatch(f"{case['name']}: " + "; ".join(differences))


def run_socket(codec: Any, case: Mapping[str, Any], request: Request) -> list[str]:
    """The differences of what a function is told of a connection, and its client of a message's result."""
    asked, opened = case["socket"], codec.opened(request)
    if "reply" in case:
        try:
            if "error" in case:
                raise error_of(case["error"])
            reply = codec.decode_reply(InvocationResult(json.dumps(case["result"]).encode()), True)
        except LambdaProxyError as error:
            reply = codec.error_message(error, opened, request.id)
        reply = re.sub(r'Id":"[A-Za-z0-9_-]{15}="', 'Id":"<gateway-id>"', reply)
        return [] if reply == case["reply"] else [f"reply: expected {case['reply']!r}, is {reply!r}"]
    if "says" in asked:
        payload = codec.encode_message(opened, "$default", asked["says"], request.id, request.received)
    elif "ends" in asked:
        payload = codec.encode_disconnect(opened, *asked["ends"], request.id, request.received)
    else:
        payload = codec.encode_request(request, Match())
    event = json.loads(payload)
    found = compare(case["event"], event, "event") if "event" in case else []
    return found + compare_part(case.get("event_includes", {}), event, "event")


def option_pairs(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Options as `--format name:key=value` has them; a list repeats the key."""
    for key, value in options.items():
        for text in value if isinstance(value, list) else [value]:
            yield key, text


def request_of(case: Mapping[str, Any]) -> Request:
    """The request of a case; what it leaves out is plain."""
    headers = tuple((name.encode("latin-1"), value.encode("utf-8")) for name, value in case.get("headers", ()))
    tls = case.get("tls")
    scheme = case.get("scheme", "https")
    return Request(
        method=case.get("method", "GET"),
        target=case.get("target", "/").encode("utf-8"),
        version="HTTP/1.1",
        headers=headers,
        body=body_of(case),
        scheme=scheme,
        host=case.get("host", "example.com"),
        port=case.get("port", 80 if scheme == "http" else 443),
        client=case.get("client", "198.51.100.7"),
        forwarded_for=case.get("forwarded_for", ""),
        tls=Tls(**tls) if tls else None,
        id=case.get("id", "7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0"),
        trace_id=case.get("trace_id", "1-6a5145a8-536f3e792f6be9b44c1f46fa"),
        received=case.get("received", 1783711144.836),
    )


def match_of(route: Mapping[str, Any] | None) -> Match:
    """The route of a case, or none."""
    if route is None:
        return Match()
    parameters = tuple((name, value) for name, value in route.get("path_parameters", ()))
    return Match(route["template"], tuple(route.get("methods", ())), parameters)


def respond(codec: IEventCodec, case: Mapping[str, Any], request: Request, match: Match) -> Response:
    """The response to the case's `result`, `result_text`, `prelude` or `error`, or to the request if it is refused."""
    try:
        if "error" in case:
            raise error_of(case["error"])
        if case.get("refused"):
            codec.encode_request(request, match)
            raise Mismatch(f"{case['name']}: the codec makes an event of a request that it should refuse")
        if "prelude" in case:
            prelude = case["prelude"]
            return codec.decode_prelude(None if prelude is None else json.dumps(prelude).encode(), request, match)
        payload = case["result_text"].encode("utf-8") if "result_text" in case else json.dumps(case["result"]).encode()
        return codec.decode_result(InvocationResult(payload), request, match)
    except LambdaProxyError as error:
        return codec.error_response(error, request)


def error_of(name: str) -> LambdaProxyError:
    """The error of that name in `lambdaproxy.errors`."""
    kind = getattr(errors, name)
    if kind is errors.BadFunctionHeader:
        return errors.BadFunctionHeader("Send the header X-Lambda-Function")
    made: LambdaProxyError = kind()
    made.retry_after = None
    return made


def compare_response(expected: Mapping[str, Any], actual: Response) -> list[str]:
    """The differences in status, body and header fields; what the server writes itself is left out."""
    found = []
    if actual.status != expected["status"]:
        found.append(f"status: expected {expected['status']}, is {actual.status}")
    assert isinstance(actual.body, bytes)
    if "body" in expected or "body_base64" in expected:
        wanted = body_of(expected)
        if actual.body != wanted:
            found.append(f"body: expected {wanted!r}, is {actual.body!r}")
    if "body_json" in expected:
        found += compare(expected["body_json"], json.loads(actual.body), "body")
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in actual.headers]
    if "headers" in expected:
        found += compare_headers(expected["headers"], fields, bool(expected.get("any_case")))
        length = [value for name, value in expected["headers"] if name.lower() == "content-length"]
        if length and length[0] != str(len(actual.body)):
            found.append(f"the body has {len(actual.body)} bytes, not {length[0]}")
    found += missing_headers(expected.get("headers_include", ()), fields)
    return found


def parse_body(event: dict[str, Any]) -> dict[str, Any]:
    """Show a JSON body as its value, for captures whose recorder did so."""
    return {**event, "body": json.loads(event["body"])} if event.get("body") else event


#: What a case may ask for under `normalise`: applied to the codec's event, not to the expected one.
NORMALISERS: dict[str, Callable[[Any], Any]] = {"prune": prune, "parse_body": parse_body}


def main(paths: list[str]) -> int:
    """Run the files of a command line against the installed codecs; 1 if anything differs."""
    from lambdaproxy.config.values import Spec
    from lambdaproxy.registry import make_codec

    counted: Counter[str] = Counter()
    for path in paths:
        for case in load(Path(path)):
            try:
                run(case, lambda name, options: make_codec(Spec(name, tuple(options))))
                counted["passed"] += 1
            except Mismatch as mismatch:
                counted["failed"] += 1
                print(mismatch)
    print(f"{counted['passed']} passed, {counted['failed']} failed")
    return 1 if counted["failed"] or not counted["passed"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
