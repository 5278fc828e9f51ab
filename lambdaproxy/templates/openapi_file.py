"""An OpenAPI document by itself, as a template with one API: its functions are embedded ones, or those on AWS."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lambdaproxy.templates.differences import Differences
from lambdaproxy.templates.document import Lines

INTEGRATION = "x-amazon-apigateway-integration"
_NAMED = re.compile(r"\$\{([A-Za-z0-9_-]+)\.(?:Arn|Alias)\}")
_ARN = re.compile(r"(?:^|:)function:([A-Za-z0-9_-]+)")
Names = dict[str, tuple[str, ...]]
"""Where functions are named first, by their names."""

_PLACE = ("Resources", "Api", "Properties", "DefinitionBody")


def is_openapi(document: Mapping[str, Any]) -> bool:
    """Whether a document is no template, but describes an API."""
    return "Resources" not in document and ("openapi" in document or "swagger" in document)


def as_template(document: dict[str, Any], lines: Lines, arn: str) -> tuple[dict[str, Any], Differences, dict[str, str]]:
    """The template, its list with the lines of the document, and where its integrations name which functions.

    `arn` is that of a function without its name. What says a payload format version is an HTTP API, else it is a REST
    API; `${NAME.Arn}` names a function, too.
    """
    names: Names = {}
    body = _with_arns(document, arn, names, _PLACE)
    http = '"payloadFormatVersion"' in json.dumps(document, default=str) or "x-amazon-apigateway-cors" in document
    kind = "HttpApi" if http else "Api"
    properties = {"StageName": "$default" if http else "prod", "DefinitionBody": body}
    template = {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {"Api": {"Type": f"AWS::Serverless::{kind}", "Properties": properties}},
    }
    differences = Differences({(*_PLACE, *path): line for path, line in lines.items()})
    return template, differences, {name: differences.place(path) for name, path in names.items()}


def _with_arns(value: Any, arn: str, names: Names, path: tuple[str, ...], inside: bool = False) -> Any:
    if isinstance(value, dict):
        found = {}
        for key, one in value.items():
            at = (*path, str(key))
            if inside and key == "uri":
                found[key] = _uri(one, arn, names, at)
            else:
                found[key] = _with_arns(one, arn, names, at, key == INTEGRATION or (inside and key == "$ref"))
                if str(key) == "x-amazon-apigateway-integrations" and isinstance(one, dict):
                    each = {str(name): _with_arns(its, arn, names, (*at, str(name)), True) for name, its in one.items()}
                    found[key] = each
        return found
    if isinstance(value, list):
        return [_with_arns(one, arn, names, (*path, str(at)), inside) for at, one in enumerate(value)]
    return value


def _uri(value: Any, arn: str, names: Names, path: tuple[str, ...]) -> Any:
    text = value.get("Fn::Sub") if isinstance(value, dict) else value
    text = text[0] if isinstance(text, list) and text else text
    if not isinstance(text, str):
        return value
    named = _NAMED.search(text)
    if named is not None:
        names.setdefault(named[1], path)
        return f"{arn}{named[1]}"
    found = _ARN.search(text)
    if found is not None:
        names.setdefault(found[1], path)
    return text
