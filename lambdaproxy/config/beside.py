"""Where relative names of files in a configuration file are looked for: beside it, wherever the program was started.

What is typed on the command line is of the folder where it was typed. A name that is in both places is the one beside
the file, and said to be; one that is in the current folder only is refused, because somebody means that one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_folder: ContextVar[str | None] = ContextVar("folder", default=None)
_noted: list[str] = []

_PARTS = re.compile(r"(?<!\\):")
_FILES = ("address", "privateKey", "certKey", "extraCertChain", "dhParameters")
"""What of a Twisted endpoint is a file's name."""


@contextmanager
def beside(folder: str) -> Iterator[None]:
    """Let relative names be of this folder."""
    before = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(before)
        _noted.clear()


def noted() -> list[str]:
    """What is to be said of the names since the last call."""
    found, _noted[:] = [*_noted], []
    return found


def absolute(name: str) -> str:
    """The name with its folder; `ValueError` for one that is not beside the file but in the current folder."""
    name = os.path.expanduser(name)
    here, folder = os.path.abspath(name), _folder.get()
    if folder is None:
        return here
    there = os.path.normpath(os.path.join(folder, name))
    if here == there or not os.path.exists(here):
        return there
    if not os.path.exists(there):
        raise ValueError(
            f"{name!r} is looked for beside the file that names it, as {there}, where it is not; if you mean {here}, "
            "write that"
        )
    if not os.path.samefile(here, there):
        _noted.append(f"{name!r} is {there}, beside this file, and not {here}")
    return there


def endpoint(description: str) -> str:
    """The description of an endpoint, with the files that it names where they are looked for."""
    if _folder.get() is None or not description.removeprefix("haproxy:").startswith(("unix:", "ssl:")):
        return description
    parts = _PARTS.split(description)
    plain = next((at for at, part in enumerate(parts) if at and "=" not in part and parts[at - 1] == "unix"), None)
    for at, part in enumerate(parts):
        name, equals, value = part.partition("=")
        if at == plain:
            parts[at] = _of_endpoint(part)
        elif equals and name in _FILES and value:
            parts[at] = f"{name}={_of_endpoint(value)}"
    return ":".join(parts)


def _of_endpoint(written: str) -> str:
    """A name in an endpoint, where backslashes keep colons and equals signs from meaning something."""
    name = re.sub(r"\\(.)", r"\1", written)
    return written if os.path.isabs(name) else re.sub(r"([\\:=])", r"\\\1", absolute(name))
