"""The most specific route wins, whatever the order."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.config.settings import Settings
from lambdaproxy.config.templates import check_template
from lambdaproxy.messages import NO_ROUTE
from lambdaproxy.routing import Route, Router


def route(path, methods=(), host=None):
    codec: Any = None
    return Route(path, host, tuple(methods), Settings(), codec, None, None, None, None, None)


DEFAULT = route(None)


def found(router, method, path, host="h"):
    chosen, match = router.match(method, host, path.encode())
    return None if chosen is DEFAULT else (chosen.path, dict(match.path_parameters))


TABLE = [
    route("/users"),
    route("/users/{id}"),
    route("/users/me"),
    route("/users/{id}/posts"),
    route("/users/me/{rest+}"),
    route("/files/{proxy+}"),
    route("/files/{name}", ["GET"]),
    route("/"),
    route("/{stage}/x", ["PUT"]),
]


@pytest.mark.parametrize("order", list(itertools.islice(itertools.permutations(range(len(TABLE))), 0, 5000, 700)))
@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/users", ("/users", {})),
        ("GET", "/users?a=/b", ("/users", {})),
        ("GET", "/users/", None),
        ("GET", "/users/7", ("/users/{id}", {"id": "7"})),
        ("GET", "/users/me", ("/users/me", {})),
        ("GET", "/users/me/posts", ("/users/me/{rest+}", {"rest": "posts"})),
        ("GET", "/users/7/posts", ("/users/{id}/posts", {"id": "7"})),
        ("GET", "/users/a%2Fb", ("/users/{id}", {"id": "a%2Fb"})),
        ("GET", "/files/a", ("/files/{name}", {"name": "a"})),
        ("POST", "/files/a", ("/files/{proxy+}", {"proxy": "a"})),
        ("GET", "/files/a/b//c/", ("/files/{proxy+}", {"proxy": "a/b//c/"})),
        ("GET", "/files/", None),
        ("GET", "/", ("/", {})),
        ("PUT", "/prod/x", ("/{stage}/x", {"stage": "prod"})),
        ("GET", "/prod/x", None),
        ("GET", "/nothing/at/all", None),
    ],
)
def test_paths(order, method, path, expected):
    assert found(Router([TABLE[n] for n in order], DEFAULT), method, path) == expected


def test_hosts_come_first():
    router = Router(
        [
            route("/{proxy+}", host="api.example.com"),
            route("/{proxy+}", host="*.example.com"),
            route("/{proxy+}", host="*.eu.example.com"),
            route("/a"),
            route(None, host="default.example.org"),
        ],
        DEFAULT,
    )
    hosts = {}
    for host in (
        "API.example.com:8011",
        "api.example.com.",
        "x.example.com.:80",
        "x.example.com",
        "x.eu.example.com",
        "example.com",
        "[::1]:80",
    ):
        hosts[host] = router.match("GET", host, b"/a")[0].host
    assert hosts == {
        "API.example.com:8011": "api.example.com",
        "api.example.com.": "api.example.com",
        "x.example.com.:80": "*.example.com",
        "x.example.com": "*.example.com",
        "x.eu.example.com": "*.eu.example.com",
        "example.com": None,
        "[::1]:80": None,
    }
    assert router.match("GET", "default.example.org", b"/")[0].host == "default.example.org"


def test_a_catch_all_takes_what_no_path_does():
    catch_all = route(None)
    router = Router([catch_all, route("/a")], DEFAULT)
    assert router.match("GET", "h", b"/a")[0].path == "/a"
    assert router.match("GET", "h", b"/b") == (catch_all, NO_ROUTE)
    assert router.match("OPTIONS", "h", b"*")[0] is catch_all


@pytest.mark.parametrize(
    "pair",
    [
        (route("/a"), route("/a")),
        (route("/{x}"), route("/{y}")),
        (route("/a", ["GET"]), route("/a", ["POST", "GET"])),
        (route("/a", host="H"), route("/a", host="h")),
    ],
)
def test_routes_that_match_the_same_are_refused(pair):
    with pytest.raises(ValueError, match="match the same"):
        Router(pair, DEFAULT)


@pytest.mark.parametrize(
    "template",
    ["users", "/a{b}", "/{a+}/b", "/{a}/{a}", "/{}", "/{a b}", "/a b", "", "/ä"],
)
def test_no_templates(template):
    with pytest.raises(ValueError):
        check_template(template)


@given(st.lists(st.text("ab%2F.", max_size=4), max_size=6))
def test_parameters_put_back_give_the_path(segments):
    path = "/" + "/".join(segments)
    router = Router([route("/{one}"), route("/{one}/{two}"), route("/{one}/{two}/{rest+}")], DEFAULT)
    chosen, match = router.match("GET", "h", path.encode())
    if chosen is not DEFAULT:
        assert "/" + "/".join(value for _, value in match.path_parameters) == path


def test_many_branches_end():
    paths = ("/".join(("", *bits)) for bits in itertools.product(("a", "{x}"), repeat=10))
    router = Router([route(_numbered(path)) for path in paths], DEFAULT)
    assert found(router, "GET", "/a" * 10) == ("/a" * 10, {})
    assert found(router, "GET", "/a" * 11) is None


def _numbered(path):
    return "/".join(part if part != "{x}" else f"{{x{n}}}" for n, part in enumerate(path.split("/")))
