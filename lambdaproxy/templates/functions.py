"""The functions of a template as `[function.NAME]` tables, and where their code is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lambdaproxy.runtime.variables import check_variable
from lambdaproxy.templates.code import NoCode, built, folder_of, inline
from lambdaproxy.templates.differences import Properties
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import Stack, asset_of, map_of, number

_RUNTIMES = ("python", "nodejs", "provided")
DEFAULT_TIMEOUT = 3
LAYERS = ("AWS::Serverless::LayerVersion", "AWS::Lambda::LayerVersion")
INSTEAD = {
    "VpcConfig": "the function is in the network of this machine",
    "Architectures": "the function runs on the processor of this machine",
    "Tracing": "no traces are sent",
    "TracingConfig": "no traces are sent",
    "SnapStart": "each worker starts anew",
    "FileSystemConfigs": "the file system is that of this machine",
}
_CODE = ("CodeUri", "Code", "InlineCode")


def read_function(stack: Stack, logical: str, resource: Mapping[str, Any]) -> Properties:
    """Add a function to what was found; gives its properties, of which the events are still to be read."""
    properties = stack.properties(logical, "Function" if resource["Type"] == "AWS::Serverless::Function" else "")
    name = stack.names[logical]
    properties.get("FunctionName")
    table = _table(stack, logical, properties)
    stack.found.places[name] = stack.place(("Resources", logical))
    about = "Timeout"
    try:
        if isinstance(table["timeout"], str):
            raise NoCode(f"timeout: must be a number of seconds, not {table['timeout']!r}")
        about = "Runtime"
        runtime = _runtime(properties)
        about = "Handler"
        if "Handler" not in properties and not runtime.startswith("provided"):
            raise NoCode("it names no Handler; write one, as in Handler: app.handler")
        about = next((key for key in _CODE if key in properties), "CodeUri")
        table |= {"runtime": runtime, "directory": _code(stack, logical, resource, properties, runtime)}
    except NoCode as reason:
        stack.found.unable[name] = str(reason)
        stack.found.places[name] = stack.place(properties.where(stack.differences, about))
        for key in _CODE:
            properties.get(key)
    stack.found.functions[name] = table
    stack.found.handlers[name] = stack.place(properties.where(stack.differences, "Handler"))
    stack.found.logical[name] = text(map_of(resource.get("Metadata")).get("lambdaproxy:name", logical))
    return properties


def _runtime(properties: Properties) -> str:
    runtime = properties.get("Runtime")
    if properties.get("PackageType") == "Image" or "ImageUri" in map_of(properties.values.get("Code")):
        for key in ("ImageUri", "ImageConfig"):
            properties.get(key)
        raise NoCode("images are not run here; give it a handler in a [function.NAME] table")
    if not isinstance(runtime, str):
        raise NoCode("it names no Runtime; write one, as in Runtime: python3.13")
    if not runtime.startswith(_RUNTIMES):
        raise NoCode(f"{runtime} is not run here (python, nodejs and provided are)")
    return runtime


def _table(stack: Stack, logical: str, properties: Properties) -> dict[str, Any]:
    table: dict[str, Any] = {
        "handler": properties.get("Handler") or "bootstrap",
        "timeout": number(properties.get("Timeout", DEFAULT_TIMEOUT)),
    }
    if "MemorySize" in properties:
        table["memory"] = number(properties.get("MemorySize"))
    variables = map_of(properties.inner("Environment").get_as(dict, "Variables"))
    # Code asks for this to know that it is not on AWS: sam local sets it.
    table["environment"] = {"AWS_SAM_LOCAL": "true"} | _variables(stack, logical, variables)
    # Of other runtimes it is listed as not done.
    several = str(properties.values.get("Runtime")).startswith(("python", "nodejs"))
    if several and "CapacityProviderConfig" in properties:
        # SAM has it there, CloudFormation one further in.
        managed = properties.inner("CapacityProviderConfig")
        most = managed.get("PerExecutionEnvironmentMaxConcurrency")
        if most is None and "LambdaManagedInstancesCapacityProviderConfig" in managed:
            managed = managed.inner("LambdaManagedInstancesCapacityProviderConfig")
            most = managed.get("PerExecutionEnvironmentMaxConcurrency")
        if most is not None:
            table["environment-concurrency"] = number(most)
    if "EphemeralStorage" in properties:
        table["ephemeral-storage"] = number(properties.inner("EphemeralStorage").get("Size", 512))
    if "ReservedConcurrentExecutions" in properties:
        table["concurrency"] = number(properties.get("ReservedConcurrentExecutions"))
    layers = _layers(stack, logical, properties.get("Layers"))
    if layers:
        table["layers"] = layers
    if isinstance(properties.values.get("AutoPublishAlias"), str):
        table["aliases"] = [properties.get("AutoPublishAlias")]
    logging = properties.inner("LoggingConfig")
    if logging.get("LogFormat") == "JSON":
        table["log-format"] = "json"
    destinations = properties.inner("EventInvokeConfig").inner("DestinationConfig")
    for key, member in (("on-success", "OnSuccess"), ("on-failure", "OnFailure")):
        about = destinations.inner(member)
        about.get("Type")
        destination = about.get("Destination")
        if destination:
            table[key] = text(destination)
    return table


def _variables(stack: Stack, logical: str, given: Mapping[str, Any]) -> dict[str, str]:
    """The variables that a function may set; others do not keep it from running."""
    found = {}
    for name, value in given.items():
        try:
            found[check_variable(str(name))] = text(value)
        except ValueError as problem:
            where = ("Resources", logical, "Properties", "Environment", "Variables", str(name))
            stack.add(where, f"{problem}; it is left out")
    return found


def _code(stack: Stack, logical: str, resource: Mapping[str, Any], properties: Properties, runtime: str) -> str:
    code = properties.get("CodeUri", properties.get("Code"))
    inlined = properties.get("InlineCode") or map_of(code).get("ZipFile")
    asset = asset_of(resource, stack.folder)
    if asset is not None:
        return folder_of(asset, f"the asset {os.path.basename(asset)}")
    if inlined is not None:
        return inline(str(inlined), runtime)
    if code is None:
        code = "."
    if not isinstance(code, str) or code.startswith("s3://"):
        raise NoCode("CodeUri must name a local folder; use the template before it was packaged")
    path = os.path.join(stack.folder, code)
    where = ("Resources", logical, "Properties", "CodeUri")
    made = built(stack.path, logical, path)
    if made is not None:
        stack.add(where, ".aws-sam/build is newer and is what runs; an edit of the source needs sam build")
        return made
    method = map_of(resource.get("Metadata")).get("BuildMethod")
    if method is not None:
        stack.add(
            ("Resources", logical, "Metadata", "BuildMethod"),
            f"{method} is not run here; the source runs as it is, until sam build has made it",
        )
    return folder_of(path, f"CodeUri {code}")


def _layers(stack: Stack, logical: str, given: Any) -> list[str]:
    found = []
    for layer in given if isinstance(given, list) else [given] if given else []:
        name = text(layer).removesuffix(".Arn")
        resource = stack.resources.get(name, {})
        folder = _layer(stack, name, resource) if resource.get("Type") in LAYERS else None
        if folder is not None:
            found.append(folder)
        else:
            where = ("Resources", logical, "Properties", "Layers")
            stack.add(where, _why_no_layer(text(layer)))
    return found


def _why_no_layer(name: str) -> str:
    if not name.startswith("arn:"):
        return f"{name} is no local folder or zip and is left out"
    return (
        f"{name} is on AWS and not fetched: save it (aws lambda get-layer-version-by-arn --arn {name} says where it "
        "is) and name the folder or zip in layers = of [function.NAME]"
    )


def _layer(stack: Stack, logical: str, resource: Mapping[str, Any]) -> str | None:
    properties = stack.properties(logical, "LayerVersion")
    content = asset_of(resource, stack.folder) or properties.get("ContentUri", properties.get("Content"))
    if not isinstance(content, str):
        return None
    path = os.path.join(stack.folder, content)
    path = built(stack.path, logical, path) or path
    try:
        return folder_of(path, content)
    except NoCode:
        return None
