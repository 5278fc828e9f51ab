"""Metrics of several workers are one: sums, maxima, and what is each worker's own."""

import os
import subprocess
import sys
import time

import pytest
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from lambdaproxy.base.board import DRAINING, LIVE, NUMBER, STATE, Area, Board, create
from lambdaproxy.watch.lines import locked, to_file
from lambdaproxy.watch.shared import SharedMetrics, exposition
from tests.processes import WAIT


@pytest.fixture
def board():
    descriptor = create(4)
    yield Board(descriptor)
    os.close(descriptor)


def worker(board, slot, state=LIVE):
    metrics = SharedMetrics(board, slot)
    metrics.area.set(STATE, state)
    metrics.area.set(NUMBER, slot - 1)
    return metrics


def text(metrics):
    return generate_latest(exposition(metrics)).decode()


def test_any_worker_gives_the_sums(board):
    workers = [worker(board, 1), worker(board, 2), worker(board, 3, DRAINING)]
    for number, metrics in enumerate(workers, 1):
        counter = metrics.counter("hits_total", "Hits.", ("kind",)).cell("a")
        counter.inc()
        counter.inc(number)
        assert counter.value == 1 + number
        metrics.gauge("ends", "When.", (), "max").cell().set(10.0 * number)
        metrics.gauge("open", "Open.").cell().set(number)
        metrics.read_gauge("held", "Held.", lambda number=number: 100.0 * number)
        ready = metrics.gauge("ready", "Ready.", (), "min").cell()
        metrics.before_reading(lambda ready=ready, number=number: ready.set(number))
        histogram = metrics.histogram("seconds", "How long.", (), (0.1, 1)).cell()
        histogram.observe(0.0625)
        histogram.observe(2.0)
        assert (histogram.counts, histogram.sum) == ([1, 0, 1], 2.0625)
        metrics.refresh()
    for metrics in workers:
        shown = text(metrics)
        assert 'hits_total{kind="a"} 9.0' in shown
        assert "\nready 1.0" in shown
        assert "\nopen 6.0" in shown and "\nheld 600.0" in shown
        assert "\nends 20.0" in shown, "what an old generation says of itself is of no interest"
        assert (
            'seconds_bucket{le="0.1"} 3.0' in shown and "seconds_count 6.0" in shown and "seconds_sum 6.1875" in shown
        )


def test_a_worker_that_was_killed_is_still_counted(board):
    first, second = worker(board, 1), worker(board, 2)
    for metrics in (first, second):
        metrics.counter("hits_total", "Hits.").cell().inc(3)
    board.fold(1, Area(board, 0))
    assert "hits_total 6.0" in text(second)
    another = worker(board, 1)
    another.counter("hits_total", "Hits.").cell().inc()
    assert "hits_total 7.0" in text(second)


def test_exemplars_are_those_of_the_worker_that_is_asked(board):
    first, second = worker(board, 1), worker(board, 2)
    for metrics, trace in ((first, "1-a"), (second, "1-b")):
        metrics.histogram("h_seconds", "H.", ("x",), (0.1, 1)).cell("y").observe_traced(0.5, trace, time.time())
    shown = generate_openmetrics(exposition(second)).decode()
    assert 'h_seconds_bucket{le="1.0",x="y"} 2.0 # {trace_id="1-b"} 0.5\n' in shown
    assert "1-a" not in shown


def test_of_each_process_there_is_one_number(board):
    first, second = worker(board, 1), worker(board, 2)
    first.refresh(process=True)
    shown = text(second)
    for number in (0, 1):
        assert f'process_resident_memory_bytes{{worker="{number}"}}' in shown
        assert f'process_cpu_seconds_total{{worker="{number}"}}' in shown
    assert "# TYPE process_cpu_seconds_total counter" in shown


def test_another_version_s_series_do_no_harm(board):
    first, second = worker(board, 1), worker(board, 2)
    first.counter("hits_total", "Hits.", ("kind",)).cell("a").inc()
    second.counter("hits_total", "Hits.", ("kind", "more")).cell("a", "b").inc()
    assert 'hits_total{kind="a"} 1.0' in text(second)


def test_lines_of_several_processes_are_never_mixed(tmp_path):
    """Into a pipe, which takes 4 KiB at once only: every line is longer."""
    program = (
        "import os, sys\n"
        "from lambdaproxy.watch.lines import Writer, locked, to_descriptor\n"
        "lock, letter = int(sys.argv[1]), sys.argv[2]\n"
        "writer = Writer(to_descriptor(1), print, alone=locked(lock, 7))\n"
        "for _ in range(50): writer.write((letter * 70000 + '\\n').encode())\n"
    )
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    reading, writing = os.pipe()
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(lock), letter], stdout=writing, pass_fds=(lock,))
        for letter in "abc"
    ]
    os.close(writing)
    with open(reading, "rb") as pipe:
        lines = pipe.read().splitlines()
    os.close(lock)
    assert [process.wait(WAIT) for process in running] == [0, 0, 0]
    assert len(lines) == 150
    assert {bytes(set(line)) for line in lines} == {b"a", b"b", b"c"}


def test_a_lock_that_cannot_be_had_keeps_no_line_back(tmp_path):
    (tmp_path / "lock").touch()
    with open(tmp_path / "lock") as read_only, locked(read_only.fileno(), 0)():
        to_file(str(tmp_path / "log"))(memoryview(b"line\n"))
    assert (tmp_path / "log").read_bytes() == b"line\n"
