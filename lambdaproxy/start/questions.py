"""What the control socket asks of the configuration in force, answered by a worker that serves it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lambdaproxy.start.assembly import Assembly
    from lambdaproxy.start.canaries import Canaries


def answer(assembly: Assembly, canaries: Canaries, question: Mapping[str, Any]) -> dict[str, Any]:
    """`canary`, `routes` or `explain`, in lines for people."""
    if question["do"] == "canary":
        return {"ok": True, "lines": canaries.lines()}
    if question["do"] == "routes":
        return {"ok": True, "lines": list(assembly.describe())}
    from lambdaproxy.start import explain

    try:
        asked = explain.parse([str(question.get("request", ""))], [str(h) for h in question.get("headers", ())])
    except (ValueError, TypeError) as error:
        return {"ok": False, "error": str(error)}
    return {"ok": True, "lines": list(explain.lines(assembly, asked))}
