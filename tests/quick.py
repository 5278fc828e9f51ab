"""Which tests `--quick` (`make check`) runs: those of modules that start no process and no reactor.

What a module imports decides; and while tests run, whatever starts a process all the same fails with the reason. Tests
that think for long (simulations, searches) are marked `slow`.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
STARTING = frozenset(("subprocess", "multiprocessing", "ptyprocess", "twisted.trial", "twisted.trial.unittest"))
HARMLESS = frozenset(("ROOT", "CLEAN", "WAIT", "until"))
"""What `tests.processes` has that starts nothing."""

EVENTS = frozenset(("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"))


@cache
def starts_processes(path: Path) -> bool:
    """Whether a module of the tests can start a process, as far as its imports tell."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            if STARTING & {name.name for name in node.names}:
                return True
            inner = [name.name for name in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {name.name for name in node.names}
            if node.module in STARTING:
                return True
            if node.module == "tests.processes":
                if names - HARMLESS:
                    return True
                continue
            inner = [node.module, *(f"{node.module}.{name}" for name in names)]
        else:
            continue
        for name in inner:
            helper = ROOT.joinpath(*name.split(".")).with_suffix(".py")
            if name.startswith("tests.") and helper.is_file() and helper != path and starts_processes(helper):
                return True
    return False


class Guard:
    """Lets no process be started while a test runs."""

    def __init__(self) -> None:
        self.running: str | None = None
        sys.addaudithook(self._heard)

    def _heard(self, event: str, about: tuple[Any, ...]) -> None:
        if self.running is not None and event in EVENTS:
            test, self.running = self.running, None
            raise AssertionError(f"{test} starts a process ({event}): import what starts it at the top of the module")
