"""Replays conformance cases against a codec; the form of a case is in README.md.

python -m tests.conformance.runner FILE...      every codec that is installed, by the name in the case
"""

from __future__ import annotations

import base64
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

MakeCodec = Callable[[str, Iterable[tuple[str, str]]], IEventCodec]

#: What `<word>` in an expected document stands for.
PLACEHOLDERS: dict[str, Callable[[Any], bool]] = {
    "<any>": lambda value: True,
    "<string>": lambda value: isinstance(value, str),
    "<epoch-ms>": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "<uuid>": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z").match,  # type: ignore[dict-item]
    "<gateway-id>": re.compile(r"[A-Za-z0-9_-]{15}=\Z").match,  # type: ignore[dict-item]
    "<root>": re.compile(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}\Z").match,  # type: ignore[dict-item]
    "<time>": re.compile(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\Z").match,  # type: ignore[dict-item]
    "<response-trace>": re.compile(  # type: ignore[dict-item]
        r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=1:[0-9a-f]{8}:0\Z"
    ).match,
}

#: The server writes these, not the codec.
SERVERS_OWN = {"content-length", "date", "connection"}


class Mismatch(AssertionError):
    """A codec does something else than the case says; the text names the case and every difference."""


def load(path: Path) -> list[dict[str, Any]]:
    """The cases of a file, each with the file's `codec`, `options` and `source` where it has none of its own."""
    document = json.loads(path.read_text(encoding="utf-8"))
    common = {key: document[key] for key in ("codec", "options", "source") if key in document}
    return [{**common, **case} for case in document["cases"]]


def run(case: Mapping[str, Any], make_codec: MakeCodec) -> None:
    """Replay one case; `Mismatch` if the codec does something else."""
    codec = make_codec(case["codec"], option_pairs(case.get("options", {})))
    request = request_of(case.get("request", {}))
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
        body=bytes_of(case),
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


def bytes_of(case: Mapping[str, Any]) -> bytes:
    """`body` as UTF-8, or `body_base64`."""
    if "body_base64" in case:
        return base64.b64decode(case["body_base64"])
    return str(case.get("body") or "").encode("utf-8")


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


def compare(expected: Any, actual: Any, where: str) -> list[str]:
    """The differences of two JSON values, key presence included; placeholders of `expected` stand for values."""
    if isinstance(expected, str) and expected in PLACEHOLDERS:
        fits = isinstance(actual, str) if expected not in ("<any>", "<epoch-ms>") else True
        return [] if fits and PLACEHOLDERS[expected](actual) else [f"{where}: {actual!r} is no {expected}"]
    if isinstance(expected, dict) and isinstance(actual, dict):
        found = []
        for key in sorted(expected.keys() | actual.keys()):
            if key not in actual:
                found.append(f"{where}.{key} is missing")
            elif key not in expected:
                found.append(f"{where}.{key} should be absent, is {actual[key]!r}")
            else:
                found += compare(expected[key], actual[key], f"{where}.{key}")
        return found
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        return [
            line
            for index, pair in enumerate(zip(expected, actual, strict=True))
            for line in compare(*pair, f"{where}[{index}]")
        ]
    if type(expected) is type(actual) and expected == actual:
        return []
    return [f"{where}: expected {expected!r}, is {actual!r}"]


def compare_part(expected: Any, actual: Any, where: str) -> list[str]:
    """Like `compare`, but objects may have more members; `<absent>` says that there must be none of that name."""
    if not isinstance(expected, dict) or not isinstance(actual, dict) or not expected:
        return compare(expected, actual, where) if expected != {} or not isinstance(actual, dict) else []
    found = []
    for key, value in expected.items():
        if value == "<absent>":
            found += [f"{where}.{key} should be absent, is {actual[key]!r}"] if key in actual else []
        elif key not in actual:
            found.append(f"{where}.{key} is missing")
        elif value == "<empty>":
            found += compare({}, actual[key], f"{where}.{key}")
        else:
            found += compare_part(value, actual[key], f"{where}.{key}")
    return found


def compare_response(expected: Mapping[str, Any], actual: Response) -> list[str]:
    """The differences in status, body and header fields; what the server writes itself is left out."""
    found = []
    if actual.status != expected["status"]:
        found.append(f"status: expected {expected['status']}, is {actual.status}")
    assert isinstance(actual.body, bytes)
    if "body" in expected or "body_base64" in expected:
        wanted = bytes_of(expected)
        if actual.body != wanted:
            found.append(f"body: expected {wanted!r}, is {actual.body!r}")
    if "body_json" in expected:
        found += compare(expected["body_json"], json.loads(actual.body), "body")
    if "headers" in expected:
        found += compare_headers(expected["headers"], actual, bool(expected.get("any_case")))
    found += missing_headers(expected.get("headers_include", ()), actual)
    return found


def missing_headers(expected: Iterable[tuple[str, str]], actual: Response) -> list[str]:
    """The fields that are not there at all."""
    present = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in actual.headers]
    return [
        f"header {name}: {value!r} is missing"
        for name, value in expected
        if not any(name.lower() == here and not compare(value, text, name) for here, text in present)
    ]


def compare_headers(expected: Iterable[tuple[str, str]], actual: Response, any_case: bool) -> list[str]:
    """The differences of two multisets of header fields."""
    wanted = [(name, value) for name, value in expected if name.lower() not in SERVERS_OWN]
    present = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in actual.headers]
    if any_case:
        wanted = [(name.lower(), value) for name, value in wanted]
        present = [(name.lower(), value) for name, value in present]
    found = []
    for name, value in wanted:
        for index, (name_here, value_here) in enumerate(present):
            if name == name_here and not compare(value, value_here, name):
                del present[index]
                break
        else:
            found.append(f"header {name}: {value!r} is missing")
    found += [f"header {name}: {value!r} should be absent" for name, value in present]
    length = [value for name, value in expected if name.lower() == "content-length"]
    if length and isinstance(actual.body, bytes) and length[0] != str(len(actual.body)):
        found.append(f"the body has {len(actual.body)} bytes, not {length[0]}")
    return found


def prune(value: Any) -> Any:
    """Leave out null, "" and empty containers, for captures in which these cannot be told from absent."""
    if isinstance(value, dict):
        pruned = {key: prune(member) for key, member in value.items()}
        return {key: member for key, member in pruned.items() if member not in (None, "", [], {})}
    return value


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
