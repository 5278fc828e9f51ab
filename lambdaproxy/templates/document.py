"""Reads a document: YAML with the tags of CloudFormation, or JSON, and on which line each of its keys stands."""

from __future__ import annotations

import json
from typing import Any

from lambdaproxy.base import files
from lambdaproxy.base.extras import install

Lines = dict[tuple[str, ...], int]
"""The line, from 1, of each key, and of each item of a list, by its path."""
_DEEP, _MANY = 14, 200_000
_JSON_WITH_LINES = 1_000_000
"""Characters up to which JSON is read twice, the second time for its lines."""


class TemplateError(Exception):
    """A template that cannot be used; the text says what and where."""


def load(path: str) -> tuple[dict[str, Any], Lines]:
    """The document of a file, and where its keys stand; `!Ref` becomes `{"Ref": ...}`. Raises `TemplateError`."""
    document, lines = load_any(path)
    if not isinstance(document, dict):
        raise TemplateError("it is no template, which is a map with Resources")
    return document, lines


def load_any(path: str) -> tuple[Any, Lines]:
    """The same of a file that may hold anything."""
    try:
        text = files.read(path).decode("utf-8-sig")
    except OSError as problem:
        raise TemplateError(str(problem.strerror)) from None
    except UnicodeDecodeError:
        raise TemplateError("it is not UTF-8 text") from None
    lines: Lines = {}
    # Templates are JSON by their content, whatever the file is called.
    document = _json(text, lines) if path.endswith(".json") or text.lstrip()[:1] == "{" else _yaml(text, lines)
    return document, lines


def _json(text: str, lines: Lines) -> Any:
    try:
        document = json.loads(text)
    except ValueError as problem:
        raise TemplateError(str(problem)) from None
    except RecursionError:
        raise TemplateError("it is nested too deeply") from None
    if len(text) <= _JSON_WITH_LINES:
        try:
            _yaml(text.replace("\t", " "), lines, only_lines=True)
        except TemplateError:
            lines.clear()  # what is no YAML, too, is named without lines
    return document


def _yaml(text: str, lines: Lines, only_lines: bool = False) -> Any:
    try:
        import yaml
    except ImportError:
        raise TemplateError(f"reading YAML needs PyYAML: {install('sam')}") from None
    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]
        """The safe loader, which makes plain values only, and the tags of CloudFormation."""

    def tag(loader: Any, suffix: str, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            value: Any = loader.construct_scalar(node)
            if suffix == "GetAtt":
                value = value.split(".", 1)
        elif isinstance(node, yaml.SequenceNode):
            value = loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_mapping(node, deep=True)
        return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}

    def scalar(loader: Any, node: Any) -> Any:
        return loader.construct_scalar(node)

    Loader.add_multi_constructor("!", tag)
    # Dates stay text, as CloudFormation has them.
    Loader.add_constructor("tag:yaml.org,2002:timestamp", scalar)
    Loader.add_constructor("tag:yaml.org,2002:value", scalar)
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _note_lines(node, (), lines)
        return None if only_lines else loader.construct_document(node)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise TemplateError(f"{where}{getattr(problem, 'problem', None) or problem}") from None
    except RecursionError:
        raise TemplateError("it is nested too deeply") from None
    except ValueError as problem:  # a number such as 1_ or 0b that no number can be made of
        raise TemplateError(f"a value cannot be read: {problem}") from None


def _note_lines(node: Any, path: tuple[str, ...], lines: Lines) -> None:
    """Where keys stand, as deep as we read; bounded, because anchors may repeat a part many times."""
    if len(path) >= _DEEP or len(lines) >= _MANY:
        return
    if node.id == "mapping":
        for key, value in node.value:
            inner = (*path, str(key.value))
            lines[inner] = key.start_mark.line + 1
            _note_lines(value, inner, lines)
    elif node.id == "sequence":
        for at, value in enumerate(node.value):
            inner = (*path, str(at))
            lines[inner] = value.start_mark.line + 1
            _note_lines(value, inner, lines)
