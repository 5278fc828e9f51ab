"""What the tests of templates share: a template in a file, assembled, and who answers a request."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock

from lambdaproxy.config.model import Configuration
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.messages import Response
from lambdaproxy.proxy import Proxy
from lambdaproxy.start.assembly import Assembly, assemble
from lambdaproxy.watch.accounts import Accounts
from lambdaproxy.watch.metrics import FunctionLabels, Metrics
from tests.memory import head

CODE = {"ZipFile": "def handler(event, context): return {}"}


NAMED = re.compile(r"(?:^|: )line [1-9][0-9]*: ")
OF_OTHERS = ("ServerlessRestApi: another door", "the parameter ", "--env-vars: ", "samconfig.toml ", "TimeoutTimeout")
"""What is written nowhere in the template: an API that SAM makes, options and files beside it, and keys that are too
long for YAML, by whose reader JSON has its lines."""


def written(folder: Path, document: Any, name: str = "t.json") -> Path:
    """The document in a file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def a_function(**properties: Any) -> dict[str, Any]:
    """A function of Lambda with code in the template."""
    given = {"Runtime": "python3.12", "Handler": "index.handler", "Code": CODE, **properties}
    return {"Type": "AWS::Lambda::Function", "Properties": given}


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": kind, "Properties": properties}


def of_template(path: Path, **settings: Any) -> Assembly:
    assembly = assemble(Configuration(Settings(sam_template=str(path), **settings)))
    for note in assembly.configuration.differences:
        assert NAMED.search(note) or any(words in note for words in OF_OTHERS), f"without its line: {note}"
    return assembly


def routes(path: Path, **settings: Any) -> list[str]:
    """`METHODS HOST/PATH -> FUNCTION FORMAT`, what is closed with a function `-`."""
    found = []
    for route in of_template(path, **settings).router.routes:
        function = str(route.function).partition(" ")[0] if route.function else "-"
        found.append(f"{route} -> {function} {route.settings.format}")
    return found


def notes(path: Path, **settings: Any) -> list[str]:
    """The list of what is not done, without the file's name."""
    return [one.removeprefix(f"{path}: ") for one in of_template(path, **settings).configuration.differences]


def environment(path: Path, function: str = "F", **settings: Any) -> dict[str, str]:
    return dict(of_template(path, **settings).functions[function].environment)


def _no_invoker(name: str) -> Any:
    raise AssertionError(f"{name} is asked for an invocation")


def asked(
    assembly: Assembly,
    method: str,
    target: str,
    host: str = "localhost:8011",
    said: list[str] | None = None,
    **more: Any,
) -> str | Response:
    """The name of the function that a request reaches, or the answer that refuses it; `said` gets the log's reason."""
    clock = Clock()
    accounts = Accounts(clock, Metrics(), FunctionLabels(assembly.names()), lambda line: None)
    proxy = Proxy(
        clock,
        assembly.router,
        assembly.header,
        assembly.resolve,
        _no_invoker,
        assembly.timeout,
        accounts,
    )
    proxy.error_detail = True
    request = head(method=method, target=target.encode(), host=host, **more)
    try:
        return str(proxy.admit(request).function.name)
    except LambdaProxyError as error:
        if said is not None:
            said.append(error.detail)
        return proxy.answer(request, error)
