"""The Invoke API as a listener: its application on the connection engine, with bounds that fit SDKs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from lambdaproxy.base.held import Held
from lambdaproxy.base.platform import share_of_files
from lambdaproxy.runtime.invoke_api import MOST_BODY, InvokeApi
from lambdaproxy.runtime.invoker import LocalInvoker
from lambdaproxy.watch.calls import ApiCalls
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.web.limits import Limits, more
from lambdaproxy.web.site import ProxySite
from lambdaproxy.wire.sigv4 import Keys

MOST_CONNECTIONS = 512


def invoke_limits() -> Limits:
    """An SDK may connect before it has something to say, sends up to 6 MB, and reads its answer by and by.

    A body that is not wanted is read to its end: SDKs look for an answer only when they have sent everything.
    """
    return Limits(
        head_time=75.0,
        body_time=120.0,
        body_time_most=120.0,
        write_time=10.0,
        write_rate=16 * 1024,
        unwanted=MOST_BODY,
        linger_size=MOST_BODY,
        connections=share_of_files(8, MOST_CONNECTIONS),
        bound="an eighth of the open files, and at most 512",
    )


def descriptors() -> int:
    """How many connections this listener may have open, those included that are told that they are too many."""
    most = invoke_limits().connections
    return most + more(most)


def invoke_site(
    reactor: Any,
    invoker: LocalInvoker,
    keys: Iterable[Keys] | None,
    *,
    held: Held | None = None,
    wall: Callable[[], float] = time.time,
    metrics: Metrics | None = None,
    line: Callable[[str], object] | None = None,
) -> tuple[ProxySite, InvokeApi]:
    """The factory for a listener, and the application behind it; `line` takes access lines."""
    held = held or Held(reactor)
    metrics = metrics or Metrics()
    api = InvokeApi(reactor, invoker, keys, held, wall, ApiCalls(metrics, line))
    site = ProxySite(reactor, api, metrics, invoke_limits(), held=held, plain=api.refuse, listener="invoke-api")
    return site, api
