"""The Invoke API as a listener: its application on the connection engine, with bounds that fit SDKs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

from twisted.logger import Logger

from lambdaproxy.base.held import Held
from lambdaproxy.base.platform import share_of_files
from lambdaproxy.config import values
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import ConfigError
from lambdaproxy.runtime.invoke_api import MOST_BODY, InvokeApi
from lambdaproxy.runtime.invoke_keys import load_or_make_keys
from lambdaproxy.runtime.invoker import LocalInvoker
from lambdaproxy.start.exposure import check_invoke_api, hosts_of_operators
from lambdaproxy.start.link import Link, Place
from lambdaproxy.start.listening import Listener
from lambdaproxy.watch.calls import ApiCalls
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.web.limits import Limits, more
from lambdaproxy.web.site import ProxySite
from lambdaproxy.wire.sigv4 import Keys

log = Logger()

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


class Invoking:
    """The site, its application and its port, for `--invoke-api`; `line` takes access lines."""

    def __init__(
        self,
        reactor: Any,
        settings: Settings,
        invoker: LocalInvoker,
        held: Held,
        metrics: Metrics,
        line: Callable[[str], object] | None,
        placed: tuple[Link, Place] | None,
    ) -> None:
        assert settings.invoke_api is not None
        self._settings = settings
        self._keys_file = values.file(settings.invoke_api_keys)
        invoker.keep_logs()
        try:
            keys = None if settings.invoke_api_unsigned else load_or_make_keys(self._keys_file)
        except ValueError as error:
            raise ConfigError(f"--invoke-api-keys: {error}") from None
        self.site, self.api = invoke_site(reactor, invoker, keys, held=held, metrics=metrics, line=line)
        self.listener = Listener(reactor, settings.invoke_api, self.site, "--invoke-api", placed)

    def check(self) -> None:
        """Judge by the address that was really bound; `ConfigError` if others reach it who were not meant to."""
        check_invoke_api(self._settings, self.listener.loopback, str(self.listener))
        self.api.hosts = hosts_of_operators(self._settings, self.listener)

    def say(self) -> None:
        """Where SDKs find functions, and with which keys."""
        keys = "unsigned calls" if self._settings.invoke_api_unsigned else f"keys in {self._keys_file}"
        url = self.listener.url
        log.info("Lambda Invoke API for SDKs on {url}, {keys}", event="invoke-api-serves", url=url, keys=keys)
