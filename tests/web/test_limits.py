import pytest

from lambdaproxy.config.settings import Settings
from lambdaproxy.web.limits import Limits, more


def test_the_defaults_of_the_settings_are_those_of_the_limits():
    assert Limits.configured(Settings()) == Limits()


def test_every_setting_arrives():
    changed = Limits.configured(
        Settings(
            max_header_size=1,
            max_header_fields=2,
            max_target=3,
            max_body_framing=4,
            max_pipelined=5,
            header_timeout=6,
            body_timeout=7,
            body_rate=8,
            body_timeout_max=9,
            idle_timeout=10,
            write_timeout=11,
            linger_timeout=12,
            max_connections=13,
            max_unwritten=14,
            write_rate=15,
            max_bodies=16,
        )
    )
    assert (changed.head.section, changed.head.line, changed.head.fields, changed.head.target) == (1, 1, 2, 3)
    assert (changed.slack, changed.pipelined, changed.head_time, changed.body_time, changed.body_rate) == (
        4,
        5,
        6,
        7,
        8,
    )
    assert (changed.body_time_most, changed.idle_time, changed.write_time, changed.linger_time) == (9, 10, 11, 12)
    assert (changed.connections, changed.unwritten, changed.write_rate, changed.bodies) == (13, 14, 15, 16)


def test_body_deadline():
    limits = Limits()
    assert limits.body_deadline(100, 0) == 120
    assert limits.body_deadline(100, 5000) == 130
    assert limits.body_deadline(100, 6_000_000) == 220


@pytest.mark.parametrize(
    ("files", "upstream", "workers", "room"),
    [
        (None, 1024, 40, 10_000),
        (1_000_000, 1024, 40, 10_000),
        (65536, 2048, 40, 10_000),
        (1024, 1024, 0, 400),
        (1024, 10, 40, 733),
        (256, 1024, 0, 94),
        (128, 1024, 0, 32),
        (64, 0, 0, 0),
        (0, 0, 0, 0),
    ],
)
def test_connections_within_the_open_files(files, upstream, workers, room):
    limits = Limits(upstream=upstream, workers=workers)
    found = limits.within(files)
    assert found == pytest.approx(room, abs=8)
    if files and room:
        # All of them, those that are told, and a socket for each request still leave a fifth.
        assert found + more(found) + min(found, upstream) + min(workers, files // 4) <= files - max(48, files // 5)


@pytest.mark.parametrize("connections", [1, 10, 100, 1000, 10_000])
@pytest.mark.parametrize("upstream", [0, 10, 2048])
@pytest.mark.parametrize("workers", [0, 40, 5000])
def test_the_open_files_that_all_connections_need(connections, upstream, workers):
    limits = Limits(connections=connections, upstream=upstream, workers=workers)
    assert limits.within(limits.files()) == connections
    if not workers and connections >= 100:
        assert limits.within(limits.files() * 3 // 4) < connections, "and not many more"
