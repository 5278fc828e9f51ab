"""Lines for destinations that are slow, full, or not read at all."""

from __future__ import annotations

import os
import threading

import pytest

from lambdaproxy.watch.lines import Writer, to_descriptor, to_file
from tests.processes import WAIT


class Held:
    """A destination that takes nothing until it is let go."""

    def __init__(self) -> None:
        self.go, self.asked = threading.Event(), threading.Event()
        self.taken = b""

    def __call__(self, data: memoryview) -> int:
        self.asked.set()
        assert self.go.wait(WAIT)
        self.taken += bytes(data)
        return len(data)


def losses():
    lost: list[tuple[int, str]] = []
    return lost, lambda lines, why: lost.append((lines, why))


def test_nobody_waits_for_a_destination_that_takes_nothing_and_what_does_not_fit_is_counted():
    held, (lost, lose) = Held(), losses()
    writer = Writer(held, lose, most=10)
    writer.begin()
    writer.write(b"first\n")
    assert held.asked.wait(WAIT)
    writer.write(b"a\n")  # what is being written counts too: 8 bytes now
    writer.write(b"b\nc\nd\n")
    assert [lines for lines, _ in lost] == [3]
    writer.close(0)
    held.go.set()
    writer.close(WAIT)
    assert held.taken == b"first\na\n"
    writer.write(b"after\n")
    assert held.taken == b"first\na\nafter\n"
    assert lost[-1] == (0, "")


def test_before_the_thread_begins_it_is_written_at_once(tmp_path):
    _, lose = losses()
    writer = Writer(to_file(str(tmp_path / "log")), lose)
    writer.write(b"a\n")
    assert (tmp_path / "log").read_bytes() == b"a\n"


def test_every_line_that_was_not_written_counts_and_what_follows_a_cut_one_begins_anew():
    wrote: list[bytes] = []
    room = [3]

    def disk(data: memoryview) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        taken = bytes(data[: room[0]])
        room[0] -= len(taken)
        wrote.append(taken)
        return len(taken)

    lost, lose = losses()
    writer = Writer(disk, lose)
    writer.write(b"a\nbcd\ne\n")
    writer.write(b"f\n")
    assert lost == [(2, "No space left on device"), (1, "No space left on device")]
    room[0] = 100
    writer.write(b"g\n")
    writer.write(b"h\n")
    assert b"".join(wrote) == b"a\nb\ng\nh\n"
    assert lost[2:] == [(0, "")]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_a_full_disk():
    lost, lose = losses()
    Writer(to_file("/dev/full"), lose).write(b"a\nb\n")
    assert lost == [(2, "No space left on device")]


def test_a_descriptor_that_somebody_else_made_non_blocking():
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        lost, lose = losses()
        writer = Writer(to_descriptor(writing), lose)
        writer.begin()
        writer.write(b"x" * 200_000 + b"\n")
        got = b""
        while not got.endswith(b"\n"):
            got += os.read(reading, 65536)
        writer.close(WAIT)
        assert (len(got), lost) == (200_001, [])
    finally:
        os.close(reading)
        os.close(writing)


def test_a_renamed_file_is_opened_anew(tmp_path):
    path = tmp_path / "access.log"
    put = to_file(str(path))
    put(memoryview(b"a\n"))
    os.rename(path, path.with_suffix(".1"))
    put(memoryview(b"b\n"))
    assert (path.read_bytes(), path.with_suffix(".1").read_bytes()) == (b"b\n", b"a\n")
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError):
        put(memoryview(b"c\n"))
    path.rmdir()
    put(memoryview(b"d\n"))
    assert path.read_bytes() == b"d\n"


def test_a_file_that_cannot_be_opened():
    with pytest.raises(OSError):
        to_file("/nowhere/at/all")


def test_a_fifo_waits_for_its_reader_and_for_the_next(tmp_path):
    fifo = str(tmp_path / "fifo")
    os.mkfifo(fifo)
    lost, lose = losses()
    writer = Writer(to_file(fifo), lose)
    writer.begin()
    writer.write(b"a\n")
    with open(fifo, "rb") as reader:
        assert reader.readline() == b"a\n"
        writer.close(WAIT)
    writer.write(b"b\n")
    assert [lines for lines, _ in lost] == [1]
    writer.close(0)
    writer.write(b"c\n")
    with open(fifo, "rb") as reader:
        assert reader.readline() == b"c\n"
