"""Manual pages in the language of man(7): `python -m lambdaproxy.manual.man lambdaproxy.1`, or `lambdaproxy.toml.5`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping

from lambdaproxy import __version__, registry
from lambdaproxy.command.main import COMMANDS
from lambdaproxy.config.help import OTHERS, default_text, described, sections, value_text
from lambdaproxy.config.settings import ROUTE
from lambdaproxy.interfaces import Option
from lambdaproxy.manual import options
from lambdaproxy.manual.command_line import EXAMPLES


def command() -> str:
    """lambdaproxy(1): the commands and their options."""
    return _page(_command())


def file() -> str:
    """lambdaproxy.toml(5): the configuration file."""
    return _page(_file())


def _page(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _command() -> Iterator[str]:
    yield f'.TH LAMBDAPROXY 1 "" "lambdaproxy {__version__}" "User Commands"\n.ad l'
    yield ".SH NAME\nlambdaproxy \\- the front door to AWS Lambda that you run yourself"
    yield ".SH SYNOPSIS"
    for name, each in COMMANDS.items():
        yield (
            f".B lambdaproxy {text(name)}\n{text(each.arguments)}\n.br"
            if each.arguments
            else f".B lambdaproxy {name}\n.br"
        )
    yield ".SH DESCRIPTION"
    yield text(
        "Takes plain HTTP requests, turns each into the event that an Application Load Balancer, API Gateway, a "
        "function URL or VPC Lattice would have sent, invokes the function, on AWS or on this machine, and turns its "
        "result into the HTTP response that the service would have given."
    )
    yield ".SH COMMANDS"
    for name, each in COMMANDS.items():
        yield f".SS {name}\n{text(each.help)}"
        if name in options.OF_SERVE and name != "serve":
            yield ".PP\nTakes the options of\n.BR serve ."
        if name == "serve":
            yield ".PP\nIts options are below."
        else:
            yield from _options(options.of_command(name, alone=True))
        if name == "event":
            for kind, help in options.kinds().items():
                yield f".PP\n.B lambdaproxy event {text(kind)}\n.br\n{text(help)}"
                yield from _options(options.of_event(kind))
    yield ".SH OPTIONS OF SERVE"
    for section, settings in sections():
        yield f".SS {text(section)}"
        for one in settings:
            yield from _entry(f"--{one.name}", one.metavar, described(one))
    yield ".SS Others"
    for option, help in OTHERS:
        name, _, value = option.partition(" ")
        yield from _entry(name, value, help)
    yield ".SH FORMATS"
    yield from _formats()
    yield ".SH EXIT STATUS"
    yield "0 where all is well; 1, and one sentence on standard error, where it is not; 2 where the function that"
    yield ".B invoke\ninvoked has failed."
    yield ".SH EXAMPLES\n.nf"
    for lines in EXAMPLES.values():
        yield from (text(line) for line in lines)
    yield ".fi\n.SH SEE ALSO\n.BR lambdaproxy.toml (5),\n.BR twistd (1)"


def _file() -> Iterator[str]:
    yield f'.TH LAMBDAPROXY.TOML 5 "" "lambdaproxy {__version__}" "File Formats"\n.ad l'
    yield ".SH NAME\nlambdaproxy.toml \\- configuration of lambdaproxy"
    yield ".SH DESCRIPTION"
    yield text(
        "A file in TOML that --config names. Settings of the whole stand at the top, or in a [settings] table; a "
        "[[route]] inherits what it does not set, and the command line wins over the file. Times are seconds, or "
        "numbers with ms, s, m or h; sizes are bytes, or numbers with k, M or G (of 1024). lambdaproxy check reads "
        "everything and ends."
    )
    yield ".SH EXAMPLE\n.nf"
    for line in (
        "port = 8011",
        'allow = ["api-*"]',
        "",
        "[[route]]",
        'path = "/users/{id}"',
        'methods = ["GET", "POST"]',
        'function = "users:prod"',
        'format = {name = "apigateway-v2", stage = "prod"}',
        "",
        "[function.hello]",
        'handler = "hello.handler"',
        'directory = "examples"',
    ):
        yield text(line) if line else ".sp"
    yield ".fi\n.SH ROUTES"
    yield text(
        "A [[route]] has host, path, methods, when and priority, and the settings that are marked with (route). The "
        "most specific route that matches a request wins, whatever the order."
    )
    yield ".SH SETTINGS"
    for section, settings in sections():
        yield f".SS {text(section)}"
        for one in settings:
            marks = (" (route)" if ROUTE in one.where else "") + (" (list)" if one.multiple else "")
            default = default_text(one)
            yield from _entry(
                one.name, f"= {one.metavar or 'true'}{marks}", one.help + (f" Default: {default}." if default else "")
            )
    yield ".SH FORMATS"
    yield from _formats()
    for title, table, makers in (
        ("INVOKERS", "[invoker.NAME]", registry.invoker_makers()),
        ("AUTHORIZERS", "[authorizer.NAME]", registry.authorizer_makers()),
    ):
        yield f".SH {title}\n{text(f'Keys of a table {table}.')}"
        for maker in makers.values():
            yield f'.SS "kind = ""{text(maker.name)}"""\n{text(maker.help)}'
            yield from _keys(maker.options)
    yield ".SH FILES\n.I /etc/lambdaproxy/lambdaproxy.toml\n.SH SEE ALSO\n.BR lambdaproxy (1)"


def _formats() -> Iterator[str]:
    for maker in registry.codec_makers().values():
        yield f".SS {text(maker.name)}\n{text(maker.help)}"
        yield from _keys(maker.options)


def _keys(wanted: Iterable[Option]) -> Iterator[str]:
    for one in wanted:
        default = "" if one.default in (None, (), {}) else f" Default: {value_text(one.default)}."
        yield from _entry(one.name, "(list)" if one.multiple else "", one.help + default)


def _options(offered: Iterable[options.Offered]) -> Iterator[str]:
    for one in offered:
        if one.names == ("--help",):
            continue
        yield from _entry(", ".join(one.names), one.value, one.help)


def _entry(name: str, value: str, help: str) -> Iterator[str]:
    yield f".TP\n\\fB{text(name)}\\fR {f'{chr(92)}fI{text(value)}{chr(92)}fR' if value else ''}".rstrip()
    yield text(help)


def text(words: str) -> str:
    """Words as roff takes them: no escapes, no requests, hyphens that can be copied."""
    words = (
        words.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    )
    words = words.replace("~", "\\(ti")
    return re.sub(r"(?m)^([.'])", r"\\&\1", "\n".join(line.rstrip() for line in words.splitlines()))


PAGES: Mapping[str, Callable[[], str]] = {"lambdaproxy.1": command, "lambdaproxy.toml.5": file}


def main() -> None:
    """Print the page that was named; ends with a sentence where there is none of that name."""
    if len(sys.argv) != 2 or sys.argv[1] not in PAGES:
        sys.exit(f"name one page: {', '.join(PAGES)}")
    print(PAGES[sys.argv[1]](), end="")


if __name__ == "__main__":
    main()
