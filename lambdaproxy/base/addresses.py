"""Addresses of hosts, and URLs that people may read."""

from __future__ import annotations

import re
from ipaddress import ip_address

_INTERFACE = re.compile(r":interface=((?:\\.|[^:\\])+)")
_USER = re.compile(r"(?<=//)[^/?#]*@")


def is_loopback(host: str) -> bool:
    """Whether `host` can only mean this machine: localhost and names below it (RFC 6761, 6.3), 127.0.0.0/8 or ::1."""
    name = host.lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        address = ip_address(host.split("%", 1)[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def without_user(url: str) -> str:
    """A URL for a message: a user and a password in it are left out."""
    return _USER.sub("...@", url)


def interface_of(endpoint: str) -> str | None:
    """The address that the description of a Twisted endpoint listens on, or None if it names none."""
    found = _INTERFACE.search(endpoint)
    return found[1].replace("\\:", ":") if found is not None else None
