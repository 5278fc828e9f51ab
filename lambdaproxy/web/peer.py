"""What a connection itself says of its client, asked when PROXY protocol and TLS know it: at its first request."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import ISSLTransport

from lambdaproxy.messages import Tls
from lambdaproxy.web.forwarded import Origin, address


def peer_of(transport: Any) -> tuple[Origin, Tls | None, bool]:
    """Where requests on this connection come from, its TLS, and whether the peer is that of a Unix socket."""
    peer, local = transport.getPeer(), transport.getHost()
    client = str(address(getattr(peer, "host", "") or "") or "")
    port = getattr(local, "port", 0)
    tls = None
    if ISSLTransport.providedBy(transport):
        handle: Any = transport.getHandle()  # type: ignore[attr-defined]
        tls = Tls(handle.get_protocol_version_name(), handle.get_cipher_name() or "", _group(handle))
    name = getattr(local, "host", "localhost")
    host = f"[{name}]:{port}" if ":" in name else f"{name}:{port}" if port else name
    return Origin("https" if tls else "http", host, port or 80, client), tls, isinstance(peer, UNIXAddress)


def _group(handle: Any) -> str:
    try:
        return str(handle.get_group_name() or "")
    except (AttributeError, NotImplementedError):
        return ""
