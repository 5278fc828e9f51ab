"""Whose pages may open connections of a WebSocket API.

No browser asks before it opens one, as it does for requests of other kinds, and it sends the cookies of its user:
without this a page of any site can speak for whoever is signed in (RFC 6455, 10.2).
"""

from __future__ import annotations

from collections.abc import Callable

from lambdaproxy.config.sockets import SAME_HOST
from lambdaproxy.errors import ForeignOrigin
from lambdaproxy.gate.cors import origins_of, parts_of
from lambdaproxy.messages import Head


class Origins:
    """Some origins, as `cors` names them, and `same-host`: pages of the host that the handshake is for, at any port."""

    def __init__(self, allowed: tuple[str, ...], name: str) -> None:
        self.allowed = allowed
        self._same, self._name = SAME_HOST in allowed, name
        self._allows: Callable[[bytes], bool] = origins_of(tuple(each for each in allowed if each != SAME_HOST))

    def welcomes(self, head: Head) -> bool:
        """Whether a page sent this that may."""
        return self._take(_sent(head), head)

    def check(self, head: Head) -> None:
        """Raise `ForeignOrigin`, or find the handshake good. Programs that are no browsers send no Origin."""
        sent = _sent(head)
        if sent and not self._take(sent, head):
            who = ", ".join(ascii(each[:100].decode("latin-1"))[1:-1] for each in sent[:3])
            raise ForeignOrigin(f"a page of {who} asked to connect; origins of [websocket.{self._name}] permit others")

    def _take(self, sent: list[bytes], head: Head) -> bool:
        if len(sent) != 1:
            return False
        if self._allows(sent[0]):
            return True
        if not self._same:
            return False
        parts = parts_of(sent[0].lower())
        return (
            parts is not None
            and parts[0] in (b"http", b"https")
            and _bare(parts[1].decode("latin-1")) == _bare(head.host)
        )


def _sent(head: Head) -> list[bytes]:
    return [value for name, value in head.headers if len(name) == 6 and name.lower() == b"origin"]


def _bare(host: str) -> str:
    """Without the port and the dot of the root, in lower case."""
    return (host if host.endswith("]") else host.rpartition(":")[0] or host).lower().removesuffix(".")
