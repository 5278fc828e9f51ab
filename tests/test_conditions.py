"""Routes that look at more than host, path and method, and in the order that the operator wants."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.config.conditions import Condition, as_table, conditions_of_table
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import BadRequest
from lambdaproxy.gate.conditions import Conditions, of_settings
from lambdaproxy.gate.route import Route
from lambdaproxy.routing import MOST_TRIED, RouteConflict, Router, TooManyPatterns
from lambdaproxy.tap import Options


def route(path=None, methods=(), host=None, priority=None, name="", **when):
    codec: Any = None
    conditions = conditions_of_table({key.replace("_", "-"): value for key, value in when.items()})
    return Route(
        path, host, tuple(methods), Settings(tenant_id=name), codec, None, None, None, None, None,
        conditions=of_settings(conditions), priority=priority,
    )  # fmt: skip


DEFAULT = route()


def taken(routes, method="GET", host="h", path="/", headers=(), client="192.0.2.1"):
    sent = tuple((name.encode(), value.encode("latin-1")) for name, value in headers)
    found = Router(routes, DEFAULT).match(method, host, path.encode(), sent, client)[0]
    return None if found is DEFAULT else routes.index(found)


@pytest.mark.parametrize(
    ("when", "asked", "takes"),
    [
        ({"http_header": {"X-Version": "2"}}, {"headers": [("x-version", "2")]}, True),
        ({"http_header": {"X-Version": "2"}}, {"headers": [("x-version", "22")]}, False),
        ({"http_header": {"X-Version": "2"}}, {}, False),
        ({"http_header": {"X-Version": ["1", "2"]}}, {"headers": [("X-VERSION", " 2\t")]}, True),
        ({"http_header": {"User-Agent": "*Chrome*"}}, {"headers": [("User-Agent", "x CHROME/9")]}, True),
        ({"http_header": {"X": "a?c"}}, {"headers": [("X", "zz"), ("X", "abc")]}, True),
        ({"http_header": {"X": "1", "Y": "2"}}, {"headers": [("X", "1")]}, False),
        ({"http_header": {"X": "1", "Y": "2"}}, {"headers": [("X", "1"), ("y", "2")]}, True),
        ({"http_header": {"X": [["*a*"], ["*b*"]]}}, {"headers": [("X", "xaxbx")]}, True),
        ({"http_header": {"X": [["*a*"], ["*b*"]]}}, {"headers": [("X", "xax")]}, False),
        ({"http_header": {"X": "\xe9*"}}, {"headers": [("X", "\xc9t\xe9")]}, True),
        ({"query_string": {"v": "2"}}, {"path": "/?v=2"}, True),
        ({"query_string": {"V": "A*"}}, {"path": "/?v=abc"}, True),
        ({"query_string": {"v": "2"}}, {"path": "/?w=2"}, False),
        ({"query_string": {"v": "2"}}, {"path": "/?a=1&v=2&v=3"}, True),
        ({"query_string": {"v": "a b"}}, {"path": "/?%76=a%20b"}, True),
        ({"query_string": {"v": "a+b"}}, {"path": "/?v=a+b"}, True),
        ({"query_string": "debug"}, {"path": "/?x=debug"}, True),
        ({"query_string": "debug"}, {"path": "/?debug"}, False),
        ({"query_string": ["a=1", "b=2"]}, {"path": "/?b=2"}, True),
        ({"query_string": [["a=1"], ["b=2"]]}, {"path": "/?b=2"}, False),
        ({"query_string": {"v": "*"}}, {"path": "/"}, False),
        ({"query_string": {"v": r"\*"}}, {"path": "/?v=*"}, True),
        ({"query_string": {"v": r"\*"}}, {"path": "/?v=x"}, False),
        ({"source_ip": "192.0.2.0/24"}, {}, True),
        ({"source_ip": ["10.0.0.0/8", "2001:db8::/32"]}, {"client": "2001:db8::7"}, True),
        ({"source_ip": "10.0.0.0/8"}, {}, False),
        ({"source_ip": "0.0.0.0/0"}, {"client": ""}, False),
        ({"host_header": "api-*.example.com"}, {"host": "API-7.example.com:80"}, True),
        ({"host_header": "*.example.com"}, {"host": "example.com"}, False),
        ({"path_pattern": "/img/*.png"}, {"path": "/img/a/b.png?x"}, True),
        ({"path_pattern": "/img/*.png"}, {"path": "/IMG/a.png"}, False),
        ({"path_pattern": "/img/*"}, {"path": "/img/"}, True),
        ({"path_pattern": "/img/*"}, {"path": "/img"}, False),
        ({"path_pattern": "/img"}, {"path": "/img"}, True),
        ({"path_pattern": "/img"}, {"path": "/%69mg"}, True),
        ({"path_pattern": "/admin*"}, {"path": "/%61dmin/x"}, True),
        ({"path_pattern": "/admin/*"}, {"path": "/admin%2Fx"}, True),
        ({"path_pattern": "*/x/*"}, {"path": "/a/x/b"}, True),
        ({"path_pattern": ["/a/*", "/b/?"]}, {"path": "/b/1"}, True),
        ({"path_pattern": ["/a/*", "/b/?"]}, {"path": "/b/12"}, False),
    ],
)
def test_a_condition(when: dict[str, Any], asked: dict[str, Any], takes):
    assert taken([route(**when)], **asked) == (0 if takes else None)
    assert taken([route(priority=7, **when)], **asked) == (0 if takes else None)
    if "path_pattern" not in when and asked.get("path", "/")[:2] in ("/", "/?"):
        assert taken([route("/", **when)], **asked) == (0 if takes else None)


def test_regular_expressions():
    pytest.importorskip("re2", reason="google-re2 is not installed")
    cases: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
        ({"path_pattern": {"regex": "^/v[0-9]+/"}}, {"path": "/v12/x"}, True),
        ({"path_pattern": {"regex": "^/V[0-9]+/"}}, {"path": "/v12/x"}, False),
        ({"host_header": {"regex": r"^(a|b)\.example\.com$"}}, {"host": "B.example.com"}, True),
        ({"http_header": {"X": {"regex": ["^no$", "CURL/[78]"]}}}, {"headers": [("x", "a curl/8.1")]}, True),
        ({"http_header": {"X": {"regex": "^CURL"}}}, {"headers": [("x", "a curl")]}, False),
    ]
    for when, asked, takes in cases:
        assert taken([route(**when)], **asked) == (0 if takes else None)


def test_more_conditions_go_before_fewer_and_before_the_method():
    routes = [
        route("/x", ["GET"]),
        route("/x", http_header={"a": "1"}),
        route("/x", http_header={"a": "1", "b": "2"}),
        route("/x"),
        route("/{any+}", http_header={"c": "3"}),
    ]
    for order in itertools.permutations(range(5)):
        mixed = [routes[n] for n in order]
        for headers, expected in [
            ([], 0),
            ([("a", "1")], 1),
            ([("a", "1"), ("b", "2")], 2),
            ([("c", "3")], 0),
        ]:
            assert order[taken(mixed, path="/x", headers=headers) or 0] == expected
        assert order[taken(mixed, path="/y", headers=[("c", "3")]) or 0] == 4


def test_a_pattern_stands_between_a_parameter_and_what_takes_the_rest():
    routes = [route("/f/{rest+}"), route(path_pattern="/f/*.png"), route("/f/{name}"), route("/f/a.png"), route()]
    for path, expected in [("/f/a.png", 3), ("/f/b.png", 2), ("/f/b/c.png", 1), ("/f/b/c", 0), ("/g", 4)]:
        assert taken(routes, path=path) == expected


def test_a_priority_goes_before_everything():
    routes = [
        route("/a", host="h"),
        route(priority=20, host="*.h"),
        route("/{any+}", priority=10, http_header={"x": "1"}),
        route("/a", priority=30),
        route("/a/b"),
    ]
    assert taken(routes, path="/a") == 3
    assert taken(routes, path="/a", headers=[("x", "1")]) == 2
    assert taken(routes, path="/a/b") == 4
    assert taken(routes, path="/a", host="www.h") == 1
    assert taken(routes, path="/a", host="www.h", headers=[("x", "1")]) == 2


PATHS = st.sampled_from(["/a", "/a/b", "/{x}", "/a/{x}", "/{x+}", "/a/{x+}", None])
CONDITIONS = st.lists(
    st.sampled_from(
        [
            Condition("http-header", ("1",), "h"),
            Condition("http-header", ("1", "2"), "h"),
            Condition("http-header", ("*",), "i"),
            Condition("query-string", ("q=1",)),
            Condition("query-string", ("=1", "r=2")),
            Condition("source-ip", ("10.0.0.0/8",)),
            Condition("host-header", ("h",)),
        ]
    ),
    max_size=2,
    unique=True,
)
ROUTES = st.lists(
    st.builds(
        lambda path, methods, host, priority, conditions: replace(
            route(path, methods, host, priority), conditions=of_settings(tuple(conditions))
        ),
        PATHS,
        st.sampled_from([(), ("GET",), ("GET", "PUT")]),
        st.sampled_from([None, "h", "*.h"]),
        st.sampled_from([None, None, 1, 2]),
        CONDITIONS,
    ),
    max_size=8,
)


@given(
    ROUTES,
    st.sampled_from(["GET", "PUT", "POST"]),
    st.sampled_from(["h", "x.h", "i"]),
    st.sampled_from(["/a", "/a/b", "/a/c", "/b", "/a/b/c"]),
    st.sampled_from(["", "?q=1", "?r=2", "?z=1"]),
    st.lists(st.tuples(st.sampled_from(["h", "i"]), st.sampled_from(["1", "2", "3"])), max_size=2),
    st.sampled_from(["10.1.1.1", "192.0.2.1"]),
)
def test_the_one_of_the_lowest_rank_is_taken_of_all_that_take_it_alone(
    routes, method, host, path, query, headers, client
):
    kept: list[Route] = []
    for each in routes:  # without those that contradict each other
        try:
            Router([*kept, each], DEFAULT)
            kept.append(each)
        except RouteConflict:
            pass
    sent = tuple((name.encode(), value.encode()) for name, value in headers)
    asked = (method, host, (path + query).encode(), sent, client)
    router = Router(kept, DEFAULT)
    alone = [each for each in kept if Router([each], DEFAULT).match(*asked)[0] is each]
    best = min(alone, key=router.rank, default=DEFAULT)
    found = router.match(*asked)[0]
    assert found is best


class Counted(Conditions):
    """Conditions that count how often they are looked at."""

    __slots__ = ()
    looked = 0

    def takes(self, asked, path):
        Counted.looked += 1
        return super().takes(asked, path)


def many(count):
    """Routes of which each has a path of its own, all of one path with a value of a header, a query or a pattern."""
    for n in range(count):
        yield route(f"/own/{n}/{{id}}", http_header={"x": "1*"})
        yield route("/same", http_header={"x-tenant": f"t{n}"})
        yield route("/same", priority=5, query_string={"tenant": f"t{n}"})
        yield route(path_pattern=f"/dir-{n}/*.png")


@cache
def counting(count):
    return Router(
        [
            replace(each, conditions=Counted(each.conditions.conditions)) if each.conditions else each
            for each in many(count)
        ],
        DEFAULT,
    )


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/own/3/x", [("x", "12")]),
        ("/own/3/x", []),
        ("/same", [("x-tenant", "t4")]),
        ("/same?tenant=t2", []),
        ("/dir-4/a.png", []),
        ("/nothing", []),
    ],
)
def test_what_is_looked_at_does_not_grow_with_the_routes(path, headers):
    looked = []
    for count in (5, 1000):
        router = counting(count)
        Counted.looked = 0
        sent = tuple((name.encode(), value.encode()) for name, value in headers)
        router.match("GET", "h", path.encode(), sent, "192.0.2.1")
        looked.append(Counted.looked)
    assert looked[0] == looked[1] <= 2


@pytest.mark.slow
def test_what_is_tried_one_by_one_is_bounded():
    routes = [route("/a", priority=n + 1, http_header={"x": f"{n}*"}) for n in range(MOST_TRIED)]
    Router(routes, DEFAULT)
    with pytest.raises(TooManyPatterns, match="tried one by one"):
        Router([*routes, route("/a", priority=5000, http_header={"y": "*"})], DEFAULT)


@pytest.mark.parametrize(
    ("when", "path", "headers"),
    [
        ({"query_string": "*v*=*{}*x*"}, "/a?" + "vvv&" * 2000, []),
        ({"query_string": ["*{}x*", "*a{}y*"]}, "/a?" + "%76v&" * 1000, []),
        ({"http_header": {"cookie": "*{}*x*y*"}}, "/a", [("cookie", "x" * 30_000)] * 4),
        ({"path_pattern": "/*{}*x*y*"}, "/" + "x" * 120_000, []),
    ],
)
def test_what_is_compared_with_all_conditions_is_bounded(when, path, headers):
    def numbered(value, n):
        if isinstance(value, dict):
            return {key: numbered(each, n) for key, each in value.items()}
        return value.format(n) if isinstance(value, str) else [each.format(n) for each in value]

    routes = [route(priority=n + 1, **{key: numbered(value, n) for key, value in when.items()}) for n in range(300)]
    with pytest.raises(BadRequest, match="compared with conditions"):
        taken(routes, path=path, headers=headers)
    # What people send is not near that.
    assert taken(routes, path="/a?" + "v=1&" * 30, headers=[("cookie", "x" * 4000)]) is None


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ({"http_header": {"x": "1"}}, {"http_header": {"x": "2"}}, True),
        ({"http_header": {"x": "1"}}, {"http_header": {"X": ["3", "1"]}}, False),
        ({"http_header": {"x": "a"}}, {"http_header": {"x": "A"}}, False),
        ({"http_header": {"x": "1"}}, {"http_header": {"y": "2"}}, False),
        ({"http_header": {"x": "a*"}}, {"http_header": {"x": "b*"}}, True),
        ({"http_header": {"x": "a*"}}, {"http_header": {"x": "*b"}}, False),
        ({"http_header": {"x": "a*"}}, {"http_header": {"x": "b"}}, True),
        ({"http_header": {"x": "a*"}}, {"http_header": {"x": "ab"}}, False),
        ({"http_header": {"x": "a"}}, {"query_string": {"x": "a"}}, False),
        ({"query_string": {"x": "a"}}, {"query_string": {"x": "b"}}, True),
        ({"query_string": {"x": "a"}}, {"query_string": {"y": "b"}}, False),
        ({"query_string": "a"}, {"query_string": "b"}, False),
        ({"source_ip": "10.0.0.0/8"}, {"source_ip": "10.1.0.0/16"}, False),
        ({"source_ip": "10.0.0.0/8"}, {"source_ip": ["11.0.0.0/8", "2001:db8::/32"]}, True),
        ({"host_header": "a"}, {"host_header": "b"}, True),
        ({"http_header": {"x": "1", "y": "2"}}, {"http_header": {"x": "1", "z": "2"}}, False),
        ({"http_header": {"x": "1", "y": "2"}}, {"http_header": {"x": "1", "y": "3"}}, True),
        ({"path_pattern": "/a/*.png"}, {"path_pattern": "/a/*.jpg"}, True),
        ({"path_pattern": "/a/*.png"}, {"path_pattern": "/a/b*"}, False),
        ({"path_pattern": "/a/*.png"}, {"path_pattern": "/b/*.png"}, True),
    ],
)
@pytest.mark.parametrize("priority", [None, 3])
def test_routes_of_the_same_rank_must_be_kept_apart(one, other, apart, priority):
    path = None if "path_pattern" in one else "/a"
    routes = [route(path, priority=priority, **one), route(path, priority=priority, **other)]
    for pair in (routes, routes[::-1]):
        if apart:
            Router(pair, DEFAULT)
        else:
            with pytest.raises(RouteConflict, match="priority = N"):
                Router(pair, DEFAULT)
    Router([routes[0], replace(routes[1], priority=4)], DEFAULT)


def test_of_a_field_that_is_sent_twice_the_first_route_takes_it():
    routes = [route("/a", http_header={"x": "1"}), route("/a", http_header={"x": "2"})]
    assert taken(routes, path="/a", headers=[("x", "2"), ("x", "1")]) == 0
    assert taken(routes[::-1], path="/a", headers=[("x", "2"), ("x", "1")]) == 0


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"http-heder": {}}, "did you mean http-header"),
        ({"http-request-method": "GET"}, "methods of a route"),
        ({"http-header": "x"}, "table of names"),
        ({"http-header": {"a b": "x"}}, "no header name"),
        ({"http-header": {"Host": "x"}}, "host-header"),
        ({"http-header": {"x": 1}}, "put them in quotes"),
        ({"http-header": {"x": []}}, "no value"),
        ({"http-header": {"x": {"regexp": "a"}}}, "one key"),
        ({"query-string": {"x": {"regex": "a"}}}, "no regular expressions"),
        ({"source-ip": "10.0.0.0/99"}, "10.0.0.0/99"),
        ({"source-ip": "localhost"}, "localhost"),
        ({"path-pattern": "img/*"}, "begin with a slash"),
        ({"path-pattern": "/" + "a" * 300}, "at most 256"),
        ({"http-header": {"x": ["a"] * 1001}}, "at most 1000"),
    ],
)
def test_mistakes(table, said):
    with pytest.raises(ValueError, match=said):
        conditions_of_table(table)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('path = "/a"\nwhen = "x"', "p.toml:5: when: it is a table"),
        ('path = "/a"\n[route.when]\nsource-ip = "x"', "p.toml:6: when: source-ip: 'x'"),
        ('path = "/a"\nwhen = {path-pattern = "/x/*"}', "p.toml:5: path-pattern: the route has a path already"),
        ('path = "/a"\npriority = 0', "p.toml:5: priority: 0 is no whole number of 1 to 1000000"),
        ('path = "/a"\npriority = true', "p.toml:5: priority: True is no whole number"),
        ('path = "/a"\npriority = "1"', "p.toml:5: priority: '1' is no whole number"),
        ('path = "/a"\npriority = 50001', "a priority of 50001; that of a rule of ALB is 50000 at most"),
        ('path = "/a"\nwhen = {source-ip = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "::1", "::2", "::3"]}', "6 values"),
        (f'path = "/a"\nwhen = {{host-header = "{"a" * 129}"}}', "129 characters"),
        ('priority = 1', "p.toml:2: a route needs a path"),
        ('path = "/a"\nwhen = {source-ip = "::1"}\n[[route]]\npath = "/a"\nfunction = "g"\nwhen = {host-header = "a"}',
         "priority = N"),
    ],
)  # fmt: skip
def test_mistakes_in_a_file_name_their_line(tmp_path, capsys, more, said):
    file = tmp_path / "p.toml"
    file.write_text(f'format = "alb:limits=aws"\n[[route]]\nfunction = "f"\n{more}\n')
    with pytest.raises(SystemExit):
        Options().parseOptions(["--config", str(file)])
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "table",
    [
        {"http-header": {"x": "1", "y": ["2", "3*"]}},
        {"http-header": {"x": [["*a*"], ["*b*", "c"]]}},
        {"query-string": {"v": "2", "w": ["a", "b=c"]}},
        {"query-string": ["a=1", "=2", "3"]},
        {"source-ip": "10.0.0.0/8", "host-header": ["a", "b*"], "path-pattern": "/x/*"},
    ],
)
def test_the_table_of_conditions_says_the_same(table):
    conditions = conditions_of_table(table)
    assert set(conditions_of_table(as_table(conditions))) == set(conditions)
