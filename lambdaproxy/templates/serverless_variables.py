"""The variables of the Serverless Framework: `${self:custom.x, 'default'}`, `${opt:stage}`, `${file(x.yml):key}` ...

What only AWS or the framework knows (`ssm`, `cf`, `s3`, plugins' own) keeps its name as its value, and is listed.
CloudFormation's own `${AWS::Region}` and `${Resource}` are left to those who read the template.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from lambdaproxy.base import files
from lambdaproxy.templates.document import TemplateError, load_any

Add = Callable[[tuple[str, ...], str], object]
_SOURCE = r"file\([^(){}]*\)|[a-zA-Z][\w-]*(?:\([^(){}]*\))?"
_INNERMOST = re.compile(rf"\$\{{((?:{_SOURCE}):(?!:)[^${{}}]*|(?:file|strToBool)\([^(){{}}]*\))\}}")
_FILE = re.compile(r"file\(([^()]*)\)(?::(.*))?\Z", re.DOTALL)
_DEEPEST = 50
_MOST = 10_000
"""Variables that are worked out, and characters of a text that is made of some: a document may be written so that it
grows and grows."""
_LONGEST = 1_000_000


class Variables:
    """Works out the variables of one document; `options` are those of the command line, by name."""

    def __init__(
        self, document: Mapping[str, Any], folder: str, options: Mapping[str, Any], region: str,
        environ: Mapping[str, str], add: Add,
    ) -> None:  # fmt: skip
        self._document, self._folder, self._options = document, folder, options
        self._region, self._environ, self._add = region, environ, add
        self.used: set[str] = set()
        self._count = 0
        self._active: set[str] = set()

    def stage(self) -> str:
        """The stage: `stage` of the options, else of the provider, else `dev`."""
        given = self._options.get("stage")
        if given is not None:
            self.used.add("stage")
            return str(given)
        provider = self._document.get("provider")
        written = provider.get("stage") if isinstance(provider, dict) else None
        return (
            str(self.resolve(written, ("provider", "stage"))) if written and "sls:stage" not in str(written) else "dev"
        )

    def resolve(self, value: Any, where: tuple[str, ...]) -> Any:
        """The value with its variables worked out, and those within."""
        if isinstance(value, dict):
            return {key: self.resolve(one, (*where, str(key))) for key, one in value.items()}
        if isinstance(value, list):
            return [self.resolve(one, (*where, str(at))) for at, one in enumerate(value)]
        return self._text(value, where) if isinstance(value, str) and "${" in value else value

    def _text(self, value: str, where: tuple[str, ...]) -> Any:
        for _ in range(_DEEPEST):
            found = _INNERMOST.search(value)
            if found is None or len(value) > _LONGEST:
                break
            made = self._variable(found[1], where)
            if found.span() == (0, len(value)):
                return made
            value = value[: found.start()] + _plain(made) + value[found.end() :]
        return value

    def _variable(self, written: str, where: tuple[str, ...]) -> Any:
        self._count += 1
        if written in self._active or self._count > _MOST:
            why = "leads in a circle" if written in self._active else "is one too many"
            self._add(where, f"${{{written[:60]}}} {why}; an empty text stands for it")
            return ""
        self._active.add(written)
        try:
            return self.resolve(self._chosen(written, where), where)
        finally:
            self._active.discard(written)

    def _chosen(self, written: str, where: tuple[str, ...]) -> Any:
        parts = [part.strip() for part in _split(written)]
        for part in parts:
            if part[:1] in ("'", '"'):
                return part[1:-1]
            if re.fullmatch(r"-?\d+(\.\d+)?", part):
                return float(part) if "." in part else int(part)
            if part in ("true", "false", "null"):
                return {"true": True, "false": False, "null": None}[part]
            known, made = self._source(part, where)
            if known and made is not None:
                return made
        first = parts[0]
        if first == "opt:stage":
            return self.stage() if "opt:stage" not in str(self._document.get("provider")) else "dev"
        self._add(where, f"${{{first}}} is not known here; its name stands for it")
        return first.replace("${", "").replace("}", "")

    def _source(self, part: str, where: tuple[str, ...]) -> tuple[bool, Any]:
        if part.startswith("strToBool("):
            return True, part[10:-1].strip(" '\"").lower() in ("true", "1")
        file = _FILE.match(part)
        if file is not None:
            return True, self._file(file[1].strip(), file[2], where)
        kind, _, name = part.partition(":")
        if kind == "self":
            return True, self._walk(self._document, name, ())
        if kind == "env":
            return True, self._environ.get(name)
        if kind == "opt":
            self.used.add(name)
            given = self._options.get(name)
            return True, self._region if name == "region" and given is None else given
        if kind == "param":
            self.used.add(name)
            return True, self._options.get(name, self._param(name))
        if (kind, name) == ("sls", "stage"):
            return True, self.stage()
        if (kind, name) == ("sls", "instanceId"):
            return True, "lambdaproxy"
        if kind == "aws" and name in ("region", "accountId"):
            return True, self._region if name == "region" else "123456789012"
        return False, None

    def _param(self, name: str) -> Any:
        """`params` of the stage, else of `default`; in version 4 they are within `stages`."""
        for top, inner in (("params", ()), ("stages", ("params",))):
            table = self._document.get(top)
            for stage in (self.stage(), "default"):
                made = self._walk(table, ".".join((stage, *inner, name)), (top,))
                if made is not None:
                    return made
        return None

    def _walk(self, value: Any, name: str, where: tuple[str, ...]) -> Any:
        if not name:
            return value
        for key in name.split("."):
            if isinstance(value, str):
                value = self.resolve(value, where)
            if isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            elif isinstance(value, dict):
                value = value.get(key, value.get(int(key)) if key.isdigit() else None)
            else:
                return None
            where = (*where, key)
        return self.resolve(value, where)

    def _file(self, name: str, key: str | None, where: tuple[str, ...]) -> Any:
        path = os.path.join(self._folder, os.path.expanduser(name))
        if name.endswith((".js", ".cjs", ".mjs", ".ts")):
            self._add(where, f"{name} is a program and is not run here")
            return None
        try:
            if not name.endswith((".yml", ".yaml", ".json")):
                return files.read(path).decode("utf-8").strip()
            document, _ = load_any(path)
        except OSError:
            return None
        except (TemplateError, UnicodeDecodeError) as problem:
            self._add(where, f"{name} cannot be read: {problem}")
            return None
        return self._walk(document, key or "", where)


def _split(written: str) -> list[str]:
    """At commas, but for those within quotes and parentheses."""
    parts, quote, deep, start = [], "", 0, 0
    for at, letter in enumerate(written):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "()":
            deep += 1 if letter == "(" else -1
        elif letter == "," and not deep:
            parts.append(written[start:at])
            start = at + 1
    return [*parts, written[start:]]


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
