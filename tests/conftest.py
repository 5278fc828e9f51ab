"""What holds for all tests."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.quick import Guard, is_in, of_long_tables, processors, starts_processes

# Where bytecode may not be written, each process that a test starts compiles the whole program anew, which doubles what
# the suite costs.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Before each test pytest asks for Twisted's version, for which all that is known of the package is read: 2 ms, 13,000
# times.
importlib.metadata.version = functools.cache(importlib.metadata.version)

# How long an example takes says something about the machine and what else it does, not about us.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", settings.get_profile("patient"), max_examples=10)
settings.load_profile("patient")

_guard: Guard | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only what starts no other process, with few examples")
    parser.addoption("--few", action="store_true", help="with --quick, every fourth row of long tables")
    parser.addoption("--part", default="1/1", metavar="K/N", help="with --quick, one of N parts of the modules")


def pytest_configure(config: pytest.Config) -> None:
    global _guard
    if config.getoption("--quick"):
        settings.load_profile("quick")
        _guard = Guard()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.getoption("--quick") and collection_path.name.startswith("test_") and collection_path.suffix == ".py":
        return starts_processes(collection_path) or not is_in(config.getoption("--part"), collection_path) or None
    return None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Three for two processors: in most of the time that the suite takes one of them would wait for a process."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return processors() + (processors() + 1) // 2


def _long_files_first(items: list[pytest.Item]) -> None:
    """Files that start processes first, then by the number of tests: what is begun last is soon over."""
    counts = Counter(item.path for item in items)
    items.sort(key=lambda item: (not starts_processes(item.path), -counts[item.path], str(item.path)))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        _long_files_first(items)
    if config.getoption("--quick"):
        left_out = {item for item in items if item.get_closest_marker("slow")}
        if config.getoption("--few"):
            left_out.update(of_long_tables(items))
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    if _guard is None:
        return (yield)
    _guard.running = item.nodeid
    try:
        return (yield)
    finally:
        _guard.running = None
