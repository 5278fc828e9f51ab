"""`lambdaproxy ctl`: asks the supervisor at its control socket, and says what he answers."""

from __future__ import annotations

import os
import socket
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from lambdaproxy.base.wire import Wire

DEFAULT = "/run/lambdaproxy/control"
QUEUE = 10.0
"""Seconds that others may keep the supervisor from taking a connection."""

ANSWER = 180.0
"""Seconds that an answer may take; a reload is given up by the supervisor before."""

ACTIONS: Mapping[str, str] = {
    "status": "how it is: generation, workers, the last reload",
    "reload": "read everything anew; waits, and says how it went",
    "workers": "+1 or -1: a reload with one worker more or less",
    "drain": "stop, as SIGTERM does",
    "routes": "the routes that are in force, whatever the file says by now",
    "canary": "how the canaries of routes are, and why one went back",
    "explain": "which route and function a request reaches, by what is in force",
}
OPTIONS: Mapping[str, str] = {
    "--control PATH": f"the socket of serve --control; else control in $RUNTIME_DIRECTORY, or {DEFAULT}",
    "--json": "the answer as it came",
    "-H, --header 'NAME: VALUE'": "for explain: a header of the request; may be repeated",
}
USAGE = (
    "[--control PATH] [--json] status|reload|workers +1|workers -1|drain|routes|canary|explain 'GET https://host/path'"
)

MEANT = {
    "restart": "reload",
    "hup": "reload",
    "upgrade": "reload",
    "stop": "drain",
    "shutdown": "drain",
    "quit": "drain",
    "ps": "status",
    "info": "status",
    "scale": "workers +1",
}
"""What other programs call it."""

_OPTIONS = ("--control", "--json", "--header", "--help")


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
                    raise Refused(f"ctl: {name} needs a value, as in {_AS_IN[name]}")
                value = left.pop(0)
            if name == "--control":
                path = value
            else:
                headers.append(value)
        elif word == "--json":
            as_json = True
        elif word.startswith("-") and word != "-1":
            raise Refused(_no_option(name, equals))
        else:
            rest.append(word)
    return Typed(path, _question(rest, headers), as_json)


_AS_IN = {
    "--control": f"--control {DEFAULT}",
    "-H": "-H 'X-Lambda-Function: hello'",
    "--header": "--header 'X-Lambda-Function: hello'",
}


def _no_option(name: str, equals: str) -> str:
    written = "--" + name.lstrip("-")
    if name == "--json" and equals:
        return "ctl: --json takes no value; write --json alone"
    if written in ("--config", "--workers", "--port"):
        return f"ctl: there is no option {name}: the supervisor keeps to the command line that it was started with"
    near = next(iter(get_close_matches(written, _OPTIONS, 1)), None)
    return f"ctl: there is no option {name}; {f'did you mean {near}?' if near else f'write lambdaproxy ctl {USAGE}'}"


def _question(words: Sequence[str], headers: Sequence[str]) -> dict[str, Any]:
    if not words:
        raise Refused(f"say what to do; write lambdaproxy ctl {USAGE}")
    what, *rest = words
    if what not in ACTIONS:
        meant = MEANT.get(what) or next(iter(get_close_matches(what, ACTIONS, 1)), None)
        raise Refused(f"ctl: there is no {what!r}; write lambdaproxy ctl {meant or USAGE}")
    if what == "workers":
        if rest not in (["+1"], ["-1"]):
            raise Refused(
                "ctl workers takes +1 or -1, as in lambdaproxy ctl workers +1; for another number change workers = in "
                "the configuration file and reload"
            )
        return {"do": what, "change": int(rest[0])}
    if what == "explain":
        if not rest:
            raise Refused("say which request, as in lambdaproxy ctl explain 'GET https://api.example.com/users/7'")
        return {"do": what, "request": " ".join(rest), "headers": list(headers)}
    if headers:
        raise Refused(f"ctl {what}: -H is for a request, as in lambdaproxy ctl explain 'GET /' -H 'Accept: */*'")
    if rest:
        raise Refused(f"ctl {what} takes nothing else; leave {' '.join(rest)!r} out")
    return {"do": what}


def ask(typed: Typed) -> dict[str, Any]:
    """The answer; raises `Refused` where there is none, or where it is a refusal."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER)
        try:
            _connect(connection, typed.path)
            wire = Wire(connection)
            wire.send(dict(typed.question))
            found: list[Any] | None = []
            while found == []:
                found = wire.receive()
        except (FileNotFoundError, ConnectionRefusedError):
            raise Refused(_nobody(typed.path)) from None
        except (BrokenPipeError, ConnectionResetError):
            found = None
        except PermissionError:
            raise Refused(
                f"--control: {typed.path}: Permission denied; it is for the user that lambdaproxy runs as, as in "
                "sudo -u lambdaproxy lambdaproxy ctl ..."
            ) from None
        except TimeoutError:
            raise Refused(f"--control: {typed.path}: no answer within {ANSWER:g} seconds") from None
        except OSError as error:
            raise Refused(f"--control: {typed.path}: {error.strerror or error}") from None
    if not found:
        raise Refused(f"--control: {typed.path}: the supervisor ended before it answered")
    answer: dict[str, Any] = found[0][0]
    if not answer.get("ok"):
        raise Refused(answer.get("error", "it was refused"))
    return answer


def _connect(connection: socket.socket, path: str) -> None:
    """Connect; a queue of others that is full is waited for, which a Unix socket with a time-out does not do itself."""
    until = time.monotonic() + QUEUE
    while True:
        try:
            connection.connect(path)
        except BlockingIOError:
            if time.monotonic() > until:
                raise TimeoutError from None
            time.sleep(0.05)
        else:
            return


def _nobody(path: str) -> str:
    if os.path.exists(path) and not stat.S_ISSOCK(os.stat(path).st_mode):
        return f"--control: {path} is no socket; write the path that serve was given with --control"
    return f"--control: {path}: nobody listens there; serve needs --workers and --control, and ctl the same --control"


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
