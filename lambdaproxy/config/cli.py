"""The command line, made from the table of settings."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from twisted.python import usage

from lambdaproxy import __version__, registry
from lambdaproxy.base.native import form
from lambdaproxy.config import help, toml
from lambdaproxy.config.help import described
from lambdaproxy.config.model import Configuration
from lambdaproxy.config.settings import SETTINGS, Setting, Settings, attribute
from lambdaproxy.errors import ConfigError

_O = TypeVar("_O", bound=type[usage.Options])


def _collector(setting: Setting) -> Any:
    def option(self: Any, value: str) -> None:
        self.given.setdefault(setting.name, []).append(value)

    option.__doc__ = described(setting)
    return option


def _with_collectors(options: _O) -> _O:
    """Give the class a repeatable option for every setting; what is wrong is then said in our words, by `configure`."""
    for each in SETTINGS.values():
        if not each.flag:
            setattr(options, f"opt_{attribute(each.name)}", _collector(each))
    return options


@_with_collectors
class Options(usage.Options):
    """Keeps what was typed, by public name, and gives a `Configuration` at the end."""

    optFlags = [
        *([setting.name, None, described(setting)] for setting in SETTINGS.values() if setting.flag),
        ["check", None, "Check the configuration, print the routes and end."],
        ["aws", None, "With --check: ask AWS about the configured functions too."],
    ]
    optParameters = [["config", None, None, "Read settings, routes, invokers and functions from this TOML file."]]

    synopsis = "[options]"

    def __init__(self) -> None:
        self.given: dict[str, list[str]] = {}
        super().__init__()

    def parseOptions(self, options: Any = None) -> None:
        typed = list(sys.argv[1:] if options is None else options)
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            raise usage.UsageError(in_a_sentence(str(error), typed)) from None

    def parseArgs(self, *arguments: str) -> None:
        if arguments:
            raise usage.UsageError(_no_option(arguments[0], arguments[1:]))

    def getUsage(self, width: int | None = None) -> str:
        return help.usage(width)

    def opt_help_formats(self) -> None:
        """List the formats and their options, and end."""
        print(help.formats())
        raise SystemExit(0)

    def opt_version(self) -> None:
        """Print the version and end."""
        print(f"lambdaproxy {__version__} ({form()})")
        raise SystemExit(0)

    def configuration(self) -> Configuration:
        """What the command line and the file say together; `usage.UsageError` names the option, or file and line."""
        try:
            return configure(
                self.given, {name: bool(self[name]) for name, s in SETTINGS.items() if s.flag}, self["config"]
            )
        except ConfigError as error:
            raise usage.UsageError(str(error)) from None


def configure(given: dict[str, list[str]], flags: dict[str, bool], config: str | None) -> Configuration:
    """Parse what was typed, read the file, and let the command line win; raises `ConfigError`."""
    if config == "":
        raise ConfigError("--config: it is empty; name a TOML file, or leave the option out")
    file = toml.read(config) if config else toml.File()
    values = dict(file.values)
    origins = dict(file.origins)
    for name, texts in given.items():
        values[attribute(name)] = _parse(SETTINGS[name], texts)
        origins[name] = f"--{name}"
    for name, on in flags.items():
        if on:
            values[attribute(name)] = True
            origins[name] = f"--{name}"
    settings = Settings(**values)
    routes = tuple(each.over(settings) for each in file.routes)
    tables = file.invokers, file.functions, file.authorizers
    notes = (*file.notes, *_not_read(given, config))
    return Configuration(settings, routes, *tables, origins, notes, None if "local" in given else file.folder)


_SAY_WHAT = {"sam-template", "local", "function", "allow"}
"""Options whose writer has said what is to be served."""


def _not_read(given: Iterable[str], config: str | None) -> Iterator[str]:
    """A file of this folder that one would think is read, as `lambdaproxy invoke` does."""
    if config is None and not _SAY_WHAT & set(given) and os.path.isfile("lambdaproxy.toml"):
        yield "lambdaproxy.toml: it is in this folder and not read; write --config lambdaproxy.toml"


def _parse(setting: Setting, texts: list[str]) -> Any:
    if not setting.multiple and len(texts) > 1:
        raise ConfigError(f"--{setting.name} is given {len(texts)} times; give it once")
    try:
        parsed = tuple(setting.parse(text) for text in texts)
        if setting.name == "format":
            registry.make_codec(parsed[0])
    except ValueError as error:
        raise ConfigError(f"--{setting.name}: {error}") from None
    return parsed if setting.multiple else parsed[0]


_HANDLER = re.compile(r"(?:[\w./~-]+\.(?:py|[cm]?js)|[A-Za-z_][\w.]*):[A-Za-z_$][\w$.]*")
"""A function as other servers take it, such as `app.py:handler` or `package.module:handler`."""

_HYPHENS = "-\u2010\u2011\u2012\u2013\u2014\u2212"
_OTHERS = {"config": "FILE", "check": "", "aws": "", "help-formats": "", "version": "", "help": ""}
_TWISTD = frozenset(
    f"--{name}"
    for name in (
        "nodaemon", "logfile", "pidfile", "syslog", "prefix", "logger", "reactor", "rundir", "chroot", "umask", "uid",
        "gid", "euid", "profile", "profiler", "savestats", "spew", "debug-reactor",
    )
) | {"-n", "-l", "-r", "-u", "-g", "-d"}  # fmt: skip
_GETOPT = re.compile(
    r"option (-\S*) (not recognized|requires argument|must not have an argument|not a unique prefix)(?:; .*)?"
)
"""What `getopt` says; from Python 3.14 on it adds options that may be meant."""


def in_a_sentence(message: str, typed: Sequence[str]) -> str:
    """What `getopt` says of `typed`, with what to write instead; whatever else was said stays as it is."""
    found = _GETOPT.fullmatch(message)
    if found is None:
        return message
    option, what = found.groups()
    name = option.lstrip("-")
    if what == "requires argument":
        return f"{option} needs a value: {_written(name)}"
    if what == "must not have an argument":
        return f"{option} takes no value; write {option} alone, or leave it out"
    if what == "not a unique prefix":
        begun = [each for each in _names() if each.startswith(name)]
        return f"{option} may be any of {', '.join(f'--{each}' for each in begun)}; write it out"
    if option in _TWISTD and (option in typed or len(option) > 2):
        return f"{option} is twistd's: write it before lambdaproxy, as in twistd {option} ... lambdaproxy ..."
    if not option.startswith("--"):
        for at, word in enumerate(typed):
            if word.startswith(option) and not word.startswith("--"):
                return _no_option(word, typed[at + 1 :])
    near = _near(name)
    return f"there is no option {option}; {f'did you mean {_written(near)}?' if near else 'see --help'}"


def _no_option(word: str, after: Sequence[str]) -> str:
    """What to write for a word that is no option: `-port 8011`, as programs in Go have it, or with a long dash."""
    name, equals, value = word.lstrip(_HYPHENS).partition("=")
    if word.endswith(".toml"):
        return f"{word!r} is no option; write --config {word}"
    if word.endswith((".yaml", ".yml")):
        return f"{word!r} is no option; write --sam-template {word}"
    if _HANDLER.fullmatch(word):
        path = word.rpartition(":")[0].rpartition("/")[2]
        name = re.sub(r"\W", "-", path.removesuffix(f".{path.rpartition('.')[2]}") or path)
        return f"{word!r} is no option; write --local {name}={word} --function {name}"
    if name == word.partition("=")[0]:
        return f"{word!r} is no option; options begin with two hyphens, as in --port 8011"
    near = _near(name)
    if near is None:
        return f"there is no option {word}; options begin with two hyphens, see --help"
    if not _metavar(near):
        return f"{word}: options begin with two hyphens; write --{near}"
    value = value if equals else next(iter(after), _metavar(near))
    return f"{word}: options begin with two hyphens; write --{near} {value}"


def _names() -> list[str]:
    return [*SETTINGS, *_OTHERS]


_MEANT = {
    "processes": "workers",
    "threads": "workers",
    "cpus": "workers",
    "control-socket": "control",
    "bind": "port",
    "listen": "port",
}
"""What other programs call it."""


def _near(name: str) -> str | None:
    """The option that was meant, or None."""
    name = name.lower().replace("_", "-")
    name = _MEANT.get(name, name)
    return name if name in _names() else next(iter(get_close_matches(name, _names(), 1)), None)


def _metavar(name: str) -> str:
    known = SETTINGS.get(name)
    return _OTHERS.get(name, "") if known is None else "" if known.flag else known.metavar


def _written(name: str) -> str:
    return f"--{name} {_metavar(name)}".rstrip()


def with_hyphens(word: str) -> str:
    """A word with two hyphens in front, if that makes it an option: `-port=1` is `--port=1`."""
    name, equals, value = word.lstrip(_HYPHENS).partition("=")
    return f"--{name}{equals}{value}" if word[:1] in _HYPHENS and len(name) > 1 and name in _names() else word
