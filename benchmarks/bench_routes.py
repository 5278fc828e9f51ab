"""What finding a route costs: microseconds with 10 routes and with 10,000, each with conditions.

    PYTHONPATH=. python benchmarks/bench_routes.py

Best of short runs. Exits with 1 if 10,000 routes cost more than 1.3 times as much as 10.
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Iterator
from typing import Any

from lambdaproxy.config.conditions import conditions_of_table
from lambdaproxy.config.settings import Settings
from lambdaproxy.gate.conditions import of_settings
from lambdaproxy.messages import Headers
from lambdaproxy.routing import Route, Router

ALLOWED = 1.3
SETTINGS = Settings()
HEADERS: Headers = (
    (b"Host", b"api.example.com"),
    (b"User-Agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"Accept", b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    (b"Accept-Encoding", b"gzip, deflate, br"),
    (b"X-Tenant", b"t7"),
    (b"X-Version", b"2"),
    (b"Cookie", b"session=abc123; theme=dark"),
)


def route(path: str | None, priority: int | None = None, **when: Any) -> Route:
    codec: Any = None
    conditions = of_settings(conditions_of_table({key.replace("_", "-"): value for key, value in when.items()}))
    return Route(
        path, None, (), SETTINGS, codec, None, None, None, None, None, conditions=conditions, priority=priority
    )  # fmt: skip


def own_paths(count: int) -> Iterator[Route]:
    for n in range(count):
        yield route(f"/tenants/t{n}/{{id}}", http_header={"X-Version": ["1*", "2*"]})


def one_path(count: int) -> Iterator[Route]:
    for n in range(count):
        yield route("/tenants/{id}", http_header={"X-Tenant": f"t{n}"}, source_ip="192.0.2.0/24")


def priorities(count: int) -> Iterator[Route]:
    for n in range(count):
        yield route(None, n + 1, path_pattern=f"/tenants/t{n}/*", query_string={"v": "2*"})


CASES = {
    "a path of its own for each": (own_paths, b"/tenants/t7/1"),
    "one path, values of a header": (one_path, b"/tenants/1"),
    "patterns of paths by priority": (priorities, b"/tenants/t7/1?v=22"),
}


def costs(tables: list[Iterator[Route]], target: bytes) -> list[float]:
    """Microseconds to find the route of a request in each table; by turns, so that a neighbour disturbs all alike."""
    routers = [Router(routes, route(None)) for routes in tables]
    best = [float("inf")] * len(routers)
    for _ in range(300):
        for at, router in enumerate(routers):

            def find(router: Router = router) -> None:
                router.match("GET", "api.example.com", target, HEADERS, "192.0.2.7")

            best[at] = min(best[at], timeit.timeit(find, number=50) / 50 * 1e6)
    return best


def main() -> None:
    bad = False
    (plain,) = costs([iter([route("/tenants/{id}")])], b"/tenants/1")
    print(f"{'one route without conditions':32} {plain:6.2f} us")
    for name, (make, target) in CASES.items():
        few, many = costs([make(10), make(10_000)], target)
        bad = bad or many > few * ALLOWED
        print(f"{name:32} {few:6.2f} us with 10, {many:6.2f} us with 10,000: {many / few:.2f} x")
    sys.exit(bad)


if __name__ == "__main__":
    main()
