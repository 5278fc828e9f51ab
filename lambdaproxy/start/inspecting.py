"""The inspector as a listener: who may look, and where."""

from __future__ import annotations

import re
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
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.link import Link, Place
from lambdaproxy.start.listening import Listener, PortTaken, main_endpoint
from lambdaproxy.watch.metrics import Metrics
from lambdaproxy.web.limits import Limits
from lambdaproxy.web.site import ProxySite

_log = Logger(__name__)

CONNECTIONS = 64
"""Open at once; a page has a few."""

DEFAULT = "tcp:8012:interface=127.0.0.1"

_PORT = re.compile(r"(tcp6?:|ssl:|(?<=:)port=)([0-9]+)")


def endpoint_of(assembly: Assembly, alone: bool) -> str | None:
    """Where the inspector is to be, or None: by default for who runs embedded functions only, for this machine only.

    `alone` says that this process is the only one; several would each show a part.
    """
    settings = assembly.settings
    if settings.inspect is not None:
        return None if settings.inspect == "off" else settings.inspect
    main = main_endpoint(settings)
    at_home = bool(assembly.functions) and assembly.all_embedded and is_loopback_endpoint(main)
    return DEFAULT if alone and at_home and main.startswith(("tcp:", "tcp6:")) else None


class PageListener(Listener):
    """The inspector's port: another one, if that is taken, because no look at requests is worth a start that fails."""

    #: The endpoint that was taken.
    taken: str | None = None

    def privilegedStartService(self) -> None:
        try:
            super().privilegedStartService()
        except PortTaken:
            other = _PORT.sub(r"\g<1>0", self._description, count=1)
            if other == self._description:
                raise
            self.taken, self._description = self._description, other
            super().privilegedStartService()


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
        self.app = InspectorApp(recorder, proxy, reactor, self._token)
        limits = Limits(connections=most_connections(), idle_time=600.0)
        self.site = ProxySite(reactor, self.app, metrics or Metrics(), limits, listener="inspector")
        self.listener = PageListener(reactor, endpoint, self.site, "--inspect", placed)

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
        _log.info(
            "Inspector: {url} shows the requests; --inspect off turns it off",
            event="inspector",
            url=f"{url}/" if self._token is None else f"{url}/?token={self._token}",
        )
        if self.listener.taken is not None:
            _log.warn(
                "{taken} was taken, so the inspector has this port; --inspect names another",
                event="port-taken",
                taken=self.listener.taken,
            )


def is_loopback_endpoint(endpoint: str) -> bool:
    """Whether only this machine reaches an endpoint, as its description says."""
    return is_loopback(interface_of(endpoint) or "")


def most_connections() -> int:
    """Connections of pages at once."""
    return share_of_files(16, CONNECTIONS)
