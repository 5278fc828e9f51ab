"""The checklist of a release, as a program.

`python -m tools.release prepare 0.2.0` writes the version and the date where they belong. `make release`, which is
`python -m tools.release check`, goes through all that a release needs, leaves what is to be published in dist/, and
prints the commands that tag and publish it. It runs none of them.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from tools import builds, changelog, sbom

ROOT = Path(__file__).parent.parent
_VERSION = re.compile(r'^__version__ = "([^"]+)"$', re.MULTILINE)
_NAMED = re.compile(r"(?<=lambdaproxy[-_:])\d+\.\d+\.\d+(?![\d.]*\d)|(?<=newTag: )\d+\.\d+\.\d+")
"""Where pages and examples name a version of ours: folders, files and images."""

COMPILED = "compiled"
"""Where in dist/ the compiled wheel lies: pip takes no two wheels of one name, so dist/*.whl has the pure one alone."""

PAGES = ("README.md", "docs/**/*.md", "examples/**/*", "systemd/**/*")


class Stop(Exception):
    """A step found what keeps this from being released; one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Release:
    """What is released: the tree at `root`, and where the files go."""

    root: Path
    dist: Path

    @property
    def version(self) -> str:
        return version(self.root)

    def git(self, *words: str) -> str:
        return builds.run("git", *words, cwd=self.root).strip()


def version(root: Path) -> str:
    """The version that the package says it has."""
    found = _VERSION.search((root / "lambdaproxy" / "__init__.py").read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def named(root: Path) -> dict[Path, set[str]]:
    """Which versions of ours each page and example names."""
    found = {}
    for path in sorted({path for pattern in PAGES for path in root.glob(pattern) if path.is_file()}):
        try:
            versions = set(_NAMED.findall(path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
        if versions:
            found[path] = versions
    return found


def following(number: str) -> str:
    """The version that pages name as the one to come: the next of its series."""
    major, minor, micro = Version(number).release
    return f"{major}.{minor}.{micro + 1}"


def prepare(root: Path, wanted: str, date: str) -> list[str]:
    """Write version and date; what else is to be looked at. Raises `Stop` before anything is written."""
    old = version(root)
    try:
        if Version(wanted) < Version(old) or str(Version(wanted)) != wanted or len(Version(wanted).release) != 3:
            raise Stop(f"{wanted} is older than {old}, or not written as PEP 440 has it, with three numbers")
        tidy, said = changelog.tidied((root / "CHANGELOG.md").read_text(encoding="utf-8"))
        log = changelog.released(tidy, wanted, date)
    except (InvalidVersion, changelog.Malformed) as error:
        raise Stop(str(error)) from None
    for path, text in (
        (root / "CHANGELOG.md", log),
        (
            root / "lambdaproxy" / "__init__.py",
            _VERSION.sub(f'__version__ = "{wanted}"', (root / "lambdaproxy" / "__init__.py").read_text("utf-8")),
        ),
    ):
        path.write_text(text, encoding="utf-8")
    new = {old: wanted, following(old): following(wanted)}
    for path in named(root):
        text = path.read_text(encoding="utf-8")
        path.write_text(_NAMED.sub(lambda found: new.get(found[0], found[0]), text), encoding="utf-8")
    return said


# -- the steps, in their order -----------------------------------------------------------------------------------------


def tree(release: Release) -> str:
    """Everything is committed."""
    if changed := release.git("status", "--porcelain"):
        raise Stop(f"commit or remove what is not committed: {changed.splitlines()[0].split()[-1]} and the like")
    return f"commit {release.git('rev-parse', '--short', 'HEAD')}"


def number(release: Release) -> str:
    """The version is a final one, newer than those that are tagged, and what the pages say."""
    own = Version(release.version)
    if own.is_prerelease or own.local:
        raise Stop(f"{own} is no final version; python -m tools.release prepare VERSION writes another")
    tags = [Version(tag[1:]) for tag in release.git("tag", "--list", "v*").split() if re.fullmatch(r"v[\d.]+", tag)]
    if tags and own <= max(tags):
        raise Stop(f"{own} is not newer than v{max(tags)}, which is tagged")
    pages = named(release.root)
    if str(own) not in pages.get(release.root / "docs" / "operations" / "installing.md", ()):
        raise Stop(f"docs/operations/installing.md installs another version than {own}")
    for page, versions in pages.items():
        if other := versions - {str(own), following(str(own))}:
            raise Stop(f"{page.relative_to(release.root)} names {min(other)}, which is neither {own} nor the next one")
    return str(own)


def changes(release: Release) -> str:
    """CHANGELOG.md has a section for this version, and nothing is left unreleased."""
    text = (release.root / "CHANGELOG.md").read_text(encoding="utf-8")
    try:
        if any(changelog.read(text)[0].groups.values()):
            raise Stop(f"CHANGELOG.md: python -m tools.release prepare {release.version} names what is unreleased")
        changelog.text_of(text, release.version)
    except changelog.Malformed as error:
        raise Stop(str(error)) from None
    return f"{sum(len(each) for each in changelog.read(text)[1].groups.values())} entries"


def tests(release: Release) -> str:
    """The whole suite passes."""
    if subprocess.run(["make", "test"], cwd=release.root, check=False).returncode:
        raise Stop("make test fails")
    return "make test passes"


def source(release: Release) -> str:
    """The sdist, built twice in other places, is the same file."""
    return _twice(release, builds.sdist)


def wheel(release: Release) -> str:
    """The pure wheel, built twice, is the same file, and so is the one that is built out of the sdist."""
    said = _twice(release, builds.wheel)
    (archive,) = release.dist.glob(f"lambdaproxy-{release.version}.tar.gz")
    (made,) = release.dist.glob(f"lambdaproxy-{release.version}-py3-none-any.whl")
    with tempfile.TemporaryDirectory() as folder:
        again = builds.wheel(builds.unpacked(archive, Path(folder)), Path(folder), _epoch(release))
        if builds.digest(again) != builds.digest(made):
            raise Stop("the sdist makes another wheel than the tree: what is missing belongs into MANIFEST.in")
    return f"{said}, and so does the sdist"


def compiled(release: Release) -> str:
    """The compiled wheel for this machine's kind, built twice, is the same file; in a folder of its own."""
    if shutil.which("cc") is None:
        return "left out, there is no C compiler"
    return _twice(release, builds.compiled, into=COMPILED)


def conformance(release: Release) -> str:
    """The conformance suite, a distribution of its own: sdist and wheel, built twice, are the same files."""
    return ", ".join(_twice(release, build, source="conformance") for build in (builds.sdist, builds.wheel))


def inventory(release: Release) -> str:
    """The bill of materials, by its schema, and the licences of all that is installed."""
    (made,) = release.dist.glob(f"lambdaproxy-{release.version}-py3-none-any.whl")
    try:
        count = sbom.write(made, release.dist)
    except sbom.Incomplete as error:
        raise Stop(str(error)) from None
    return f"{count} components"


def sums(release: Release) -> str:
    """SHA256SUMS of all files."""
    files = sorted(path for path in release.dist.rglob("*") if path.is_file() and path.name != "SHA256SUMS")
    lines = [f"{builds.digest(path)}  {path.relative_to(release.dist)}\n" for path in files]
    (release.dist / "SHA256SUMS").write_text("".join(lines), encoding="ascii")
    return f"{len(files)} files"


STEPS: dict[str, Callable[[Release], str]] = {
    "tree": tree,
    "version": number,
    "changelog": changes,
    "tests": tests,
    "sdist": source,
    "wheel": wheel,
    "compiled": compiled,
    "conformance": conformance,
    "sbom": inventory,
    "sums": sums,
}


def _epoch(release: Release) -> int:
    return int(release.git("log", "-1", "--format=%ct"))


def _twice(release: Release, build: Callable[[Path, Path, int], Path], source: str = ".", into: str = ".") -> str:
    """Build in two clones with paths, times and masks of their own; the second must be the first, byte for byte."""
    found = []
    (release.dist / into).mkdir(parents=True, exist_ok=True)
    for mask, name in ((0o022, "one"), (0o077, "another-place")):
        with tempfile.TemporaryDirectory(prefix=name) as folder:
            before = os.umask(mask)
            try:
                release.git("clone", "--quiet", ".", f"{folder}/clone")
            finally:
                os.umask(before)
            made = build(Path(folder, "clone", source), Path(folder), _epoch(release))
            found.append(builds.digest(made))
            shutil.move(made, release.dist / into / made.name)
    if len(set(found)) > 1:
        raise Stop(f"{made.name} is another file each time it is built: {found[0][:12]}, {found[1][:12]}")
    return f"{made.name} is {found[0][:12]} both times"


def check(release: Release, steps: Sequence[str]) -> None:
    """Go through the steps; raises `Stop` at the first that fails."""
    for name in steps:
        began = time.monotonic()
        print(f"{name:12}", end="", flush=True)
        try:
            said = STEPS[name](release)
        except builds.Failed as error:
            raise Stop(str(error)) from None
        print(f"{said} ({time.monotonic() - began:.0f} s)", flush=True)


def farewell(release: Release) -> str:
    """What is left to do by hand."""
    own, dist = release.version, release.dist.relative_to(release.root)
    # An index takes archives and wheels for every machine; what was compiled here is for machines like this one.
    files = sorted(str(dist / path.name) for path in release.dist.iterdir() if path.name.endswith((".whl", ".tar.gz")))
    return "\n".join(
        (
            "",
            f"All is ready in {dist}/. Nothing was tagged or published; that is:",
            f"  git tag --sign v{own} --message 'lambdaproxy {own}'",
            f"  git push origin main v{own}",
            f"  twine upload {' '.join(files)}",
            f"All else there, {dist}/{COMPILED}/ too, belongs beside the tag, where people download.",
        )
    )


def main(words: Sequence[str]) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    preparing = commands.add_parser("prepare", help="write the version and the date")
    preparing.add_argument("version")
    preparing.add_argument("--date", default=time.strftime("%Y-%m-%d", time.gmtime()))
    checking = commands.add_parser("check", help="go through the checklist, and build")
    checking.add_argument("--only", metavar="STEP", action="append", choices=STEPS, help=f"one of {', '.join(STEPS)}")
    checking.add_argument("--skip", metavar="STEP", action="append", choices=STEPS, default=[])
    given = parser.parse_args(words)
    try:
        if given.command == "prepare":
            print("\n".join(prepare(ROOT, given.version, given.date)) or "CHANGELOG.md is in order")
            return
        release = Release(ROOT, ROOT / "dist")
        if not given.only:
            shutil.rmtree(release.dist, ignore_errors=True)  # what other versions left is not to be published
        check(release, [name for name in given.only or STEPS if name not in given.skip])
        if not given.only and not given.skip:
            print(farewell(release))
    except Stop as reason:
        print(f"release: {reason}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main(sys.argv[1:])
