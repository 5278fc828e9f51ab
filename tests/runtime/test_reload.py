"""Finding changed files: by looking, at a bounded cost."""

from __future__ import annotations

import os

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lambdaproxy.runtime import reload
from lambdaproxy.runtime.reload import SHARE, Watch, scan


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "a.py").write_text("1")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner/b.json").write_text("{}")
    return tmp_path


class Looking:
    """A watch with a clock, and scans that take as long as the test says."""

    def __init__(self, *roots):
        self.clock = Clock()
        self.clock.advance(10)
        self.took = 0.001
        self.changes = 0
        self.threads = []
        self._time = 0.0
        self.watch = Watch(map(str, roots), self.clock, self.changed, self.in_thread, self.timer)

    def changed(self):
        self.changes += 1

    def timer(self):
        self._time += self.took
        return self._time

    def in_thread(self, call, *args):
        self.threads.append((call, args, Deferred()))
        return self.threads[-1][2]

    def look(self, after=1.0):
        self.clock.advance(after)
        self.watch.look()
        return self.changes


def edit_same_size(tree):
    about = os.stat(tree / "a.py")
    (tree / "a.py").write_text("2")
    os.utime(tree / "a.py", ns=(about.st_atime_ns, about.st_mtime_ns + 1))


CHANGES = {
    "edited": lambda tree: (tree / "a.py").write_text("22"),
    "edited within the second, same size": edit_same_size,
    "added": lambda tree: (tree / "inner/c.py").write_text(""),
    "removed": lambda tree: (tree / "inner/b.json").unlink(),
    "replaced": lambda tree: ((tree / "new").write_text("1"), (tree / "new").rename(tree / "a.py")),
    "folder added with a file": lambda tree: ((tree / "d").mkdir(), (tree / "d/x").write_text("")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_seen_once(tree, name):
    looking = Looking(tree)
    assert looking.look() == 0
    assert looking.look() == 0
    CHANGES[name](tree)
    assert looking.look() == 1
    assert looking.look() == 1


IGNORED = {
    "byte code": "a.pyc",
    "cache": "__pycache__/a.py",
    "git": ".git/index",
    "modules": "node_modules/x.js",
    "log": "out.log",
    "database": "data.sqlite3",
    "swap": ".a.py.swp",
}


@pytest.mark.parametrize("name", IGNORED)
def test_what_is_no_code_changes_nothing(tree, name):
    looking = Looking(tree)
    looking.look()
    path = tree / IGNORED[name]
    path.parent.mkdir(exist_ok=True)
    path.write_text("x")
    assert looking.look() == 0


def test_costs_a_twentieth_at_most(tree):
    looking = Looking(tree)
    looking.took = 0.1
    looking.look()
    (tree / "a.py").write_text("22")
    assert looking.look(after=SHARE * 0.1 - 0.01) == 0
    assert looking.look(after=0.02) == 1


def test_many_files_are_looked_at_in_a_thread(tree, monkeypatch):
    monkeypatch.setattr(reload, "MOST_FILES", 1)
    looking = Looking(tree)
    looking.look()
    (call, args, done) = looking.threads[0]
    looking.look()
    assert len(looking.threads) == 1, "one at a time"
    done.callback(call(*args))
    assert looking.look(after=0.5) == 0
    assert len(looking.threads) == 1, "once a second"
    (tree / "a.py").write_text("22")
    looking.look(after=0.6)
    call, args, done = looking.threads[1]
    done.callback(call(*args))
    assert looking.changes == 1


def test_too_many_and_missing(tree):
    assert scan([str(tree)], 1) is None
    assert scan([str(tree / "nowhere")], 10) == frozenset()
    looking = Looking(tree / "nowhere")
    assert looking.look() == 0


def test_dangling_links_are_left_out(tree):
    (tree / "link").symlink_to("nowhere")
    found = scan([str(tree)], 10)
    assert found is not None
    assert len(found) == 2
