"""Builds of the distribution that are the same, byte for byte, wherever and whenever they are made."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

HOW: list[str] = []
"""More options for `build`."""


class Failed(Exception):
    """A program ended with an error; its last words."""


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    """What a program writes to standard output; raises `Failed`."""
    given = [str(word) for word in words]
    done = subprocess.run(
        given, cwd=cwd, capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    if done.returncode:
        said = (done.stderr + done.stdout).strip().splitlines()
        raise Failed(f"{' '.join(given)[:100]} ended with {done.returncode}: {said[-1] if said else 'it says nothing'}")
    return done.stdout


def _build(source: Path, folder: Path, epoch: int, kind: str, **environment: str) -> Path:
    """What `build` makes of the tree at `source`, in a folder of its own below `folder`."""
    out = folder / kind.strip("-")
    for path in (source, *source.rglob("*")):
        # Archives keep the modes of files, which are those of whoever cloned; git keeps whether they can be run.
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    words: tuple[str | Path, ...] = (sys.executable, "-m", "build", kind, *HOW, "--outdir", out, source)
    before = os.umask(0o022)
    try:
        run(*words, cwd=folder, SOURCE_DATE_EPOCH=str(epoch), PYTHONHASHSEED="0", **environment)
    finally:
        os.umask(before)
    (made,) = out.iterdir()
    return made


def wheel(source: Path, folder: Path, epoch: int) -> Path:
    """The pure wheel."""
    return _build(source, folder, epoch, "--wheel", LAMBDAPROXY_COMPILE="0")


def compiled(source: Path, folder: Path, epoch: int) -> Path:
    """The compiled wheel: without information for debuggers, which would name the folder that it was built in."""
    flags = f"{os.environ.get('CFLAGS', '')} -g0 -ffile-prefix-map={source}=."
    return _build(source, folder, epoch, "--wheel", LAMBDAPROXY_COMPILE="1", CFLAGS=flags)


def sdist(source: Path, folder: Path, epoch: int) -> Path:
    """The source distribution; setuptools keeps times and owners in it, so it is written anew."""
    made = _build(source, folder, epoch, "--sdist")
    made.write_bytes(normalised(made.read_bytes(), epoch))
    return made


def normalised(archive: bytes, epoch: int) -> bytes:
    """A .tar.gz with its members in order, of nobody, and as old as `epoch`."""
    plain = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(archive)) as old,
        tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    return gzip.compress(plain.getvalue(), compresslevel=9, mtime=epoch)


def unpacked(archive: Path, folder: Path) -> Path:
    """The one folder that is in a .tar.gz of ours; Python's own filters are newer than the oldest Python 3.11."""
    run("tar", "--no-same-owner", "-xzf", archive, "-C", folder, cwd=folder)
    (made,) = folder.iterdir()
    return made


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
