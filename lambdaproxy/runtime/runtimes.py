"""From a function's settings to the command of its worker processes."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from lambdaproxy.base.processors import processors
from lambdaproxy.runtime.environment import CannotStart, Site, variables
from lambdaproxy.runtime.functions import EXEC_WRAPPER, FunctionSettings
from lambdaproxy.runtime.interpreters import packaged_node
from lambdaproxy.runtime.layers import Layout, layout

_HERE = os.path.dirname(os.path.abspath(__file__))
BOOTSTRAP_PYTHON = os.path.join(_HERE, "bootstrap.py")
BOOTSTRAP_NODE = os.path.join(_HERE, "bootstrap.mjs")
LAUNCH = os.path.join(_HERE, "launch.py")
_LAUNCH = (sys.executable, "-I", "-S", LAUNCH)
# Where the package lies, with its compiled parts beside it: functions import its adapters.
_OURS = (os.path.dirname(os.path.dirname(_HERE)), sys.prefix, sys.base_prefix)
START = "_LAMBDAPROXY_START"
"""The variable with what our runtimes are told at start, in lines; no function sees it."""

ENDPOINT = "_LAMBDAPROXY_ENDPOINT"
"""The variable with the host of a web function's endpoint, for its bridge."""

WORKER_COUNT = "AWS_LAMBDA_NODEJS_WORKER_COUNT"
WEB_ADAPTER = "lambda-adapter"
HEADROOM = 512
"""MB that the data of a process may exceed `memory_limit` by: thread stacks and arenas that are never resident."""

_FILES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "AWS_CA_BUNDLE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
)
"""Those that name a file or a folder."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a worker process is started with; `settings.directory` is its task root."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    own_folders: bool = False
    """Whether it has a `/tmp` of its own."""
    extensions: tuple[str, ...] = ()
    """The programs of `/opt/extensions` that are started with it."""
    threads: int = 1
    """How many threads take its requests."""


def command(settings: FunctionSettings, site: Site, address: str, log_stream: str, lanes: int = 0) -> Command:
    """The command for one process whose Runtime API is at `address` (`127.0.0.1:PORT`).

    `lanes` is how many requests it takes at once in threads, 0 where that is no question. Raises `CannotStart`.
    """
    if settings.unable is not None:
        raise CannotStart(settings.unable)
    if not os.path.isdir(settings.directory):
        raise CannotStart(f"there is no folder {settings.directory}")
    limit = "0" if settings.memory_limit is None else str(settings.memory_limit + HEADROOM)
    debug = site.debug.get(settings.name)
    if settings.family == "python":
        program = _found(settings.python or site.interpreters.get(settings.runtime) or sys.executable, "Python")
    elif settings.family == "nodejs":
        found = settings.node or site.interpreters.get(settings.runtime) or _packaged_node()
        program = found if found is not None and os.path.isabs(found) else _found(found or "node", "Node")
    else:
        program = settings.executable or ""
    threads = 1
    places = layout(settings, site.namespaces, (*_needed(program, site), *_OURS), site.hosts)
    environment = variables(settings, site, places, address, log_stream)
    if settings.family == "python":
        argv = _python(settings, site, places, environment, program, limit, debug)
    elif settings.family == "nodejs":
        argv = _node(settings, places, environment, program, debug)
        if lanes:
            threads = _threads(environment, lanes)
            told = environment.get(START, "").splitlines()
            environment[START] = "\n".join([*told, f"threads {lanes} {threads}"])
    else:
        argv = (*_launch("exec", limit, settings, places.plan), _provided(settings, places))
    if settings.web:
        argv = _web(settings, places, environment, program, limit, argv)
    wrapper = environment.get(EXEC_WRAPPER)
    if wrapper and settings.family != "provided":
        wrapper = _wrapper(wrapper, places)
        if argv[: len(_LAUNCH)] != _LAUNCH:
            argv = (*_launch("exec", limit, settings, places.plan), *argv)
        at = len(_LAUNCH) + 4
        argv = (*argv[:at], wrapper, *argv[at:])
    extensions = tuple(places.extensions())
    if extensions:
        argv = _with_extensions(extensions, settings, site, places, environment, argv)
    return Command(argv, environment, bool(places.plan), extensions, threads)


def _threads(environment: Mapping[str, str], lanes: int) -> int:
    """How many threads a Node process has for so many requests at once.

    As many as `AWS_LAMBDA_NODEJS_WORKER_COUNT` says, else eight for each processor (Lambda guide,
    lambda-managed-instances-nodejs-runtime; the formula is that of aws-lambda-ric 4.0.2). Of those, threads that could
    have no request are left out: AWS starts them, and each runs the init. Raises `CannotStart`.
    """
    said = environment.get(WORKER_COUNT)
    if said is None:
        return min(lanes, 8 * processors())
    if not said.isascii() or not said.isdigit() or int(said) == 0:
        raise CannotStart(f"{WORKER_COUNT} is {said!r}; write a number of threads")
    return min(lanes, int(said))


def _wrapper(wrapper: str, places: Layout) -> str:
    """Where the program is that starts the runtime; raises `CannotStart` for one of a layer that is not here."""
    if not wrapper.startswith("/opt/"):
        return wrapper
    of_layer = places.file(*wrapper.split("/")[2:])
    if of_layer is None and not os.path.exists(wrapper):
        raise CannotStart(f"{EXEC_WRAPPER} is {wrapper}, and no layer here has it: name the layer that does in layers")
    # Without /opt it is where the layer is.
    return wrapper if of_layer is None or places.plan else of_layer[0]


def _web(
    settings: FunctionSettings,
    places: Layout,
    environment: dict[str, str],
    program: str,
    limit: str,
    argv: tuple[str, ...],
) -> tuple[str, ...]:
    """A web server of its own with the bridge in front of it."""
    environment["AWS_LAMBDA_HTTP_ENDPOINT"] = f"127.0.0.1:{_free_port()}"
    if settings.endpoint is not None:
        environment[ENDPOINT] = settings.endpoint
    environment.pop(START, None)
    folders = places.seen("python")
    if settings.family == "python" and folders:
        environment.setdefault("PYTHONPATH", os.pathsep.join(folders))
    if settings.family == "python":
        own: tuple[str, ...] = (program, "-u", settings.handler)
    elif settings.family == "nodejs":
        own = (*argv[argv.index(program) : -1], settings.handler)
        limit = "0"
    else:
        own = argv[-1:]
    return (*_launch("web", limit, settings, places.plan), *own)


def _with_extensions(
    extensions: tuple[str, ...],
    settings: FunctionSettings,
    site: Site,
    places: Layout,
    environment: dict[str, str],
    argv: tuple[str, ...],
) -> tuple[str, ...]:
    """The command that starts these first; the folders are made once, for all of them."""
    if places.plan:
        argv = tuple("" if one == places.plan else one for one in argv)
        told = environment.get(START, "").splitlines()
        plan = places.plan.splitlines()
        environment[START] = "\n".join(line for line in told if line not in plan and not line.startswith("launch "))
    if any(os.path.basename(path) == WEB_ADAPTER for path in extensions) and (settings.concurrency or 1) > 1:
        # Each worker's web server listens on a port of its own, which on AWS is the same in every environment.
        port = str(_free_port())
        environment |= {"PORT": port, "AWS_LWA_PORT": port}
    return (*_launch("start", "0", settings, places.plan), *extensions, "--", *argv)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        found: int = one.getsockname()[1]
        return found


def _needed(program: str, site: Site) -> list[str]:
    """The folders without which `program` does not run: its own installation, that of what it is a link to, and those
    in which programs are looked for, by scripts too."""
    found = [os.path.dirname(os.path.dirname(path)) for path in (program, os.path.realpath(program)) if path]
    named = [site.environ.get(name, "") for name in ("HOME", *_FILES)]
    named += site.environ.get("PATH", "").split(os.pathsep)
    return [path for path in (*found, site.sdk, site.cache, *named) if path and path != os.sep and os.path.isabs(path)]


def _provided(settings: FunctionSettings, places: Layout) -> str:
    program = settings.executable or os.path.join(settings.directory, "bootstrap")
    layer = places.file("bootstrap")
    if settings.executable is None and layer is not None and not os.path.exists(program):
        seen, program = layer
        if os.access(program, os.X_OK):
            return seen
    if not os.path.isfile(program):
        raise CannotStart(f"there is no {program}")
    if not os.access(program, os.X_OK):
        raise CannotStart(f"{program} is not executable; chmod +x it")
    return program


def _found(program: str, what: str) -> str:
    path = shutil.which(program)
    if path is None:
        raise CannotStart(f"there is no {program} to run {what} functions with")
    return path


def _packaged_node() -> str | None:
    """The Node of a package, where there is none on the path."""
    return None if shutil.which("node") is not None else packaged_node()


def _launch(mode: str, limit: str, settings: FunctionSettings, plan: str) -> tuple[str, ...]:
    return (*_LAUNCH, mode, limit, settings.directory, plan)


def _python(
    settings: FunctionSettings,
    site: Site,
    places: Layout,
    environment: dict[str, str],
    python: str,
    limit: str,
    debug: int | None,
) -> tuple[str, ...]:
    debugger: tuple[str, ...] = ()
    if debug is not None:
        debugger = ("-X", "frozen_modules=off", "-m", "debugpy", "--listen", f"127.0.0.1:{debug}")
    if settings.ric == "awslambdaric":
        folders = places.seen("python")
        if folders:
            environment["PYTHONPATH"] = os.pathsep.join(folders)
        launch = ("module", limit, settings.directory, places.plan)
        return (python, *debugger, LAUNCH, *launch, "awslambdaric", settings.handler)
    start = [f"layer {one}" for one in places.opt]
    if limit != "0":
        start.append(f"limit {limit}")
    if site.sdk is not None and python != sys.executable:
        start.append(f"sdk {site.sdk}")
    if site.cache is not None and site.reload:
        # Every function's layers are in /opt: what is of one is not of the other.
        own = hashlib.sha256("\n".join(places.real).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        start.append(f"cache {os.path.join(site.cache, own) if places.real else site.cache}")
    # A wrapper may be in a layer: then the folders are there before it is.
    if places.plan and not environment.get(EXEC_WRAPPER):
        start += [f"launch {one}" for one in _LAUNCH] + [places.plan]
    if start:
        environment[START] = "\n".join(start)
    return (python, "-u", *debugger, BOOTSTRAP_PYTHON)


def _node(
    settings: FunctionSettings, places: Layout, environment: dict[str, str], node: str, debug: int | None
) -> tuple[str, ...]:
    options = [f"--max-old-space-size={max(64, settings.memory_limit)}"] if settings.memory_limit else []
    if debug is not None:
        options.append(f"--inspect=127.0.0.1:{debug}")
    # V8 reserves far more than it uses: a limit on data would end it, its own limit on the heap is the right one.
    head = (*_launch("exec", "0", settings, places.plan), node, *options)
    if settings.ric == "aws-lambda-ric":
        for place in (settings.directory, *(os.path.join(layer, "nodejs") for layer in places.real)):
            package = os.path.join(place, "node_modules", "aws-lambda-ric")
            for client in (os.path.join(package, "bin", "index.mjs"), os.path.join(package, "index.mjs")):  # 3.x, 4.x
                if os.path.exists(client):
                    return (*head, client, settings.handler)
        raise CannotStart(f"aws-lambda-ric is not installed in {settings.directory}; npm install aws-lambda-ric")
    setsid = shutil.which("setsid")
    if setsid is not None and not places.plan and not environment.get(EXEC_WRAPPER):
        # Ours finds its folder itself; a Python less to start is a sixth of a cold start.
        head = (setsid, node, *options)
    packages = [f"layer {one}" for one in places.node_folders(settings.runtime)]
    if packages:
        environment[START] = "\n".join(packages)
    return (*head, BOOTSTRAP_NODE)
