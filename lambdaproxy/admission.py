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

    `headers` lack the one that named the function. `body_limit` is in bytes, `timeout` in seconds.
    """

    route: Final[Route]
    match: Final[Match]
    function: Final[Function]
    headers: Final[Headers]
    head: Final[Head]
    body_limit: Final[int]
    timeout: Final[float]

    def __init__(
        self,
        route: Route,
        match: Match,
        function: Function,
        headers: Headers,
        head: Head,
        body_limit: int,
        timeout: float,
    ) -> None:
        self.route = route
        self.match = match
        self.function = function
        self.headers = headers
        self.head = head
        self.body_limit = body_limit
        self.timeout = timeout
        freeze(self)


seal(Admission)
