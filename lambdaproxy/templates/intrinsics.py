"""The intrinsic functions of CloudFormation that need no account.

What only AWS knows becomes a readable text such as `Table.Arn`. What cannot be worked out is listed with its line and
becomes its own name, so that it concerns nothing but what uses it.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

from lambdaproxy.templates.differences import Differences
from lambdaproxy.templates.document import TemplateError, load

ACCOUNT = "123456789012"
_SUBSTITUTE = re.compile(r"\$\{(!?)([^}]*)\}")
_DYNAMIC = re.compile(r"\{\{resolve:[^}]*\}\}")
_MOST_VALUES = 2_000_000
"""Values that one template may unfold to: anchors that repeat each other make any number of a few lines."""
Path = tuple[str, ...]


class _Nothing:
    """AWS::NoValue: the property is as if it were not written."""


NOTHING = _Nothing()


class Resolver:
    """Works out the values of one template; `folder` is where its included files are.

    `refs` and `attributes` may be filled with what is known of resources: by name, and by name and attribute.
    `given` are values of parameters.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        given: Mapping[str, Any],
        region: str,
        differences: Differences,
        folder: str,
        stack: str = "local",
    ) -> None:
        self._differences, self._folder = differences, folder
        self._mappings: Mapping[str, Any] = document.get("Mappings") or {}
        self._conditions: Mapping[str, Any] = document.get("Conditions") or {}
        self._region = region
        self.refs: dict[str, Any] = {
            "AWS::Region": region,
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": stack,
            "AWS::StackId": f"arn:aws:cloudformation:{region}:{ACCOUNT}:stack/{stack}/0",
            "AWS::NotificationARNs": [],
            "AWS::NoValue": NOTHING,
        }
        #: Attributes of a resource, asked for by `Fn::GetAtt`; None where it is not known.
        self.attribute: Callable[[str, str], Any] = lambda resource, attribute: None
        #: What is to be said of an attribute that a resource cannot have; empty where that is not known.
        self.meant: Callable[[str, str], str] = lambda resource, attribute: ""
        #: The resources, where all are known; and how names of those begin that AWS makes of some of them.
        self.names: Collection[str] | None = None
        self.makers: tuple[str, ...] = ()
        self.exports: Mapping[str, Any] = {}
        self._deciding: set[str] = set()
        self._left = _MOST_VALUES
        self._parameters(document.get("Parameters") or {}, given)

    def _parameters(self, declared: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        for name, about in declared.items():
            path, about = ("Parameters", str(name)), about if isinstance(about, dict) else {}
            kind = str(about.get("Type", "String"))
            if name in given:
                value = given[name]
            elif "Default" in about:
                value = about["Default"]
                if kind.startswith("AWS::SSM::Parameter::Value"):
                    self._differences.add(path, f"what AWS holds as {value} is not asked for; its name stands for it")
            else:
                instead = f"it has no Default; its name stands for its value (--template-parameters {name}=VALUE)"
                self._differences.add(path, instead)
                value = name
            if kind == "CommaDelimitedList" or "List<" in kind:
                value = [one.strip() for one in value.split(",")] if isinstance(value, str) else value
            self.refs[name] = value

    def resolve(self, value: Any, path: Path) -> Any:
        """The value with every intrinsic function worked out; `path` is where it stands."""
        self._left -= 1
        if self._left < 0:
            raise TemplateError(f"it unfolds to more than {_MOST_VALUES} values")
        if isinstance(value, list):
            found = [self.resolve(one, (*path, str(at))) for at, one in enumerate(value)]
            return [one for one in found if one is not NOTHING]
        if not isinstance(value, dict):
            if isinstance(value, str) and "{{resolve:" in value:
                self._dynamic(value, path)
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name == "Ref":
                return self._ref(str(argument), path)
            if name == "Condition" and isinstance(argument, str) and argument in self._conditions:
                return self.condition(argument)
            if isinstance(name, str) and name.startswith("Fn::") and not name.startswith("Fn::ForEach::"):
                return self._function(name[4:], argument, (*path, name))
        if "Fn::Transform" in value:  # an included document may have other keys beside it, which win
            included = self._transform(self.resolve(value["Fn::Transform"], path), path)
            rest = {key: one for key, one in value.items() if key != "Fn::Transform"}
            value = {**(included if isinstance(included, dict) else {}), **rest}
        resolved = {key: self.resolve(one, (*path, str(key))) for key, one in value.items()}
        return {key: one for key, one in resolved.items() if one is not NOTHING}

    def _dynamic(self, text: str, path: Path) -> None:
        for found in _DYNAMIC.findall(text):
            kind = ":".join(found.split(":", 2)[:2]).strip("{")
            self._differences.add(path, f"{kind} is not asked for; its text stands for its value")

    def _ref(self, name: str, path: Path) -> Any:
        self._look_for(name, path)
        return self.refs.get(name, name)

    def _look_for(self, name: str, path: Path) -> None:
        """List a name that the template has not."""
        unknown = name not in self.refs and self.names is not None and name not in self.names
        if unknown and not name.startswith(self.makers):
            near = get_close_matches(name, [*(self.names or ()), *self.refs], 1)
            meant = f"; did you mean {near[0]}?" if near else ";"
            self._differences.add(path, f"there is no {name} in this template{meant} its name stands for its value")

    def _function(self, name: str, argument: Any, path: Path) -> Any:
        if name == "If" and isinstance(argument, list) and len(argument) == 3:
            at = 1 if self.condition(str(argument[0]), path) else 2
            return self.resolve(argument[at], (*path, str(at)))
        if name == "Sub":
            return self._sub(argument, path)
        argument = self.resolve(argument, path)
        if name == "Transform":
            return self._transform(argument, path)
        if name == "GetAtt" and argument and isinstance(argument, str | list):
            parts = argument.split(".", 1) if isinstance(argument, str) else [str(one) for one in argument]
            return self._attribute(parts[0], ".".join(parts[1:]), path)
        known: Callable[[Any], Any] | None = getattr(self, f"_do_{name.lower()}", None)
        if known is None:
            self._differences.add(path, "is not worked out here; its name stands for its value")
            return f"Fn::{name}"
        try:
            return known(argument)
        except (IndexError, KeyError, TypeError, ValueError, AttributeError):
            shown = json.dumps(argument, default=str)
            shown = shown if len(shown) <= 100 else shown[:100] + "..."
            self._differences.add(path, f"cannot be worked out from {shown}; its name stands for its value")
            return f"Fn::{name}"

    def _do_join(self, argument: Any) -> str:
        between, parts = argument
        if not isinstance(parts, list):
            raise TypeError
        return str(between).join(text(one) for one in parts)

    def _do_select(self, argument: Any) -> Any:
        at, values = argument
        if not isinstance(values, list) or int(at) < 0:
            raise TypeError
        return values[int(at)]

    def _do_split(self, argument: Any) -> list[str]:
        between, whole = argument
        return text(whole).split(str(between))

    def _do_findinmap(self, argument: Any) -> Any:
        try:
            return self.resolve(self._mappings[argument[0]][str(argument[1])][str(argument[2])], ("Mappings",))
        except (KeyError, TypeError):
            if len(argument) > 3 and "DefaultValue" in argument[3]:
                return argument[3]["DefaultValue"]
            raise

    def _do_equals(self, argument: Any) -> bool:
        one, other = argument
        return bool(text(one) == text(other))

    def _do_not(self, argument: Any) -> bool:
        (one,) = argument
        return not _truth(one)

    def _do_and(self, argument: list[Any]) -> bool:
        return all(map(_truth, argument))

    def _do_or(self, argument: list[Any]) -> bool:
        return any(map(_truth, argument))

    def _do_base64(self, argument: Any) -> str:
        return base64.b64encode(text(argument).encode()).decode()

    def _do_length(self, argument: list[Any]) -> int:
        if not isinstance(argument, list):
            raise TypeError
        return len(argument)

    def _do_tojsonstring(self, argument: Any) -> str:
        return json.dumps(argument, separators=(",", ":"))

    def _do_getazs(self, argument: Any) -> list[str]:
        region = argument if isinstance(argument, str) and argument else self._region
        return [region + letter for letter in "abc"]

    def _do_cidr(self, argument: Any) -> list[str]:
        network = ipaddress.ip_network(argument[0], strict=False)
        count, bits = int(argument[1]), int(argument[2]) if len(argument) > 2 else 8
        if not 0 < count <= 256:
            raise ValueError
        found = network.subnets(new_prefix=network.max_prefixlen - bits)
        return [str(subnet) for subnet, _ in zip(found, range(count), strict=False)]

    def _do_importvalue(self, argument: Any) -> Any:
        # A text that says what it is serves as well as any where another stack's value is not known.
        return self.exports[str(argument)]

    def _transform(self, argument: Any, path: Path) -> Any:
        """`AWS::Include` of a file beside the template."""
        name = argument.get("Name") if isinstance(argument, dict) else argument
        if name != "AWS::Include":
            self._differences.add(path, f"the macro {name} is not run here; what it would make is left out")
            return {}
        parameters = argument.get("Parameters")
        where = parameters.get("Location") if isinstance(parameters, dict) else None
        if not isinstance(where, str) or where.startswith(("s3://", "https://")):
            self._differences.add(path, f"only files beside the template are included, and {where} is none")
            return {}
        try:
            document, _ = load(os.path.join(self._folder, where))
        except TemplateError as problem:
            self._differences.add(path, f"{where} is not included: {problem}")
            return {}
        return self.resolve(document, path)

    def condition(self, name: str, path: Path = ()) -> bool:
        """Whether a condition of the template holds; one that is not defined, or depends on itself, does not."""
        where = path or ("Conditions", name)
        if name not in self._conditions or name in self._deciding:
            why = "depends on itself" if name in self._deciding else "is not defined"
            self._differences.add(where, f"the condition {name} {why}; it does not hold here")
            return False
        self._deciding.add(name)
        try:
            return _truth(self.resolve(self._conditions[name], ("Conditions", name)))
        finally:
            self._deciding.discard(name)

    def _attribute(self, resource: str, attribute: str, path: Path) -> Any:
        found = self.refs.get(f"{resource}.{attribute}", self.attribute(resource, attribute))
        if found is not None:
            return found
        self._look_for(resource, path)
        near = self.meant(resource, attribute)
        if near:
            self._differences.add(path, f"{resource} has no {attribute}{near} its name stands for its value")
        return f"{resource}.{attribute}"

    def _sub(self, argument: Any, path: Path) -> str:
        whole, own = argument, {}
        if isinstance(argument, list) and len(argument) == 2:
            whole, own = argument[0], self.resolve(argument[1], path)
        whole = self.resolve(whole, path)
        if not isinstance(whole, str) or not isinstance(own, dict):
            self._differences.add(path, "takes a text, or a text and a map; its name stands for its value")
            return "Fn::Sub"

        def value(found: re.Match[str]) -> str:
            if found[1]:
                return f"${{{found[2]}}}"
            name = found[2].strip()
            if name in own:
                return text(own[name])
            resource, dot, attribute = name.partition(".")
            if name in self.refs or not dot:
                return text(self._ref(name, path))
            return text(self._attribute(resource, attribute, path))

        return _SUBSTITUTE.sub(value, whole)


def _truth(value: Any) -> bool:
    """What a condition came to; text is none, but for `true`: a function that was not worked out does not hold."""
    return value is True or value == "true"


def text(value: Any) -> str:
    """A value as CloudFormation writes it where text is wanted."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(text, value))
    return str(value)
