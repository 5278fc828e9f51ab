"""Which tests `--quick` (`make check`) runs: those of modules that start no process and no reactor.

What a module imports decides; and while tests run, whatever starts a process all the same fails with the reason. Tests
that think for long (simulations, searches) are marked `slow`. `--few` takes every fourth row of long tables.

`python -m tests.quick` runs few on every processor: a part of the modules in each of some processes that know nothing
of each other. Workers of pytest-xdist would each collect all of them, and report every test to another process, which
costs half as much again as the tests.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
STARTING = frozenset(("subprocess", "multiprocessing", "ptyprocess", "twisted.trial", "twisted.trial.unittest"))
HARMLESS = frozenset(("ROOT", "CLEAN", "WAIT", "until"))
"""What `tests.processes` has that starts nothing."""

_NO_TESTS = 5
"""How pytest ends where it has found nothing to run."""

EVENTS = frozenset(("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.system"))


_TEXT = re.compile(r"\"{3}.*?\"{3}|\'{3}.*?\'{3}", re.DOTALL)
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([^\n]*))", re.MULTILINE
)
_NAME = re.compile(r"[\w.]+(?:[ \t]+as[ \t]+\w+)?")


def _absolute(module: str, path: Path) -> str:
    """A module as it is named from anywhere, where a module of the tests says `.serving`."""
    name = module.lstrip(".")
    if name == module or not path.is_relative_to(ROOT):
        return module
    folder = path.parents[len(module) - len(name) - 1].relative_to(ROOT)
    return ".".join((*folder.parts, name) if name else folder.parts)


def imports(path: Path) -> Iterator[tuple[str, list[str]]]:
    """What a module imports, anywhere in it: `(module, names)`, and no names where it is the module itself.

    Read by its lines: to have all modules of the tests parsed takes longer than a tenth of the quick tests.
    """
    for module, names, plain in _IMPORT.findall(_TEXT.sub("", path.read_text(encoding="utf-8"))):
        found = [name.split()[0] for name in _NAME.findall(re.sub(r"#[^\n]*", "", names or plain))]
        if module:
            yield _absolute(module, path), found
        else:
            yield from ((name, []) for name in found)


@cache
def starts_processes(path: Path) -> bool:
    """Whether a module of the tests can start a process, as far as its imports tell."""
    for module, names in imports(path):
        if module in STARTING or (module == "tests.processes" and set(names) - HARMLESS):
            return True
        if module == "tests.processes":
            continue
        for name in (module, *(f"{module}.{name}" for name in names)):
            helper = ROOT.joinpath(*name.split(".")).with_suffix(".py")
            if name.startswith("tests.") and helper.is_file() and helper != path and starts_processes(helper):
                return True
    return False


LONG, EACH = 100, 4
"""Of a table of more than so many rows `--few` takes each of so many."""


def of_long_tables(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The tests that are left out because they are one more row of a long table."""
    tables: dict[str, list[pytest.Item]] = {}
    for item in items:
        tables.setdefault(item.nodeid.partition("[")[0], []).append(item)
    return [item for rows in tables.values() if len(rows) > LONG for number, item in enumerate(rows) if number % EACH]


class Guard:
    """Lets no process be started while a test runs."""

    def __init__(self) -> None:
        self.running: str | None = None
        platform.processor()  # For which the standard library asks a program, once in a process.
        sys.addaudithook(self._heard)

    def _heard(self, event: str, about: tuple[Any, ...]) -> None:
        if self.running is not None and event in EVENTS:
            test, self.running = self.running, None
            raise AssertionError(f"{test} starts a process ({event}): import what starts it at the top of the module")


def processors() -> int:
    """How many processors we may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _places() -> dict[Path, int]:
    """The quick modules, and where each is among them, the largest first."""
    found = [path for path in (ROOT / "tests").rglob("test_*.py") if not starts_processes(path)]
    found.sort(key=lambda path: (-path.stat().st_size, path))
    return {path: place for place, path in enumerate(found)}


def is_in(part: str, path: Path) -> bool:
    """Whether a quick module is in a part of them, which is written as `2/3`."""
    number, parts = map(int, part.split("/"))
    return _places().get(path, 0) % parts == number - 1


def main(*arguments: str) -> int:
    """Run all parts at once, with these arguments for pytest; what all but the first say is shown when it is over."""
    parts, codes = processors(), set()
    options = ["--quick", "--few", "--quiet", "--capture=sys", "-p", "no:xdist", "-p", "no:cacheprovider"]
    command = (sys.executable, "-m", "pytest", *options, *arguments)
    with ExitStack() as stack:
        running = []
        for number in range(1, parts + 1):
            said = None if number == 1 else stack.enter_context(tempfile.TemporaryFile("w+"))
            process = subprocess.Popen((*command, "--part", f"{number}/{parts}"), stdout=said, stderr=said, cwd=ROOT)
            running.append((stack.enter_context(process), said))
        for process, said in running:
            codes.add(process.wait())
            if said is not None:
                said.seek(0)
                print(said.read(), end="", flush=True)
    # A part may have none of the tests that were asked for.
    return max(codes - {_NO_TESTS}, default=_NO_TESTS)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
