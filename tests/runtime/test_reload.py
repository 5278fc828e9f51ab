"""Finding changed code: by the kernel's notices, and by looking where there are none."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from lambdaproxy.runtime import notices, reload
from lambdaproxy.runtime.reload import Watch, is_code, scan


@pytest.fixture
def tree(tmp_path):
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "a.py").write_text("1")
    (tree / "inner/b.mjs").write_text("{}")
    (tree / "bootstrap").write_text("")
    (tree / "bootstrap").chmod(0o755)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/c.py").write_text("1")
    (tree / "linked").symlink_to("../elsewhere")
    (tree / "linked.py").symlink_to("../elsewhere/c.py")
    (tree / "inner/circle").symlink_to("..")
    return tree


class Looking:
    """A watch with a clock."""

    def __init__(self, *roots, notify=True):
        self.clock = Clock()
        self.changes: list[str] = []
        self.threads: list[Any] = []
        self.often: list[str] = []
        self.watch = Watch(
            map(str, roots), self.clock, self.changes.append, self.in_thread, notify, often=self.often.append
        )

    def in_thread(self, call, *args):
        self.threads.append((call, args, Deferred()))
        return self.threads[-1][2]

    def look(self, after=0.0, others=False):
        self.clock.advance(after)
        self.watch.look(lambda: others)
        return len(self.changes)


@pytest.fixture(params=["notices", "looks"])
def looking(request, tree):
    if request.param == "notices" and sys.platform != "linux":
        pytest.skip("needs inotify")
    looking = Looking(tree, notify=request.param == "notices")
    looking.look()
    assert (looking.watch._notices is not None) == (request.param == "notices")
    yield looking
    looking.watch.close()


def edit_same_size(tree):
    about = os.stat(tree / "a.py")
    (tree / "a.py").write_text("2")
    os.utime(tree / "a.py", ns=(about.st_atime_ns, about.st_mtime_ns + 1))


def replace_root(tree):
    tree.rename(tree.parent / "old")
    tree.mkdir()
    (tree / "a.py").write_text("new")


CHANGES = {
    "edited": lambda tree: (tree / "a.py").write_text("22"),
    "edited within the second, same size": edit_same_size,
    "added": lambda tree: (tree / "inner/c.py").write_text(""),
    "removed": lambda tree: (tree / "inner/b.mjs").unlink(),
    "replaced": lambda tree: ((tree / "new").write_text("1"), (tree / "new").rename(tree / "a.py")),
    "folder added with a file": lambda tree: ((tree / "d").mkdir(), (tree / "d/x.py").write_text("")),
    "folders moved in": lambda tree: (
        (tree.parent / "d/e").mkdir(parents=True),
        (tree.parent / "d/e/x.py").write_text(""),
        (tree.parent / "d").rename(tree / "d"),
    ),
    "folder renamed": lambda tree: (tree / "inner").rename(tree / "outer"),
    "behind a link to a folder": lambda tree: (tree.parent / "elsewhere/d.py").write_text("1"),
    "behind a link to a file": lambda tree: (tree.parent / "elsewhere/c.py").write_text("22"),
    "program": lambda tree: (tree / "bootstrap").write_text("22"),
    "the folder itself": replace_root,
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_are_seen_by_the_next_look_and_once(looking, tree, name):
    assert looking.look() == 0
    CHANGES[name](tree)
    assert looking.look() == 1
    assert looking.look() == 1
    assert str(tree.parent) in looking.changes[0]
    # And again, whatever was replaced.
    (tree / "a.py").write_text("333")
    assert looking.look() == 2
    assert looking.changes[1] == str(tree / "a.py")


def test_code_that_came_with_a_change_is_watched(looking, tree):
    (tree / "d/e").mkdir(parents=True)
    (tree / "d/e/x.py").write_text("")
    looking.look()
    (tree / "d/e/x.py").write_text("1")
    assert looking.look() == 2
    other = tree.parent / "elsewhere/new"
    other.write_text("33")
    other.rename(tree.parent / "elsewhere/c.py")
    assert looking.look() == 3
    (tree.parent / "elsewhere/c.py").write_text("4444")
    assert looking.look() == 4


IGNORED = {
    "byte code": "a.pyc",
    "cache": "__pycache__/a.py",
    "git": ".git/index",
    "modules": "node_modules/x.js",
    "log": "out.log",
    "database": "data.sqlite3",
    "swap": ".a.py.swp",
    "the CLI's": "out.json",
    "text": "inner/report.txt",
    "table": "result.csv",
    "page": "inner/page.html",
    "no suffix": "lock",
    "in a folder of its own": "tmp4711/out",
    "lock of an editor": ".#a.py",
}


@pytest.mark.parametrize("name", IGNORED)
def test_what_is_no_code_changes_nothing(looking, tree, name):
    path = tree / IGNORED[name]
    path.parent.mkdir(exist_ok=True)
    for text in ("x", "yy"):
        path.write_text(text)
        assert looking.look() == 0
    path.unlink()
    if path.parent.name.startswith("tmp"):
        path.parent.rmdir()
    assert looking.look() == 0


def test_every_save_is_seen_however_fast_they_come(tree):
    looking = Looking(tree)
    looking.look()
    for count in range(200):
        (tree / "a.py").write_text(str(count % 10))
        assert looking.look() == count + 1, "the same size, and often the same time"
    looking.watch.close()


def test_a_large_tree_costs_nothing_when_nothing_has_changed(tree, monkeypatch):
    for count in range(300):
        (tree / f"inner/{count}.py").write_text("")
    monkeypatch.setattr(reload, "MOST_FILES", 100)
    looking = Looking(tree)
    looking.look()
    monkeypatch.setattr(os, "scandir", None)
    assert looking.look() == 0
    (tree / "inner/299.py").write_text("1")
    assert looking.look() == 1
    assert looking.threads == []
    looking.watch.close()


@pytest.mark.parametrize("why", ["folders", "silent", "missing"])
def test_where_there_are_no_notices_files_are_looked_at(tree, monkeypatch, why):
    root = tree
    if why == "folders":
        monkeypatch.setattr(notices, "MOST_FOLDERS", 1)
    elif why == "silent":
        monkeypatch.setattr(notices, "_silent", lambda _: True)
    else:
        root = tree / "later"
    looking = Looking(root)
    assert looking.look() == 0
    assert looking.watch._notices is None
    root.mkdir(exist_ok=True)
    (root / "a.py").write_text("22")
    assert looking.look() == 1


def test_lost_notices_are_a_change(tree, monkeypatch):
    looking = Looking(tree)
    looking.look()
    found: Any = looking.watch._notices
    fd = found._fd
    real = os.read
    overflow = notices._EVENT.pack(-1, notices._OVERFLOW, 0, 0)
    monkeypatch.setattr(os, "read", lambda number, size: overflow if number == fd else real(number, size))
    assert looking.look() == 1
    monkeypatch.undo()
    assert looking.look() == 1
    (tree / "a.py").write_text("22")
    assert looking.look() == 2
    looking.watch.close()


def test_many_files_are_looked_at_in_a_thread(tree, monkeypatch):
    monkeypatch.setattr(reload, "MOST_FILES", 1)
    looking = Looking(tree, notify=False)
    looking.look(after=10)
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
    assert looking.changes == [str(tree / "a.py")]


def test_many_files_that_are_no_code_are_looked_at_in_a_thread_too(tree, monkeypatch):
    for count in range(50):
        (tree / f"{count}.txt").write_text("")
    monkeypatch.setattr(reload, "MOST_FILES", 40)
    looking = Looking(tree, notify=False)
    looking.look(after=10)
    ((call, args, done),) = looking.threads
    done.callback(call(*args))
    (tree / "a.py").write_text("22")
    looking.look(after=2)
    call, args, done = looking.threads[1]
    done.callback(call(*args))
    assert looking.changes == [str(tree / "a.py")]


def test_code_that_changes_all_the_time_is_looked_at_once_a_second_until_it_is_quiet(tree, looking):
    for count in range(reload.OFTEN):
        (tree / "a.py").write_text(str(count) * (count + 1))
        assert looking.look(after=0.01, others=True) == count + 1
    assert looking.often == [str(tree / "a.py")]
    for count in range(300):
        (tree / "a.py").write_text(str(count) * (count + 2))
        looking.look(after=0.01, others=True)
    seen = len(looking.changes)
    assert 2 <= seen - reload.OFTEN <= 3, "three seconds"
    # Who asks while nobody else does finds what he saved.
    (tree / "a.py").write_text("x" * 600)
    assert looking.look() == (seen := seen + 1)
    (tree / "a.py").write_text("x" * 601)
    # What was written last is seen, though a little later.
    assert looking.look(after=1.1, others=True) == seen + 1
    assert looking.look(after=1.1, others=True) == seen + 1
    # It was quiet for a second, so each change is seen at once again.
    for count in range(3):
        (tree / "a.py").write_text("x" * (700 + count))
        assert looking.look(others=True) == seen + 2 + count
    assert looking.often == [str(tree / "a.py")]


def test_too_many_and_missing(tree):
    assert scan([str(tree)], 1) is None
    assert scan([str(tree / "nowhere")], 10) == frozenset()
    looking = Looking(tree / "nowhere")
    assert looking.look() == 0


def test_dangling_links_are_left_out(tree):
    before = scan([str(tree)], 10)
    (tree / "link.py").symlink_to("nowhere")
    assert scan([str(tree)], 10) == before


def test_what_is_code(tree):
    assert is_code(str(tree / "bootstrap"))
    assert is_code(str(tree / "package.json"))
    assert not is_code(str(tree / "inner"))
    assert not is_code(str(tree / "data"))
