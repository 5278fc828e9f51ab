"""`lambdaproxy plugins`: what is installed, from where, and what does not load.

Looking writes the caches in which Twisted keeps what it found; who may write there does it once for all others.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, cast

from twisted.application.service import IServiceMaker
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogBeginner
from twisted.plugin import getPlugins

from lambdaproxy import registry


def lines() -> Iterator[tuple[str, bool]]:
    """A line for each plugin, and whether it is good."""
    heard: list[LogEvent] = []
    # Or Twisted would print what it hears as long as nobody listens, with tracebacks.
    globalLogBeginner.beginLoggingTo([cast(ILogObserver, heard.append)], redirectStandardIO=False)
    try:
        kinds: tuple[tuple[str, Mapping[str, Any]], ...] = (
            ("format", registry.codec_makers()),
            ("invoker", registry.invoker_makers()),
            ("authorizer", registry.authorizer_makers()),
        )
        known = any(maker.tapname == "lambdaproxy" for maker in getPlugins(IServiceMaker))
    except ValueError as error:  # two of one name
        yield f"BAD        {error}", False
        return
    for kind, makers in kinds:
        for name, maker in makers.items():
            yield f"{kind:10} {name:24} {maker.help} ({_origin(maker)})", True
    yield (
        f"twistd     {'lambdaproxy':24} {'known to twistd' if known else 'NOT known to twistd: is it installed?'}",
        known,
    )
    for event in heard:
        if event.get("log_failure") is not None or event.get("isError"):
            yield f"BAD        {_failure(event)}", False
        elif "plugin cache" in (text := formatEvent(event)):
            yield f"note       {text}; whoever may write there can run this command once", True


# It reads what is known of every distribution that is installed, which takes a quarter of a second.
_distributions = cache(metadata.packages_distributions)


def _origin(maker: Any) -> str:
    """The module and the distribution that a maker comes from."""
    module = type(maker).__module__
    found = set(_distributions().get(module.partition(".")[0], ()))
    if "lambdaproxy" in found:
        # Plugins of others lie in our folder: whose a module is tells its file, and the rest is ours.
        stem = module.replace(".", "/")
        files = {f"{stem}.py", f"{stem}/__init__.py"}
        others = found - {"lambdaproxy"}
        found = {each for each in others if any(str(file) in files for file in metadata.files(each) or ())}
    return ", ".join([module, *(f"{each} {metadata.version(each)}" for each in sorted(found))])


def _failure(event: LogEvent) -> str:
    failure = event.get("log_failure") or event.get("failure")
    if failure is None:
        return formatEvent(event)
    frames = failure.frames or failure.stack
    files = [str(frame[1]) for frame in frames if "lambdaproxy" in str(frame[1]) and "plugins" in str(frame[1])]
    where = files[-1] if files else "a plugin"
    for folder in sys.path:
        if folder and where.startswith(folder):
            where = str(Path(where).relative_to(folder))
            break
    return f"{where} does not load: {failure.type.__name__}: {failure.getErrorMessage()}"
