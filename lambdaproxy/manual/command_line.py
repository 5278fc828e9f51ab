"""The reference page of the command line: each command with its options and examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from lambdaproxy import registry
from lambdaproxy.command import ctl, event, invoke, logs, mcp, report
from lambdaproxy.command.main import COMMANDS
from lambdaproxy.command.samples import SAMPLES
from lambdaproxy.command.words import Words
from lambdaproxy.config.help import OTHERS
from lambdaproxy.config.reference import cell

_INTRODUCTION = """\
# Command line

<!-- Made by `python -m lambdaproxy.manual command-line`; a test compares. -->

Every command with its options. Each has `--help`; each ends with 0 where all is well, and with 1 and one sentence on
standard error where it is not. What commands for functions are good for is told
in [commands for functions](commands.md), and those of an operator in [operations](operations.md#asking-it).
"""

_READS = (
    "Takes the options of `serve`, and `-t PATH` or `--template PATH`, which are the same as `--sam-template PATH`."
)

#: What to try; the tests run each line beside a file of functions and a configuration.
EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "serve": (
        "lambdaproxy serve --local greet=app.py:handler --function greet --format apigateway-v2",
        "lambdaproxy serve --config lambdaproxy.toml",
    ),
    "check": ("lambdaproxy check --config lambdaproxy.toml",),
    "routes": ("lambdaproxy routes --config lambdaproxy.toml",),
    "explain": (
        "lambdaproxy explain --config lambdaproxy.toml 'GET https://api.example.com/users/7' -H 'Accept: text/html'",
    ),
    "config": ("lambdaproxy config --config lambdaproxy.toml",),
    "import": ("lambdaproxy import openapi.json",),
    "invoke": (
        "lambdaproxy invoke --local greet=app.py:handler",
        "lambdaproxy event apigateway-v2 --path '/?name=Ada' | lambdaproxy invoke --local greet=app.py:handler -e -",
    ),
    "logs": ("lambdaproxy logs greet --url 8013",),
    "event": (
        "lambdaproxy event apigateway-v2 'POST https://api.example.com/users' --body '{\"name\": \"Ada\"}'",
        "lambdaproxy event alb:multi_value=yes --path /search --query 'q=two words'",
        "lambdaproxy event sqs --body one --body two --queue jobs",
    ),
    "report": ("lambdaproxy report http://127.0.0.1:8011/metrics",),
    "ctl": (
        "lambdaproxy ctl --control control status",
        "lambdaproxy ctl --control control reload",
        "lambdaproxy ctl --control control explain 'GET https://api.example.com/users/7'",
    ),
    "mcp": ("lambdaproxy mcp --inspector http://127.0.0.1:8012/",),
    "plugins": ("lambdaproxy plugins",),
}


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _INTRODUCTION
    for name, command in COMMANDS.items():
        yield f"## `{name}`\n"
        yield f"```text\n{f'lambdaproxy {name} {command.arguments}'.rstrip()}\n```\n"
        yield f"{command.help}\n"
        yield from _OPTIONS.get(name, _none)()
        if name in EXAMPLES:
            yield "```console"
            yield from (f"$ {line}" for line in EXAMPLES[name])
            yield "```\n"
    yield "## Others\n"
    yield "`lambdaproxy --version` prints the version and the form, and `lambdaproxy --help` the commands."


def _none() -> Iterator[str]:
    return iter(())


def _serve() -> Iterator[str]:
    yield "Every setting of the [configuration](configuration.md#settings) is an option of its name, and there are\n"
    yield from _table("option", ((option, text) for option, text in OTHERS))


def _reads() -> Iterator[str]:
    yield f"{_READS}\n"


def _explain() -> Iterator[str]:
    yield f"{_READS} And\n"
    yield from _table("option", [("-H, --header 'NAME: VALUE'", "a header of the request; may be repeated")])


def _event() -> Iterator[str]:
    yield "KIND is a format, with its options as `--format` takes them (`alb:multi_value=yes`), or a service.\n"
    yield "### Of a format\n"
    formats = ", ".join(f"`{name}`" for name in registry.codec_makers())
    yield f"{formats}, and those of [plugins](plugins.md).\n"
    yield from _table("option", _of(event.format_words("FORMAT")))
    yield "### Of a service\n"
    yield "| service | option | meaning | default |"
    yield "|---|---|---|---|"
    for name, sample in SAMPLES.items():
        for asked in sample.options:
            default = "" if asked.default in (None, (), "") else cell(f"`{_shown(asked.default)}`")
            yield f"| `{name}` | `--{asked.name} {cell(asked.metavar)}` | {cell(asked.help)} | {default} |"
    yield ""
    yield "All of these take `--region` and `--account`. Their shapes are those of AWS's documentation.\n"


def _shown(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _logs() -> Iterator[str]:
    yield from _table("option", _of(logs.words()))


def _ctl() -> Iterator[str]:
    yield from _table("what", ctl.ACTIONS.items())
    yield from _table("option", ctl.OPTIONS.items())


def _text(help: str) -> Iterator[str]:
    yield f"```text\n{help.strip()}\n```\n"


_OPTIONS = {
    "serve": _serve,
    "check": _reads,
    "routes": _reads,
    "explain": _explain,
    "config": _reads,
    "import": _reads,
    "invoke": lambda: _text(invoke.HELP),
    "logs": _logs,
    "event": _event,
    "report": lambda: _text(report.HELP),
    "mcp": lambda: _table("option", _of(mcp.words())),
    "ctl": _ctl,
}


def _of(words: Words) -> Iterator[tuple[str, str]]:
    for names, metavar, help in words.described():
        yield f"{', '.join(names)} {metavar}".strip(), help


def _table(first: str, rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield f"| {first} | meaning |"
    yield "|---|---|"
    for option, text in rows:
        yield f"| `{cell(option)}` | {cell(text)} |"
    yield ""
