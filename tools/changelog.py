"""CHANGELOG.md in the form of Keep a Changelog 1.1.0: read, checked, and turned into a release's.

`python -m tools.changelog` puts what is unreleased in order, and says what it did and what somebody should look at.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from packaging.version import InvalidVersion, Version

GROUPS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
UNRELEASED = "Unreleased"

_HEAD = re.compile(r"## \[([^\]]+)\](?: - (.*))?")
_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")


@dataclass(slots=True)
class Section:
    """What one version changed; `groups` are the entries of each, as they are written, without their asterisks."""

    name: str
    date: str | None
    line: int
    groups: dict[str, list[str]] = field(default_factory=dict)


class Malformed(ValueError):
    """The file is not written as it has to be; a sentence with the line."""


def read(text: str) -> list[Section]:
    """The sections from the newest to the oldest; raises `Malformed`."""
    lines = text.splitlines()
    if not lines or lines[0] != "# Changelog":
        raise Malformed("CHANGELOG.md:1: the title is '# Changelog'")
    sections = list(_sections(lines))
    if not sections or sections[0].name != UNRELEASED:
        raise Malformed(f"CHANGELOG.md: the first section is '## [{UNRELEASED}]'")
    released = [Version(each.name) for each in sections[1:]]
    if released != sorted(set(released), reverse=True):
        raise Malformed("CHANGELOG.md: versions stand from the newest to the oldest, each once")
    return sections


def _sections(lines: list[str]) -> Iterator[Section]:
    section: Section | None = None
    entries: list[str] | None = None
    for number, line in enumerate(lines, 1):
        where = f"CHANGELOG.md:{number}"
        if line.startswith("## "):
            if section is not None:
                yield section
            section, entries = _section(line, number), None
        elif line.startswith("### "):
            group = line[4:]
            if section is None or group not in GROUPS:
                raise Malformed(f"{where}: {group!r} is no group; there are {', '.join(GROUPS)}")
            if group in section.groups:
                raise Malformed(f"{where}: {section.name} has {group} twice")
            entries = section.groups[group] = []
        elif line.startswith("* "):
            if entries is None:
                raise Malformed(f"{where}: an entry stands below one of {', '.join(GROUPS)}")
            entries.append(line[2:])
        elif line.startswith("  ") and line.strip():
            if not entries:
                raise Malformed(f"{where}: this belongs to no entry")
            entries[-1] += f"\n{line}"
        elif line.strip() and entries is not None:
            raise Malformed(f"{where}: an entry begins with '* ', and goes on with two blanks")
    if section is not None:
        yield section


def _section(line: str, number: int) -> Section:
    found = _HEAD.fullmatch(line)
    name, date = found.groups() if found else ("", None)
    if name == UNRELEASED and date is None:
        return Section(name, None, number)
    try:
        Version(name)
    except InvalidVersion:
        date = None
    if date is None or not _DATE.fullmatch(date):
        raise Malformed(f"CHANGELOG.md:{number}: a section is '## [1.2.3] - 2026-11-26', or '## [{UNRELEASED}]'")
    return Section(name, date, number)


def released(text: str, version: str, date: str) -> str:
    """The text with what is unreleased as this version's; raises `Malformed` where there is nothing to release."""
    sections = read(text)
    if not any(sections[0].groups.values()):
        raise Malformed(f"CHANGELOG.md:{sections[0].line}: nothing is unreleased")
    if any(each.name == version for each in sections):
        raise Malformed(f"CHANGELOG.md: {version} is released already")
    return text.replace(f"## [{UNRELEASED}]\n", f"## [{UNRELEASED}]\n\n## [{version}] - {date}\n", 1)


def tidied(text: str) -> tuple[str, list[str]]:
    """The text with what merges left of it put in order, and a sentence for each thing done or to be looked at.

    Of what is unreleased: dashes become asterisks, each group stands once, in the order of `GROUPS`, and an entry that
    is written twice, or was released, stands once. Entries that begin alike in other words are named and left.
    """
    lines = text.splitlines()
    heads = [number for number, line in enumerate(lines) if line.startswith("## ")]
    if not heads or lines[heads[0]] != f"## [{UNRELEASED}]":
        raise Malformed(f"CHANGELOG.md: the first section is '## [{UNRELEASED}]'")
    end = heads[1] if len(heads) > 1 else len(lines)
    said: list[str] = []
    groups: dict[str, list[str]] = {}
    words: list[str] = []
    into = words
    for number, line in enumerate(lines[heads[0] + 1 : end], heads[0] + 2):
        if line.startswith("- "):
            said.append(f"CHANGELOG.md:{number}: a dash is an asterisk now")
            line = f"* {line[2:]}"
        if line.startswith("### "):
            if line[4:] in groups:
                said.append(f"CHANGELOG.md:{number}: {line[4:]} stands once now")
            into = groups.setdefault(line[4:], [])
        elif line.startswith("  ") and into and into is not words:
            into[-1] += f"\n{line}"
        elif line.strip() or into is words:
            into.append(line)
    order = sorted(groups, key=lambda name: GROUPS.index(name) if name in GROUPS else len(GROUPS))
    if order != list(groups):
        said.append(f"CHANGELOG.md: the groups stand as {', '.join(order)} now")
    groups = {name: groups[name] for name in order}
    older = _sections(lines[end:])
    known = {_words(entry): one.name for one in older for entries in one.groups.values() for entry in entries}
    said += _without_doubles(groups, known)
    body = [line for name in order if groups[name] for line in (f"### {name}", "", *groups[name], "")]
    made = [*lines[: heads[0] + 1], *words, *body, *lines[end:]]
    tidy = "\n".join(made).rstrip() + "\n"
    read(tidy)
    return tidy, said


def _words(entry: str) -> str:
    """An entry without its asterisk, and however its lines are broken."""
    return " ".join(entry.removeprefix("* ").split())


def _without_doubles(groups: dict[str, list[str]], released: dict[str, str]) -> Iterator[str]:
    """Take out what stands twice, wherever; what was taken out, and what begins alike."""
    seen = dict(released)
    begun: dict[str, str] = {}
    for name, entries in groups.items():
        kept = []
        for entry in entries:
            words = _words(entry)
            start = _start(words)
            if words in seen:
                yield f"CHANGELOG.md: {start!r} stands in {seen[words]}, and no more a second time in {name}"
                continue
            seen[words] = name
            if start in begun:
                yield f"CHANGELOG.md: {start!r} begins two entries, in {begun[start]} and {name}: look at them"
            begun.setdefault(start, name)
            kept.append(entry)
        entries[:] = kept


def _start(words: str) -> str:
    """What an entry is about: what it has in bold at its beginning, or its first words."""
    bold = re.match(r"\*\*(.+?)\*\*", words)
    return bold[1] if bold else " ".join(words.split()[:7])


def text_of(text: str, version: str) -> str:
    """What a version changed, in Markdown; raises `Malformed` where there is no such section."""
    for section in read(text):
        if section.name == version and any(section.groups.values()):
            return "\n".join(
                f"### {group}\n\n" + "\n".join(f"* {entry}" for entry in entries) + "\n"
                for group, entries in section.groups.items()
                if entries
            )
    raise Malformed(f"CHANGELOG.md: there is no section for {version} that says something")


def main(path: Path) -> int:
    """Put the file in order; 1 where it cannot be read."""
    try:
        text, said = tidied(path.read_text(encoding="utf-8"))
    except Malformed as error:
        print(error, file=sys.stderr)
        return 1
    path.write_text(text, encoding="utf-8")
    print("\n".join(said) or "CHANGELOG.md is in order")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(__file__).parent.parent / "CHANGELOG.md"))
