"""Metric cells, and what a scraper sees of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import CollectorRegistry

from lambdaproxy.watch.metrics import Metrics, exposition


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
