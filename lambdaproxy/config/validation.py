"""Settings of what a request must have: parameters, and a body that fits a JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambdaproxy.base import files
from lambdaproxy.base.extras import install
from lambdaproxy.config import values

MOST_SCHEMA = 1024 * 1024
"""Bytes of a schema file."""

JSON, DEFAULT = "application/json", "$default"
_TYPE = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+/[!#$%&'*+\-.^_`|~0-9A-Za-z]+|\$default")
_PARAMETER = re.compile(
    r"(?:method\.request\.)?(header\.[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,64}|(?:querystring|path)\.[A-Za-z0-9_.:-]{1,64})"
)


@dataclass(frozen=True, slots=True)
class Model:
    """A JSON Schema for bodies of a content type; `schema` is its text."""

    content_type: str
    file: str
    schema: bytes


def models(text: str) -> tuple[Model, ...]:
    """A file for `application/json`."""
    return models_of_table({JSON: text})


def models_of_table(table: Mapping[str, Any]) -> tuple[Model, ...]:
    """Files by content type; each is read and compiled once to see whether it can be."""
    found = []
    for kind, name in table.items():
        if not _TYPE.fullmatch(kind):
            raise ValueError(f"{kind!r} is no content type such as application/json, nor $default")
        if not isinstance(name, str):
            raise ValueError(f"{kind}: {name!r} is no file name")
        name = values.file(name)
        try:
            schema = files.read(name)
        except OSError as error:
            raise ValueError(f"{name}: {error.strerror}") from None
        if len(schema) > MOST_SCHEMA:
            raise ValueError(f"{name}: a schema has at most {MOST_SCHEMA} bytes")
        compiled(schema, name)
        found.append(Model(kind.lower(), name, schema))
    return tuple(found)


def compiled(schema: bytes, name: str) -> Any:
    """The schema, with `is_valid`; `ValueError` with a sentence. Nothing is fetched, whatever it refers to."""
    try:
        import jsonschema_rs
    except ImportError:
        raise ValueError(f"{name}: JSON Schemas need jsonschema-rs: {install('schema')}") from None
    import orjson

    try:
        document = orjson.loads(schema)
    except ValueError as error:
        raise ValueError(f"{name}: this is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{name}: a schema is an object")
    # Without $schema a model of a REST API is one of draft 4.
    draft = jsonschema_rs.Draft4Validator if "$schema" not in document else jsonschema_rs.validator_cls_for(document)
    # Expressions that look at each character once; what looks ahead is refused.
    expressions = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)
    try:
        return draft(document, pattern_options=expressions, retriever=_nowhere)
    except Exception as error:
        raise ValueError(f"{name}: {str(error).strip().partition(chr(10))[0]}") from None


def _nowhere(uri: str) -> Any:
    raise ValueError(f"{uri} is not fetched; write what is meant below definitions")


def parameter(text: str) -> str:
    """`header.NAME`, `querystring.NAME` or `path.NAME`, perhaps with `method.request.` in front as AWS has it."""
    found = _PARAMETER.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is none of header.NAME, querystring.NAME and path.NAME")
    return found[1]
