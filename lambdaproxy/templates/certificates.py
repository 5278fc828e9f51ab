"""Certificates of clients (mutual TLS): nobody asks for them here, and a template that does has to hear of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdaproxy.templates.authorizers import closed
from lambdaproxy.templates.found import Api, Where
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, map_of

_DOMAIN, _LISTENER = "MutualTlsAuthentication", "MutualAuthentication"
_NOT_ASKED = "certificates of clients are not asked for here; let a proxy in front verify them"


def of_domain(stack: Stack, properties: Mapping[str, Any], where: Where) -> None:
    """List it where a domain of an API wants certificates."""
    if properties.get(_DOMAIN):
        stack.add((*where, _DOMAIN), f"everybody is let in who reaches this port: {_NOT_ASKED}")


def of_listener(stack: Stack, api: Api, mutual: Any, where: Where) -> str | None:
    """What keeps everybody from a listener that lets in nobody without a certificate; listed if it only hands them on.

    The modes are off, passthrough and verify (API reference of ELB, `MutualAuthenticationAttributes`).
    """
    mode = text(map_of(mutual).get("Mode", "off")).lower()
    if mode == "off":
        return None
    if mode == "passthrough":
        stack.add((*where, _LISTENER), "certificates of clients are not asked for here, and functions see none")
        return None
    return closed(stack, api, "mutual-tls", _NOT_ASKED, (*where, _LISTENER))
