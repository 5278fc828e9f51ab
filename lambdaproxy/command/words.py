"""Options of commands that are none of `serve`'s: read, explained on a screen, and refused in a sentence."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from lambdaproxy.tap import refuse


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

    def known(self, words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """The options that are ours, and everything else in its order."""
        return self.parse_known_args(list(words))

    def options(self) -> list[str]:
        """The options as they are typed."""
        return [option for action in self._actions for option in action.option_strings]

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
