"""Carries out a page of the manual: writes its files, runs its commands in order, and compares what they print.

A page is read as a reader reads it. What follows "Save this as `NAME`:" is written there; each line of a `console`
block that begins with `$` or `#` is run by a shell, and the lines below it are what it prints, with `...` for anything.
A command that serves is left to run until the next one that serves, or the end. What follows "*Not run by our tests*"
is not run.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import CLEAN, WAIT, Process

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SAVED = re.compile(r"[Ss]ave this as\s+`([^`]+)`[^\n]*:\Z")
_NOT_RUN = re.compile(r"\*Not run by our tests[^*]*\*")
_SERVES = re.compile(r"(^|/|&& )(lambdaproxy serve|twistd -n\b.* lambdaproxy|make run)\b(?!.*--(check|help))")
_SERVING = r"serves on (?:https?://\S+?:(\d+)|\S+)"


@dataclass(frozen=True, slots=True)
class Step:
    """A file that is written, if `name` is given, or a command; `text` is either, `printed` what is to be seen."""

    name: str
    text: str
    printed: str = ""


def steps(page: str) -> Iterator[Step]:
    """What a page has its reader do, in order."""
    for block in _FENCE.finditer(page):
        indent, language, text = block.groups()
        text = re.sub(rf"(?m)^{indent}", "", text)
        before = page[: block.start()].rstrip().rpartition("\n\n")[2].strip()
        if _NOT_RUN.search(before):
            continue
        saved = _SAVED.search(before)
        if saved:
            yield Step(saved[1], text)
        elif language == "console":
            yield from _commands(text)


def _commands(text: str) -> Iterator[Step]:
    for part in re.split(r"(?m)^(?=[$#] )", text):
        if part[:2] in ("$ ", "# "):
            lines = part[2:].split("\n")
            last = next(at for at, line in enumerate(lines) if not line.endswith("\\"))
            yield Step("", "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :]).strip("\n"))


@dataclass
class Reader:
    """Somebody who follows a page in `folder`.

    `changed` says what is written otherwise here than there (ports, folders); commands that match one of `ready` are
    done already.
    """

    folder: Path
    changed: Mapping[str, str] = field(default_factory=dict)
    ready: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    patience: float = WAIT / 2
    servers: list[Process] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    def follow(self, page: str) -> None:
        """Do everything; an `AssertionError` says what did not go as the page says."""
        try:
            for step in steps(page):
                self._do(step)
        finally:
            self._stop()

    def here(self, text: str) -> str:
        """A text of the page as it is written here."""
        # All at once, the longest first: what stands here already may look like what is written there.
        there = "|".join(map(re.escape, sorted(self.changed, key=len, reverse=True)))
        return re.sub(there, lambda found: self.changed[found[0]], text) if there else text

    def _do(self, step: Step) -> None:
        if step.name:
            path = self.folder / self.here(step.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.here(step.text))
            return
        command = self.here(step.text)
        self.done.append(command)
        if any(re.search(each, step.text) for each in self.ready):
            return
        if _SERVES.search(step.text):
            self._stop()
            command = f"exec {command}{self._places(command)}"
            self.servers.append(server := Process("/bin/bash", "-c", command, env=self._env(), cwd=self.folder))
            server.wait_for(_SERVING)
            return
        end, printed = time.monotonic() + self.patience, self.here(step.printed)
        while True:
            code, out, error = self._run(command)
            if code == 0 and (not printed or _like(printed).search(out)):
                return
            # What a running process has to notice first may take a moment; what is wrong stays wrong.
            assert time.monotonic() < end and self.servers, (
                f"{command}\nended with {code}:\n{out}{error}\nnot\n{printed}"
            )
            time.sleep(0.2)

    def _run(self, command: str) -> tuple[int, str, str]:
        words = ["/bin/bash", "-o", "pipefail", "-c", command]
        run = subprocess.run(
            words,
            cwd=self.folder,
            env=self._env(),
            capture_output=True,
            text=True,
            timeout=WAIT,
            stdin=subprocess.DEVNULL,
        )
        return run.returncode, run.stdout, run.stderr

    def _places(self, command: str) -> str:
        """The ports that nobody writes, because they are the defaults."""
        port, inspector = self.changed.get("8011"), self.changed.get("8012")
        added = f" --port {port}" if port and "--port" not in command else ""
        return added + (
            f" --inspect {inspector}" if inspector and not re.search("--(inspect|workers|config)", command) else ""
        )

    def _env(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {**CLEAN, "PATH": path, "HOME": str(self.folder), "COLUMNS": "120", **self.env}

    def _stop(self) -> None:
        while self.servers:
            server = self.servers.pop()
            if server.process.poll() is None:
                server.stop()
            server.kill()


def _like(printed: str) -> re.Pattern[str]:
    lines = [".*?".join(map(re.escape, line.rstrip().split("..."))) for line in printed.splitlines()]
    return re.compile("\n".join(lines), re.DOTALL)
