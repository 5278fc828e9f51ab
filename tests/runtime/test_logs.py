"""Lines of functions: however they are cut, bounded, with the tail that an invocation gets."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from lambdaproxy.runtime import logs
from lambdaproxy.runtime.logs import (
    LAST_BYTES,
    LAST_RECORDS,
    MOST_BYTES,
    MOST_JOINED,
    MOST_LINE,
    MOST_RECORDS,
    TAIL,
    Batch,
    WorkerLog,
    report_line,
)

BEGUN = "it writes more than is kept; what follows is left out for a moment"


def make() -> tuple[WorkerLog, list[str], Clock]:
    records: list[str] = []
    clock = Clock()
    clock.advance(100)
    return WorkerLog("f", lambda _, record: records.append(record), clock), records, clock


def test_lines_are_put_together():
    log, records, _ = make()
    for piece in (b"bulk ", b"0\nnext", b" line\n", b"unfinished"):
        log.feed(piece)
    assert records == ["bulk 0", "next line"]
    log.flush()
    assert records[-1] == "unfinished"


def test_carriage_returns_keep_a_record_together():
    log, records, _ = make()
    log.feed(b"[ERROR] E: no\rTraceback (most recent call last):\r\xc2\xa0\xc2\xa0line\n")
    log.feed(b"from windows\r\n")
    assert records == ["[ERROR] E: no\nTraceback (most recent call last):\n\xa0\xa0line", "from windows"]


def test_bytes_that_are_no_text():
    log, records, _ = make()
    log.feed(b"\xff\x00\n")
    assert records == ["\ufffd\x00"]


@given(
    st.lists(st.binary(max_size=50).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b"")), max_size=20), st.data()
)
def test_however_it_is_cut(lines, data):
    whole = b"".join(line + b"\n" for line in lines)
    log, records, _ = make()
    at = 0
    while at < len(whole):
        size = data.draw(st.integers(1, 30))
        log.feed(whole[at : at + size])
        at += size
    assert records == [line.decode("utf-8", "replace") for line in lines if line]


def test_a_long_line_is_cut():
    log, records, _ = make()
    for _ in range(10):
        log.feed(b"x" * 100_000)
    log.feed(b"\nnext\n")
    note = f" ({10 * 100_000 - MOST_LINE} more bytes were left out)"
    assert [len(record) for record in records] == [MOST_LINE + len(note), 4]
    assert records[0].endswith(note)


def test_a_flood_is_cut_and_counted():
    log, records, clock = make()
    log.feed(b"line\n" * (MOST_RECORDS + 500))
    assert records[MOST_RECORDS:] == [BEGUN]
    clock.advance(1)
    log.feed(b"later\n")
    assert records[-2:] == ["500 records were left out", "later"]


def test_many_bytes_are_a_flood_too():
    log, records, _ = make()
    for _ in range(MOST_BYTES // 100_000 + 10):
        log.feed(b"x" * 100_000 + b"\n")
    assert MOST_BYTES <= sum(map(len, records)) - len(BEGUN) < MOST_BYTES + 100_000 and records[-1] == BEGUN


def test_the_end_and_what_went_wrong_survive_a_flood():
    """What stands last before an invocation ends is its error; what Lambda itself writes is never left out."""
    log, records, _clock = make()
    log.platform("START RequestId: x")
    for _ in range(50):
        log.feed(b"".join(b"%05d\n" % number for number in range(1000)))
    log.feed(b"[ERROR] E: no\rTraceback (most recent call last):\r  File\n")
    log.platform("END RequestId: x\nREPORT RequestId: x")
    lost = 50 * 1000 + 1 - MOST_RECORDS
    at = records.index(BEGUN)
    assert at == 1 + MOST_RECORDS
    assert records[at + 1] == f"{lost} records were left out; the last {LAST_RECORDS} of them follow"
    assert records[at + 2] == "00981"
    assert records[-2:] == [
        "[ERROR] E: no\nTraceback (most recent call last):\n  File",
        "END RequestId: x\nREPORT RequestId: x",
    ]
    assert len(records) == at + 2 + LAST_RECORDS + 1
    log.platform("START RequestId: y")
    log.feed(b"more of the same second\n")
    log.platform("END RequestId: y")
    assert records[-3:] == [BEGUN, "more of the same second", "END RequestId: y"]


def test_of_a_flood_of_long_lines_the_last_64_kb_are_kept():
    log, records, _ = make()
    log.feed(b"a\n" * MOST_RECORDS)
    for number in range(100):
        log.feed(b"%03d" % number * 10_000 + b"\n")
    log.platform("END")
    kept = records[records.index(BEGUN) + 2 : -1]
    assert sum(map(len, kept)) <= LAST_BYTES and kept[-1] == "099" * 10_000 and kept[-2] == "098" * 10_000


def test_tail_is_the_last_4_kib_of_the_invocation():
    log, _, _ = make()
    log.feed(b"before\n")
    log.begin()
    log.feed(b"".join(b"%04d\n" % n for n in range(2000)))
    tail = log.tail()
    assert len(tail) == 4096
    assert tail.endswith(b"1998\n1999\n")
    log.begin()
    log.platform("END RequestId: x")
    assert log.tail() == b"END RequestId: x\n"


def test_tail_holds_what_a_flood_left_out():
    log, _, _ = make()
    log.begin()
    log.feed(b"line\n" * 5000 + b"last\n")
    assert log.tail().endswith(b"last\n")


def test_report():
    assert report_line("id", 0.00301, 128, 36, 0.1101) == (
        "REPORT RequestId: id\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t"
        "Init Duration: 110.10 ms\t"
    )
    assert report_line("id", 1.0, 128, 36, status="timeout").endswith("Max Memory Used: 36 MB\tStatus: timeout\t")
    assert report_line("id", 1.0, 128, 36, status="error", error_type="E").endswith("Status: error\tError Type: E\t")


def test_batches_are_written_together():
    clock = Clock()
    written: list[str] = []
    batch = Batch(clock, written.append)
    batch("f", "one\ntwo")
    batch("g", "three")
    assert written == []
    clock.advance(0.1)
    assert written == ["f: one\nf: two\ng: three"]
    batch("f", "x" * 100_000)
    assert len(written) == 2
    batch("f", "last")
    batch.flush()
    assert written[2] == "f: last"
    assert clock.getDelayedCalls() == []


def test_a_flood_of_lines_costs_no_more_than_the_records_that_are_kept(monkeypatch):
    log, records, clock = make()
    decoded: list[Any] = []
    text = logs._text
    monkeypatch.setattr(logs, "_text", lambda line: decoded.append(line) or text(line))  # type: ignore[func-returns-value]
    log.begin()
    log.feed(b"unfinished")
    for _ in range(16):
        log.feed(b" a\n" * 20_000 + b"\n" * 5_536 + b"b")
    log.feed(b"\nthe last\n")
    assert len(records) - 1 == len(decoded) == MOST_RECORDS
    assert log.tail().endswith(b" a\nb\nthe last\n")
    assert len(log.tail()) == TAIL
    monkeypatch.undo()
    clock.advance(1)
    log.feed(b"next\n")
    assert records[MOST_RECORDS:] == [BEGUN, f"{16 * 20_000 + 2 - MOST_RECORDS} records were left out", "next"]


def test_blank_lines_are_no_records():
    log, records, _ = make()
    log.feed(b"\n" * 60_000 + b"\r\n" * 2000 + b"a\n\n\r\n\nb\n\n")
    log.feed(b"\n\nc\n")
    assert records == ["a", "b", "c"]


def test_a_record_holds_so_many_lines():
    log, records, _ = make()
    log.feed(b"x\r" * 5000 + b"\n")
    assert records[0].count("\n") == MOST_JOINED
    assert "\r" not in records[0]
