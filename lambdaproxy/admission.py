"""What was decided about a request by its head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

from lambdaproxy.frozen import freeze, seal
from lambdaproxy.messages import Function, Head, Headers, Match
from lambdaproxy.routing import Route


@final
@dataclass(init=False, slots=True, unsafe_hash=True)
class Admission:
    """What was decided about a request at the end of its headers.

    `head` is what the function is shown, `sent` what came. `headers` lack the one that named the function. `body_limit`
    is in bytes, `timeout` in seconds.
    """

    route: Final[Route]
    match: Final[Match]
    function: Final[Function]
    headers: Final[Headers]
    head: Final[Head]
    body_limit: Final[int]
    timeout: Final[float]
    sent: Final[Head]

    def __init__(
        self,
        route: Route,
        match: Match,
        function: Function,
        headers: Headers,
        head: Head,
        body_limit: int,
        timeout: float,
        sent: Head | None = None,
    ) -> None:
        self.route = route
        self.match = match
        self.function = function
        self.headers = headers
        self.head = head
        self.body_limit = body_limit
        self.timeout = timeout
        self.sent = head if sent is None else sent
        freeze(self)


seal(Admission)
