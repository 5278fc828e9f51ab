"""What a start says in the log: where it serves, what it exposes, and what to type to see a function answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from twisted.logger import Logger

from lambdaproxy import __version__
from lambdaproxy.start.exposure import open_pages
from lambdaproxy.start.hints import hint

if TYPE_CHECKING:
    from lambdaproxy.proxy import Proxy
    from lambdaproxy.start.assembly import Assembly
    from lambdaproxy.start.listening import Listener

log = Logger()

MOST_SHOWN = 100
"""Routes that are shown at start, where there are embedded functions."""


def say_where(main: Listener) -> None:
    """The line that everybody waits for."""
    log.info("lambdaproxy {version} serves on {address}", event="serves", version=__version__, address=str(main))


def say_not_done(assembly: Assembly) -> None:
    """What a template or a file says and we do not do."""
    differences = assembly.configuration.differences
    if differences:
        log.warn("Not done as it is written:\n  {list}", event="not-done", list="\n  ".join(differences))


def say_what(assembly: Assembly, main: Listener, proxy: Proxy, sentences: Sequence[str], invoke_api: bool) -> None:
    """Warnings, the routes of embedded functions, and how to reach each; `sentences` are warnings about traces."""
    settings, router = assembly.settings, assembly.router
    for sentence in sentences:
        log.warn("{sentence}", event="traces", sentence=sentence)
    if assembly.header_reaches_accounts and not settings.allow:
        log.warn(
            "Whoever reaches this port can invoke any function that our credentials may invoke, by naming it in "
            "{header}. Narrow it with --allow, as in --allow 'api-*'.",
            event="exposure",
            header=settings.function_header,
        )
    pages = open_pages(settings, main.loopback, (*router.routes, router.default))
    if pages is not None:
        log.info("{what}", event="exposure", what=pages)
    if assembly.functions:
        routes = list(assembly.describe())
        more = [f"and {len(routes) - MOST_SHOWN} more; lambdaproxy routes lists them"]
        shown = routes if len(routes) <= MOST_SHOWN else routes[:MOST_SHOWN] + more
        log.info("Routes:\n  {routes}", event="routes", routes="\n  ".join(shown))
    (options, url), besides = main.curl, assembly.asked_besides()
    for name in assembly.functions:
        curl = hint(name, settings.function_header, router, proxy, url, options)
        if curl is not None:
            log.info("Embedded function {name}; try: {curl}", event="function-hint", name=name, curl=curl)
        elif not invoke_api and name not in besides:
            log.warn(
                "No request reaches the embedded function {name}: give it a route, --function or --allow {name}",
                event="function-unreachable",
                name=name,
            )
