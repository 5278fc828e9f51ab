"""The reference page of errors: each `error` of an access line, what it means, its statuses, and what to do.

What is said of an error stands in `manual.known_errors`; its statuses are asked of the codecs.
"""

from __future__ import annotations

from collections.abc import Iterator

from lambdaproxy import registry
from lambdaproxy.codecs.makers import MAKERS
from lambdaproxy.config.values import Spec
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.manual.known_errors import GROUPS, REFUSALS, Known

FORMATS = tuple([maker.name for maker in MAKERS if not getattr(maker, "messages", False)])
"""The built-in formats for HTTP, in the order of the columns."""

_INTRODUCTION = """\
# Errors

<!-- Made by `python -m lambdaproxy.manual errors`; a test compares. -->

Every `error` that an access line, the line `request-failed` of the log, and the label `outcome` or `reason` of a
metric may name. The message of `request-failed` has the reason of the one
request; this page has what is always true. A client gets the status and the body that the front door of the route's
format would have sent, never the reason, unless `--error-detail` is on.

*Did it run* says whether the function ran: where it is `no`, the request may be sent again without harm.

The statuses are those of {formats}, and the last is
that of `errors=plain` (as in `--format {first}:errors=plain`), which is the same for every format. Where there is one,
all are the same.
"""

_REFUSED = """\
## Refused before it was a request

What is no HTTP request by the [grammar and the limits](limits.md) is answered, counted in
`lambdaproxy_rejected_total{listener, reason}` and logged as `refused` with its `reason`. No function ran, no route
was looked for.

| reason | status | what happened |
|---|---|---|"""

_OTHER_OUTCOMES = """
## Other outcomes

The `outcome` of an access line is `ok`, `refused`, the group of an error (`bad-request`, `function`, `throttled` ...:
[outcomes](operations.md#outcomes)), or what became of the client:

| outcome | what happened |
|---|---|
| `ok` | the function answered, or the route did by itself (a redirect, a fixed response, a preflight) |
| `client_gone` | the client left before its answer was there; `status` is what it would have been, or 499 |
| `write_timeout` | the client read nothing for `--write-timeout` |
| `slow_reader` | the client read too slowly, and others needed the memory (`--max-unwritten`) |
| `draining` | it was cut when `--drain-timeout` had passed |
| `abandoned` | of `lambdaproxy_invocations_total` only: the client had gone; if it was sent, the function ran |"""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    names = [f"`{name}`" for name in FORMATS]
    formats = f"{', '.join(names[:-1])} and {names[-1]}"
    yield _INTRODUCTION.replace("{formats}", formats).replace("{first}", FORMATS[0])
    for group in GROUPS:
        yield f"## {group.title}\n"
        yield "| error | what happened | did it run | status | what to do |"
        yield "|---|---|---|---|---|"
        for known in group.errors:
            yield _row(known)
        yield ""
    yield _REFUSED
    for name, statuses, text in REFUSALS:
        yield f"| `{name}` | {statuses} | {text} |"
    yield _OTHER_OUTCOMES


def _row(known: Known) -> str:
    said = statuses(known.kind)
    shown = str(said[0]) if len(set(said)) == 1 else " / ".join(map(str, said))
    return f"| `{known.name}` | {known.what} | {known.ran} | {shown} | {known.do} |"


def statuses(kind: type[LambdaProxyError]) -> list[int]:
    """The status of an error in each format, and at last the plain one."""
    error = kind("reason")
    codecs = [registry.make_codec(Spec(name)) for name in FORMATS]
    codecs.append(registry.make_codec(Spec(FORMATS[0], (("errors", "plain"),))))
    return [registry.refusal(codec, error).status for codec in codecs]
