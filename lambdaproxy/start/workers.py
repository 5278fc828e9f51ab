"""`--workers`: how many there are to be, and becoming their supervisor."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from twisted.internet import endpoints

from lambdaproxy import __version__
from lambdaproxy.base.processors import processors
from lambdaproxy.errors import ConfigError
from lambdaproxy.start.assembly import Assembly
from lambdaproxy.start.billing import SINCE
from lambdaproxy.start.shares import check_parts
from lambdaproxy.supervise.plan import Plan
from lambdaproxy.watch.manner import Manners

_ENDPOINT = re.compile(r"(?:tcp6?|ssl|unix|systemd|haproxy|https?):|[\w.]*:?[0-9]+\Z")
"""What is rather an endpoint, or a port, than a path."""


def count_workers(assembly: Assembly) -> int | None:
    """How many workers the configuration wants; None without `--workers`. `ConfigError` where that cannot be."""
    settings = assembly.settings
    where = assembly.configuration.origins
    if settings.workers is None:
        if settings.control is not None:
            raise ConfigError(f"{where.get('control', '--control')}: it goes with --workers; --workers 1 will do")
        return None
    folder, name = os.path.split(settings.control or "")
    if folder in ("", os.getcwd()) and _ENDPOINT.match(name):  # relative paths are absolute by now
        raise ConfigError(
            f"{where.get('control', '--control')}: {name!r} is an address, and the control socket a path, "
            "as in /run/lambdaproxy/control"
        )
    if settings.inspect not in (None, "off"):
        raise ConfigError(
            f"{where.get('inspect', '--inspect')}: the inspector shows one process that is not reloaded; leave out "
            "--workers, or --inspect"
        )
    if settings.workers == 0:
        workers = 1 if assembly.functions else processors()
    else:
        workers = settings.workers
        if workers > 1 and assembly.functions:
            raise ConfigError(
                f"{where.get('workers', '--workers')}: embedded functions run in one process, which keeps to their "
                "concurrency; write --workers 1, which can be reloaded, too"
            )
    options = {name: assembly.maker(name)[1] for name in sorted(assembly.used_invokers())}
    check_parts(workers, settings, options)
    return workers


def check_twistd(twistd: Mapping[str, Any], typed: list[str]) -> None:
    """`ConfigError` for what twistd is to do that a supervisor and its workers cannot share."""
    if not twistd.get("nodaemon", True):
        raise ConfigError("--workers: it runs in the foreground, as in twistd -n --pidfile= lambdaproxy ...")
    if twistd.get("pidfile") and any(word.startswith("--pidfile") for word in typed):
        raise ConfigError("--workers: write --pidfile=, because each worker would write its own number into the file")
    if twistd.get("logfile") not in (None, "-"):
        raise ConfigError("--workers: workers cannot share twistd's --logfile; log to standard output")


def control_path(control: str | None) -> str | None:
    """Where the control socket is: what `--control` says, else in systemd's RUNTIME_DIRECTORY, else nowhere."""
    folder = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return control or (os.path.join(folder, "control") if folder else None)


def command() -> list[str]:
    """What starts this program once more, as it was typed.

    A script is run by its name, so that its first line says which interpreter runs: a link to another version leads
    there at the next reload.
    """
    words = sys.orig_argv
    if len(words) > 1 and os.path.isfile(words[1]) and os.access(words[1], os.X_OK):
        with open(words[1], "rb") as file:
            if file.read(2) == b"#!":
                return [os.path.abspath(words[1]), *words[2:]]
    return [sys.executable, *words[1:]]


def _keep_what_systemd_gave() -> None:
    """Say once more what Twisted took out of the environment when it read it: which sockets we were started with."""
    given = getattr(getattr(endpoints, "_SystemdParser", None), "_sddaemon", None)
    if given is not None and given.inheritedDescriptors():
        os.environ["LISTEN_FDS"] = str(len(given.inheritedDescriptors()))
        os.environ["LISTEN_PID"] = str(os.getpid())


def supervise(assembly: Assembly, workers: int) -> NoReturn:
    """Become the supervisor of so many workers: this process with its modules is too large for one that does little."""
    settings = assembly.settings
    form = Manners(settings.log_format).stdout.form
    plan = Plan(command(), workers, control_path(assembly.settings.control), __version__, form, settings.log_level)
    _keep_what_systemd_gave()
    os.environ[SINCE] = str(time.time())
    sys.stdout.flush()
    sys.stderr.flush()
    # As long as nobody listens to it, it must not end us.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    words = [sys.executable, "-P", "-m", "lambdaproxy.supervise", json.dumps(asdict(plan))]
    os.execv(sys.executable, words)  # noqa: S606 - ourselves
