"""`lambdaproxy ctl`: asks the supervisor at its control socket, and says what he answers."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lambdaproxy.base.wire import Wire

DEFAULT = "/run/lambdaproxy/control"
ANSWER = 180.0
"""Seconds that an answer may take; a reload is given up by the supervisor before."""

ACTIONS = ("status", "reload", "workers", "drain", "routes", "canary", "explain")
USAGE = (
    "[--control PATH] [--json] status|reload|workers +1|workers -1|drain|routes|canary|explain 'GET https://host/path'"
)


class Refused(Exception):
    """What was typed, or the answer, is a refusal: one sentence."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What is asked, of whom, and whether the answer is shown as JSON."""

    path: str
    question: Mapping[str, Any]
    json: bool = False


def parse(words: Sequence[str], environ: Mapping[str, str]) -> Typed:
    """What was typed; raises `Refused` with what to write."""
    folder = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    path = os.path.join(folder, "control") if folder else DEFAULT
    as_json = False
    rest: list[str] = []
    headers: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if name in ("--control", "-H", "--header"):
            if not equals:
                if not left:
                    raise Refused(f"{name} needs a value")
                value = left.pop(0)
            if name == "--control":
                path = value
            else:
                headers.append(value)
        elif word == "--json":
            as_json = True
        elif word.startswith("--"):
            raise Refused(f"there is no option {word}; write lambdaproxy ctl {USAGE}")
        else:
            rest.append(word)
    return Typed(path, _question(rest, headers), as_json)


def _question(words: Sequence[str], headers: Sequence[str]) -> dict[str, Any]:
    if not words or words[0] not in ACTIONS:
        said = f"there is no {words[0]!r}" if words else "say what to do"
        raise Refused(f"{said}; write lambdaproxy ctl {USAGE}")
    what, *rest = words
    if what == "workers":
        if rest not in (["+1"], ["-1"]):
            raise Refused("write lambdaproxy ctl workers +1, or workers -1")
        return {"do": what, "change": int(rest[0])}
    if what == "explain":
        if not rest:
            raise Refused("say which request, as in lambdaproxy ctl explain 'GET https://api.example.com/users/7'")
        return {"do": what, "request": " ".join(rest), "headers": list(headers)}
    if rest or headers:
        raise Refused(f"lambdaproxy ctl {what} takes nothing else")
    return {"do": what}


def ask(typed: Typed) -> dict[str, Any]:
    """The answer; raises `Refused` where there is none, or where it is a refusal."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER)
        try:
            connection.connect(typed.path)
            wire = Wire(connection)
            wire.send(dict(typed.question))
            found: list[Any] | None = []
            while found == []:
                found = wire.receive()
        except (FileNotFoundError, ConnectionRefusedError):
            raise Refused(
                f"{typed.path}: nobody listens there; serve needs --workers and --control, and ctl the same --control"
            ) from None
        except TimeoutError:
            raise Refused(f"{typed.path}: no answer within {ANSWER:g} seconds") from None
        except OSError as error:
            raise Refused(f"{typed.path}: {error.strerror}") from None
    if not found:
        raise Refused(f"{typed.path}: the supervisor ended before it answered")
    answer: dict[str, Any] = found[0][0]
    if not answer.get("ok"):
        raise Refused(answer.get("error", "it was refused"))
    return answer


def lines(answer: Mapping[str, Any]) -> Iterator[str]:
    """An answer for people."""
    if "lines" in answer:
        yield from answer["lines"]
    elif "text" in answer:
        yield answer["text"]
    else:
        last = answer["last_reload"]
        yield answer["status"]
        yield f"lambdaproxy {answer['version']}, supervisor {answer['pid']}, up {answer['seconds']:g} s"
        yield f"generation {answer['generation']}, {answer['workers_wanted']} workers, {answer['requests']} requests"
        for each in answer["workers"]:
            why = f", not ready: {each['why_not_ready']}" if each["why_not_ready"] else ""
            yield (
                f"  worker {each['number']} of generation {each['generation']}: pid {each['pid']}, {each['state']}, "
                f"{each['requests']} requests, {each['seconds']:g} s{why}"
            )
        if last is not None:
            yield f"last reload: {'good' if last['ok'] else 'failed'}: {last['text']}"
