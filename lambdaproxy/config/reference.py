"""The reference page of all settings and plugin options.

`python -m lambdaproxy.config.reference > docs/configuration.md` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lambdaproxy import registry
from lambdaproxy.config.help import default_text, sections, value_text
from lambdaproxy.config.settings import ROUTE
from lambdaproxy.interfaces import Option

_INTRODUCTION = """\
# Configuration

<!-- Made by `python -m lambdaproxy.config.reference`; a test compares. -->

Every setting has one name. On the command line it is `--NAME VALUE`; in the file that `--config FILE` names it is
`NAME = value`. The command line wins over the file, and a route inherits what it does not set. `--check` reads
everything, prints the routes and ends.

Times are seconds, or numbers with `ms`, `s`, `m` or `h`; sizes are bytes, or numbers with `k`, `M` or `G` (of 1024).
An unknown key or a bad value ends the start with the option, or the file, line and key, and the nearest known name.

A relative name of a file, also in an endpoint (`unix:http.sock`), is looked for beside the file that it stands in,
wherever lambdaproxy is started; one that is typed, in the current folder. A name in the file that is in the current
folder and not beside the file is refused with the sentence to write; where both are, the start says which one it takes.

## The file

```toml
port = 8011
allow = ["api-*"]
timeout = "2m"

[invoker.eu]                       # another region, another account
kind = "aws"
region = "eu-west-1"
role = "arn:aws:iam::123456789012:role/invoker"

[[route]]                          # the most specific route wins, whatever the order
host = "api.example.com"           # or "*.example.com"; without a host: any
path = "/users/{id}"               # {name} takes one segment, {name+} at the end the rest; "$default" takes everything
methods = ["GET", "POST"]          # without methods: any
function = "users:prod"            # with a version or an alias; without a function, the header names it
invoker = "eu"
timeout = 10
format = {name = "apigateway-v2", stage = "prod"}

[function.hello]                   # an embedded function
handler = "hello.handler"
directory = "examples"
```

The settings of the whole stand at the top, or in a `[settings]` table: `invoker = "eu"` needs that table where there is
an `[invoker.eu]`, because TOML takes `invoker` for one or the other.

A route decides on the path that its function will see ([events](events.md)), so the route's format says how a path is
read, and how its template is:

| format | what routes compare |
|---|---|
{paths}
| of a plugin | what its codec says, else as `alb` |

With `stage_in_path` templates begin with the stage, or with a parameter that takes it. `*`, the target of an `OPTIONS`
for the whole server, is for routes without a path. Dot segments, `;parameters`, other double slashes and upper case are
what the function sees, and so what routes see: they are left alone.

Where routes of one file have different formats, each looks at its own reading, and the most specific that matches wins.
A path that its function would see as that of another route is refused with 400 (`ambiguous_path`): `//admin`, if
`/admin` is a route of format `alb` and the rest is a `function-url`. And where a path has an encoded slash, a more
specific route for what is behind it wins: `/admin%2Fx` goes to `/admin/{proxy+}` rather than to what takes everything.
So a route that guards something cannot be passed by with another spelling. All below `/admin` is `/admin`, `/admin/`
and `/admin/{proxy+}`, as in an HTTP API: a greedy parameter takes at least one character, if only a slash.

What no route matches goes where the header or `--function` says.

A route may look at more: at headers, the query, addresses and patterns of hosts and paths (`when`), and routes may have
an order of their own (`priority`): [routes that decide more](routes.md).
"""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    makers = registry.codec_makers().values()
    paths = [f"| `{text}` | {how} |" for maker in makers for text, how in getattr(maker, "paths", ())]
    yield _INTRODUCTION.replace("{paths}", "\n".join(paths))
    yield "## Settings\n"
    yield "Those marked with *route* may stand in a `[[route]]` too.\n"
    for section, settings in sections():
        yield f"### {section}\n"
        yield "| setting | meaning | default |"
        yield "|---|---|---|"
        for setting in settings:
            value = "" if setting.flag else f" {cell(setting.metavar)}"
            marks = (" *route*" if ROUTE in setting.where else "") + (" *may be repeated*" if setting.multiple else "")
            yield f"| `{setting.name}{value}`{marks} | {cell(setting.help)} | {cell(default_text(setting))} |"
        yield ""
    yield "## Formats\n"
    for codec in makers:
        yield f"### `{codec.name}`\n"
        yield f"{codec.help}\n"
        yield from _options(codec.options)
    yield "## Invokers\n"
    yield "Keys of an `[invoker.NAME]` table; what it does not set comes from the setting of the same name above.\n"
    for invoker in registry.invoker_makers().values():
        yield f'### `kind = "{invoker.name}"`\n'
        yield f"{invoker.help}\n"
        yield from _options(invoker.options)
    yield "## Authorizers\n"
    yield "Keys of an `[authorizer.NAME]` table ([who may come in](access.md)).\n"
    for authorizer in registry.authorizer_makers().values():
        yield f'### `kind = "{authorizer.name}"`\n'
        yield f"{authorizer.help}\n"
        yield from _options(authorizer.options)


def _options(options: Iterable[Option]) -> Iterator[str]:
    yield "| option | meaning | default |"
    yield "|---|---|---|"
    for option in options:
        default = "" if option.default in (None, (), {}) else value_text(option.default)
        repeated = " *may be repeated*" if option.multiple else ""
        yield f"| `{option.name}`{repeated} | {cell(option.help)} | {cell(default)} |"
    yield ""


def cell(text: str) -> str:
    """A text as a cell of a table in Markdown."""
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    print(page(), end="")
