"""The plugin that makes the embedded runtime: `kind = "local"`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from zope.interface import implementer

from lambdaproxy.base.hidden import hide_process
from lambdaproxy.base.platform import keep_from_children
from lambdaproxy.config import values
from lambdaproxy.errors import ConfigError
from lambdaproxy.interfaces import IInvoker, IInvokerMaker, Option
from lambdaproxy.messages import Mode
from lambdaproxy.runtime.job import STREAMS


def _whole(text: str) -> int:
    if not text.isdigit():
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


_ABORT: dict[str | None, Collection[Mode]] = {None: STREAMS, "finish": (), "abort": ("stream", "buffered")}
"""The modes of invocations whose functions are ended when their clients have gone."""


@implementer(IInvokerMaker)
class LocalInvokerMaker:
    """Makes a `LocalInvoker` of the functions that `--local`, `[function.NAME]` and `--sam-template` define."""

    name = "local"
    help = "runs functions in worker processes of this machine"
    options = (
        Option("concurrency", _whole, 10, "workers of one function at most"),
        Option("queue", _whole, 100, "invocations of one function that wait; 0 throttles as AWS does"),
        Option("account", str, "123456789012", "account in the functions' ARNs"),
        Option(
            "on-disconnect",
            values.one_of("finish", "abort"),
            None,
            "when the client has gone: let the function finish, or end its process; default: finish, for streams abort",
        ),
    )

    def check(self, options: Mapping[str, Any]) -> None:
        """Nothing: functions are checked where they are read."""

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> IInvoker:
        from lambdaproxy.runtime.invoker import LocalInvoker
        from lambdaproxy.runtime.site import make_site

        # Functions run as our user, and a child may read its parent's environment: the operator's keys are in it.
        hide_process()
        keep_from_children()
        try:
            site = make_site(context.settings, context.functions, options["account"])
        except ValueError as problem:
            raise ConfigError(str(problem)) from None
        invoker = LocalInvoker(
            context.reactor,
            context.functions,
            options["concurrency"],
            options["queue"],
            site=site,
            metrics=context.metrics,
            name=name,
            abort=_ABORT[options["on-disconnect"]],
            held=context.held,
            labels=getattr(context, "labels", None),
        )
        # Workers are children of the process that serves, not of the one that twistd forks from.
        context.reactor.callWhenRunning(invoker.prewarm)
        return invoker


local = LocalInvokerMaker()
