"""The commands that read the configuration as `serve` does, and print something about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lambdaproxy.command import importing, invoke, shown
from lambdaproxy.command.words import Refused
from lambdaproxy.start import explain
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.tap import Options, refuse


class _Options(Options):
    """The options of `serve`, for the command that `usage` describes."""

    def __init__(self, usage: str, *, looks: bool = False) -> None:
        self._usage = usage
        self.looks = looks  # who only reads a configuration may do so on another machine
        super().__init__()

    def opt_template(self, value: str) -> None:
        """The same as --sam-template."""
        self.given.setdefault("sam-template", []).append(value)

    opt_t = opt_template

    def getUsage(self, width: int | None = None) -> str:
        return f"{self._usage}\n\nThe options are those of serve, which `lambdaproxy serve --help` lists.\n"


class _Explained(_Options):
    """Besides the options there is a request, and its headers are `-H`."""

    def __init__(self, usage: str) -> None:
        self.request: list[str] = []
        self.headers: list[str] = []
        super().__init__(usage)

    def opt_header(self, value: str) -> None:
        """A header of the request, as in -H 'X-Lambda-Function: hello'; may be repeated."""
        self.headers.append(value)

    opt_H = opt_header

    def parseArgs(self, *arguments: str) -> None:
        """The request, and options that stand behind it."""
        at = next((at for at, word in enumerate(arguments) if word.startswith("-")), len(arguments))
        self.request += arguments[:at]
        if arguments[at:]:
            self.parseOptions(list(arguments[at:]))

    def postOptions(self) -> None:
        if not hasattr(self, "assembly"):
            super().postOptions()


def _print(words: list[str], usage: str, lines: Callable[[Assembly], Iterator[str]]) -> None:
    options = _Options(usage)
    options.parseOptions(words)
    for line in lines(options.assembly):
        print(line)


def check(words: list[str], usage: str) -> None:
    _Options(usage, looks=True).parseOptions(["--check", *words])


def routes(words: list[str], usage: str) -> None:
    _print(words, usage, lambda assembly: iter(assembly.describe()))


def config(words: list[str], usage: str) -> None:
    _print(words, usage, shown.lines)


def import_(words: list[str], usage: str) -> None:
    if words and not words[0].startswith("-"):
        words = ["--sam-template", *words]
    if not words:
        refuse("name the template, as in lambdaproxy import template.yaml > lambdaproxy.toml")
    _print(words, usage, importing.lines)


def explain_(words: list[str], usage: str) -> None:
    options = _Explained(usage)
    options.parseOptions(words)
    try:
        asked = explain.parse(options.request, options.headers)
    except ValueError as error:
        refuse(error)
    for line in explain.lines(options.assembly, asked):
        print(line)


def invoke_(words: list[str], usage: str) -> None:
    if {"--help", "-h"} & set(words):
        print(f"{usage}\n\n{invoke.HELP}")
        return
    try:
        typed = invoke.parse(words)
        if typed.url is not None:
            invoke.at_url(typed)
        options = _Options(usage)
        options.parseOptions(list(invoke.with_source(typed)))
        invoke.alone(options.assembly, typed)
    except Refused as error:
        refuse(error)
