"""What `--help` and `--help-formats` print: the settings by section, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from shutil import get_terminal_size
from textwrap import wrap

from lambdaproxy import registry
from lambdaproxy.config.settings import SETTINGS, Setting

_INTRODUCTION = (
    "The front door to AWS Lambda: takes HTTP requests, invokes functions with the events that an ALB, API Gateway or "
    "a Function URL would have sent, and answers as they would have."
)
_COLUMN = 30

OTHERS = (
    ("--config FILE", "Read settings, routes, invokers and functions from this TOML file."),
    ("--check", "Check the configuration, print the routes and end."),
    ("--aws", "With --check: ask AWS about the configured functions too."),
    ("--help-formats", "List the formats and their options, and end."),
    ("--version", "Print the version and end."),
    ("--help", "Print this and end."),
)


def sections() -> Iterator[tuple[str, list[Setting]]]:
    """The settings by section, in the order in which the sections first appear."""
    order = list(dict.fromkeys(each.section for each in SETTINGS.values()))
    for section, each in groupby(
        sorted(SETTINGS.values(), key=lambda each: order.index(each.section)), key=lambda each: each.section
    ):
        yield section, list(each)


def described(setting: Setting) -> str:
    """The help text of a setting with its default."""
    repeat = " May be repeated." if setting.multiple else ""
    default = default_text(setting)
    return f"{setting.help}{repeat}" + (f" [default: {default}]" if default and not setting.flag else "")


def default_text(setting: Setting) -> str:
    """The default as one would write it, or as it is explained."""
    value = setting.default
    if setting.shown_default:
        return setting.shown_default
    if setting.flag:
        return "no"
    if value is None or value == ():
        return ""
    return f"{value_text(value)} {setting.unit}".strip()


def value_text(value: object) -> str:
    """A value as one would write it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def usage(width: int | None = None) -> str:
    """The whole text of `--help`."""
    width = width or min(get_terminal_size().columns, 110)
    lines = wrap(_INTRODUCTION, width)
    for section, settings in sections():
        lines += ["", f"{section}:"]
        for each in settings:
            lines += _entry(f"--{each.name} {each.metavar}".strip(), described(each), width)
    lines += ["", "And:"]
    for option, help in OTHERS:
        lines += _entry(option, help, width)
    return "\n".join(lines) + "\n"


def formats(width: int | None = None) -> str:
    """The text of `--help-formats`."""
    width = width or min(get_terminal_size().columns, 110)
    lines = ["--format NAME:key=value:key=value", ""]
    for maker in registry.codec_makers().values():
        lines += [f"{maker.name}: {maker.help}"]
        for option in maker.options:
            default = "" if option.default in (None, (), {}) else f" [default: {value_text(option.default)}]"
            lines += _entry(option.name, option.help + default, width)
        lines.append("")
    return "\n".join(lines)


def _entry(option: str, help: str, width: int) -> Iterable[str]:
    text = wrap(help, max(40, width - _COLUMN))
    first = f"  {option}"
    if len(first) >= _COLUMN:
        yield first
    else:
        yield f"{first:{_COLUMN}}{text.pop(0)}"
    yield from (" " * _COLUMN + line for line in text)
