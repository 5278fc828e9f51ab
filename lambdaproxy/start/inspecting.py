"""The inspector as a listener: who may look, and where."""

from __future__ import annotations

import secrets
import time
from typing import Any

from twisted.logger import Logger

from lambdaproxy.base.addresses import interface_of, is_loopback
from lambdaproxy.base.ids import new_ids
from lambdaproxy.base.platform import share_of_files
from lambdaproxy.inspector.app import InspectorApp
from lambdaproxy.inspector.recorder import Recorder
from lambdaproxy.messages import Head
from lambdaproxy.proxy import Proxy
from lambdaproxy.start.link import Link, Place
from lambdaproxy.start.listening import Listener
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.web.limits import Limits
from lambdaproxy.web.site import ProxySite

_log = Logger(__name__)

CONNECTIONS = 64
"""Open at once; a page has a few."""


class Inspecting:
    """The site, its application and its port. Without `open_to_all` a visitor needs the token that the log shows."""

    def __init__(
        self,
        reactor: Any,
        endpoint: str,
        recorder: Recorder,
        proxy: Proxy,
        open_to_all: bool,
        placed: tuple[Link, Place] | None,
        metrics: Metrics | None = None,
    ) -> None:
        self._token = None if open_to_all else secrets.token_urlsafe(24)
        self.app = InspectorApp(recorder, proxy, reactor.seconds, self._token)
        limits = Limits(connections=most_connections(), idle_time=600.0)
        self.site = ProxySite(reactor, self.app, metrics or Metrics(), limits, listener="inspector")
        self.listener = Listener(reactor, endpoint, self.site, "--inspect", placed)

        self._recorder = recorder

    def refused(self, status: int, reason: str, client: str, detail: str, data: bytes) -> None:
        """The main listener refused something that was no request."""
        now = time.time()
        request_id, trace_id = new_ids(now)
        head = Head("", b"", "", (), 0, "", "", 0, client, "", None, request_id, trace_id, now)
        self._recorder.refused(head, status, reason, detail, data)

    def say(self) -> None:
        """Where to look, in the log."""
        url = self.listener.curl[1].rstrip("/")
        _log.info("Inspector: {url}", url=f"{url}/" if self._token is None else f"{url}/?token={self._token}")


def is_loopback_endpoint(endpoint: str) -> bool:
    """Whether only this machine reaches an endpoint, as its description says."""
    return is_loopback(interface_of(endpoint) or "")


def most_connections() -> int:
    """Connections of pages at once."""
    return share_of_files(16, CONNECTIONS)
