"""Workers that began together: of one configuration, one version and one number of workers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambdaproxy.supervise.child import DRAINING, READY, SERVING, Child


class Generation:
    """Its workers by number, and what the first of them said of its configuration."""

    def __init__(self, number: int, of: int) -> None:
        self.number, self.of = number, of
        self.children: dict[int, Child] = {}
        #: The configuration files as the first worker read them; whoever replaces one reads these.
        self.files: dict[str, str] | None = None
        self.drain_timeout = 30.0
        self.keys: set[str] = set()

    def living(self) -> Iterator[Child]:
        """Those that have not been told to end."""
        return (child for child in self.children.values() if child.state != DRAINING)

    @property
    def complete(self) -> bool:
        """Whether every worker is ready."""
        return sum(child.state in (READY, SERVING) for child in self.children.values()) >= self.of

    def said(self, message: dict[str, Any]) -> str | None:
        """Take what a worker says of its configuration; why it does not fit the others, or None."""
        if self.files is None:
            self.files = message["files"]
            self.drain_timeout = message["drain_timeout"]
        elif self.files != message["files"]:
            return "a configuration file changed while it was read; reload once more"
        return None

    def leader(self) -> Child | None:
        """Who asks for the credentials of all: the first that serves, or before any does the first."""
        serving = [child for child in self.living() if child.state == SERVING]
        return min(serving or self.living(), key=lambda child: child.number, default=None)
