"""CloudFormation documents: YAML with its tags, or JSON, and the intrinsic functions that need no account."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ACCOUNT = "123456789012"
_SUBSTITUTE = re.compile(r"\$\{([^!][^}]*)\}")


class TemplateError(Exception):
    """A template that cannot be used; the text says what and where."""


Lines = dict[tuple[str, ...], int]
"""The line, from 1, of each key by its path."""
_DEEP, _MANY = 9, 200_000


def load(path: str) -> tuple[dict[str, Any], Lines]:
    """The document of a file, and where its keys stand (in YAML); `!Ref` becomes `{"Ref": ...}`.

    Raises `TemplateError`.
    """
    try:
        text = Path(path).read_text("utf-8")
    except OSError as problem:
        raise TemplateError(str(problem.strerror)) from None
    except UnicodeDecodeError:
        raise TemplateError("it is not UTF-8 text") from None
    lines: Lines = {}
    document = _json(text) if path.endswith(".json") else _yaml(text, lines)
    if not isinstance(document, dict):
        raise TemplateError("it is no template, which is a map with Resources")
    return document, lines


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise TemplateError(str(problem)) from None


def _yaml(text: str, lines: Lines) -> Any:
    try:
        import yaml
    except ImportError:
        raise TemplateError("reading YAML needs PyYAML: pip install 'lambdaproxy[sam]'") from None

    class Loader(yaml.SafeLoader):
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

    def _scalar(loader: Any, node: Any) -> Any:
        return loader.construct_scalar(node)

    Loader.add_multi_constructor("!", tag)
    # Dates stay text, as CloudFormation has them.
    Loader.add_constructor("tag:yaml.org,2002:timestamp", _scalar)
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _note_lines(node, (), lines)
        return loader.construct_document(node)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark is not None else ""
        raise TemplateError(f"{where}{getattr(problem, 'problem', problem)}") from None
    except RecursionError:
        raise TemplateError("it is nested too deeply") from None


def _note_lines(node: Any, path: tuple[str, ...], lines: Lines) -> None:
    """Where keys stand, as deep as we read; bounded, because anchors may repeat a part many times."""
    if node.id != "mapping" or len(path) >= _DEEP or len(lines) >= _MANY:
        return
    for key, value in node.value:
        inner = (*path, str(key.value))
        lines[inner] = key.start_mark.line + 1
        _note_lines(value, inner, lines)


class Resolver:
    """Works out intrinsic functions; what only AWS knows becomes a readable text such as `Table.Arn`."""

    def __init__(self, document: Mapping[str, Any], functions: Mapping[str, str], region: str) -> None:
        self._functions, self._region = functions, region
        self._mappings: Mapping[str, Any] = document.get("Mappings") or {}
        self._conditions: Mapping[str, Any] = document.get("Conditions") or {}
        self._known: dict[str, Any] = {
            "AWS::Region": region,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": "local",
            "AWS::StackId": f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/local/0",
            "AWS::NotificationARNs": [],
            "AWS::NoValue": _NOTHING,
        }
        for name, about in (document.get("Parameters") or {}).items():
            if isinstance(about, dict) and "Default" in about:
                self._known[name] = about["Default"]
        self._deciding: set[str] = set()
        #: Intrinsic functions that were met and that only AWS knows.
        self.unknown: set[str] = set()

    def resolve(self, value: Any) -> Any:
        """The value with every intrinsic function worked out."""
        if isinstance(value, list):
            return [one for one in map(self.resolve, value) if one is not _NOTHING]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(str(argument))
            if name == "Condition" and isinstance(argument, str) and argument in self._conditions:
                return self.condition(argument)
            if isinstance(name, str) and name.startswith("Fn::"):
                return self._function(name[4:], argument)
        found = {key: self.resolve(one) for key, one in value.items()}
        return {key: one for key, one in found.items() if one is not _NOTHING}

    def _ref(self, name: str) -> Any:
        return self._known.get(name, self._functions.get(name, name))

    def _function(self, name: str, argument: Any) -> Any:
        if name == "Sub":
            return self._sub(argument)
        if name == "If" and isinstance(argument, list) and len(argument) == 3:
            return self.resolve(argument[1 if self.condition(str(argument[0])) else 2])
        argument = self.resolve(argument)
        if name == "GetAtt":
            parts = argument.split(".", 1) if isinstance(argument, str) else [str(one) for one in argument]
            return self._attribute(parts[0], parts[1] if len(parts) > 1 else "")
        arguments = argument if isinstance(argument, list) else [argument]
        known = {
            "Join": lambda: str(arguments[0]).join(str(one) for one in arguments[1]),
            "Select": lambda: arguments[1][int(arguments[0])],
            "Split": lambda: str(arguments[1]).split(str(arguments[0])),
            "FindInMap": lambda: self._mappings[arguments[0]][arguments[1]][arguments[2]],
            "Equals": lambda: str(arguments[0]) == str(arguments[1]),
            "Not": lambda: not arguments[0],
            "And": lambda: all(arguments),
            "Or": lambda: any(arguments),
        }.get(name)
        if known is None:
            self.unknown.add(f"Fn::{name}")
            return f"Fn::{name}"
        try:
            return known()
        except (IndexError, KeyError, TypeError, ValueError):
            raise TemplateError(f"Fn::{name} cannot be worked out from {argument!r}") from None

    def condition(self, name: str) -> bool:
        """Whether a condition of the template holds; one that is not defined does not."""
        if name in self._deciding:
            raise TemplateError(f"the condition {name} depends on itself")
        self._deciding.add(name)
        try:
            return bool(self.resolve(self._conditions.get(name, False)))
        finally:
            self._deciding.discard(name)

    def _attribute(self, resource: str, attribute: str) -> str:
        if attribute == "Arn" and resource in self._functions:
            return f"arn:aws:lambda:{self._region}:{ACCOUNT}:function:{self._functions[resource]}"
        return f"{resource}.{attribute}"

    def _sub(self, argument: Any) -> str:
        text, own = argument, {}
        if isinstance(argument, list) and len(argument) == 2:
            text, own = argument[0], self.resolve(argument[1])

        def value(found: re.Match[str]) -> str:
            name = found[1].strip()
            if name in own:
                return str(own[name])
            resource, dot, attribute = name.partition(".")
            return self._attribute(resource, attribute) if dot else str(self._ref(name))

        return _SUBSTITUTE.sub(value, str(text)).replace("${!", "${")


class _Nothing:
    """AWS::NoValue: the property is as if it were not written."""


_NOTHING = _Nothing()
