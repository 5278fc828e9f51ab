"""`--check --aws`: asks AWS about every function that the configuration names."""

from __future__ import annotations

from typing import Any

from lambdaproxy.aws.preflight import Finding, examine
from lambdaproxy.messages import Function
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.routes import AWS


async def examine_all(reactor: Any, assembly: Assembly) -> list[Finding]:
    """One finding for each configured function on AWS, with the longest time that a route of it would wait."""
    wanted: dict[Function, float] = {}
    for route in (*assembly.router.routes, assembly.router.default):
        for function in (
            route.function,
            route.fallback,
            *(route.socket.functions() if route.socket is not None else ()),
        ):
            if function is not None and assembly.invokers[function.invoker].kind == AWS:
                timeout = route.timeout or assembly.timeout(function)
                wanted[function] = max(timeout, wanted.get(function, 0.0))
    findings: list[Finding] = []
    for name in dict.fromkeys(function.invoker for function in wanted):
        maker, options = assembly.maker(name)
        functions = [(function, timeout) for function, timeout in wanted.items() if function.invoker == name]
        findings += await examine(reactor, maker.place(options), functions)  # type: ignore[attr-defined]
    return findings
