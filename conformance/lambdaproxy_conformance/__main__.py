"""The command: `lambdaproxy-conformance URL --format NAME`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lambdaproxy_conformance import __version__, cases, functions, report
from lambdaproxy_conformance.cases import GRADES, Case
from lambdaproxy_conformance.knock import NotAsked, knock, listens
from lambdaproxy_conformance.probe import Outcome, Setup, probe
from lambdaproxy_conformance.wire import Door


def _formats() -> list[str]:
    return sorted({cases.format_of(case) for case in cases.every()})


def _options(texts: list[str]) -> dict[str, Any]:
    """`key=value` texts, each key with all its values."""
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--option {text!r} is no key=value")
        found[key] = (
            [*found[key], value] if isinstance(found.get(key), list) else [found[key], value] if key in found else value
        )
    return found


def _meant(format: str, options: Mapping[str, Any]) -> str:
    """The format that `--format` and `--option payload=...` name together: each payload has cases of its own."""
    payload = options.get("payload")
    if payload is None:
        return format
    name, _, said = format.partition(":payload=")
    meant = name if payload == "2.0" else f"{name}:payload={payload}"
    if meant not in _formats() or name != "apigateway-v2" or said not in ("", payload):
        raise ValueError(
            f"--option payload={payload} does not go with --format {format}; apigateway-v2 has 1.0 and 2.0"
        )
    return meant


def _grades(text: str) -> frozenset[str]:
    grades = frozenset(part.strip().upper() for part in text.split(","))
    if not grades <= GRADES.keys():
        raise ValueError(f"--grade {text!r} is no list of {', '.join(GRADES)}, such as A,B")
    return grades


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lambdaproxy-conformance",
        description="Ask a front door to Lambda what AWS's own would do. The echo function must stand behind it, on"
        " every path; --echo tells where it lies.",
        epilog="Exit codes: 0 if nothing failed, 1 if something did, 2 if nothing could be asked. Grades of cases: "
        + "; ".join(f"{grade}: {words}" for grade, words in GRADES.items()) + ".",
    )  # fmt: skip
    parser.add_argument(
        "url", nargs="?", help="the door, such as http://localhost:3000, or ws://localhost:3001/dev for a WebSocket API"
    )
    parser.add_argument(
        "--format",
        choices=_formats(),
        metavar="NAME",
        help=f"which service the door stands for: {', '.join(_formats())}",
    )
    parser.add_argument("--echo", action="store_true", help="print the folder of echo.py (echo.handler) and echo.mjs")
    parser.add_argument("--list", action="store_true", help="list the cases with their grades and sources; ask nothing")
    parser.add_argument(
        "--case",
        action="append",
        default=[],
        metavar="TEXT",
        help="only the case of that name, or cases with that text in their names",
    )
    parser.add_argument(
        "--grade", default="A,B", metavar="LIST",
        help="the grades of the cases that are asked (A,B); C is what AWS has not said",
    )  # fmt: skip
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE",
        help="how the door was set up, in the words of the cases (multi_value=yes, stage=dev); cases for other setups"
        " are skipped",
    )  # fmt: skip
    parser.add_argument("--stage", help="the door's stage, where it is not the one that its first event names")
    parser.add_argument("--host-header", default="", metavar="HOST", help="the Host header, where it is not the URL's")
    parser.add_argument("--report", choices=["text", "json", "html", "issue"], default="text")
    parser.add_argument("--name", default="", help="what reports call the door, such as its name and version")
    parser.add_argument("--verbose", action="store_true", help="list what passed and what was skipped, too")
    parser.add_argument("--insecure", action="store_true", help="believe any certificate")
    parser.add_argument("--ca", default="", metavar="FILE", help="a certificate (PEM) to believe, too")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="for one case (30)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="cases at once (1)")
    parser.add_argument("--anyway", action="store_true", help="ask whatever the first answer looks like")
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _chosen(format: str | None, texts: Sequence[str]) -> list[Case]:
    """The cases of a format, or all, whose names are or else have one of the texts; ValueError if there is none."""
    found = [case for case in cases.every() if format in (None, cases.format_of(case))]
    if texts:
        names = {case["name"].lower() for case in found}
        whole = {text.lower() for text in texts} & names
        parts = [text.lower() for text in texts if text.lower() not in names]
        found = [
            case
            for case in found
            if case["name"].lower() in whole or any(part in case["name"].lower() for part in parts)
        ]
        if not found:
            raise ValueError(f"no case has {' or '.join(map(repr, texts))} in its name; --list tells their names")
    return found


def run(door: Door, chosen: Sequence[Case], setup: Setup, jobs: int = 1) -> list[Outcome]:
    """The outcome of every case, in their order, `jobs` at once. Where a door has stopped answering altogether the
    rest is skipped: each case would wait for its whole time."""
    gone = threading.Event()

    def one(case: Case) -> Outcome:
        if gone.is_set():
            return Outcome(case, "skipped", reason="the door had stopped answering")
        outcome = probe(case, door, setup)
        if outcome.silent and not gone.is_set() and not listens(door, cases.format_of(case)):
            gone.set()
        return outcome

    if jobs == 1:
        return [one(case) for case in chosen]
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, chosen))


def _listed(chosen: Sequence[Case], as_json: bool) -> str:
    values = [report.about(case) for case in chosen]
    if as_json:
        return json.dumps(values, indent=2)
    return "\n".join("{grade}  {format}: {name}\n       {source}".format(**value) for value in values)


def _asked(given: argparse.Namespace) -> int:
    if given.echo:
        print(Path(str(functions.__file__)).parent)
        return 0
    options = _options(given.option)
    format = _meant(given.format, options) if given.format else None
    chosen = _chosen(format, given.case)
    if given.list:
        print(_listed(chosen, given.report == "json"))
        return 0
    if given.url is None or format is None:
        raise ValueError(f"{'a URL' if given.url is None else '--format'} is needed to ask a door; see --help")
    if given.jobs < 1:
        raise ValueError(f"--jobs {given.jobs} is no number of cases to ask at once")
    door = Door(given.url, host=given.host_header, timeout=given.timeout, insecure=given.insecure, ca=given.ca)
    if given.url.startswith("ws") and format != "apigateway-websocket":
        raise ValueError(f"{door.url} is the URL of a WebSocket API, whose format is apigateway-websocket")
    setup = Setup(options, given.stage, _grades(given.grade))
    if not given.anyway:
        try:
            setup = knock(door, format, setup)
        except NotAsked as error:
            raise ValueError(door.hidden(str(error))) from None
    outcomes = run(door, chosen, setup, given.jobs)
    name = given.name or door.url
    if given.report == "text":
        print(report.as_text(outcomes, given.verbose))
    else:
        print({"json": report.as_json, "html": report.as_html, "issue": report.as_issues}[given.report](outcomes, name))
    found = report.counts(outcomes)
    if found["failed"]:
        return 1
    if not found["passed"]:
        raise ValueError("no case could be asked; see --verbose, --option and --grade")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """0 if nothing failed, 1 if something did, 2 if nothing could be asked."""
    given = _parser().parse_args(arguments)
    try:
        code = _asked(given)
        sys.stdout.flush()
    except ValueError as error:
        print(f"lambdaproxy-conformance: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever reads has read enough; what is buffered is for nobody
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def command() -> int:
    """`main` for a terminal: what a door says may have what it cannot show, and people lose patience."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        return main()
    except KeyboardInterrupt:
        print("lambdaproxy-conformance: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(command())
