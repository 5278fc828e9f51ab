"""The command line, made from the table of settings."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from typing import Any, TypeVar

from twisted.python import usage

from lambdaproxy import __version__, registry
from lambdaproxy.config import help, toml
from lambdaproxy.config.help import described
from lambdaproxy.config.model import Configuration, RouteSettings
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
        try:
            super().parseOptions(options)
        except usage.UsageError as error:
            raise usage.UsageError(_hint(str(error), self.longOpt)) from None

    def parseArgs(self, *arguments: str) -> None:
        if arguments:
            raise usage.UsageError(f"{arguments[0]!r} is no option; options begin with --")

    def getUsage(self, width: int | None = None) -> str:
        return help.usage(width)

    def opt_help_formats(self) -> None:
        """List the formats and their options, and end."""
        print(help.formats())
        raise SystemExit(0)

    def opt_version(self) -> None:
        """Print the version and end."""
        print(f"lambdaproxy {__version__}")
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
    routes = tuple(
        RouteSettings(
            each.path, each.host, each.methods, replace(settings, **each.values), frozenset(each.values), each.where
        )
        for each in file.routes
    )
    return Configuration(settings, routes, file.invokers, file.functions, origins)


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


def _hint(message: str, known: list[str]) -> str:
    """Add the nearest option to `option --prot not recognized`."""
    words = [word for word in message.split() if word.startswith("--")]
    near = get_close_matches(words[0][2:], [name.rstrip("=") for name in known], 1) if words else []
    return f"{message}; did you mean --{near[0]}?" if near and "not recognized" in message else message
