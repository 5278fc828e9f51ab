"""Fills settings from a request: which tenant it is for, which durable execution, and what context goes with it."""

from __future__ import annotations

from urllib.parse import unquote

from lambdaproxy.base.asked import header, parameter
from lambdaproxy.config.filled import Filled
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import BadRequest
from lambdaproxy.messages import Match, Request


class Unfilled(BadRequest):
    """The request lacks what a setting is to be filled from."""

    label = "unfilled"


NOTHING = (None, None, None)
"""What nearly all routes say."""


def as_set(settings: Settings, request_id: str) -> tuple[str | None, str | None, str | None]:
    """Client context, tenant id and durable name where nothing is filled in."""
    context, tenant, prefix = settings.client_context, settings.tenant_id, settings.durable_name
    if context is tenant is prefix is None:
        return NOTHING
    # Routes with places to fill have fillings.
    assert not isinstance(context, Filled)
    assert not isinstance(tenant, Filled)
    assert not isinstance(prefix, Filled)
    return context, tenant, prefix + request_id if prefix else None


class Fillings:
    """The settings of a route that are filled; `of_settings` makes one where there are any."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def fill(self, request: Request, match: Match) -> tuple[str | None, str | None, str | None]:
        """Client context, tenant id and durable name for a request; raises `Unfilled`."""
        settings = self._settings
        return (
            self._one("client-context", settings.client_context, request, match),
            self._one("tenant-id", settings.tenant_id, request, match),
            self._one("durable-name", settings.durable_name, request, match),
        )

    def _one(self, name: str, value: str | Filled | None, request: Request, match: Match) -> str | None:
        if not isinstance(value, Filled):
            return value if value is None or name != "durable-name" else value + request.id
        try:
            return value.fill(lambda place: find(place, request, match))
        except ValueError as error:
            raise Unfilled(f"{name}: {error}") from None


def of_settings(settings: Settings, template: str | None, authorizer: str | None) -> Fillings | None:
    """The fillings of a route, or None; `ValueError` for places that its requests cannot have."""
    values = {
        "client-context": settings.client_context,
        "tenant-id": settings.tenant_id,
        "durable-name": settings.durable_name,
    }
    found = {name: value for name, value in values.items() if isinstance(value, Filled)}
    for name, value in found.items():
        for place in value.places:
            kind, _, inner = place.partition(".")
            if kind == "path" and f"{{{inner}}}" not in (template or "") and f"{{{inner}+}}" not in (template or ""):
                raise ValueError(f"{name}: the path of the route has no {{{inner}}}, so {{{place}}} is never there")
            if kind in ("claim", "principal", "key") and authorizer is None:
                raise ValueError(f"{name}: nobody says what {{{place}}} is; the route needs an authorizer")
    return Fillings(settings) if found else None


def find(place: str, request: Request, match: Match) -> str | None:
    """What stands in a place of a request; None where nothing does, or where it was sent twice."""
    kind, _, name = place.partition(".")
    if kind == "header":
        return header(name, request)
    if kind == "query":
        return _stripped(parameter(name, request))
    if kind == "path":
        return _stripped(next((unquote(value) for key, value in match.path_parameters if key == name), None))
    grant = request.grant
    if grant is None:
        return None
    if kind == "key":
        return grant.key_id or grant.key
    claims = grant.claims or {}
    value = (grant.principal or claims.get("sub")) if kind == "principal" else (grant.claims or grant.context).get(name)
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None


def _stripped(value: str | None) -> str | None:
    return None if value is None else value.strip(" \t") or None
