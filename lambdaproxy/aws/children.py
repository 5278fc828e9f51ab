"""The processes that botocore starts for `credential_process`: remembered, so that those that hang can be ended."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import Any

from lambdaproxy.base.platform import children_of


class Children:
    """Starts processes for botocore, whose own call waits for them without end."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[bytes]] = []

    def adopt(self, session: Any) -> None:
        """Let a botocore session start its processes here.

        These attributes are botocore's own business. Where they have other names, a process that hangs stays, and
        costs a thread.
        """
        from botocore.credentials import ProcessProvider

        def process(profile_name: str) -> Any:
            return ProcessProvider(
                profile_name=profile_name, load_config=lambda: session.full_config, popen=self._start
            )

        for provider in getattr(session.get_component("credential_provider"), "providers", ()):
            if isinstance(provider, ProcessProvider) and hasattr(provider, "_popen"):
                provider._popen = self._start
            # A role whose source profile has a process.
            builder: Any = getattr(provider, "_profile_provider_builder", None)
            if hasattr(builder, "_create_process_provider"):
                builder._create_process_provider = process

    def kill(self) -> None:
        """End what still runs, with all that it started: who holds its output holds up the thread that reads it."""
        running, self._running = self._running, []
        for each in running:
            if each.returncode is None:
                for pid in _stopped(each.pid):
                    _send(pid, signal.SIGKILL)

    def _start(self, *arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        self._running = [each for each in self._running if each.returncode is None]
        child = subprocess.Popen(*arguments, **options)  # noqa: S603 - what the AWS files name
        self._running.append(child)
        return child


def _stopped(pid: int) -> list[int]:
    """A process and all below it, each stopped before it is looked under.

    So none starts another meanwhile, and no shell goes on with its next line because the program it waits for ended.
    """
    _send(pid, signal.SIGSTOP)
    return [pid, *(each for child in children_of(pid) for each in _stopped(child))]


def _send(pid: int, what: signal.Signals) -> None:
    with suppress(OSError):
        os.kill(pid, what)
