"""A route decides on the path that its function will see, in every format and every spelling."""

from __future__ import annotations

import itertools
import json
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambdaproxy.codecs._implements import (
    AlbCodec,
    FunctionUrlCodec,
    HttpApiCodec,
    HttpApiPayload1Codec,
    RestApiCodec,
)
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import AmbiguousPath, BadRequest, LambdaProxyError
from lambdaproxy.interfaces import IPathReader
from lambdaproxy.routing import Route, RouteConflict, Router
from tests.codecs.dialects import request
from tests.examples import examples

FORMATS: dict[str, Any] = {
    "alb": AlbCodec(),
    "alb multi_value": AlbCodec(multi_value=True),
    "apigateway-v1": RestApiCodec(),
    "apigateway-v1 stage_in_path": RestApiCodec(stage="dev", stage_in_path=True),
    "apigateway-v2": HttpApiCodec(),
    "apigateway-v2 stage": HttpApiCodec(stage="dev"),
    "apigateway-v2 stage_in_path": HttpApiCodec(stage="dev", stage_in_path=True),
    "payload=1.0": HttpApiPayload1Codec(),
    "payload=1.0 stage_in_path": HttpApiPayload1Codec(stage="dev", stage_in_path=True),
    "function-url": FunctionUrlCodec(),
}
EACH = pytest.mark.parametrize("name", FORMATS)

SPELLINGS = [
    *("/admin", "//admin", "///admin", "/admin/", "/admin//", "/%61dmin", "/%61%64min", "/adm%69n", "/%2561dmin"),
    *("/%252561dmin", "/./admin", "/x/../admin", "/%2e/admin", "/admin/.", "/admin/..", "/admin/x", "/admin//x"),
    *("/admin%2Fx", "/admin%2fx", "/admin%252Fx", "/%2Fadmin", "/%2fadmin", "%2Fadmin", "/admin%2F", "/admin%3Fx"),
    *("/admin%253Fx", "/admin?x", "/admin%23x", "/admin;x", "/admin;x/y", "/admin%3Bx", "/ADMIN", "/admin%00"),
    *("/admin%FF", "/%61dmin/%FF", "/%61dmin%2F%FF", "/admin/100%25", "/admin/%zz", "/%61dmin/%", "/admin%", "/"),
    *("*", "/*", "/administrator", "/public", "/public%2F..%2Fadmin", "/admin%5Cx", "/users/a%2Fb", "/%C3%A9/admin"),
]


def route(path, codec, methods=(), host=None):
    return Route(path, host, tuple(methods), Settings(), codec, None, None, None, None, None)


def stage_of(name):
    return "/dev" if name.endswith("stage_in_path") else ""


def shown(event, name):
    """The paths of an event, without the stage."""
    context = event["requestContext"]
    paths = [event.get("path"), event.get("rawPath"), context.get("path"), context.get("http", {}).get("path")]
    prefixes = ("/dev",) if "stage" in name else ("/prod",) if name == "apigateway-v1" else ()
    for path in filter(None, paths):
        for prefix in prefixes:
            path = path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path
        yield path


def is_guarded(path):
    return path == "/admin" or (path.startswith("/admin/") and path != "/admin/")


def decide(name, spelling, routes, method="GET"):
    """The path template of the route, and the event; None for a request that is refused."""
    codec = FORMATS[name]
    router = Router([route(stage_of(name) + path, codec) for path in routes], route(None, codec))
    target = (stage_of(name) + spelling).encode()
    try:
        chosen, match = router.match(method, "example.com", target)
        event = json.loads(codec.encode_request(request(method, target=target), match))
    except LambdaProxyError:
        return None
    return (chosen.path or "").removeprefix(stage_of(name)) or None, event


@EACH
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_no_spelling_passes_by_a_route(name, spelling):
    found = decide(name, spelling, ["/admin", "/admin/{proxy+}"])
    if found is None:
        return
    template, event = found
    paths = list(shown(event, name))
    # What frameworks do: they decode the paths of the formats that show it as it was sent.
    if not name.startswith("apigateway-v2"):
        paths.append(unquote(paths[0]))
    if not name.startswith("apigateway-v2"):
        # Some split before they decode: a slash that is encoded is a value of the parameter.
        paths.append("/".join(unquote(part).replace("/", "%2F") for part in paths[0].split("/")))
    if any(map(is_guarded, paths)):
        assert template in ("/admin", "/admin/{proxy+}"), paths
    elif not name.startswith(("apigateway-v1", "function-url")):
        assert template is None, paths
    else:  # slashes in front count as one here, and behind as none in a REST API
        assert template is None or any(f"{path.strip('/')}/".startswith("admin/") for path in paths)


_segments = st.sampled_from(
    ["admin", "%61dmin", "%2561dmin", "a", "", ".", "..", "%2F", "%2f", "%252F", "%25", "%3F", "%253F", "%FF", "%", "x"]
)


@EACH
@given(parts=st.lists(_segments, max_size=5))
@example(parts=["%61dmin", "%2F"])
@example(parts=["admin", "%2F"])
@example(parts=["", "admin", "%2f", "%2F%2f"])
@examples(60)
def test_no_spelling_at_all(name, parts):
    test_no_spelling_passes_by_a_route(name, "/" + "/".join(parts))


@pytest.mark.parametrize(
    ("name", "spelling", "template", "path"),
    [
        ("alb", "/%61dmin", "/admin", "/%61dmin"),
        ("alb", "//admin", None, "//admin"),
        ("alb", "/users/a%2Fb", "/users/{id}", "/users/a%2Fb"),
        ("apigateway-v1", "/hello/", "/hello", "/hello/"),
        ("apigateway-v1", "//hello", "/hello", "/hello"),
        ("apigateway-v1", "/users/7/", "/users/{id}", "/users/7/"),
        ("apigateway-v1", "/users/a%2Fb", "/users/{id}", "/users/a%2Fb"),
        ("apigateway-v1 stage_in_path", "/hello/", "/hello", "/hello/"),
        ("apigateway-v2", "/%61dmin", "/admin", "/admin"),
        ("apigateway-v2", "/%2561dmin", "/admin", "/admin"),
        ("apigateway-v2", "/admin%3Fx", "/admin", "/admin"),
        ("apigateway-v2", "/admin/", None, "/admin/"),
        ("apigateway-v2", "/hello/", None, "/hello/"),
        ("function-url", "//admin", "/admin", "/admin"),
        ("function-url", "/%61dmin", "/admin", "/%61dmin"),
        ("payload=1.0", "/%61dmin", "/admin", "/%61dmin"),
    ],
)
def test_which_route(name, spelling, template, path):
    found, event = decide(name, spelling, ["/admin", "/hello", "/users/{id}"])
    assert (found, event.get("path", event.get("rawPath"))) == (template, path)


@pytest.mark.parametrize(
    ("name", "spelling", "template", "parameters"),
    [
        ("apigateway-v1", "/users/a%20b/", "/users/{id}", {"id": "a%20b"}),
        ("apigateway-v1", "/users//a%2Fb/", "/users/{p+}", {"p": "a%2Fb"}),
        ("apigateway-v2", "/users/a%2520b", "/users/{id}", {"id": "a b"}),
        ("apigateway-v2", "/users/a%2Fb", "/users/{p+}", {"p": "a/b"}),
        ("apigateway-v2", "/users/100%2525", "/users/{id}", {"id": "100%"}),
        ("apigateway-v2", "/%75sers/a", "/users/{id}", {"id": "a"}),
        ("payload=1.0", "/users/a%2520b", "/users/{id}", {"id": "a%20b"}),
        ("payload=1.0", "/users/a%2Fb", "/users/{p+}", {"p": "a/b"}),
        ("apigateway-v2 stage_in_path", "/users/a%20b", "/users/{id}", {"id": "a b"}),
    ],
)
def test_path_parameters_are_those_of_the_path_that_is_shown(name, spelling, template, parameters):
    found, event = decide(name, spelling, ["/users/{id}", "/users/{p+}"])
    assert (found, event["pathParameters"]) == (template, parameters)


@EACH
def test_an_asterisk_is_no_path(name):
    codec = FORMATS[name]
    router = Router([route("/", codec), route("/{any+}", codec), route("/{any}", codec)], route(None, codec))
    assert router.match("OPTIONS", "h", b"*")[0] is router.default
    if not name.endswith("stage_in_path"):
        event = json.loads(codec.encode_request(request("OPTIONS", target=b"*"), router.match("OPTIONS", "h", b"*")[1]))
        assert event.get("path", event.get("rawPath")) == "*"


ALB, URL, V2, REST = (FORMATS[name] for name in ("alb", "function-url", "apigateway-v2", "apigateway-v1"))


def test_each_route_reads_the_path_as_its_format_does():
    router = Router([route("/url", URL), route("/v2", V2), route("/{rest+}", REST)], route(None, ALB))
    for target, path in {
        b"/url": "/url",
        b"//url": "/url",
        b"/v2": "/v2",
        b"/%2576%32": "/v2",
        b"/%2575rl": "/{rest+}",
        b"/other": "/{rest+}",
        b"/": None,
    }.items():
        assert router.match("GET", "h", target)[0].path == path, target


@pytest.mark.parametrize(
    ("routes", "default", "target"),
    [
        ([("/admin", ALB)], V2, b"/%2561dmin"),  # v2 would show /admin, which is the load balancer's
        ([("/admin", ALB)], URL, b"//admin"),
        ([("/admin", V2), ("/{any+}", URL)], ALB, b"//admin"),
        ([("/admin", V2), ("/{any+}", REST)], ALB, b"//admin"),
    ],
)
def test_a_path_that_another_route_should_have_is_refused(routes, default, target):
    router = Router([route(path, codec) for path, codec in routes], route(None, default))
    with pytest.raises(AmbiguousPath):
        router.match("GET", "h", target)
    assert issubclass(AmbiguousPath, BadRequest)
    assert router.match("GET", "h", b"/admin")[0].path == "/admin"


def test_the_order_of_routes_does_not_matter():
    table = [route("/a/{x}", URL), route("/a/b", V2), route("/{p+}", REST), route("/a/{x}", ALB, ["PUT"])]
    for routes in itertools.permutations(table):
        router = Router(routes, route(None, ALB))
        assert router.match("GET", "h", b"/a/b")[0] is table[1]
        assert router.match("GET", "h", b"/a/c")[0] is table[0]
        assert router.match("PUT", "h", b"/a/c")[0] is table[3]
        assert router.match("GET", "h", b"/a//c")[0] is table[2]


@pytest.mark.parametrize(
    "pair",
    [
        (route("/a", ALB), route("/a", URL)),
        (route("/a", REST), route("/a/", REST)),
        (route("/a", V2), route("/%61", V2)),
        (route("/{x}", ALB), route("/{y}", REST)),
    ],
)
def test_templates_that_read_alike_are_refused(pair):
    with pytest.raises(RouteConflict):
        Router(pair, route(None, ALB))


def test_an_encoded_slash_gets_nobody_past_a_route_for_what_is_behind_it():
    router = Router(
        [route("/admin/{p+}", ALB), route("/files/{name}", ALB), route("/files/{p+}", ALB)], route(None, ALB)
    )
    assert router.match("GET", "h", b"/admin%2Fx")[0].path == "/admin/{p+}"
    assert router.match("GET", "h", b"/files/a%2fb")[0].path == "/files/{name}"


class Older:
    """A codec that was written before codecs could say how they read paths."""

    name = "older"


def test_a_codec_that_does_not_read_paths_is_compared_as_sent():
    router = Router([route("/admin", Older()), route("/users/{id}", Older())], route(None, Older()))
    assert router.match("GET", "h", b"/%61dmin")[0].path == "/admin"
    assert router.match("GET", "h", b"//admin")[0] is router.default
    assert router.match("GET", "h", b"/users/a%20b")[1].path_parameters == (("id", "a%20b"),)


def test_formats_that_read_alike_are_read_once():
    assert HttpApiCodec().read_path is HttpApiCodec(api_id="other").read_path
    assert RestApiCodec().read_path is RestApiCodec(binary_media_types=["*/*"]).read_path
    for codec in FORMATS.values():
        assert IPathReader.providedBy(codec)
        assert codec.read_path("/a/b") == (["a", "b"], ["a", "b"])
