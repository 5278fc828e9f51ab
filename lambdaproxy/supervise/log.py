"""The supervisor's log, written so that nobody can hold it up, in the manner of what its workers write beside it."""

from __future__ import annotations

import json
import time

from lambdaproxy.watch import journal
from lambdaproxy.watch.lines import Writer, stdout_descriptor, to_stdout

_LEVELS = tuple(journal.PRIORITIES)
_LOGGER = "lambdaproxy.supervise"


class Log:
    """`info` and `error`; a line that cannot be written is dropped. `form` is `json` or `text`, `least` a level."""

    def __init__(self, form: str = "text", least: str = "info") -> None:
        self._form, self._least = form, _LEVELS.index(least)
        self._by_journal = journal.reads(stdout_descriptor())
        self._writer = Writer(to_stdout(), lambda lines, why: None)
        self._writer.begin()

    def info(self, text: str, event: str = "supervisor") -> None:
        self._line("info", event, text)

    def error(self, text: str, event: str = "supervisor") -> None:
        self._line("error", event, text)

    def _line(self, level: str, event: str, text: str) -> None:
        if _LEVELS.index(level) < self._least:
            return
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        if self._form == "json":
            line = {"time": stamp, "level": level, "event": event, "message": text, "logger": _LOGGER}
            text = json.dumps(line, separators=(",", ":"))
        else:
            text = f"{stamp} [{_LOGGER}#{level}] {text}"
        text += "\n"
        self._writer.write(
            (journal.prefixed(level, text) if self._by_journal else text).encode("utf-8", "backslashreplace")
        )

    def close(self) -> None:
        self._writer.close(1)
