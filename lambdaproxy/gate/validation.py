"""Looks whether a request has what its route wants, before the function is invoked, as a REST API does.

Parameters come before the body; an empty value counts as a missing one. The model is that of the content type, else
that of `$default`, else the body is not looked at (API Gateway guide, `api-gateway-method-request-validation`).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote, unquote_plus

import orjson

from lambdaproxy.base import weight
from lambdaproxy.base.sliced import without_collector
from lambdaproxy.config.settings import Settings
from lambdaproxy.config.validation import DEFAULT, JSON, compiled
from lambdaproxy.errors import EventTooLarge, Invalid
from lambdaproxy.messages import Headers, Match, Request

MOST = 1024 * 1024
"""Bytes of a body that is looked at; with as many values as it may have, that takes 20 ms."""


class Validation:
    """What one route wants; `of_settings` makes one where it wants anything."""

    def __init__(self, settings: Settings) -> None:
        #: In the order in which they are named, that of AWS's expressions.
        self._parameters = sorted(set(settings.request_parameters))
        self._models = {each.content_type: compiled(each.schema, each.file) for each in settings.request_models}

    def check(self, request: Request, match: Match) -> None:
        """Raise `Invalid`, or `EventTooLarge` for a body that nobody can look at in time."""
        if self._parameters:
            missing = [name for name in self._parameters if not _value(name, request, match)]
            if missing:
                names = ", ".join(name.partition(".")[2] for name in missing)
                raise Invalid(public=f"Missing required request parameters: [{names}]")
        if self._models:
            model = self._models.get(_content_type(request.headers)) or self._models.get(DEFAULT)
            if model is not None:
                self._check_body(model, request.body or b"{}")

    def _check_body(self, model: Any, body: bytes) -> None:
        if len(body) > MOST or not weight.surely_light(body):
            raise EventTooLarge(f"a body of {len(body)} bytes is more than a schema is compared with in time")
        try:
            valid = model.is_valid(without_collector(orjson.loads, body))
        except ValueError:
            valid = False
        if not valid:
            raise Invalid(public="Invalid request body")


def of_settings(settings: Settings, template: str | None) -> Validation | None:
    """What a route wants, or None; `ValueError` for a path parameter that it has not."""
    for each in settings.request_parameters:
        kind, _, name = each.partition(".")
        if kind == "path" and f"{{{name}}}" not in (template or "") and f"{{{name}+}}" not in (template or ""):
            raise ValueError(f"request-parameters: the path of the route has no {{{name}}}")
    return Validation(settings) if settings.request_parameters or settings.request_models else None


def _value(parameter: str, request: Request, match: Match) -> str:
    kind, _, name = parameter.partition(".")
    if kind == "header":
        wanted = name.lower().encode()
        return next((value.decode("latin-1").strip() for key, value in request.headers if key.lower() == wanted), "")
    if kind == "path":
        return next((unquote(value).strip() for key, value in match.path_parameters if key == name), "")
    for part in request.target.partition(b"?")[2].decode("latin-1").split("&"):
        key, _, value = part.partition("=")
        if unquote_plus(key) == name:
            return unquote_plus(value).strip()
    return ""


def _content_type(headers: Headers) -> str:
    for name, value in headers:
        if len(name) == 12 and name.lower() == b"content-type":
            return value.decode("latin-1").partition(";")[0].strip().lower() or JSON
    return JSON
