"""What becomes of a template's authorizers here: those that need a file get it, the others close or open routes."""

from __future__ import annotations

from collections.abc import Mapping

from lambdaproxy.config.model import AuthorizerSettings
from lambdaproxy.config.settings import Settings
from lambdaproxy.templates.found import Guard

Made = dict[str, AuthorizerSettings]


def guards(
    found: Mapping[str, Guard], own: Mapping[str, AuthorizerSettings], settings: Settings, path: str
) -> tuple[Made, dict[str, str | None], list[str]]:
    """The tables of a template's authorizers, what routes are to name instead of some (None: nobody), and the notes.

    A table of the operator's of the same name counts instead.
    """
    made, instead, notes = dict(own), dict[str, str | None](), list[str]()
    for name, guard in found.items():
        if name in own or guard.kind == "all":
            continue
        given, why = guard.given, ""
        if guard.kind == "iam":
            given = (*given, ("keys", settings.iam_keys or ""))
            why = "" if settings.iam_keys else "signatures need keys of yours (--iam-keys)"
        elif guard.kind == "api-key":
            given = given if settings.api_keys is None else (*given, ("file", settings.api_keys))
            known = settings.api_keys is not None or any(key == "key" for key, _ in given)
            why = "" if known else "the values of its keys are AWS's; give keys of yours (--api-keys)"
        elif guard.kind == "closed":
            why = dict(given)["why"]
        if not why:
            made[name] = AuthorizerSettings(name, guard.kind, given, lambda _: path)
        elif settings.open_authorizers:
            instead[name] = None
            notes.append(f"{guard.place}: everybody is let in (--open-authorizers): {why}")
        else:
            where = f"[authorizer.{name}] in a file takes its place, and --open-authorizers lets everybody in"
            notes.append(f"{guard.place}: nobody is let in: {why}; {where}")
            made[name] = AuthorizerSettings(name, "closed", (("why", f"{guard.place}: {why}"),), lambda _: path)
    for name, guard in found.items():
        if guard.kind == "all" and name not in own:
            others = [each for _, each in guard.given if each not in instead]
            if len(others) < len(guard.given):
                instead[name] = others[0] if others else None
            else:
                made[name] = AuthorizerSettings(name, "all", guard.given, lambda _: path)
    return made, instead, notes
