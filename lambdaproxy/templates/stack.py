"""One template that is being read: its resources, their values, and what is known of them by name."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lambdaproxy.runtime.functions import check_name
from lambdaproxy.templates import openapi_file
from lambdaproxy.templates.differences import Differences, Properties, meant
from lambdaproxy.templates.document import TemplateError, load
from lambdaproxy.templates.expand import Loops
from lambdaproxy.templates.found import Found, Where, legal
from lambdaproxy.templates.intrinsics import ACCOUNT, Resolver, text
from lambdaproxy.templates.serverless import as_template, is_serverless

FUNCTIONS = ("AWS::Serverless::Function", "AWS::Lambda::Function")
NESTED = {"AWS::Serverless::Application": "Location", "AWS::CloudFormation::Stack": "TemplateURL"}
_ARN = re.compile(r"(?:^|:)function:([A-Za-z0-9_-]+)(?::([A-Za-z0-9_$-]+))?")
_URI = re.compile(r"/functions/([^/]+)/invocations/?\Z")
_DEEPEST = 8
_ATTRIBUTES = (
    "Arn", "Alias", "AliasArn", "Version", "DestinationQueue", "DestinationTopic", "SnapStartResponse",
    "SnapStartResponse.ApplyOn", "SnapStartResponse.OptimizationStatus",
)  # fmt: skip
"""What a function has to be asked for (`Fn::GetAtt`); those that are not worked out here stand for themselves."""


class Stack:
    """The resources of one template that its conditions let be.

    `resources` are as written, `properties` gives them worked out. `names` are those of functions by logical name;
    `read` are the resources that somebody has taken care of. `known` says what is done instead of a property.
    """

    def __init__(
        self,
        path: str,
        found: Found,
        region: str,
        given: Mapping[str, Any],
        name: str = "local",
        parents: tuple[str, ...] = (),
    ) -> None:
        self.path, self.folder = path, os.path.dirname(os.path.abspath(path))
        self.found, self.region, self.name = found, region, name
        self._parents = (*parents, os.path.realpath(path))
        document, lines = load(path)
        written = document
        self.differences = Differences(lines)
        if is_serverless(document):
            document, self.differences = as_template(document, lines, self.folder, given, region)
        elif openapi_file.is_openapi(document):
            document, self.differences, names = openapi_file.as_template(document, lines, arn(region, ""))
            found.names |= names.keys()
            found.elsewhere |= names
        self.document = document = self._without_wrong_sections(document)
        self.values = Resolver(document, given, region, self.differences, self.folder, name)
        self.values.attribute = self._attribute
        self.values.meant = self._meant
        loops = Loops(self.values.resolve, self.differences)
        resources = loops.unfold(self._with_included(document["Resources"]), ("Resources",))
        resources = {str(key): one for key, one in resources.items()}
        if not is_serverless(written):  # the framework makes resources of its own, under many names
            self.values.names = resources.keys()
            self.values.makers = (
                "Serverless",
                *(
                    name
                    for name, one in resources.items()
                    if str(map_of(one).get("Type")).startswith("AWS::Serverless")
                ),
            )
        self.every: dict[str, Any] = {
            name: one for name, one in resources.items() if isinstance(one, dict) and isinstance(one.get("Type"), str)
        }
        for logical in resources:
            if logical not in self.every:
                self.differences.add(("Resources", logical), "is no resource with a Type, and is left out")
        self.resources = {
            name: one
            for name, one in self.every.items()
            if not isinstance(one.get("Condition"), str) or self.values.condition(one["Condition"])
        }
        self.names: dict[str, str] = {}
        self.read: set[str] = set()
        self._children: dict[str, Stack | None] = {}
        self._all_properties: dict[str, dict[str, Any]] = {}
        self._name_functions()
        resolved = self.values.resolve(document.get("Globals") or {}, ("Globals",))
        self.globals: dict[str, Any] = resolved if isinstance(resolved, dict) else {}

    def _without_wrong_sections(self, document: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(document.get("Resources"), dict):
            raise TemplateError("there are no Resources; is this a SAM template?")
        for section in ("Parameters", "Mappings", "Conditions", "Globals", "Outputs"):
            if not isinstance(document.get(section) or {}, dict):
                self.differences.add((section,), "is no map, and is left out")
                document = {**document, section: {}}
        return document

    def _with_included(self, resources: dict[str, Any]) -> dict[str, Any]:
        """`Fn::Transform` beside resources brings more of them."""
        if "Fn::Transform" not in resources:
            return resources
        path = ("Resources", "Fn::Transform")
        included = self.values.resolve({"Fn::Transform": resources["Fn::Transform"]}, path)
        rest = {key: one for key, one in resources.items() if key != "Fn::Transform"}
        return {**(included if isinstance(included, dict) else {}), **rest}

    # -- names ---------------------------------------------------------------------------------------------------

    def _name_functions(self) -> None:
        """Names and ARNs of functions, versions and aliases, before anything refers to them."""
        given = {}
        for logical, resource in self.every.items():
            if resource["Type"] in FUNCTIONS:
                given[logical] = map_of(resource.get("Properties")).get("FunctionName")
                self.names[logical] = logical
        for logical, one in given.items():
            path = ("Resources", logical, "Properties", "FunctionName")
            wanted, problem = legal(logical), None
            if wanted != logical and logical in self.resources:
                # CloudFormation takes letters and digits; a mistake here must not keep other functions from starting.
                self.differences.add(("Resources", logical), f"{logical!r} is no name; it is called {wanted[:64]} here")
            name = self.values.resolve(one, path) if one is not None else None
            if name is not None and logical in self.resources:
                try:
                    wanted = check_name(str(name))
                except ValueError as error:
                    problem = error
            self.names[logical] = name = (
                self.found.new_name(wanted, self.name) if logical in self.resources else wanted[:64]
            )
            if problem is not None:
                self.differences.add(path, f"{problem}; here it is called {name}")
            self._know(logical, name)
        for logical, resource in self.resources.items():
            if resource["Type"] in ("AWS::Lambda::Alias", "AWS::Lambda::Version"):
                properties = self.properties(logical)
                name = self.target(properties.get("FunctionName")) or text(properties.get("FunctionName"))
                alias = text(properties.get("Name", "")) if resource["Type"].endswith("Alias") else ""
                name = name.partition(":")[0]
                self.values.refs[logical] = arn(self.region, name) + (f":{alias}" if alias else "")

    def _know(self, logical: str, name: str) -> None:
        refs = self.values.refs
        refs[logical] = name
        alias = map_of(self.every[logical].get("Properties")).get("AutoPublishAlias")
        refs[f"{logical}.Version"] = arn(self.region, name)
        if isinstance(alias, str):  # SAM makes these resources, and lets one refer to them
            refs[f"{logical}.Alias"] = refs[f"{logical}Alias{alias}"] = f"{arn(self.region, name)}:{alias}"

    def _attribute(self, resource: str, attribute: str) -> Any:
        if attribute == "Arn" and resource in self.names:
            return arn(self.region, self.names[resource])
        if attribute == "AliasArn" and resource in self.resources:
            return self.values.refs.get(resource)
        kind = self.resources.get(resource, {}).get("Type")
        if kind in NESTED and attribute.startswith("Outputs."):
            child = self.child(resource)
            return child.outputs().get(attribute.removeprefix("Outputs.")) if child is not None else None
        return None

    def _meant(self, resource: str, attribute: str) -> str:
        if resource not in self.names or attribute in _ATTRIBUTES:
            return ""
        return meant(attribute, _ATTRIBUTES) or ";"

    # -- what readers ask ----------------------------------------------------------------------------------------

    def of_type(self, *kinds: str) -> dict[str, Mapping[str, Any]]:
        """The resources of these types, by logical name."""
        return {logical: one for logical, one in self.resources.items() if one["Type"] in kinds}

    def properties(self, logical: str, section: str = "") -> Properties:
        """A resource's properties, over those of its section of `Globals`."""
        if logical not in self._all_properties:
            path = ("Resources", logical, "Properties")
            given = self.resources.get(logical, {}).get("Properties") or {}
            self._all_properties[logical] = map_of(self.values.resolve(given, path))
        base = map_of(self.globals.get(section)) if section else {}
        values = merged(base, self._all_properties[logical])
        return Properties(values, ("Resources", logical, "Properties"), ("Globals", section))

    def target(self, value: Any) -> str | None:
        """The function of this or another stack that a name, an ARN or an integration's URI names: `NAME[:ALIAS]`."""
        whole = text(value)
        uri = _URI.search(whole)
        whole = uri[1] if uri else whole
        found = _ARN.search(whole)
        if found:
            name, qualifier = found[1], found[2]
        else:
            name, _, qualifier = whole.partition(":") if uri else (whole, "", "")
        name = self.names.get(name, name)
        if name not in self.found.names:
            return None
        return f"{name}:{qualifier}" if qualifier and not qualifier.isdigit() else name

    def add(self, where: Where, instead: str) -> None:
        """List what is not done as it is written."""
        self.differences.add(where, instead)

    def add_door(self, logical: str, dialect: str, options: tuple[tuple[str, str], ...] = ()) -> str:
        """The door that a resource is, made with its first route; its name."""
        place = self.place(("Resources", logical))
        return self.found.add_door(logical, dialect, options, f"{self.path} {logical}", place)

    def place(self, path: Where) -> str:
        """Where something is written, for people; within another stack with the name of our file."""
        place = self.differences.place(path)
        if len(self._parents) == 1:
            return place
        return f"{os.path.relpath(self._parents[-1], os.path.dirname(self._parents[0]))}: {place}"

    # -- nested stacks -------------------------------------------------------------------------------------------

    def child(self, logical: str) -> Stack | None:
        """The stack that a nested application's template makes, or None, which is then listed."""
        if logical in self._children:
            return self._children[logical]
        self._children[logical] = None  # a stack that asks for its own outputs gets names
        resource = self.resources[logical]
        key = NESTED[resource["Type"]]
        properties = self.properties(logical)
        location = asset_of(resource, self.folder) or properties.get(key)
        where = ("Resources", logical, "Properties", key)
        self.read.add(logical)
        if not isinstance(location, str) or location.startswith(("https://", "s3://")):
            self.add(where, "only templates beside this one are read; what it defines is left out")
            return None
        path = os.path.join(self.folder, location.removeprefix("file://"))
        if os.path.realpath(path) in self._parents or len(self._parents) > _DEEPEST:
            self.add(where, "a stack within itself is left out")
            return None
        try:
            child = Stack(path, self.found, self.region, properties.inner("Parameters").values, logical, self._parents)
        except TemplateError as problem:
            self.add(where, f"{location} is left out: {problem}")
            return None
        self._children[logical] = child
        return child

    def children(self) -> Iterator[Stack]:
        """The stacks within that were read."""
        yield from (child for child in self._children.values() if child is not None)

    def outputs(self) -> dict[str, Any]:
        """The values of the outputs, worked out."""
        found = {}
        for name, about in map_of(self.document.get("Outputs")).items():
            if isinstance(about, dict) and "Value" in about:
                found[str(name)] = self.values.resolve(about["Value"], ("Outputs", str(name), "Value"))
        return found


def arn(region: str, name: str) -> str:
    """The ARN of a function of ours."""
    return f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"


def asset_of(resource: Mapping[str, Any], folder: str) -> str | None:
    """Where the CDK has put the code of a resource (its metadata say so), or None."""
    asset = map_of(resource.get("Metadata")).get("aws:asset:path")
    return os.path.join(folder, asset) if isinstance(asset, str) else None


def map_of(value: Any) -> dict[str, Any]:
    """The value, if it is a map; else an empty one."""
    return value if isinstance(value, dict) else {}


def merged(base: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`Globals` under a resource's own properties: maps are merged, lists are joined, all else is replaced."""
    out = dict(base)
    for key, value in own.items():
        before = out.get(key)
        if isinstance(before, dict) and isinstance(value, dict):
            out[key] = merged(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            out[key] = before + value
        else:
            out[key] = value
    return out


def number(value: Any) -> Any:
    """A number that is written as text, as templates may; anything else as it is."""
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
