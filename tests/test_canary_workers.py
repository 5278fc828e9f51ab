"""A canary with several workers is one canary: real processes, a function that fails, a reload."""

from __future__ import annotations

import sys

import pytest

from tests.aws.lambda_stub import lambda_stub
from tests.processes import request, until
from tests.test_workers import Whole

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="workers are for Linux")

CONFIG = """
port = "0"
access-log = "off"
[[route]]
path = "/{any+}"
function = "alb"
[route.canary]
function = "fail"
steps = [5, 100]
"""


def failed(whole: Whole, count: int) -> int:
    """How many of so many requests, each on a connection of its own, reached the version that fails."""
    statuses = [request(whole.port, "GET", f"/{n}")[0] for n in range(count)]
    assert set(statuses) <= {200, 502}
    return statuses.count(502)


def test_a_decision_is_the_whole_s_and_outlives_a_reload(tmp_path):
    with (
        lambda_stub() as stub,
        Whole(tmp_path, "--endpoint-url", stub.url, "--workers", "2", config=CONFIG) as whole,
    ):
        seen = 0
        for _ in range(60):
            seen += failed(whole, 25)
            if "goes back to 0 %" in whole.process.output:
                break
        assert "goes back to 0 %" in whole.process.output, whole.process.output
        # One process needs three or four failures; what a second brings to the other comes on top.
        assert 3 <= seen <= 40
        # A worker that few connections come to may not have been told when many requests in a row have not failed.
        until(lambda: "went back to 0 %" in whole.ctl("canary")[1], "the workers know of it")
        until(lambda: failed(whole, 120) == 0, "all workers have left it")
        # Both may find out for themselves before one hears of the other: it is counted, and told, once all the same.
        backs = sum(value for name, value in whole.metrics().items() if name.startswith("lambdaproxy_canary_back"))
        assert backs == 1
        assert whole.process.output.count("goes back to 0 %") == 1
        before = set(whole.pids())
        assert whole.ctl("reload")[0] == 0
        until(lambda: len(whole.pids()) == 2 and not before & set(whole.pids()), "other workers")
        assert failed(whole, 120) == 0
