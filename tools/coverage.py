"""How much of the modules on a request's way tests take, branches included: `make coverage`.

It reads what `coverage run` left, prints a line for each room, names the modules that are below, and ends with 1 where
a room that is held to it is below the least share. `python -m tools.coverage tests` prints the tests of these rooms
that `--quick` leaves out because they start processes or a reactor.

Lines that run in a process that a test has started are not seen. That is why some rooms are shown and not held to
anything: much of what they do is tested in started servers and workers, and two tests of everything would be one too
many.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.quick import starts_processes
from tools import builds

ROOT = Path(__file__).parent.parent
PLACES = (
    "web",
    "http1",
    "codecs",
    "aws",
    "gate",
    "wire",
    "base",
    "authorizers",
    "watch",
    "runtime/test_api.py",
    "runtime/test_maker.py",
    "runtime/test_process.py",
    "runtime/test_python.py",
    "runtime/test_python_streams.py",
    "test_proxy.py",
    "test_streams_left.py",
)
"""Where the tests of these rooms are, below `tests`, as far as what they test runs in their own process."""

ROOMS = (
    "web",
    "http1",
    "codecs",
    "aws",
    "proxy",
    "admission",
    "telling",
    "results",
    "routing",
    "selection",
    "streaming",
    "gate",
    "wire",
    "messages",
    "bodies",
    "errors",
)
"""What every request goes through, as parts of the package: rooms and modules."""

INVOCATION = "runtime, one invocation"
_OF_INVOCATION = frozenset(
    ("invoker", "job", "pool", "worker", "process", "loopback", "api", "connections", "collected", "results", "sinks")
) | {"stream"}

BESIDE = ("base", "authorizers", "watch", "sockets", INVOCATION)
"""What some requests go through, or by: shown, and held to nothing. Of `runtime` that is the way of one invocation, as
its own text names it."""

LEAST = 95.0
"""Per cent of lines and branches."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Lines and branches of one part: how many there are, and how many tests take."""

    name: str
    there: int
    taken: int

    @property
    def share(self) -> float:
        """In per cent."""
        return 100.0 * self.taken / self.there if self.there else 100.0


def of_files(files: Mapping[str, Mapping[str, Any]]) -> list[Taken]:
    """The modules of a report of `coverage json`, by path."""
    found = []
    for path, about in files.items():
        of = about["summary"]
        there = of["num_statements"] + of.get("num_branches", 0)
        found.append(Taken(path, there, of["covered_lines"] + of.get("covered_branches", 0)))
    return found


def room_of(path: str) -> str:
    """The room that a module is counted in."""
    room, *inner = Path(path).with_suffix("").parts[1:]
    return INVOCATION if room == "runtime" and inner and inner[0] in _OF_INVOCATION else room


def of_rooms(modules: Iterable[Taken], rooms: Iterable[str] = ROOMS) -> list[Taken]:
    """The rooms on a request's way, each with its modules together."""
    sums = dict.fromkeys(rooms, (0, 0))
    for each in modules:
        room = room_of(each.name)
        if room in sums:
            there, taken = sums[room]
            sums[room] = there + each.there, taken + each.taken
    return [Taken(room, there, taken) for room, (there, taken) in sums.items() if there]


def left_out(tests: Path) -> list[Path]:
    """The tests of the rooms that `--quick` leaves out."""
    found = (path for place in PLACES for path in [tests / place, *tests.joinpath(place).rglob("test_*.py")])
    return sorted(path for path in found if path.is_file() and starts_processes(path))


def main(words: list[str]) -> int:
    """Print the shares; 1 where one that is held to it is below `LEAST`."""
    if words == ["tests"]:
        print(*(path.relative_to(ROOT) for path in left_out(ROOT / "tests")))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        builds.run(sys.executable, "-m", "coverage", "json", "-q", "-o", report, cwd=ROOT)
        modules = of_files(json.loads(report.read_text(encoding="utf-8"))["files"])
    rooms = of_rooms(modules)
    for room in rooms:
        print(f"{room.share:6.1f} %  {room.name}")
    together = Taken("", sum(room.there for room in rooms), sum(room.taken for room in rooms))
    print(f"{together.share:6.1f} %  together")
    for room in of_rooms(modules, BESIDE):
        print(f"{room.share:6.1f} %  {room.name} (not held to {LEAST:g} %)")
    for each in sorted(modules, key=lambda one: one.share):
        if each.share < LEAST and room_of(each.name) in (*ROOMS, *BESIDE):
            print(f"{each.share:6.1f} %  {each.name}, {each.there - each.taken} lines and branches are not taken")
    low = [room.name for room in rooms if room.share < LEAST]
    if low:
        print(f"below {LEAST:g} %: {', '.join(low)}")
    return int(bool(low))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except builds.Failed as reason:
        sys.exit(f"coverage: {reason}")
