"""What is kept of functions' logs, and those who follow them."""

from __future__ import annotations

from twisted.internet.testing import StringTransport

from lambdaproxy.runtime.kept import MOST_BEHIND, MOST_FOLLOWERS, MOST_KEPT, Kept

NOW = 1_700_000_000.25
STAMP = "2023-11-14T22:13:20.250Z"


class Reader(StringTransport):
    """A consumer whose buffer the test looks at."""

    @property
    def text(self) -> str:
        return str(self.value(), "utf-8")


def test_records_have_time_and_function_on_every_line():
    kept = Kept(lambda: NOW)
    kept("a", "one\ntwo\t")
    kept("b", "\ud800")
    assert kept.last("a").decode() == f"{STAMP} a one\n{STAMP} a two\n"
    assert kept.last(None).decode().endswith(f"{STAMP} b \\ud800\n")


def test_a_megabyte_is_kept():
    kept = Kept(lambda: NOW)
    for number in range(3000):
        kept("a", f"{number} " + "x" * 1000)
    held = kept.last(None)
    assert MOST_KEPT - 2000 < len(held) <= MOST_KEPT and b" 2999 x" in held and b" 12 x" not in held
    kept("a", "y" * (2 * MOST_KEPT))
    assert kept.last(None).count(b"\n") == 1


def test_followers_get_what_is_there_and_what_comes():
    kept = Kept(lambda: NOW)
    kept("a", "before")
    every, one = kept.follow(None), kept.follow("b")
    assert every is not None and one is not None
    kept("a", "between")
    readers = Reader(), Reader()
    done = [follower.start(reader) for follower, reader in zip((every, one), readers, strict=True)]
    kept("b", "after")
    assert [line.rpartition(" ")[2] for line in readers[0].text.splitlines()] == ["before", "between", "after"]
    assert readers[1].text == f"{STAMP} b after\n"
    kept.close()
    assert all(each.called for each in done) and readers[0].producer is None
    kept("b", "later")
    assert "later" not in readers[1].text


def test_one_who_reads_slowly_holds_a_bounded_part_and_is_told_what_he_missed():
    kept = Kept(lambda: NOW)
    follower = kept.follow(None)
    assert follower is not None
    reader = Reader()
    follower.start(reader)
    follower.pauseProducing()
    for _ in range(1000):
        kept("a", "x" * 1000)
    assert follower._size <= MOST_BEHIND
    assert reader.text == ""
    follower.resumeProducing()
    lines = reader.text.splitlines()
    missed = 1000 - (len(lines) - 1)
    assert missed > 500 and lines[-1] == f"({missed} records were left out, because they were not read)"
    kept("a", "again")
    assert reader.text.endswith("again\n")


def test_who_leaves_is_forgotten():
    kept = Kept(lambda: NOW)
    followers = [kept.follow(None) for _ in range(MOST_FOLLOWERS)]
    assert kept.follow(None) is None and None not in followers
    started, stopped = followers[0], followers[1]
    assert started is not None and stopped is not None
    started.start(Reader()).addErrback(lambda _: None).cancel()
    stopped.start(Reader())
    stopped.stopProducing()
    assert kept.follow(None) is not None and kept.follow(None) is not None and kept.follow(None) is None
