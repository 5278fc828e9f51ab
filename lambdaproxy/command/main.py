"""`lambdaproxy COMMAND ...`: finds the command, and says in one sentence what to write where there is none."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from lambdaproxy import __version__
from lambdaproxy.base.native import form
from lambdaproxy.command import ctl, event, importing, invoke, logs, plugins, shown
from lambdaproxy.command.words import Refused
from lambdaproxy.config import cli
from lambdaproxy.start import explain
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.tap import Options, refuse


@dataclass(frozen=True, slots=True)
class Command:
    """One command: what follows its name, what it does, and the function that is given what was typed."""

    arguments: str
    help: str
    run: Callable[[list[str]], None]


class _Options(Options):
    """The options of `serve`, for a command that reads the configuration and prints something about it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.looks = name == "check"  # who only reads a configuration may do so on another machine
        super().__init__()

    def getUsage(self, width: int | None = None) -> str:
        command = COMMANDS[self.name]
        return (
            f"lambdaproxy {self.name} {command.arguments}\n\n{command.help}\n\n"
            "The options are those of serve, which `lambdaproxy serve --help` lists.\n"
        )


class _Explained(_Options):
    """Besides the options there is a request, and its headers are `-H`."""

    def __init__(self, name: str) -> None:
        self.request: list[str] = []
        self.headers: list[str] = []
        super().__init__(name)

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


def _serve(words: list[str]) -> None:
    from twisted.scripts.twistd import run

    # The same program as `twistd -n lambdaproxy`: twistd itself reads this.
    sys.argv = ["twistd", "--nodaemon", "--pidfile=", "lambdaproxy", *words]
    run()


def _check(words: list[str]) -> None:
    _Options("check").parseOptions(["--check", *words])


def _print(name: str, lines: Callable[[Assembly], Iterator[str]]) -> Callable[[list[str]], None]:
    def run(words: list[str]) -> None:
        options = _Options(name)
        options.parseOptions(words)
        for line in lines(options.assembly):
            print(line)

    return run


def _import(words: list[str]) -> None:
    if words and not words[0].startswith("-"):
        words = ["--sam-template", *words]
    if not words:
        refuse("name the template, as in lambdaproxy import template.yaml > lambdaproxy.toml")
    _print("import", importing.lines)(words)


def _explain(words: list[str]) -> None:
    options = _Explained("explain")
    options.parseOptions(words)
    try:
        asked = explain.parse(options.request, options.headers)
    except ValueError as error:
        refuse(error)
    for line in explain.lines(options.assembly, asked):
        print(line)


def _plugins(words: list[str]) -> None:
    if words:
        if words[0] not in ("--help", "-h"):
            refuse(f"{words[0]}: lambdaproxy plugins takes nothing")
        print(COMMANDS["plugins"].help)
        return
    found = list(plugins.lines())
    print("\n".join(line for line, _ in found))
    raise SystemExit(0 if all(good for _, good in found) else 1)


def _event(words: list[str]) -> None:
    print(event.text(words))


def _invoke(words: list[str]) -> None:
    if {"--help", "-h"} & set(words):
        print(f"lambdaproxy invoke {invoke.USAGE}\n\n{invoke.HELP}")
        return
    try:
        typed = invoke.parse(words)
        if typed.url is not None:
            invoke.at_url(typed)
        rest = invoke.with_source(typed)
        options = _Options("invoke")
        options.parseOptions(list(rest))
        invoke.alone(options.assembly, typed)
    except Refused as error:
        refuse(error)


def _logs(words: list[str]) -> None:
    try:
        logs.run(words)
    except Refused as error:
        refuse(error)


def _ctl(words: list[str]) -> None:
    if words and words[0] in ("--help", "-h"):
        print(f"lambdaproxy ctl {ctl.USAGE}\n\n{COMMANDS['ctl'].help}")
        return
    try:
        typed = ctl.parse(words, os.environ)
        answer = ctl.ask(typed)
    except ctl.Refused as error:
        refuse(error)
    if typed.json:
        print(json.dumps(answer))
        return
    for line in ctl.lines(answer):
        print(line)


COMMANDS = {
    "serve": Command("[options]", "Serve in the foreground; the same as twistd -n --pidfile= lambdaproxy.", _serve),
    "check": Command("[options]", "Check the configuration and print the routes; with --aws ask AWS, too.", _check),
    "routes": Command(
        "[options]",
        "Print the routes, the most general last.",
        _print("routes", lambda assembly: iter(assembly.describe())),
    ),
    "explain": Command(
        "[options] [-H 'NAME: VALUE'] 'METHOD https://host/path'",
        "Say which route and function a request reaches and why, and why the other routes lost. Nothing is invoked.",
        _explain,
    ),
    "config": Command(
        "[options]",
        "Print the configuration that is in force, with where each value comes from and without secrets.",
        _print("config", shown.lines),
    ),
    "import": Command(
        "SOURCE [options]",
        "Print what a template of SAM, CloudFormation or the CDK defines as a file for --config, with what differs.",
        _import,
    ),
    "invoke": Command(invoke.USAGE, "Invoke a function once, of a lambdaproxy that runs or for this alone.", _invoke),
    "logs": Command(logs.USAGE, logs.HELP, _logs),
    "event": Command(event.USAGE, event.HELP, _event),
    "ctl": Command(
        ctl.USAGE,
        "Ask the supervisor of --workers how it is, or have it reload, add a worker, or stop. PATH is that of "
        f"lambdaproxy serve --control; else it is in $RUNTIME_DIRECTORY, or {ctl.DEFAULT}.",
        _ctl,
    ),
    "plugins": Command("", "List the formats and invokers that are installed, and write Twisted's caches.", _plugins),
}

_MEANT = {
    "run": "serve",
    "start": "serve",
    "up": "serve",
    "server": "serve",
    "twistd": "serve",
    "test": "check",
    "validate": "check",
    "lint": "check",
    "match": "explain",
    "show": "config",
    "settings": "config",
    "formats": "plugins",
    "convert": "import",
    "sam": "import",
    "generate-event": "event",
    "events": "event",
    "call": "invoke",
    "tail": "logs",
    "log": "logs",
    "reload": "ctl reload",
    "status": "ctl status",
}
"""What other programs call it."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command that was typed; ends with 0, or with 1 and one sentence on standard error."""
    try:
        _main(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except BrokenPipeError:
        # Who read what we print has seen enough; Python would say so once more at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(1) from None


def _main(words: list[str]) -> None:
    if not words:
        refuse(f"say what to do, as in lambdaproxy serve --port 8011; the commands are {', '.join(COMMANDS)}")
    first, rest = words[0], words[1:]
    if first in ("--help", "-h", "help"):
        print(_help())
    elif first in ("--version", "version"):
        print(f"lambdaproxy {__version__} ({form()})")
    elif first in COMMANDS:
        COMMANDS[first].run(rest)
    else:
        refuse(_what_to_write(words))


def _help() -> str:
    lines = ["The front door to AWS Lambda that you run yourself.", ""]
    for name, command in COMMANDS.items():
        lines += [f"  lambdaproxy {name} {command.arguments}".rstrip(), f"      {command.help}"]
    lines += [
        "",
        "`lambdaproxy serve --help` lists the options, which all commands but logs, event, ctl and plugins take.",
        "--version, --help.",
    ]
    return "\n".join(lines)


def _what_to_write(words: Sequence[str]) -> str:
    """What to write instead of a line that does not begin with a command."""
    first = words[0]
    if first.startswith(("-", "\u2013", "\u2014")):
        for at, word in enumerate(words):
            if word in COMMANDS:
                return f"the command comes first: lambdaproxy {_line([word, *words[:at], *words[at + 1 :]])}"
        return f"{first}: say what to do first, as in lambdaproxy serve {_line(words)}"
    meant = _MEANT.get(first) or next(iter(get_close_matches(first, COMMANDS, 1)), None)
    if meant is None:
        return f"there is no command {first!r}; the commands are {', '.join(COMMANDS)}"
    rest: Any = [word for word in words[1:] if word != "lambdaproxy"] if first == "twistd" else words[1:]
    return f"there is no command {first!r}; write lambdaproxy {_line([*meant.split(), *rest])}"


def _line(words: Sequence[str]) -> str:
    """The words as one would type them, with two hyphens before what is an option."""
    from shlex import quote

    return " ".join(quote(cli.with_hyphens(word)) for word in words)
