"""How Python functions import: byte code that is never older than its source, and Lambda's SDK where they have none.

Byte code in the usual place is told from its source by whole seconds and the size: an edit within a second could run
the old code. Ours lies in a folder of our own, and is told by everything that the file system knows of a file's change.
"""
# mypy: ignore-errors

import os
import sys
import time
from _frozen_importlib_external import (
    BYTECODE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    PathFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from _imp import extension_suffixes

RECENT = 0.05
"""Seconds within which a file may be written twice at what its file system calls the same time."""
SDK = frozenset(("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3"))


def _exact(about):
    """A number of 32 bits that is another after every change of a file."""
    return hash((about.st_mtime_ns, about.st_ctime_ns, about.st_ino, about.st_size)) & 0xFFFFFFFF


def set_up(root, told):
    """Watch over the imports of the function in the folder `root`; `told` may hold a `cache` and an `sdk`."""
    if "cache" in told:
        roots = (root, *told.get("layer", ()))
        sys.path_hooks.insert(0, _hook(roots, told["cache"][0]))
        for path in list(sys.path_importer_cache):
            if path.startswith(roots) or "site-packages" in path:
                del sys.path_importer_cache[path]
    if "sdk" in told:
        sys.meta_path.append(_Sdk(told["sdk"][0]))


def _hook(roots, cache):
    class Loader(SourceFileLoader):
        """Source with byte code in our folder."""

        def get_code(self, fullname):
            before = sys.pycache_prefix, sys.dont_write_bytecode
            installed = os.sep + "site-packages" + os.sep in self.path
            if not (installed and os.path.exists(_usual(self.path))):
                sys.pycache_prefix, sys.dont_write_bytecode = cache, False
            try:
                return super().get_code(fullname)
            finally:
                sys.pycache_prefix, sys.dont_write_bytecode = before

        def path_stats(self, path):
            about = os.stat(path)
            if sys.pycache_prefix != cache:
                return {"mtime": about.st_mtime, "size": about.st_size}
            return {"mtime": _exact(about), "size": about.st_size}

        def _cache_bytecode(self, source_path, bytecode_path, data):
            about = os.stat(source_path)
            changed = int.from_bytes(data[8:12], "little") != _exact(about)
            if not changed and time.time() - max(about.st_mtime, about.st_ctime) > RECENT:
                super()._cache_bytecode(source_path, bytecode_path, data)

    loaders = (
        (ExtensionFileLoader, extension_suffixes()),
        (Loader, [".py"]),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )
    make = FileFinder.path_hook(*loaders)

    def hook(path):
        if not (path.startswith(roots) or "site-packages" in path):
            raise ImportError("not of the function", path=path)
        return make(path)

    return hook


def _usual(path):
    folder, name = os.path.split(path)
    return os.path.join(folder, "__pycache__", f"{name[:-3]}.{sys.implementation.cache_tag}.pyc")


class _Sdk:
    """Finds the SDK that Lambda's own runtime ships, after everything that the function has itself."""

    def __init__(self, folder):
        self._folder = folder

    def find_spec(self, name, path=None, target=None):
        if path is None and name in SDK:
            return PathFinder.find_spec(name, [self._folder], target)
        return None
