"""The supervisor's lines, in the form of twistd's; written in a thread, because nobody may read what we write."""

from __future__ import annotations

import time

from lambdaproxy.watch.lines import Writer, to_stdout


class Log:
    """`info` and `error`; a line that cannot be written is dropped."""

    def __init__(self) -> None:
        self._writer = Writer(to_stdout(), lambda lines, why: None)
        self._writer.begin()

    def info(self, text: str) -> None:
        self._line("info", text)

    def error(self, text: str) -> None:
        self._line("error", text)

    def _line(self, level: str, text: str) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        self._writer.write(f"{stamp} [lambdaproxy.supervise#{level}] {text}\n".encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        self._writer.close(1)
