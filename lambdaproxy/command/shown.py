"""`lambdaproxy config`: the configuration in force as a file that says the same, fit to be sent to somebody.

Left out is what may be secret: values of functions' environments, client contexts, options of invokers with such
names, and every environment variable but those that say where something is.
"""

from __future__ import annotations

import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from lambdaproxy import __version__
from lambdaproxy.aws.region import find_region
from lambdaproxy.base.platform import open_files
from lambdaproxy.config import beside, sockets, values
from lambdaproxy.config.claim import ClaimCheck
from lambdaproxy.config.conditions import as_table as conditions_table
from lambdaproxy.config.cors import Cors
from lambdaproxy.config.doors import FixedResponse, Redirect, as_table
from lambdaproxy.config.gateway_responses import GatewayResponse
from lambdaproxy.config.help import sections
from lambdaproxy.config.model import (
    AuthorizerSettings,
    Configuration,
    FunctionTable,
    InvokerSettings,
    RouteSettings,
    SocketSettings,
)
from lambdaproxy.config.rewrites import Rewrite
from lambdaproxy.config.settings import SETTINGS, Setting, attribute
from lambdaproxy.config.sockets import BOUNDS
from lambdaproxy.config.validation import Model
from lambdaproxy.config.values import Spec
from lambdaproxy.config.versions import Canary, Shadow, Target
from lambdaproxy.selection import Pattern
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.routes import AWS

_SECRET = frozenset(("client-context",))
_SECRET_KEY = re.compile(r"secret|token|passw|passphrase|credential|(^|[-_])key|external-id|authorization", re.I)
_PLACES = frozenset(
    (
        "AWS_CA_BUNDLE",
        "AWS_CONFIG_FILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_DEFAULT_REGION",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_PROFILE",
        "AWS_REGION",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_USE_FIPS_ENDPOINT",
    )
)
"""Environment variables that may be shown; of others that matter only the name is."""

_MATTERS = re.compile(
    r"AWS_|(?:https?|all|no)_proxy\Z|SSL_CERT_(?:FILE|DIR)\Z|PYTHONPATH\Z|LISTEN_|NOTIFY_|WATCHDOG_", re.I
)


def lines(assembly: Assembly) -> Iterator[str]:
    """The whole, as TOML with comments; each value with the place that it comes from."""
    configuration = assembly.configuration
    yield from _surroundings()
    yield ""
    yield "[settings]"
    for section, settings in sections():
        yield f"# {section}"
        for setting in settings:
            value = _anywhere(setting, getattr(configuration.settings, attribute(setting.name)), configuration.folder)
            yield _setting(setting, value, configuration.origins.get(setting.name, "default"))
    for route in configuration.routes:
        if route.manages is None:  # it goes with its API
            yield from _route(route) if route.socket is None else _socket(route, route.socket)
    yield from _invokers(assembly, configuration)
    yield from _authorizers(configuration)
    for table in configuration.functions.values():
        yield from _function(table)


def _surroundings() -> Iterator[str]:
    packages = ("twisted", "treq", "zope.interface", "prometheus-client", "botocore", "orjson", "pyOpenSSL")
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    yield f"# lambdaproxy {__version__}, {platform.python_implementation()} {platform.python_version()}, {versions}"
    yield f"# {platform.platform()}, {os.cpu_count()} processors, open files: {open_files() or 'without limit'}"
    for name in sorted(filter(_MATTERS.match, os.environ)):
        yield f"# {name}{comment('=' + os.environ[name]) if name in _PLACES else ' is set; its value is left out'}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "(absent)"


def _anywhere(setting: Setting, value: Any, folder: Path | None) -> Any:
    """The value with whole names of files: beside another file, relative ones would be others."""
    if setting.parse in (values.file, values.port, values.endpoint, values.endpoint_or_off) and value is not None:
        with beside.beside(os.getcwd()):
            return setting.parse(value)
    if setting.name == "local":
        return tuple(_whole(text, str(folder or os.getcwd())) for text in value)
    return value


def _whole(local: str, folder: str) -> str:
    """`NAME=FILE:FUNCTION` with the whole name of the file; a module has none."""
    name, _, where = local.partition("=")
    path = os.path.join(folder, os.path.expanduser(where))
    return f"{name}={path}" if os.path.exists(path.rpartition(":")[0] or path) or os.path.exists(path) else local


def _setting(setting: Setting, value: Any, origin: str) -> str:
    """`name = value  # where it comes from`; a comment where nothing is set or it may not be told."""
    if value is None and setting.name != "function-header":
        return f"# {setting.name} is not set{f': {setting.shown_default}' if setting.shown_default else ''}"
    if setting.name in _SECRET:
        return f"# {setting.name} is set, its value is left out  # {comment(origin)}"
    if setting.name == "response-headers":
        value = dict(value)
    if value == () and setting.shown_default:
        return f"# {setting.name} is not set: {setting.shown_default}"
    if isinstance(value, Spec):
        value = Spec(value.name, tuple((key, _unless_secret(key, text)) for key, text in value.options))
    return f"{setting.name} = {toml_value(value)}  # {comment(origin)}"


def _unless_secret(key: str, value: str) -> str:
    return "(left out)" if _SECRET_KEY.search(key) else value


def comment(text: str) -> str:
    """Text that may stand in a comment."""
    return text.encode("unicode_escape").decode() if not text.isprintable() else text


def toml_value(value: Any) -> str:
    """A value of a setting, or of a table, as TOML."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple) and value and isinstance(value[0], Model):
        value = {each.content_type: each.file for each in value}
    if isinstance(value, tuple) and value and isinstance(value[0], GatewayResponse):
        value = {each.type: each.table() for each in value}
    if isinstance(value, tuple) and value and isinstance(value[0], Target):
        value = {str(each): each.weight for each in value}
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_value(each) for each in value)}]"
    if isinstance(value, Cors):
        value = value.table()
    if isinstance(value, Redirect | FixedResponse):
        value = as_table(value)
    if isinstance(value, Rewrite | Canary | Shadow | ClaimCheck):
        value = value.table()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{toml_text(key)} = {toml_value(each)}" for key, each in value.items()) + "}"
    return toml_text(value.text if isinstance(value, Pattern) else str(value))


def toml_text(text: str) -> str:
    """A text as TOML."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _route(route: RouteSettings) -> Iterator[str]:
    yield ""
    yield f"[[route]]  # {comment(route.where(None))}"
    yield f"path = {toml_value(route.path)}"
    if route.host is not None:
        yield f"host = {toml_value(route.host)}"
    if route.methods:
        yield f"methods = {toml_value(route.methods)}"
    if route.priority is not None:
        yield f"priority = {route.priority}"
    if route.conditions:
        yield f"when = {toml_value(conditions_table(route.conditions))}"
    for name, setting in SETTINGS.items():
        if attribute(name) in route.own:
            yield _setting(setting, getattr(route.settings, attribute(name)), route.where(name))


def _socket(route: RouteSettings, socket: SocketSettings) -> Iterator[str]:
    yield ""
    yield f"[websocket.{socket.name}]  # {comment(route.where(None))}"
    yield f"path = {toml_value(route.path)}"
    if route.host is not None:
        yield f"host = {toml_value(route.host)}"
    if route.settings.format.name != next(iter(sockets.makers()), ""):
        yield f"format = {toml_value(route.settings.format.name)}"
    options: dict[str, list[str]] = {}
    for key, value in route.settings.format.options:
        options.setdefault(key.replace("_", "-"), []).append(value)
    for key, several in options.items():
        yield f"{key} = {toml_value(several[0] if len(several) == 1 else several)}"
    for key, (bound, _) in BOUNDS.items():
        if bound in socket.bounds:
            value = socket.bounds[bound]
            yield f"{key} = {toml_value('off' if value is None else value)}"
    if socket.origins is not None:
        yield f"origins = {toml_value(list(socket.origins))}"
    if socket.connections is not None:
        yield f"connections = {toml_value(socket.connections)}"
    for name, setting in SETTINGS.items():
        if attribute(name) in route.own and name != "format":
            yield _setting(setting, getattr(route.settings, attribute(name)), route.where(name))
    yield f"[websocket.{socket.name}.routes]"
    for each in socket.routes:
        about: dict[str, Any] = {"function": str(each.function)}
        if each.answers:
            about["two-way"] = True
        if each.timeout is not None:
            about["timeout"] = each.timeout
        if each.invoker is not None:
            about["invoker"] = each.invoker
        yield f"{toml_text(each.key)} = {toml_value(about)}  # {comment(each.where(each.key_of))}"


def _invokers(assembly: Assembly, configuration: Configuration) -> Iterator[str]:
    """The tables as they are written, and what else is in force as comments."""
    for name in sorted({*configuration.invokers, *assembly.used_invokers()}):
        invoker = assembly.invokers[name]
        yield ""
        written = name in configuration.invokers
        yield f"[invoker.{name}]" if written else f"# [invoker.{name}], built in"
        if written:
            yield f"kind = {toml_value(invoker.kind)}"
        maker, options = assembly.maker(name)
        given = dict(_given(invoker))
        for key, texts in given.items():
            yield f"{key} = {toml_value(texts[0] if len(texts) == 1 else texts)}"
        for option in maker.options:
            value = options[option.name]
            if option.name not in given and value not in (None, ()) and not _SECRET_KEY.search(option.name):
                yield f"# {option.name} = {toml_value(value)}"
        if invoker.kind == AWS and not options.get("endpoint-url"):
            region, source = find_region(options.get("region"), options.get("profile"), os.environ)
            yield f"# the region in force is {region}, {comment(source)}"


def _authorizers(configuration: Configuration) -> Iterator[str]:
    for name, authorizer in configuration.authorizers.items():
        yield ""
        yield f"[authorizer.{name}]  # {comment(authorizer.where(None))}"
        yield f"kind = {toml_value(authorizer.kind)}"
        for key, texts in _given(authorizer):
            value = toml_value(texts[0] if len(texts) == 1 else texts)
            yield f"{key} = {value}  # {comment(authorizer.where(None))}"


def _given(invoker: InvokerSettings | AuthorizerSettings) -> Iterator[tuple[str, list[str]]]:
    keys = dict.fromkeys(key for key, _ in invoker.given)
    for key in keys:
        yield key, [_unless_secret(key, value) for name, value in invoker.given if name == key]


def _function(table: FunctionTable) -> Iterator[str]:
    yield ""
    yield f"[function.{table.name}]  # {comment(table.where(None))}"
    for key, value in table.table.items():
        if isinstance(value, Mapping):
            value = dict.fromkeys(value, "(left out)")
        yield f"{key} = {toml_value(value)}  # {comment(table.where(key))}"
