"""Configuration files as they were when a generation of workers began: whoever replaces a worker reads the same.

A file that is being edited, or that holds a mistake, must not keep a worker that was killed from being replaced.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from pathlib import Path

Signature = tuple[int, int, int] | None


def signature(path: str) -> Signature:
    """What is other for a file that was written or replaced: inode, modification time, size; None without a file."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns, about.st_size


_known: dict[str, bytes] = {}
_read: dict[str, bytes] = {}
_absent: set[str] = set()


def read(path: str | Path) -> bytes:
    """The bytes of a configuration file; raises `OSError`."""
    name = str(Path(path).absolute())
    data = _known.get(name)
    if data is None:
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError:
            _absent.add(name)
            raise
    _read[name] = data
    return data


def remember(files: dict[str, str]) -> None:
    """Let these be what is read, by absolute name, in base64."""
    _known.update({name: b64decode(data) for name, data in files.items()})


def looked_for() -> list[str]:
    """The absolute names of what was read, and of what would have been, had it been there."""
    return sorted({*_read, *_absent})


def seen() -> dict[str, str]:
    """What was read, in the form that `remember` takes."""
    return {name: b64encode(data).decode() for name, data in sorted(_read.items())}
