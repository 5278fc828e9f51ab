"""What an installation consists of: a bill of materials (CycloneDX 1.6, JSON) and the licences of its parts.

`python -m tools.sbom FOLDER` installs this tree, with all extras that are for running it, into an environment of its
own, and writes `lambdaproxy-VERSION.cdx.json` and `lambdaproxy-VERSION.licences.txt`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from configparser import ConfigParser
from pathlib import Path
from typing import Any

from tools import builds

ROOT = Path(__file__).parent.parent
KNOWN = {"protobuf": "BSD-3-Clause"}
"""Licences of parts whose metadata name none, as the texts that they bring have them."""

NOT_FOR_RUNNING = frozenset(("test", "ci", "release"))


class Incomplete(Exception):
    """The document is not what its schema wants, or a part has no licence; one sentence."""


def extras() -> list[str]:
    """The extras that are for running lambdaproxy."""
    file = ConfigParser(interpolation=None)
    file.read(ROOT / "setup.cfg", encoding="utf-8")
    return [name for name in file["options.extras_require"] if name not in NOT_FOR_RUNNING]


def write(wheel: Path, folder: Path) -> int:
    """Write both files, and give the number of components; raises `Incomplete`, or `builds.Failed`."""
    with tempfile.TemporaryDirectory() as place:
        where = Path(place)
        builds.run(sys.executable, "-m", "venv", "--without-pip", "venv", cwd=where)
        python = where / "venv" / "bin" / "python"
        pip = (sys.executable, "-m", "pip", "--python", python, "install", "--quiet")
        builds.run(*pip, f"{wheel.resolve()}[{','.join(extras())}]", cwd=where)
        text = inventory(python)
    document = ours_first(json.loads(text))
    validate(document)
    stem = "-".join(wheel.name.split("-")[:2])
    (folder / f"{stem}.cdx.json").write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / f"{stem}.licences.txt").write_text(licences(document), encoding="utf-8")
    return len(document["components"])


def inventory(python: str | Path) -> str:
    """What CycloneDX's own program finds in the environment of that Python, as JSON."""
    words = (
        "-m",
        "cyclonedx_py",
        "environment",
        "--output-reproducible",
        "--no-validate",
        "--of",
        "JSON",
        "--sv",
        "1.6",
        "-o",
        "-",
    )
    return builds.run(sys.executable, *words, python, cwd=ROOT)


def ours_first(document: dict[str, Any]) -> dict[str, Any]:
    """The document with lambdaproxy as what it is about, and the rest as its components; no path of this machine."""
    own = next(each for each in document["components"] if each["name"] == "lambdaproxy")
    own.pop("externalReferences", None)  # the folder that the wheel was in
    document["metadata"]["component"] = {**own, "type": "application"}
    document["components"] = [each for each in document["components"] if each is not own]
    for each in document["components"]:
        if not each.get("licenses") and each["name"] in KNOWN:
            each["licenses"] = [{"license": {"id": KNOWN[each["name"]]}}]
    return document


def validate(document: dict[str, Any]) -> None:
    """Hold it against the schema of CycloneDX 1.6; raises `Incomplete`."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(document))
    if problem is not None:
        raise Incomplete(f"the bill of materials is not as its schema has it: {str(problem)[:300]}")


def licences(document: dict[str, Any]) -> str:
    """A line for each part: name, version, licence; raises `Incomplete` where one has none."""
    rows = []
    for each in sorted(document["components"], key=lambda one: str(one["name"]).lower()):
        found = dict.fromkeys(_licence(one) for one in each.get("licenses", ()))
        if not found:
            raise Incomplete(f"{each['name']} {each['version']} does not say under which licence it is")
        rows.append((each["name"], each["version"], ", ".join(found)))
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "".join(f"{name:{widths[0]}}  {version:{widths[1]}}  {text}\n" for name, version, text in rows)


def _licence(entry: dict[str, Any]) -> str:
    if "expression" in entry:
        return str(entry["expression"])
    named = entry["license"]
    text = named.get("id") or named["name"].strip().splitlines()[0]
    return str(text).removeprefix("License :: OSI Approved :: ")[:80]


def main(folder: Path) -> None:
    """Write both files for the tree as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        builds.run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", place, ".", cwd=ROOT)
        (wheel,) = Path(place).iterdir()
        print(f"{write(wheel, folder)} components, in {folder}")


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (Incomplete, builds.Failed) as reason:
        print(f"sbom: {reason}", file=sys.stderr)
        raise SystemExit(1) from None
