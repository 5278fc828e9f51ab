"""How the whole is, for who looks from outside: systemd's status line, and the metrics of the supervisor itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from lambdaproxy.base.board import Area, Board, Series
from lambdaproxy.base.notify import tell
from lambdaproxy.supervise.child import SERVING, Child

if TYPE_CHECKING:
    from lambdaproxy.supervise.generation import Generation
    from lambdaproxy.supervise.reloads import Reloads


class Shows(Protocol):
    """The supervisor, as far as it is shown."""

    board: Board
    workers: int
    current: Generation | None
    stopping: int | None
    trouble: str
    reloads: Reloads

    def children(self) -> list[Child]: ...


class Shown:
    """Says the status where it has changed, and writes metrics into the supervisor's slot of the board."""

    def __init__(self, supervisor: Shows, area: Area) -> None:
        self._supervisor, self._area = supervisor, area
        self._told = ""
        self.replaced(0)

    def say(self, *lines: str) -> None:
        """Tell systemd these lines and the status; without lines only a status that is new."""
        status = self.status()
        if lines or status != self._told:
            self._told = status
            tell(os.environ, *lines, f"STATUS={status}")

    def status(self) -> str:
        """One sentence."""
        supervisor = self._supervisor
        current, last = supervisor.current, supervisor.reloads.last
        if supervisor.stopping is not None:
            return f"Stopping: {sum(child.requests for child in supervisor.children())} requests are in progress"
        serving = [child for child in current.children.values() if child.state == SERVING] if current else []
        if current is None or not serving:
            return f"Starting{f': {supervisor.trouble}' if supervisor.trouble else ''}"
        text = f"Serving on {serving[0].url} with {len(serving)} of {current.of} workers"
        why = next((child.why_not for child in serving if child.why_not), "")
        if why and all(child.why_not for child in serving):
            text += f", but not ready: {why}"
        if len(serving) < current.of and supervisor.trouble:
            text += f"; {supervisor.trouble}"
        if last is not None and not last[1]:
            text += f"; the last reload failed, and what was before is in force: {last[2]}"
        return text

    def reloaded(self) -> None:
        """Show how the last reload, or the start, went."""
        last = self._supervisor.reloads.last
        assert last is not None
        name = "lambdaproxy_config_last_reload"
        self._show(f"{name}_successful", "Whether the last reload, or the start, succeeded.", last[1])
        self._show(f"{name}_timestamp_seconds", "When the last reload, or the start, ended.", last[0])
        self._show("lambdaproxy_processes", "Workers that are to serve.", self._supervisor.workers)

    def _show(self, name: str, help: str, value: float) -> None:
        self._area.gauge(Series(name, "gauge", help, merge="max"), float(value))

    def replaced(self, more: int) -> None:
        """Count workers that ended; it is there from the beginning, because rates do not see a first one otherwise."""
        help = "Workers that ended by themselves and were replaced."
        place = self._area.place(Series("lambdaproxy_processes_replaced_total", "counter", help))
        if place is not None:
            self._supervisor.board.numbers[place] += more
