"""Which hosts and which web pages a listener answers to that may be meant for this machine only.

A page in a browser reaches every port on loopback. Its name may be made to stand for 127.0.0.1 while it is open (DNS
rebinding): then the browser takes us for the page's own site, and sends its name as Host. Without that, a page of
another site may still send what a form can send, and the browser says where that came from (Fetch standard, Origin;
Fetch Metadata, Sec-Fetch-Site).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from lambdaproxy.base.addresses import is_loopback
from lambdaproxy.base.known import Known, is_short
from lambdaproxy.errors import ForeignHost, ForeignPage
from lambdaproxy.messages import Headers

_ORIGIN = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://)?([^/?#@\s]+)\Z")


class Hosts:
    """Answers to loopback names and addresses, to those in `named` (`*.` in front for all below, `*` for any)."""

    def __init__(self, named: Iterable[str] = ()) -> None:
        names = [name.lower() for name in named]
        self._any = "*" in names
        self._exact = frozenset(name for name in names if not name.startswith("*"))
        self._below = tuple(name[1:] for name in names if name.startswith("*."))
        #: A host -> whether it is one of loopback, and whether it is answered to.
        self._known: Known[str, tuple[bool, bool]] = Known(self._find, is_short)

    def _find(self, host: str) -> tuple[bool, bool]:
        name, local = _name(host), is_local(host)
        return local, local or self._any or name in self._exact or name.endswith(self._below)

    def serve(self, host: str) -> bool:
        """Whether this host, with or without a port, is answered to."""
        return self._known[host][1]

    def check(self, host: str, own: str, method: str, headers: Headers) -> None:
        """Raise `ForeignHost` or `ForeignPage`, or find the request good.

        `own` is the address that it came in at. Pages of loopback and of named hosts may ask, at any port: that is a
        front end in development. What comes to a named host is for that host's own site to judge.
        """
        local, served = self._known[host]
        local = local or _name(host) == _name(own)
        if not local and not served:
            raise ForeignHost(f"Host {host} is not answered to; --allow-host {_name(host)} would permit it")
        if not local or self._any:
            return
        page = foreign_page(headers, self.serve)
        if page is not None and not (page == "" and method in ("GET", "HEAD") and _is_visit(headers)):
            where = f"a page of {page}" if page else "a page of another site"
            name = _name(page) or "NAME"
            raise ForeignPage(f"{where} asked for this; --allow-host {name} would permit its pages")


def is_local(host: str) -> bool:
    """Whether a Host value is a name or an address of loopback: localhost, names below it, 127.0.0.0/8, [::1]."""
    name = _name(host)
    return name == "localhost" or name.endswith(".localhost") or ("%" not in name and is_loopback(name.strip("[]")))


def foreign_page(headers: Headers, is_ours: Callable[[str], bool] = is_local) -> str | None:
    """The origin of the page of another site that sent this, empty if the browser does not say which; else None.

    Programs that are no browsers send neither field. A page without an origin of its own (of a file, in a sandbox) is
    called `null`.
    """
    site = None
    for key, value in headers:
        lower = key.lower()
        if lower == b"origin":
            text = value.decode("latin-1")
            found = _ORIGIN.match(text)
            host = found[1] if found else ""
            if not host or not is_ours(host):
                return ascii(text[:100])[1:-1] or "null"
            site = b""
        elif lower == b"sec-fetch-site" and site is None and value.lower() == b"cross-site":
            site = value
    return "" if site else None


def _is_visit(headers: Headers) -> bool:
    """Whether somebody followed a link or was sent here, in a window of its own, as signing in elsewhere ends."""
    said = {key.lower(): value.lower() for key, value in headers}
    return said.get(b"sec-fetch-mode") == b"navigate" and said.get(b"sec-fetch-dest") == b"document"


def _name(host: str) -> str:
    """A host without its port and the dot of the root, in lower case."""
    host = host.rpartition("://")[2]
    return (host if host.endswith("]") else host.rpartition(":")[0] or host).lower().removesuffix(".")
