"""`lambdaproxy COMMAND ...`: finds the command, and says in one sentence what to write where there is none."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

from lambdaproxy import __version__
from lambdaproxy.command import ctl

# The rest is imported when it is known what is to be done: a worker's start, which a reload waits for, needs less than
# the other commands, and `ctl` needs nothing but the standard library.


@dataclass(frozen=True, slots=True)
class Command:
    """One command: what follows its name, what it does, and the function that is given what was typed and its usage."""

    arguments: str
    help: str
    run: Callable[[list[str], str], None]


def _refuse(reason: object) -> NoReturn:
    from lambdaproxy.tap import refuse

    refuse(reason)


def _serve(words: list[str], usage: str) -> None:
    if words[:1] in (["--help"], ["-h"]):
        from lambdaproxy.config import help

        # twistd would show its own options in front, which do not go here.
        print(f"{usage}\n\n{help.usage()}", end="")
        return
    # A sixth of a start would be the collector's, which finds little; the service lets it work when all is made.
    gc.disable()
    from twisted.scripts.twistd import run

    # The same program as `twistd -n lambdaproxy`: twistd itself reads this.
    sys.argv = ["twistd", "--nodaemon", "--pidfile=", "lambdaproxy", *words]
    run()


def _late(module: str, name: str) -> Callable[[list[str], str], None]:
    """A command that is a function of another module of ours."""

    def run(words: list[str], usage: str) -> None:
        getattr(import_module(f"lambdaproxy.command.{module}"), name)(words, usage)

    return run


def _plugins(words: list[str], usage: str) -> None:
    from lambdaproxy.command import plugins

    if words:
        if words[0] not in ("--help", "-h"):
            _refuse(f"{words[0]}: lambdaproxy plugins takes nothing")
        print(usage)
        return
    found = list(plugins.lines())
    print("\n".join(line for line, _ in found))
    raise SystemExit(0 if all(good for _, good in found) else 1)


def _ctl(words: list[str], usage: str) -> None:
    if words and words[0] in ("--help", "-h"):
        rows = (*ctl.ACTIONS.items(), *ctl.OPTIONS.items())
        print("\n".join([usage, "", *(f"  {what:28} {meaning}" for what, meaning in rows)]))
        return
    try:
        typed = ctl.parse(words, os.environ)
        answer = ctl.ask(typed)
    except ctl.Refused as error:
        print(f"lambdaproxy: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    if typed.json:
        print(json.dumps(answer))
        return
    for line in ctl.lines(answer):
        print(line)


COMMANDS = {
    "serve": Command("[options]", "Serve in the foreground; the same as twistd -n --pidfile= lambdaproxy.", _serve),
    "check": Command(
        "[options]", "Check the configuration and print the routes; with --aws ask AWS, too.", _late("reading", "check")
    ),
    "routes": Command(
        "[options]",
        "Print the routes, the most general last.",
        _late("reading", "routes"),
    ),
    "explain": Command(
        "[options] [-H 'NAME: VALUE'] 'METHOD https://host/path'",
        "Say which route and function a request reaches and why, and why the other routes lost. Nothing is invoked.",
        _late("reading", "explain_"),
    ),
    "config": Command(
        "[options]",
        "Print the configuration that is in force, with where each value comes from and without secrets.",
        _late("reading", "config"),
    ),
    "import": Command(
        "SOURCE [options]",
        "Print what a template of SAM, CloudFormation, the CDK or Serverless, or an OpenAPI document, defines as a "
        "file for --config, with what differs.",
        _late("reading", "import_"),
    ),
    "invoke": Command(
        "[NAME] [--event FILE|-|JSON] [--event-type TYPE] [--stream] [--url URL] [options of serve]",
        "Invoke a function once, of a lambdaproxy that runs or for this alone.",
        _late("reading", "invoke_"),
    ),
    "logs": Command(
        "[NAME] [--follow] [--url URL] [--keys FILE]",
        "Print what embedded functions of a lambdaproxy that runs have written; with --follow, what they write, too.",
        _late("logs", "command"),
    ),
    "event": Command(
        "KIND [options]",
        "Print an event: of any format, made as it is for a request, or of S3, SQS, SNS, DynamoDB, EventBridge, "
        "Kinesis.",
        _late("event", "run"),
    ),
    "report": Command(
        "[--prices FILE] [--json] [SOURCE]",
        "Say what the requests of a lambdaproxy that runs would have cost on AWS, and which of them it would have "
        "refused.",
        _late("report", "command"),
    ),
    "ctl": Command(
        ctl.USAGE,
        "Ask the supervisor of --workers how it is, or have it reload, add a worker, or stop. PATH is that of "
        f"lambdaproxy serve --control; else it is in $RUNTIME_DIRECTORY, or {ctl.DEFAULT}.",
        _ctl,
    ),
    "mcp": Command(
        "[--inspector URL] [--control PATH] [--invoke-api URL] [--allow-writes]",
        "Be a server of tools for an agent (Model Context Protocol): what a lambdaproxy that runs has seen.",
        _late("mcp", "command"),
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
    **{action: f"ctl {action}" for action in ctl.ACTIONS if action not in ("routes", "explain")},
    **{word: f"ctl {action}" for word, action in ctl.MEANT.items()},
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
        _refuse(f"say what to do, as in lambdaproxy serve --port 8011; the commands are {', '.join(COMMANDS)}")
    first, rest = words[0], words[1:]
    if first in ("--help", "-h", "help"):
        print(_help())
    elif first in ("--version", "version"):
        from lambdaproxy.base.native import form

        print(f"lambdaproxy {__version__} ({form()})")
    elif first in COMMANDS:
        command = COMMANDS[first]
        command.run(rest, f"lambdaproxy {first} {command.arguments}".rstrip() + f"\n\n{command.help}")
    else:
        _refuse(_what_to_write(words))


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

    from lambdaproxy.config import cli

    return " ".join(quote(cli.with_hyphens(word)) for word in words)
