"""The command: `lambdaproxy-conformance URL --format NAME`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lambdaproxy_conformance import cases, functions, report
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lambdaproxy-conformance",
        description="Ask a front door to Lambda what AWS's own would do. The echo function must stand behind it, on"
        f" every path; it lies in {Path(str(functions.__file__)).parent}.",
    )
    parser.add_argument("url", help="the door, such as http://localhost:3000")
    parser.add_argument("--format", required=True, choices=_formats(), help="which service the door stands for")
    parser.add_argument(
        "--option", action="append", default=[], metavar="KEY=VALUE",
        help="how the door was set up, in the words of the cases (multi_value=yes, stage=dev); cases for other setups"
        " are skipped",
    )  # fmt: skip
    parser.add_argument("--stage", help="the door's stage, where it is not the format's own (prod, or $default)")
    parser.add_argument("--host-header", default="", metavar="HOST", help="the Host header, where it is not the URL's")
    parser.add_argument("--report", choices=["text", "json", "html"], default="text")
    parser.add_argument("--verbose", action="store_true", help="list what passed and what was skipped, too")
    parser.add_argument("--insecure", action="store_true", help="believe any certificate")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="for one answer")
    return parser


def run(door: Door, format: str, setup: Setup) -> list[Outcome]:
    """The outcome of every case of the format."""
    return [probe(case, door, setup) for case in cases.every() if cases.format_of(case) == format]


def main(arguments: list[str] | None = None) -> int:
    """0 if nothing failed, 1 if something did, 2 if nothing could be asked."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        options = _options(given.option)
        format, setup = _meant(given.format, options), Setup(options, given.stage)
        door = Door(given.url, host=given.host_header, timeout=given.timeout, insecure=given.insecure)
    except ValueError as error:
        print(f"lambdaproxy-conformance: {error}", file=sys.stderr)
        return 2
    outcomes = run(door, format, setup)
    if given.report == "json":
        print(report.as_json(outcomes, given.url))
    elif given.report == "html":
        print(report.as_html(outcomes, given.url))
    else:
        print(report.as_text(outcomes, given.verbose))
    found = report.counts(outcomes)
    if found["failed"]:
        return 1
    if not found["passed"]:
        print("lambdaproxy-conformance: no case could be asked; see --verbose and --option", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
