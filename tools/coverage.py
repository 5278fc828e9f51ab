"""How much of the modules on a request's way tests take, branches included: `make coverage`.

It reads what `coverage run` left, prints a line for each room, names the modules that are below, and ends with 1 where
a room is below the least share. `python -m tools.coverage tests` prints the tests of these rooms that `--quick` leaves
out because they start processes or a reactor.
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
PLACES = ("web", "http1", "codecs", "aws", "gate", "test_proxy.py", "test_streams_left.py")
"""Where the tests of these rooms are, below `tests`."""

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
)
"""What a request goes through, as parts of the package: rooms and modules."""

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


def of_rooms(modules: Iterable[Taken]) -> list[Taken]:
    """The rooms on a request's way, each with its modules together."""
    sums = dict.fromkeys(ROOMS, (0, 0))
    for each in modules:
        room = Path(each.name).parts[1].removesuffix(".py")
        if room in sums:
            there, taken = sums[room]
            sums[room] = there + each.there, taken + each.taken
    return [Taken(room, there, taken) for room, (there, taken) in sums.items() if there]


def left_out(tests: Path) -> list[Path]:
    """The tests of the rooms that `--quick` leaves out."""
    found = (path for place in PLACES for path in [tests / place, *tests.joinpath(place).rglob("test_*.py")])
    return sorted(path for path in found if path.is_file() and starts_processes(path))


def main(words: list[str]) -> int:
    """Print the shares; 1 where one is below `LEAST`."""
    if words == ["tests"]:
        print(*(path.relative_to(ROOT) for path in left_out(ROOT / "tests")))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        builds.run(sys.executable, "-m", "coverage", "json", "-q", "-o", report, cwd=ROOT)
        modules = of_files(json.loads(report.read_text(encoding="utf-8"))["files"])
    rooms = of_rooms(modules)
    ours = [each for each in modules if Path(each.name).parts[1].removesuffix(".py") in ROOMS]
    for room in rooms:
        print(f"{room.share:6.1f} %  {room.name}")
    print(f"{Taken('', sum(each.there for each in ours), sum(each.taken for each in ours)).share:6.1f} %  together")
    for each in sorted(ours, key=lambda one: one.share):
        if each.share < LEAST:
            print(f"{each.share:6.1f} %  {each.name}, {each.there - each.taken} lines and branches are not taken")
    return int(any(room.share < LEAST for room in rooms))


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except builds.Failed as reason:
        sys.exit(f"coverage: {reason}")
