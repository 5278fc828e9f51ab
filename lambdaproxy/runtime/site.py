"""What all embedded functions share, made from the settings of the process."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.logger import Logger

from lambdaproxy.base.addresses import interface_of
from lambdaproxy.base.archives import temporary
from lambdaproxy.runtime.environment import DUMMY_KEY, Site
from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.interpreters import interpreters, missing_text
from lambdaproxy.runtime.invoke_keys import load_or_make_keys
from lambdaproxy.runtime.layers import Namespaces, has_extensions, try_namespaces

if TYPE_CHECKING:
    from lambdaproxy.config.settings import Settings

log = Logger(namespace="lambdaproxy.function")

PYTHON_PORT, NODE_PORT = 5678, 9229
_ENDPOINT = re.compile(r"tcp6?:(?:port=)?(\d+)(?::|\Z)")


def make_site(settings: Settings, functions: Mapping[str, FunctionSettings], account: str) -> Site:
    """Region, reload, debuggers and the Invoke API's address for functions; raises `ValueError` with a sentence."""
    keys = (DUMMY_KEY, DUMMY_KEY, DUMMY_KEY)
    endpoint = invoke_url(settings.invoke_api) if settings.invoke_api else None
    found: tuple[str, str, str | None] = keys
    if endpoint is not None and not settings.invoke_api_unsigned:
        first = load_or_make_keys(settings.invoke_api_keys)[0]
        found = (first.access_key, first.secret_key, first.token)
    environ = dict(os.environ)
    found_interpreters, missing = interpreters(functions.values(), environ)
    for identifier, names in missing.items():
        log.warn("{text}", event="configuration", text=missing_text(identifier, names, environ))
    region = settings.aws_region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return Site(
        region=region or "us-east-1",
        account=account,
        reload=not settings.no_reload,
        endpoint=endpoint,
        keys=found,
        debug=debug_ports(settings.debug, functions),
        environ=environ,
        namespaces=_namespaces(functions.values()),
        interpreters=found_interpreters,
        missing=frozenset(missing),
        sdk=sdk_folder(),
        hosts=_hosts(functions.values()),
        cache=None if settings.no_reload else cache_folder(environ),
    )


def _namespaces(functions: Iterable[FunctionSettings]) -> Namespaces:
    """What the kernel allows, and a line of log where that is not all that these functions want."""
    if not any(one.namespace and one.unable is None for one in functions):
        return Namespaces()
    found = try_namespaces()
    if found.why:
        what = "their layers are in search paths, not in /opt, and temporary files in a folder for each worker"
        who = "Functions" if not found.allowed else "Functions with several layers"
        log.warn(
            "{who} have no /opt, /var/task and /tmp of their own, because {why}: {what}",
            event="isolation",
            who=who,
            why=found.why,
            what=what,
        )
    return found


def renewed(site: Site, functions: Iterable[FunctionSettings]) -> Site:
    """The same with what other functions need: their interpreters, and names of hosts for extensions."""
    wanted = list(functions)
    found, missing = interpreters(wanted, site.environ)
    for identifier, names in missing.items():
        if any(each.runtime == identifier for each in wanted) and identifier not in site.missing:
            log.warn("{text}", event="configuration", text=missing_text(identifier, names, site.environ))
    hosts = site.hosts or _hosts(wanted)
    return replace(site, interpreters=found, hosts=hosts, missing=frozenset(missing))


def _hosts(functions: Iterable[FunctionSettings]) -> str:
    """A file with the names of `/etc/hosts` and Lambda's own for the machine; empty if no function has extensions."""
    having = [one for one in functions if any(map(has_extensions, one.layers))]
    for one in having:
        if one.concurrency is None:
            log.info(
                "{name} has extensions: one worker at a time, because they listen on fixed ports; concurrency = N in "
                "its table allows more",
                event="extensions",
                name=one.name,
            )
    if not having:
        return ""
    try:
        own = Path("/etc/hosts").read_text("utf-8", "surrogateescape")
        file = Path(temporary(), "hosts")
        file.write_text(f"{own}\n127.0.0.1 sandbox.localdomain sandbox\n", "utf-8", "surrogateescape")
        file.parent.chmod(0o755)
    except OSError:
        return ""
    return str(file)


def sdk_folder() -> str | None:
    """The folder of boto3 beside us, for functions that run in another Python and have none."""
    package = importlib.util.find_spec("boto3")
    return None if package is None or package.origin is None else os.path.dirname(os.path.dirname(package.origin))


def cache_folder(environ: Mapping[str, str]) -> str | None:
    """A folder of our own for byte code; None where there can be none."""
    home = environ.get("XDG_CACHE_HOME") or (os.path.join(environ["HOME"], ".cache") if environ.get("HOME") else "")
    if os.path.isabs(home):
        folder = os.path.join(home, "lambdaproxy", "bytecode")
        try:
            os.makedirs(folder, 0o700, exist_ok=True)
        except OSError:
            pass
        else:
            if os.stat(folder).st_uid == os.geteuid() and os.access(folder, os.W_OK):
                return folder
    try:
        return temporary()
    except OSError:
        return None


def invoke_url(endpoint: str) -> str | None:
    """The URL at which functions reach the Invoke API on this endpoint; None for one that is no fixed TCP port."""
    found = _ENDPOINT.match(endpoint)
    if found is None or found[1] == "0":
        return None
    host = interface_of(endpoint) or "127.0.0.1"
    if host in ("0.0.0.0", "", "::"):  # noqa: S104
        host = "127.0.0.1"
    return f"http://[{host}]:{found[1]}" if ":" in host else f"http://{host}:{found[1]}"


def debug_ports(named: tuple[str, ...], functions: Mapping[str, FunctionSettings]) -> dict[str, int]:
    """`NAME` or `NAME:PORT` of `--debug` -> the port of each function's debugger; tells how to attach."""
    ports: dict[str, int] = {}
    for text in named:
        name, _, given = text.partition(":")
        if name not in functions:
            known = ", ".join(sorted(functions)) or "none"
            raise ValueError(f"--debug {text}: there is no embedded function {name!r}; there are: {known}")
        family = functions[name].family
        if family == "provided":
            raise ValueError(f"--debug {text}: only Python and Node functions can be debugged this way")
        if given and not (given.isdigit() and 0 < int(given) < 65536):
            raise ValueError(f"--debug {text}: {given!r} is no port")
        port = int(given) if given else (PYTHON_PORT if family == "python" else NODE_PORT)
        while not given and port in ports.values():
            port += 1
        if port in ports.values():
            raise ValueError(f"--debug {text}: port {port} is given to another function")
        ports[name] = port
        log.info("{how}", event="debugger", how=attach_text(functions[name], port))
    return ports


def attach_text(settings: FunctionSettings, port: int) -> str:
    """How a developer attaches to the function's worker."""
    if settings.family == "python":
        how = (
            f'VS Code: {{"type": "debugpy", "request": "attach", "connect": {{"host": "127.0.0.1", "port": {port}}}}}; '
            "the function needs debugpy in its Python"
        )
    else:
        how = f'chrome://inspect, or VS Code: {{"type": "node", "request": "attach", "port": {port}}}'
    return (
        f"Debugging {settings.name}: its one worker starts with the first request and then waits for a debugger on "
        f"127.0.0.1:{port} without holding requests back; deadlines are off. Attach with {how}"
    )
