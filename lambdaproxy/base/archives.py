"""Unpacks what would be uploaded to Lambda: the zip of a function or of a layer."""

from __future__ import annotations

import atexit
import os
import shutil
import stat
import tempfile
import zipfile

MOST_UNPACKED = 250 * 1024 * 1024
"""Bytes that Lambda lets the code of a function and its layers have, unpacked."""
MOST_LINK = 4096


def unpack(path: str, written: str | None = None) -> str:
    """The folder, which goes with the process, where what the zip holds is; raises `ValueError` with a sentence.

    Programs stay executable, and links are links: they are made last, so that no file is written through one.
    """
    name = written or path
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            if sum(one.file_size for one in entries) > MOST_UNPACKED:
                raise ValueError(f"{name} unpacks to more than the 250 MB that Lambda takes")
            folder = temporary()
            links = [one for one in entries if stat.S_ISLNK(one.external_attr >> 16)]
            for one in entries:
                if stat.S_ISLNK(one.external_attr >> 16):
                    continue
                out = archive.extract(one, folder)
                if one.external_attr >> 16 & stat.S_IXUSR and os.path.isfile(out):
                    os.chmod(out, 0o700)
            for one in links:
                place = os.path.normpath(os.path.join(folder, one.filename))
                above = os.path.dirname(place)
                if one.file_size > MOST_LINK or not place.startswith(folder + os.sep) or os.path.lexists(place):
                    continue
                if os.path.realpath(above) == above:  # no link of the same zip leads out of it
                    os.makedirs(above, exist_ok=True)
                    os.symlink(archive.read(one).decode(), place)
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, UnicodeDecodeError) as problem:
        raise ValueError(f"{name} cannot be unpacked: {problem}") from None
    return folder


def temporary() -> str:
    """A folder that goes with the process."""
    folder = os.path.realpath(tempfile.mkdtemp(prefix="lambdaproxy-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
