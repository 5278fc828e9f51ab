"""The canaries and shadows of all routes while they serve: begun, kept over an edited configuration, told to others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lambdaproxy.gate.shared_buckets import is_first

if TYPE_CHECKING:
    from lambdaproxy.gate.canary import Canary
    from lambdaproxy.interfaces import IInvoker
    from lambdaproxy.start.assembly import Assembly
    from lambdaproxy.watch.metrics import Metrics


class Canaries:
    """Those of the assembly in force; `note` takes how a shadow's answer compared, where somebody looks at requests."""

    def __init__(self, reactor: Any, invokers: Callable[[str], IInvoker], metrics: Metrics, note: Any) -> None:
        self._reactor, self._invokers, self._metrics, self._note = reactor, invokers, metrics, note
        self._of: dict[str, Canary] = {}

    def bind(self, assembly: Assembly) -> None:
        """Let shadows and canaries begin; canaries that were there go on where they are."""
        table = assembly.share.table if assembly.share is not None else None
        before, self._of = self._of, {canary.key: canary for canary in assembly.canaries()}
        for shadow in assembly.shadows():
            shadow.bind(self._reactor, self._invokers, self._metrics, self._note)
        for key, canary in self._of.items():
            canary.bind(self._reactor.seconds, self._metrics, lambda key: is_first(table, key, self._reactor.seconds()))
            if key in before:
                canary.told(-1, before[key].state())

    def news(self) -> dict[str, Any]:
        """What other workers should know of ours."""
        found = {key: canary.news() for key, canary in self._of.items()}
        return {key: news for key, news in found.items() if news is not None}

    def told(self, worker: int, news: Mapping[str, Any]) -> None:
        """What another worker knows of them."""
        for key, each in news.items():
            if key in self._of:
                self._of[key].told(worker, each)

    def lines(self) -> list[str]:
        """How each is, for people."""
        return [canary.line() for canary in self._of.values()] or ["no route has a canary"]
