"""Options of commands that are none of `serve`'s: read, explained on a screen, and refused in a sentence."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from lambdaproxy.config.settings import SETTINGS
from lambdaproxy.tap import refuse


class Refused(Exception):
    """What was typed, or the answer, is a refusal: one sentence."""


class Words(argparse.ArgumentParser):
    """A parser whose mistakes are one sentence each, with the option that was meant."""

    def __init__(self, usage: str, help: str, more: str = "") -> None:
        super().__init__(
            prog="lambdaproxy",
            usage=usage,
            description=help,
            epilog=more,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=30, width=110),
        )
        self._command = usage.partition(" [")[0].partition(" NAME")[0]

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """What was typed, options and all; ends with a sentence where something is none of them."""
        found, rest = self.parse_known_args(list(words))
        for word in rest:
            self._no_option(word)
        return found

    def options(self) -> list[str]:
        """The options as they are typed."""
        return [option for action in self._actions for option in action.option_strings]

    def described(self) -> Iterator[tuple[list[str], str, str]]:
        """Each option or word: how it is typed, what follows it, and its help."""
        for action in self._actions:
            if action.help not in (None, argparse.SUPPRESS) and action.dest != "help":
                metavar = action.metavar if isinstance(action.metavar, str) else ""
                yield list(action.option_strings), metavar, str(action.help)

    def error(self, message: str) -> NoReturn:
        message = message.removeprefix("argument ")
        refuse(f"{message}; {self._command} --help lists what there is")

    def format_help(self) -> str:
        return super().format_help().removeprefix("usage: ").rstrip("\n")

    def print_help(self, file: Any = None) -> None:
        print(self.format_help(), file=file)

    def _no_option(self, word: str) -> NoReturn:
        name = word.partition("=")[0]
        near = get_close_matches(name, self.options(), 1)
        if near:
            refuse(f"there is no option {name}; did you mean {near[0]}?")
        what = "there is no option" if word.startswith("-") else "one word too many:"
        refuse(f"{what} {word}; {self._command} --help lists what there is")


def pair(separator: str, example: str) -> Any:
    """A type of option: two texts with `separator` between, such as `A=b`."""

    def read(text: str) -> tuple[str, str]:
        name, found, value = text.partition(separator)
        if not found or not name.strip():
            raise argparse.ArgumentTypeError(f"{text!r} is not written like {example}")
        return name.strip(), value.strip() if separator == ":" else value

    return read


def part(words: Sequence[str], own: Mapping[str, str]) -> tuple[dict[str, list[str]], list[str], list[str]]:
    """The options of a command that takes those of `serve` besides: its own, what is no option, and the rest.

    `own` are its options as they are typed, with what follows them (`FILE`), or an empty text. Raises `Refused`.
    """
    found: dict[str, list[str]] = {}
    others: list[str] = []
    rest: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if word == "-" or not word.startswith("-"):
            others.append(word)
            continue
        if name in own:
            if not own[name] and equals:
                raise Refused(f"{name} takes no value; write {name} alone, or leave it out")
            if own[name] and not equals:
                if not left:
                    raise Refused(f"{name} needs a value: {name} {own[name]}")
                value = left.pop(0)
            found.setdefault(name, []).append(value)
            continue
        known = SETTINGS.get(name.removeprefix("--")) if name.startswith("--") else None
        if known is None and name not in ("--config", "--help", "--version"):
            options = [*own, *(f"--{each}" for each in SETTINGS), "--config"]
            near = get_close_matches(name.replace("_", "-"), options, 1)
            raise Refused(f"there is no option {name}; {f'did you mean {near[0]}?' if near else 'see --help'}")
        rest.append(word)
        if not equals and left and (name == "--config" or (known is not None and not known.flag)):
            rest.append(left.pop(0))
    return found, others, rest
