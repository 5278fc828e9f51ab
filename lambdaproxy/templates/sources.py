"""Finds the template that is meant, and what goes with it: parameters, `samconfig.toml`, and a file of variables.

A folder stands for the template in it, as the SAM command line takes it, and `cdk.out` for all stacks of a CDK
application. `samconfig.toml` beside the template is read as `sam local start-api` reads it, environment `default`.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lambdaproxy.base import files
from lambdaproxy.templates.document import TemplateError
from lambdaproxy.templates.stack import map_of

_NAMES = (
    "template.yaml", "template.yml", "template.json", "serverless.yml", "serverless.yaml", "serverless.json"
)  # fmt: skip
_COMMANDS = ("deploy", "global", "local_invoke", "local_start_api")
"""The tables of `samconfig.toml` that may say something of parameters, the last one wins."""
_LONG = re.compile(r"ParameterKey=([^,\s]+),ParameterValue=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Source:
    """What is to be read: the template, those beside it, parameters, and variables by function (`Parameters`: all)."""

    path: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    more: tuple[str, ...] = ()
    region: str | None = None
    notes: tuple[str, ...] = ()


def find_source(path: str, parameters: Iterable[str] = (), env_vars: str | None = None) -> Source:
    """What `--sam-template PATH` means; raises `TemplateError`."""
    folder = path if os.path.isdir(path) else os.path.dirname(os.path.abspath(path))
    config, notes = _samconfig(folder)
    more: tuple[str, ...] = ()
    if os.path.isdir(path):
        if os.path.isfile(os.path.join(path, "manifest.json")):
            path, *rest = _of_cdk(path)
            more = tuple(rest)
        else:
            path = _in_folder(path, config)
    given: dict[str, Any] = {}
    for command in _COMMANDS:
        given |= _overrides(config.get(command, {}).get("parameter_overrides"))
    given |= _overrides(list(parameters))
    regions = [config.get(command, {}).get("region") for command in _COMMANDS]
    region = next((one for one in reversed(regions) if isinstance(one, str)), None)
    named = config.get("local_start_api", {}).get("env_vars")
    if env_vars is None and isinstance(named, str):
        env_vars = os.path.join(folder, named)
    variables = _variables(env_vars) if env_vars is not None else {}
    return Source(path, given, variables, more, region, notes)


def _in_folder(folder: str, config: Mapping[str, Mapping[str, Any]]) -> str:
    named = [config.get(one, {}).get("template_file", config.get(one, {}).get("template")) for one in _COMMANDS]
    for name in (*(one for one in reversed(named) if isinstance(one, str)), *_NAMES):
        if os.path.isfile(os.path.join(folder, name)):
            return os.path.join(folder, name)
    raise TemplateError(f"this folder has none of {', '.join(_NAMES)}, and no manifest.json of the CDK; name the file")


def _of_cdk(folder: str) -> list[str]:
    """The templates of all stacks that `cdk synth` has written, those of stages too."""
    found = []
    try:
        manifest = json.loads(files.read(Path(folder, "manifest.json")).decode("utf-8"))
    except (OSError, ValueError) as problem:
        raise TemplateError(f"manifest.json cannot be read: {problem}") from None
    for artifact in map_of(map_of(manifest).get("artifacts")).values():
        about = map_of(map_of(artifact).get("properties"))
        kind = map_of(artifact).get("type")
        if kind == "aws:cloudformation:stack" and isinstance(about.get("templateFile"), str):
            found.append(os.path.join(folder, about["templateFile"]))
        elif kind == "cdk:cloud-assembly" and isinstance(about.get("directoryName"), str):
            found += _of_cdk(os.path.join(folder, about["directoryName"]))
    if not found:
        raise TemplateError("manifest.json names no stack; run cdk synth")
    return found


def _samconfig(folder: str) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """The parameters of each command in the environment `default`; a file that is none is listed."""
    path = os.path.join(folder, "samconfig.toml")
    try:
        document = tomllib.loads(files.read(path).decode("utf-8"))
    except FileNotFoundError:
        return {}, ()
    except (OSError, ValueError) as problem:
        return {}, (f"samconfig.toml is left out: {problem}",)
    default = map_of(document.get("default"))
    return {name: map_of(map_of(about).get("parameters")) for name, about in default.items()}, ()


def _overrides(given: Any) -> dict[str, str]:
    """`A=1 B="two words"`, a list of such, `ParameterKey=A,ParameterValue=1`, or a table."""
    if isinstance(given, Mapping):
        return {str(name): str(value) for name, value in given.items()}
    if isinstance(given, str):
        try:
            given = shlex.split(given)
        except ValueError:
            given = given.split()
    found = {}
    for one in given if isinstance(given, list) else []:
        long = _LONG.fullmatch(str(one))
        name, equals, value = (long[1], "=", long[2]) if long else str(one).partition("=")
        if equals and name:
            found[name] = value
    return found


def _variables(path: str) -> dict[str, dict[str, str]]:
    """A file for `--env-vars`, in the JSON that the SAM command line takes; null is an empty text, as there."""
    try:
        document = json.loads(files.read(path).decode("utf-8-sig"))
    except OSError as problem:
        raise TemplateError(f"{path} (--env-vars): {problem.strerror}") from None
    except ValueError as problem:
        raise TemplateError(f"{path} (--env-vars): it is no JSON: {problem}") from None
    if not isinstance(document, dict) or not all(isinstance(one, dict) for one in document.values()):
        raise TemplateError(f'{path} (--env-vars): it is no {{"Parameters": {{...}}}} or {{"FUNCTION": {{...}}}}')
    return {name: {str(key): _text(value) for key, value in about.items()} for name, about in document.items()}


def _text(value: Any) -> str:
    if value is None:
        return ""
    return json.dumps(value) if isinstance(value, bool | list | dict) else str(value)


def with_variables(
    functions: Mapping[str, Mapping[str, Any]], logical: Mapping[str, str], source: Source
) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
    """The functions' tables with the values that `--env-vars` gives their variables, and what it says in vain.

    A function is meant by its logical or its own name, all by `Parameters`. As with the SAM command line, only
    variables that the template declares are set.
    """
    found: dict[str, Mapping[str, Any]] = {}
    used = set()
    for name, table in functions.items():
        environment = dict(table.get("environment", {}))
        for section in ("Parameters", logical.get(name, name), name):
            for key, value in source.variables.get(section, {}).items():
                if key in environment:
                    environment[key] = value
                    used.add((section, key))
        found[name] = {**table, "environment": environment}
    return found, [
        f"--env-vars: {section}.{key} is left out: no such function declares this variable in the template"
        for section, about in source.variables.items()
        for key in about
        if (section, key) not in used
    ]
