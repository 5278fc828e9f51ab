"""The lowest versions that setup.cfg permits, as constraints for pip: `make test-lowest` runs the suite on them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from configparser import ConfigParser
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parent.parent


def requirements(file: ConfigParser, extras: Iterable[str]) -> Iterator[Requirement]:
    """What an installation with these extras asks for; those for other systems are left out."""
    texts = [file["options"]["install_requires"], *(file["options.extras_require"][extra] for extra in extras)]
    for line in "\n".join(texts).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            found = Requirement(line)
            if found.marker is None or found.marker.evaluate():
                yield found


def lowest(wanted: Iterable[Requirement]) -> dict[str, Version]:
    """Name to the lowest version that all of them permit, for those that have a lower bound."""
    found: dict[str, Version] = {}
    for each in wanted:
        for bound in each.specifier:
            if bound.operator in (">=", "~=", "=="):
                version = Version(bound.version)
                found[each.name.lower()] = max(version, found.get(each.name.lower(), version))
    return found


def main(extras: list[str]) -> None:
    """Print the constraints for the extras that are named."""
    file = ConfigParser(interpolation=None)
    file.read(ROOT / "setup.cfg", encoding="utf-8")
    for name, version in sorted(lowest(requirements(file, extras)).items()):
        print(f"{name}=={version}")


if __name__ == "__main__":
    main(sys.argv[1:])
