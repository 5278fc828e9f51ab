"""What each of several workers may use of what belongs to the whole: parts whose sum is never more than the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lambdaproxy.config.settings import Settings, attribute
from lambdaproxy.errors import ConfigError
from lambdaproxy.gate.shared_buckets import Table

SETTINGS_OF_THE_WHOLE = ("max-requests", "max-connections", "max-bodies", "max-unwritten")
OPTIONS_OF_THE_WHOLE = ("max-in-flight", "max-in-flight-per-function", "queue")


@dataclass(frozen=True, slots=True)
class Share:
    """The part of worker `number` of `of`; `table` is what all of them count rates in, where there is one."""

    number: int
    of: int
    table: Table | None = None

    def part(self, total: int) -> int:
        """The remainder goes to the first ones, one each."""
        return total // self.of + (self.number < total % self.of)

    def settings(self, settings: Settings) -> Settings:
        """The settings with this worker's parts."""
        parts: dict[str, Any] = {
            attribute(name): self.part(getattr(settings, attribute(name))) for name in SETTINGS_OF_THE_WHOLE
        }
        return replace(settings, **parts)

    def options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """An invoker's options with this worker's parts."""
        return {
            name: self.part(value) if name in OPTIONS_OF_THE_WHOLE and isinstance(value, int) else value
            for name, value in options.items()
        }


def check_parts(workers: int, settings: Settings, options: Mapping[str, Mapping[str, Any]]) -> None:
    """`ConfigError` where a limit of the whole is less than one for each worker; `options` by invoker."""
    limits = [(f"--{name}", getattr(settings, attribute(name))) for name in SETTINGS_OF_THE_WHOLE]
    for invoker, of_invoker in options.items():
        limits += [
            (f"{name} of the invoker {invoker}", of_invoker.get(name))
            for name in OPTIONS_OF_THE_WHOLE
            if name != "queue" and isinstance(of_invoker.get(name), int)
        ]
    for what, value in limits:
        if value < workers:
            raise ConfigError(f"--workers: {what} is {value}, which {workers} workers cannot share; raise it")
