"""Where the code of a template's function is: a folder, a single file, a zip, or text in the template itself."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from lambdaproxy.base.archives import temporary, unpack

_LOOKED_AT = 5000
_NOT_SOURCE = frozenset({".aws-sam", ".git", "node_modules", "__pycache__", ".venv", "venv"})


class NoCode(Exception):
    """There is no code that could run here; the text says what to do."""


def folder_of(path: str, written: str) -> str:
    """The task root of a `CodeUri`: the folder itself, that of a single file, or where a zip was unpacked.

    Raises `NoCode`.
    """
    if os.path.isdir(path):
        return os.path.normpath(path)
    if not os.path.isfile(path):
        raise NoCode(f"{written} is no folder or file (looked at {os.path.normpath(path)}); if a build makes it, build")
    if not zipfile.is_zipfile(path):
        return os.path.dirname(os.path.normpath(path))
    return _unpack(path, written)


def inline(text: str, runtime: str) -> str:
    """A folder with the text as `index.py` or `index.js`, which is what Lambda makes of inline code."""
    if not runtime.startswith(("python", "nodejs")):
        raise NoCode("Lambda takes inline code for Python and Node only; put it into a file and name that in CodeUri")
    folder = temporary()
    Path(folder, "index.py" if runtime.startswith("python") else "index.js").write_text(text, "utf-8")
    return folder


def built(template: str, logical: str, source: str) -> str | None:
    """The function's folder in `.aws-sam/build`, if it is newer than the template and the source."""
    base = os.path.dirname(os.path.abspath(template))
    folder = os.path.join(base, ".aws-sam", "build", logical)
    made = os.path.join(base, ".aws-sam", "build", "template.yaml")
    try:
        at = os.stat(made).st_mtime_ns
        newest = os.stat(template).st_mtime_ns
    except OSError:
        return None
    if not os.path.isdir(folder):
        return None
    looked = 0
    for place, folders, files in os.walk(source):
        folders[:] = [name for name in folders if name not in _NOT_SOURCE]
        for name in files:
            looked += 1
            try:
                newest = max(newest, os.stat(os.path.join(place, name)).st_mtime_ns)
            except OSError:
                continue
        if looked > _LOOKED_AT:
            break
    return folder if at >= newest else None


def _unpack(path: str, written: str) -> str:
    try:
        return unpack(path, written)
    except ValueError as problem:
        raise NoCode(str(problem)) from None
