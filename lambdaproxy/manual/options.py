"""The options of every command, as completion and manual pages want them: asked of what reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lambdaproxy import registry
from lambdaproxy.command import ctl, event, invoke, logs, mcp, report
from lambdaproxy.command.samples import SAMPLES
from lambdaproxy.command.words import Words
from lambdaproxy.config.help import OTHERS, described
from lambdaproxy.config.settings import SETTINGS, Setting

OF_SERVE = frozenset(("serve", "check", "routes", "explain", "config", "import", "invoke"))
"""Commands that take the options of `serve`."""

SHELLS = ("bash", "zsh", "fish")

_NONE_OF = re.compile(r" is none of (.*)")
_HELP_LINE = re.compile(r"  ((?:-\w, )?--[a-z-]+)(?: ([A-Z]+))?(?:  +(.*))?")
_FILES = frozenset(("--local", "--body", "--event", "--metrics-listen"))


@dataclass(frozen=True, slots=True)
class Offered:
    """One option: its names, what follows it (empty: nothing does), a text, and the words that may follow."""

    names: tuple[str, ...]
    value: str = ""
    help: str = ""
    choices: tuple[str, ...] = ()

    @property
    def files(self) -> bool:
        """Whether a file may follow."""
        return "FILE" in self.value or self.value == "PATH" or bool(_FILES & {*self.names})


def of_command(name: str, alone: bool = False) -> list[Offered]:
    """The options of a command, in the order in which they are explained; `alone` without those of `serve`.

    Those of `event` depend on the kind.
    """
    found = [*_OWN.get(name, lambda: iter(()))(), *(of_serve() if name in OF_SERVE and not alone else ())]
    if name in ("serve", "check"):
        found.append(Offered(("--help-formats",), "", dict(OTHERS)["--help-formats"]))
    return [*found, Offered(("--help",), "", "Print this and end.")]


def of_event(kind: str) -> list[Offered]:
    """The options of `lambdaproxy event KIND`."""
    words = event.service_words(kind, SAMPLES[kind]) if kind in SAMPLES else event.format_words(kind)
    return [*_read_by(words), Offered(("--help",), "", "Print this and end.")]


def kinds() -> dict[str, str]:
    """What may follow `lambdaproxy event`, with what it is."""
    formats = {name: maker.help for name, maker in registry.codec_makers().items()}
    return formats | {name: sample.help for name, sample in SAMPLES.items()}


def of_serve() -> Iterator[Offered]:
    """Every setting, and what is said on the command line alone."""
    for each in SETTINGS.values():
        yield Offered((f"--{each.name}",), each.metavar, described(each), choices(each))
    for option, help in OTHERS:
        name, _, value = option.partition(" ")
        if not name.startswith("--help"):
            yield Offered((name,), value, help)


def choices(setting: Setting) -> tuple[str, ...]:
    """The words that a setting takes, if those are all; the formats, for `format`."""
    if setting.name == "format":
        return registry.formats()
    try:
        setting.parse("?")  # what takes only some words says which, to whom writes another
    except ValueError as error:
        found = _NONE_OF.search(str(error))
        return tuple(found[1].split(", ")) if found and not setting.flag else ()
    return ()


def _explain() -> Iterator[Offered]:
    yield Offered(("-H", "--header"), "'NAME: VALUE'", "A header of the request. May be repeated.")


def _ctl() -> Iterator[Offered]:
    for option, help in ctl.OPTIONS.items():
        found = re.fullmatch(r"((?:-\w, )?--[a-z]+)(?: (.*))?", option)
        assert found is not None
        yield Offered(tuple(found[1].split(", ")), found[2] or "", help)


def _read_by(words: Words) -> Iterator[Offered]:
    for names, value, help in words.described():
        if names:
            yield Offered(tuple(names), value, help.replace("%%", "%"))


def _written(help: str, choices: Mapping[str, tuple[str, ...]]) -> Iterator[Offered]:
    """Options out of a help text."""
    for line in help.splitlines():
        found = _HELP_LINE.fullmatch(line)
        if found:
            names = tuple(found[1].split(", "))
            yield Offered(names, found[2] or "", (found[3] or "").strip(), choices.get(names[-1], ()))


_OWN = {
    "explain": _explain,
    "invoke": lambda: _written(invoke.HELP, {"--event-type": tuple(invoke.KINDS)}),
    "logs": lambda: _read_by(logs.words()),
    "report": lambda: _written(report.HELP, {}),
    "mcp": lambda: _read_by(mcp.words()),
    "ctl": _ctl,
}
