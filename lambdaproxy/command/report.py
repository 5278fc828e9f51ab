"""`lambdaproxy report`: what the requests of a lambdaproxy that runs would have cost on AWS, by its metrics."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from lambdaproxy.bill import arithmetic, prices, text
from lambdaproxy.errors import ConfigError

DEFAULT = "http://127.0.0.1:8011/metrics"
MOST = 64 * 1024 * 1024
HELP = f"""
SOURCE is where its metrics are: the address of its main port or of --metrics-listen ({DEFAULT}
if left out), a file, or - for standard input, as in
  curl --unix-socket /run/metrics http://localhost/metrics | lambdaproxy report -

  --prices FILE   prices of another region or contract; the form is that of lambdaproxy/bill/prices.toml
  --json          the bill as JSON
"""


class Refused(Exception):
    """What was typed cannot be done; the sentence is for whoever typed it."""


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed."""

    source: str = DEFAULT
    prices: str | None = None
    json: bool = False


def parse(words: Sequence[str]) -> Typed:
    """What was typed; raises `Refused`."""
    source: str | None = None
    file: str | None = None
    as_json = False
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--json":
            as_json = True
        elif word == "--prices" or word.startswith("--prices="):
            if word == "--prices" and not left:
                raise Refused("--prices: name a file")
            file = word.partition("=")[2] if "=" in word else left.pop(0)
        elif word.startswith("-") and word != "-":
            raise Refused(f"{word}: lambdaproxy report takes --prices FILE, --json and where the metrics are")
        elif source is not None:
            raise Refused(f"{word}: there is one place where the metrics are, {source} was named before")
        else:
            source = word
    return Typed(source or DEFAULT, file, as_json)


def metrics(source: str) -> str:
    """The text of the metrics; raises `Refused`."""
    try:
        if source == "-":
            return sys.stdin.read(MOST)
        if source.startswith(("http://", "https://")):
            return _fetched(source)
        with open(source, encoding="utf-8") as file:
            return file.read(MOST)
    except UnicodeDecodeError:
        raise Refused(f"{source}: this is no text in UTF-8") from None
    except (HTTPException, ValueError) as error:
        raise Refused(f"{source}: no metrics came: {error or type(error).__name__}") from None
    except OSError as error:
        raise Refused(f"{source}: {error.strerror or error}; name where /metrics is, a file, or -") from None


def _fetched(url: str) -> str:
    place = urlsplit(url)
    kind = HTTPSConnection if place.scheme == "https" else HTTPConnection
    connection = kind(place.hostname or "", place.port, timeout=30)
    try:
        path = place.path if place.path not in ("", "/") else "/metrics"
        connection.request("GET", f"{path}?{place.query}" if place.query else path)
        answer = connection.getresponse()
        data = answer.read(MOST)
        if answer.status != 200:
            raise Refused(
                f"{url}: it answered {answer.status}; the metrics are where --metrics-listen is, if that is given, and "
                "on the main port only for paths that no function takes"
            )
        return data.decode("utf-8")
    finally:
        connection.close()


def run(words: Sequence[str], now: float) -> str:
    """The report; raises `Refused` and `ConfigError`."""
    typed = parse(words)
    tariff = prices.read(typed.prices)
    found = metrics(typed.source)
    try:
        counted = arithmetic.use(text_string_to_metric_families(found), now)
    except Exception as error:
        # The parser raises whatever it meets.
        # What it quotes may be a page of anybody's: a function may have answered instead.
        known = f": {error}" if isinstance(error, arithmetic.NoCounts) else ""
        raise Refused(
            f"{typed.source}: these are no metrics of a lambdaproxy that counts{known}; they are where "
            "--metrics-listen is, if that is given"
        ) from None
    made = arithmetic.bill(counted, tariff)
    return json.dumps(arithmetic.document(made), indent=2) if typed.json else "\n".join(text.lines(made))


def command(words: list[str], usage: str) -> None:
    """The command."""
    from lambdaproxy.tap import refuse

    if {"--help", "-h"} & set(words):
        print(f"{usage}\n{HELP}")
        return
    try:
        print(run(words, time.time()))
    except (Refused, ConfigError) as error:
        refuse(error)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
