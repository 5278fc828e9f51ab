"""Finds out whether a function's code has changed: by asking when a request comes, not by being told at some time.

On Linux the kernel is asked for its notices (`notices`). Where it has none (another system, a network or shared file
system, a limit of inotify) the files are looked at: the same on macOS, NFS and bind mounts.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lambdaproxy.base.files import Signature, signature
from lambdaproxy.runtime.notices import Notices, identity, is_folder

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IReactorTime

SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", "__pycache__", "node_modules", ".venv", "venv", ".tox", ".mypy_cache", ".ruff_cache",
     ".pytest_cache", ".idea", ".vscode", ".aws-sam"}
)  # fmt: skip
CODE_SUFFIXES = (
    ".py", ".pth", ".so", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".node", ".wasm", ".sh", ".rb", ".pl",
    ".php", ".lua", ".jar", ".class", ".dll",
)  # fmt: skip
CODE_NAMES = frozenset({"package.json"})
MOST_FILES = 5000
"""Files, of any kind, that are looked at while others wait: some 10 ms."""
MOST_FILES_THREAD = 1_000_000
THREAD_SECONDS = 1.0

OFTEN, OFTEN_WITHIN, REST = 40, 10.0, 1.0
"""After so many changes in so many seconds, each while other requests were in progress, it is looked at once in `REST`
seconds until a look finds nothing new: a function that writes its own code would be started anew for each request."""

Snapshot = frozenset[tuple[str, int, int, int]]


def enters(folder: str) -> bool:
    """Whether there may be code of the function in a folder of this name."""
    return folder not in SKIPPED_FOLDERS


def is_code(path: str) -> bool:
    """Whether the file is code: by its suffix, or a program without one. What functions and tools write is neither."""
    name = os.path.basename(path)
    if name.endswith(CODE_SUFFIXES):
        return not name.startswith(".#")  # what Emacs locks a file with
    return name in CODE_NAMES or ("." not in name and os.path.isfile(path) and os.access(path, os.X_OK))


def scan(roots: Iterable[str], most: int) -> Snapshot | None:
    """Path, inode, modification time and size of all code below `roots`; None if that takes more than `most` files."""
    seen = 0
    found: set[tuple[str, int, int, int]] = set()
    folders = [root for root in roots if os.path.isdir(root)]
    linked = set(map(identity, folders))
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    seen += 1
                    if seen > most:
                        return None
                    if is_folder(entry, linked):
                        if enters(entry.name):
                            folders.append(entry.path)
                    elif is_code(entry.path):
                        try:
                            about = entry.stat()
                        except OSError:
                            continue
                        found.add((entry.path, about.st_ino, about.st_mtime_ns, about.st_size))
        except OSError:
            continue
    return frozenset(found)


class Watch:
    """Says of one function whether its code has changed since it was asked the last time.

    Without notices of the kernel a tree with more than 5,000 files is looked at in a thread, at most once a
    second: then a change is seen by the request after the next look. `in_thread` is `threads.deferToThread`. `changed`
    is called with the path of a file, and `often` with that of one that changes all the time, once. `files` are more
    files that matter, whatever their names.
    """

    def __init__(
        self,
        roots: Iterable[str],
        clock: IReactorTime,
        changed: Callable[[str], None],
        in_thread: Callable[..., Deferred[Any]],
        notify: bool = True,
        files: Iterable[str] = (),
        often: Callable[[str], object] = lambda path: None,
    ) -> None:
        self._files: dict[str, Signature] = dict.fromkeys(files)
        self._roots, self._clock, self._changed = tuple(roots), clock, changed
        self._in_thread, self._notify = in_thread, notify
        self._notices: Notices | None = None
        self._known: Snapshot | None = None
        self._next = 0.0
        self._large = False
        self._looking = self._looked_at_files = False
        self._often, self._said = often, False
        #: When the last changes were seen; while it is full of late ones, code is looked at after `_rest` only.
        self._times: deque[float] = deque(maxlen=OFTEN)
        self._rest = 0.0
        self._seen = 0
        self._others: Callable[[], bool] = lambda: False

    def look(self, others: Callable[[], bool] = lambda: False) -> None:
        """Call `changed` if the files are others than at the last look.

        `others` says whether other requests are in progress: what changes while nobody else is there was saved by
        somebody who asks in between, and each of his requests finds what he saved.
        """
        if self._files:
            self._look_at_files()
        self._others = others
        if not self._rest or not others():
            self._look_at_code()
            return
        now = self._clock.seconds()
        if now >= self._rest:
            seen = self._seen
            self._rest = now + REST
            self._look_at_code()
            if self._seen == seen:
                self._rest = 0.0
                self._times.clear()

    def _tell(self, path: str) -> None:
        """Code has changed; see whether it does all the time."""
        self._seen += 1
        if not self._others():
            self._changed(path)
            return
        now = self._clock.seconds()
        self._times.append(now)
        if not self._rest and len(self._times) == OFTEN and now - self._times[0] < OFTEN_WITHIN:
            self._rest = now + REST
            if not self._said:
                self._said = True
                self._often(path)
        self._changed(path)

    def _look_at_files(self) -> None:
        for path, known in self._files.items():
            found = signature(path)
            if found != known:
                self._files[path] = found
                if self._looked_at_files:
                    self._changed(path)
        self._looked_at_files = True

    def _look_at_code(self) -> None:
        if self._notices is not None:
            self._read(self._notices)
        elif self._notify:
            self._begin()
        elif not self._large:
            found = scan(self._roots, MOST_FILES)
            if found is None:
                self._large = True
                self._look_in_thread()
            else:
                self._compare(found)
        elif self._clock.seconds() >= self._next and not self._looking:
            self._look_in_thread()

    def close(self) -> None:
        """Look no more."""
        self._notify = False
        if self._notices is not None:
            self._notices.close()
            self._notices = None

    def _begin(self) -> None:
        """The first look: notices from now on, or, where there are none, the files as they are."""
        try:
            self._notices = Notices(self._roots, enters, is_code)
        except OSError:
            self._notify = False
            self._look_at_code()

    def _read(self, notices: Notices) -> None:
        try:
            path = notices.read()
        except OSError:
            # Some were lost, or what is new cannot be watched: begin anew, and take it for changed.
            notices.close()
            self._notices = None
            path = self._roots[0]
            self._begin()
        if path is not None:
            self._tell(path)

    def _look_in_thread(self) -> None:
        self._looking = True
        self._in_thread(scan, self._roots, MOST_FILES_THREAD).addBoth(self._looked)

    def _looked(self, found: object) -> None:
        self._looking = False
        self._next = self._clock.seconds() + THREAD_SECONDS
        if isinstance(found, frozenset):
            self._compare(found)

    def _compare(self, found: Snapshot) -> None:
        known, self._known = self._known, found
        if known is not None and known != found:
            self._tell(min(path for path, *_ in known ^ found))
