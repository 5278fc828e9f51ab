"""Asks a door what a case says, as far as that can be seen from outside."""

from __future__ import annotations

import base64
import http.client
import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lambdaproxy_conformance.cases import DOORS_OWN, GRADES, Case, body_of, format_of
from lambdaproxy_conformance.compare import SERVERS_OWN, brief, compare, compare_part, missing_headers
from lambdaproxy_conformance.sockets import Talk
from lambdaproxy_conformance.wire import TIMES_OUT, Answer, Door, Step

#: Options of a case that only name things; what they name cannot be known from outside and is not compared.
NAMES = frozenset(
    {
        *("account", "api_id", "deployment_id", "resource_id", "target_group_arn"),
        *("service_arn", "service_network_arn", "source_vpc_arn"),
    }
)

_FRESH_ID = "7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0"
_FRESH_TRACE = "1-6a5145a8-536f3e792f6be9b44c1f46fa"
_PATTERNS = {_FRESH_ID: "[0-9a-f-]{36}", _FRESH_TRACE: "1-[0-9a-f]{8}-[0-9a-f]{24}"}

#: Members of an event that say where and when it was made. They must be there, as text or number; that is all.
_UNKNOWN = re.compile(
    r"event\.(requestId|request_id"
    r"|requestContext\.(accountId|apiId|domainName|domainPrefix|requestId|extendedRequestId|requestTime|requestTimeEpoch"
    r"|connectionId|connectedAt|messageId|time|timeEpoch|resourceId|deploymentId|region|serviceArn|serviceNetworkArn|targetGroupArn"
    r"|elb\.targetGroupArn|identity\.(sourceIp|sourceVpcArn)|http\.sourceIp))"
)
_FRONT = re.compile(
    r"event\.(headers|multiValueHeaders)\.(host|via|x-forwarded-(for|port|proto)|x-amzn-tls-.*|x-amzn-lattice-.*)", re.I
)
#: Where an HTTP API says its stage, if that is none of `$default`.
_STAGED = {"event.rawPath", "event.path", "event.requestContext.path", "event.requestContext.http.path"}


class NoEvent(Exception):
    """The answer to a message is not the echo function's."""


@dataclass(frozen=True)
class Outcome:
    """`passed`, `failed` with `differences`, or `skipped` with a `reason`; `silent` if the door let us wait in vain."""

    case: Case
    verdict: str
    differences: list[str] = field(default_factory=list)
    reason: str = ""
    steps: list[Step] = field(default_factory=list)
    silent: bool = False


@dataclass(frozen=True)
class Setup:
    """How the door was set up: `options` as cases have them, `stage` where it is another than the format's own; and
    the `grades` of cases that it is asked."""

    options: Mapping[str, Any] = field(default_factory=dict)
    stage: str | None = None
    grades: frozenset[str] = frozenset(GRADES)


def probe(case: Case, door: Door, setup: Setup) -> Outcome:
    """Replay one case against a door, which has its whole time for it."""
    reason = unseen(case, door, setup)
    if reason:
        return Outcome(case, "skipped", reason=reason)
    door = door.afresh()
    differences: list[str] = []
    silent = False
    try:
        if "socket" in case:
            differences += _ask_by_socket(case, door, setup)
        elif "event" in case or "event_includes" in case:
            differences += _ask_for_event(case, door, setup)
        if "response" in case and "socket" not in case:
            differences += _ask_for_response(case, door)
    except (OSError, http.client.HTTPException) as error:
        differences = [f"no answer: the door {door.silent(error)}"]
        silent = isinstance(error, (*TIMES_OUT, ConnectionRefusedError))
    except NoEvent as error:
        differences.append(str(error))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        # What a door says is anybody's: whatever it is, the other cases are asked.
        differences.append(f"the answer cannot be read ({type(error).__name__}: {brief(str(error))})")
    steps = [Step(step.who, door.hidden(step.text)) for step in door.steps]
    differences = [door.hidden(line) for line in differences]
    return Outcome(case, "failed" if differences else "passed", differences, steps=steps, silent=silent)


def unseen(case: Case, door: Door, setup: Setup) -> str:
    """Why a case cannot be replayed from outside, or nothing."""
    grade = case.get("grade", "C")
    if grade not in setup.grades:
        return f"is of grade {grade}: --grade {','.join(sorted({*setup.grades, grade}))} asks it"
    wanted = _chosen(case.get("options", {}))
    if wanted != _chosen(setup.options):
        words = " ".join(f"{key}={value}" for key, value in wanted.items()) or "none"
        return f"is for a door with other options: {words}"
    request = case.get("request", {})
    for key, what in (
        ("forwarded_for", "a trusted proxy in front"),
        ("client", "a client of that address"),
        ("trace_id", "a trace id of that value"),
    ):
        if key in request:
            return f"needs {what}"
    if "response" in case and request.get("host", "example.com") in json.dumps(case["response"]):
        return "needs a host of that name"
    if request.get("tls") and door.scheme != "https":
        return "needs TLS"
    if "route" in case:
        methods = ", ".join(case["route"].get("methods", ())) or "ANY"
        return f"needs the route {methods} {case['route']['template']}"
    if case.get("inside"):
        return "cannot be seen from outside"
    if "prelude" in case:
        return "needs a function that streams"
    if case.get("error", "FunctionError") != "FunctionError":
        return f"needs the Lambda API to say {case['error']}"
    if _whole_fraction(case.get("result")):
        return "needs a function that writes 200.0, which Node does not"
    if "normalise" in case:
        return "is a recording whose recorder changed it"
    if "result_text" in case:
        try:
            value = json.loads(case["result_text"])
        except ValueError:
            return "needs a function whose result is no JSON"
        if json.dumps(value) != case["result_text"]:
            return "needs a function that chooses the bytes of its result"
    return ""


def _whole_fraction(result: Any) -> bool:
    values = result.values() if isinstance(result, dict) else ()
    return any(isinstance(value, float) and value.is_integer() for value in values)


def _chosen(options: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The options that change what an event or a response is, each as a list."""
    return {
        key: value if isinstance(value, list) else [value]
        for key, value in options.items()
        if key not in NAMES and key != "payload"
    }


def _sent(case: Case) -> tuple[str, str, list[tuple[str, str]], bytes]:
    request = case.get("request", {})
    headers = [(name, value) for name, value in request.get("headers", ())]
    return request.get("method", "GET"), request.get("target", "/"), headers, body_of(request)


def _ask_for_event(case: Case, door: Door, setup: Setup) -> list[str]:
    method, target, headers, body = _sent(case)
    if method == "HEAD":
        return []
    answer = door.ask(method, target, headers, body)
    try:
        event = json.loads(answer.body)["event"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return [f"the function's answer did not arrive: status {answer.status}, {answer.body[:100]!r}"]
    named = {name.lower() for name, _ in headers}
    ours = {"content-length", "connection", *(field.partition(":")[0].lower() for field in door.own)} - named
    found: list[str] = []
    for key, check in (("event", compare), ("event_includes", compare_part)):
        if key in case:
            expected = masked(case[key], "event", _with_stage(case, setup))
            seen = _without_framing(event, expected, ours)
            found += check(expected, seen, "event")
    return found


def _ask_by_socket(case: Case, door: Door, setup: Setup) -> list[str]:
    """Open a connection, and see what the function was told, or what the client is."""
    _, target, headers, _ = _sent(case)
    if "response" in case:
        return _differences(case, _refusal(case, door, target, headers), "GET")
    asked = case["socket"]
    with Talk(door, target, headers) as talk:
        if talk.refused is not None:
            return [f"the handshake was answered {talk.refused.status}, {talk.refused.body[:100]!r}"]
        if "reply" in case:
            wanted = (
                {"conformance": "raise"} if "error" in case else {"conformance": "result", "result": case["result"]}
            )
            talk.say(json.dumps(wanted))
            heard = talk.hear()
            return (
                [] if _any_ids(heard) == case["reply"] else [f"reply: expected {case['reply']!r}, is {heard[:200]!r}"]
            )
        if "says" in asked:
            talk.say(asked["says"])
            event = event_of(talk.hear())
        else:
            talk.say('{"conformance": "CONNECT"}')
            event = event_of(talk.hear())
        if "ends" in asked:
            talk.end(*asked["ends"])
    if "ends" in asked:
        # Some doors say so only when the connection itself is closed.
        event = _told_of(door, target, (event.get("requestContext") or {}).get("connectionId", ""))
    if not event:
        end = "end" if "ends" in asked else "begin"
        return [f"the function that answers was not told of the connection's {end}, or another process of it was"]
    found: list[str] = []
    for key, check in (("event", compare), ("event_includes", compare_part)):
        if key in case:
            found += check(masked(case[key], "event", _with_stage(case, setup)), event, "event")
    return found


def _refusal(case: Case, door: Door, target: str, headers: list[tuple[str, str]]) -> Answer:
    result: Any = {"conformance": "raise"} if "error" in case else case["result"]
    text = base64.b64encode(json.dumps(result).encode()).decode("ascii")
    with Talk(door, target, [*headers, ("X-Conformance-Result", text)]) as talk:
        return talk.refused or Answer(101, [], b"")


def _told_of(door: Door, target: str, connection: str) -> Any:
    """The event of a connection's end: it comes after that, and nobody is answered it."""
    question = json.dumps({"conformance": "DISCONNECT", "connectionId": connection})
    end = time.monotonic() + min(10, door.timeout / 2)
    with Talk(door, target, []) as talk:
        while True:
            talk.say(question)
            event = event_of(talk.hear())
            if event or time.monotonic() > end:
                return event
            time.sleep(0.05)


def _any_ids(text: str) -> str:
    return re.sub(r'Id":"[A-Za-z0-9_-]{15}="', 'Id":"<gateway-id>"', text)


def event_of(text: str) -> dict[str, Any]:
    """The event in the echo function's answer; `NoEvent` if it is none."""
    try:
        event = json.loads(text)["event"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NoEvent(f"the function's answer did not arrive: {text[:100]!r}") from None
    return event if isinstance(event, dict) else {}


def _ask_for_response(case: Case, door: Door) -> list[str]:
    method, target, headers, body = _sent(case)
    if not case.get("refused"):
        result: Any = {"conformance": "raise"} if "error" in case else None
        if result is None:
            result = json.loads(case["result_text"]) if "result_text" in case else case["result"]
        text = base64.b64encode(json.dumps(result).encode()).decode("ascii")
        headers = [*headers, ("X-Conformance-Result", text)]
    return _differences(case, door.ask(method, target, headers, body), method)


def _differences(case: Case, answer: Answer, method: str) -> list[str]:
    expected = case["response"]
    found = []
    if answer.status != expected["status"]:
        found.append(f"status: expected {expected['status']}, is {answer.status}")
    if ("body" in expected or "body_base64" in expected) and method != "HEAD":
        wanted = body_of(expected)
        if answer.body != wanted:
            found.append(f"body: expected {wanted[:200]!r}, is {answer.body[:200]!r}")
    if "body_json" in expected:
        try:
            found += compare(expected["body_json"], json.loads(answer.body), "body")
        except ValueError:
            found.append(f"body: {answer.body[:200]!r} is no JSON")
    fields = [
        (name, value) for name, value in expected.get("headers", ()) if name.lower() not in SERVERS_OWN | DOORS_OWN
    ]
    fields += expected.get("headers_include", ())
    found += missing_headers([(name, _like(value)) for name, value in fields], answer.headers)
    if "headers" in expected:
        found += _too_many(case, {name.lower() for name, _ in fields}, answer.headers)
    return found


def _too_many(case: Case, expected: set[str], present: Iterable[tuple[str, str]]) -> list[str]:
    """Fields of the function's result that should not have come through; those that the server adds are its own."""
    result = case.get("result")
    given: set[str] = set()
    if isinstance(result, dict):
        for key in ("headers", "multiValueHeaders"):
            given |= (
                {str(name).lower() for name in (result.get(key) or {})} if isinstance(result.get(key), dict) else set()
            )
    return [
        f"header {name}: {value!r} should be absent"
        for name, value in present
        if name.lower() in given - expected - SERVERS_OWN - DOORS_OWN - {"transfer-encoding"}
    ]


def _like(text: str) -> Any:
    """A text with an id that the case's own runner would have made -> a pattern for any such id."""
    pattern = re.escape(text)
    for fresh, kind in _PATTERNS.items():
        pattern = pattern.replace(re.escape(fresh), kind)
    return re.compile(pattern) if pattern != re.escape(text) else text


def _with_stage(case: Case, setup: Setup) -> tuple[str, str] | None:
    """The stage that the case expects, and the one that the door has."""
    if setup.stage is None or "stage" in case.get("options", {}):
        return None
    return {"apigateway-v1": "prod", "apigateway-websocket": "prod"}.get(format_of(case), "$default"), setup.stage


def masked(expected: Any, where: str, stage: tuple[str, str] | None) -> Any:
    """An expected event without what nobody outside the door can know."""
    if isinstance(expected, dict):
        return {key: masked(value, f"{where}.{key}", stage) for key, value in expected.items()}
    if expected == "<absent>":
        return expected
    if isinstance(expected, list) and not _FRONT.fullmatch(where):
        return [masked(value, where, stage) for value in expected]
    if _UNKNOWN.fullmatch(where) or _FRONT.fullmatch(where):
        return "<any>"
    if isinstance(expected, str):
        if stage and where == "event.requestContext.stage" and expected == stage[0]:
            return stage[1]
        if stage and where == "event.requestContext.path" and expected.startswith(f"/{stage[0]}/"):
            return f"/{stage[1]}{expected[len(stage[0]) + 1 :]}"
        if stage and stage[0] == "$default" != stage[1] and where in _STAGED:
            return f"/{stage[1]}{expected}"
        return _like(expected)
    return expected


def _without_framing(event: Any, expected: Any, ours: set[str]) -> Any:
    """An event without the fields of our own request, which no case speaks of: its length, its connection."""
    if not isinstance(event, dict):
        return event
    seen = dict(event)
    for key in ("headers", "multiValueHeaders"):
        if isinstance(seen.get(key), dict):
            wanted = expected.get(key) if isinstance(expected, dict) else None
            kept = {name.lower() for name in wanted} if isinstance(wanted, dict) else set()
            seen[key] = {name: value for name, value in seen[key].items() if name.lower() not in ours - kept}
    return seen
