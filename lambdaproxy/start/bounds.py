"""The limits of the main port, and as many open files as the system lets us have and all ports need."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twisted.logger import Logger

from lambdaproxy.base.platform import raise_open_files
from lambdaproxy.web.limits import Limits
from lambdaproxy.web.operators import CONNECTIONS, most_connections

if TYPE_CHECKING:
    from lambdaproxy.start.assembly import Assembly

log = Logger()


def bounds(assembly: Assembly, inspects: bool) -> tuple[Limits, tuple[int, int] | None]:
    """The limits, and the numbers of open files before and after they were raised, if they were."""
    settings = assembly.settings
    upstream, workers = assembly.descriptors()
    limits = replace(Limits.configured(settings), upstream=upstream)
    pages = callers = 0
    if inspects:
        from lambdaproxy.start.inspecting import CONNECTIONS as pages
    if settings.invoke_api:
        from lambdaproxy.start.invoking import MOST_CONNECTIONS as callers
    others = pages + callers + (CONNECTIONS if settings.metrics_listen else 0)
    raised = raise_open_files(replace(limits, workers=workers + others).files())
    workers += most_connections() if settings.metrics_listen else 0
    if settings.invoke_api:
        from lambdaproxy.start.invoking import descriptors

        workers += descriptors()
    return replace(limits, workers=workers), raised


def say_raised(raised: tuple[int, int] | None) -> None:
    """That there may be more open files than before, where that is so."""
    if raised is not None:
        log.info(
            "Open files: raised from {before} to {after}, for --max-connections",
            event="open-files",
            before=raised[0],
            after=raised[1],
        )
