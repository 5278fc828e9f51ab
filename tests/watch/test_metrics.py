"""Metric cells, and what a scraper sees of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Histogram, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from lambdaproxy.watch.metrics import EXEMPLAR_SECONDS, Metrics, exposition


def samples(metrics):
    text = generate_latest(exposition(metrics, process=False)).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_counters_and_gauges():
    metrics = Metrics()
    metrics.counter("a_total", "A.", ("x",)).cell("1").inc()
    metrics.counter("a_total", "A.", ("x",)).cell("1").inc(2)
    gauge = metrics.gauge("b", "B.").cell()
    gauge.set(5)
    gauge.dec()
    metrics.read_gauge("c", "C.", lambda: 7)
    assert samples(metrics) == {("a_total", (("x", "1"),)): 3, ("b", ()): 4, ("c", ()): 7}


@given(st.lists(st.floats(0, 1000)))
def test_a_histogram_is_that_of_prometheus_client(values):
    bounds = (0.1, 1.0, 10.0)
    metrics = Metrics()
    cell = metrics.histogram("h", "H.", bounds=bounds).cell()
    registry = CollectorRegistry()
    theirs = Histogram("h", "H.", buckets=bounds, registry=registry)
    for value in values:
        cell.observe(value)
        theirs.observe(value)
    text = generate_latest(registry).decode()
    expected = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }
    assert samples(metrics) == pytest.approx(expected)


def test_wrong_labels_are_a_mistake_of_ours():
    with pytest.raises(ValueError, match="labels"):
        Metrics().counter("a_total", "A.", ("x",)).cell()


def test_label_values_may_be_anything():
    metrics = Metrics()
    metrics.counter("a_total", "A.", ("x",)).cell('"\\\n').inc()
    assert samples(metrics) == {("a_total", (("x", '"\\\n'),)): 1}


def test_the_process_is_part_of_the_exposition():
    text = generate_latest(exposition(Metrics())).decode()
    assert "process_resident_memory_bytes" in text
    assert "python_gc_objects_collected_total" in text


def test_an_exemplar_is_the_last_traced_request_of_a_bucket_and_not_shown_for_ever(monkeypatch):
    metrics = Metrics()
    cell = metrics.histogram("h_seconds", "H.", bounds=(0.1, 1.0)).cell()
    monkeypatch.setattr("lambdaproxy.watch.metrics.time", lambda: 1000.0)
    cell.observe_traced(0.5, "1-old", 1000.0 - EXEMPLAR_SECONDS - 1)
    cell.observe_traced(0.05, "1-first", 990.0)
    cell.observe_traced(0.06, "1-last", 995.0)
    text = generate_openmetrics(exposition(metrics, process=False)).decode()
    assert 'h_seconds_bucket{le="0.1"} 2.0 # {trace_id="1-last"} 0.06 995.0' in text
    assert "1-old" not in text and "1-first" not in text
    assert "1-last" not in generate_latest(exposition(metrics, process=False)).decode()
    assert cell.counts == [2, 1, 0] and cell.sum == pytest.approx(0.61)


def test_gauges_are_set_when_somebody_reads():
    metrics, values = Metrics(), iter((1.0, 2.0))
    gauge = metrics.gauge("a", "A.").cell()
    metrics.before_reading(lambda: gauge.set(next(values)))
    assert [samples(metrics)["a", ()] for _ in range(2)] == [1, 2]
