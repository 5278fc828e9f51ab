"""What a function is shown instead of what was asked for, and that no rewrite leads past a guard."""

from __future__ import annotations

import pytest

from lambdaproxy.config import rewrites
from lambdaproxy.messages import Function
from tests.gate.test_cors import Door

ROUTE = """
format = "{format}"
function-header = "none"
[[route]]
path = "{path}"
function = "f"
{more}
"""


def door(tmp_path, more, path="/api/v1/{any+}", format="alb"):
    return Door(tmp_path, ROUTE.format(format=format, path=path, more=more))


def shown(event):
    """Path and query of an event."""
    if "rawPath" in event:
        return event["rawPath"] + (f"?{event['rawQueryString']}" if event["rawQueryString"] else "")
    query = event["queryStringParameters"] or {}
    return event["path"] + ("?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else "")


FORMATS = ["alb", "apigateway-v1", "apigateway-v2", "apigateway-v2:payload=1.0", "function-url"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/api/v1/users/7", "/users/7"),
        ("/api/v1/users/7?a=b", "/users/7?a=b"),
        ("/%61pi/v1/users", "/users"),
        ("/api/%76%31/users", "/users"),
        ("/api/v1/api/v1/x", "/api/v1/x"),
    ],
)
def test_a_prefix_is_taken_off_however_it_is_spelt(tmp_path, format, target, expected):
    asked = door(tmp_path, 'strip-prefix = "/api/v1"', format=format)
    assert asked.ask("GET", target)[0] == 200
    assert shown(asked.invoker.events[0]) == expected


@pytest.mark.parametrize(
    ("format", "target", "expected"),
    [
        ("apigateway-v2", "/api%2Fv1%2Fusers", "/users"),
        ("apigateway-v2", "/api/v1//users", "//users"),
        ("apigateway-v2", "/api/v1/%2541", "/A"),
        ("function-url", "//api/v1/x", "/x"),
        ("apigateway-v1", "///api/v1/x/", "/x/"),
        ("alb", "/api/v1/a%2Fb%41", "/a%2Fb%41"),
    ],
)
def test_a_prefix_in_the_spellings_of_each_format(tmp_path, format, target, expected):
    asked = door(tmp_path, 'strip-prefix = "/api/v1"', format=format)
    assert asked.ask("GET", target)[0] == 200
    assert shown(asked.invoker.events[0]) == expected


def test_the_template_loses_the_prefix_too(tmp_path):
    asked = door(tmp_path, 'strip-prefix = "/api/v1"', path="/api/v1/users/{id}", format="apigateway-v2")
    asked.ask("GET", "/api/v1/users/7")
    event = asked.invoker.events[0]
    assert (event["routeKey"], event["pathParameters"]) == ("ANY /users/{id}", {"id": "7"})


def test_what_does_not_begin_with_the_prefix_stays(tmp_path):
    asked = door(tmp_path, 'strip-prefix = "/api"', path="/{any+}")
    for target in ("/apix/y", "/x/api", "/ap"):
        asked.ask("GET", target)
    assert [event["path"] for event in asked.invoker.events] == ["/apix/y", "/x/api", "/ap"]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/u/7", "/users/7?from=u"),
        ("/u/7?x=1", "/users/7?from=u&x=1"),
    ],
)
def test_path_parameters_make_a_path(tmp_path, format, target, expected):
    asked = door(tmp_path, 'rewrite = "/users/{id}?from=u"', path="/u/{id}", format=format)
    asked.ask("GET", target)
    assert shown(asked.invoker.events[0]) == expected


@pytest.mark.parametrize(
    ("format", "expected"),
    [("alb", "/users/a%20%3Fb"), ("apigateway-v2:payload=1.0", "/users/a%20%3Fb"), ("function-url", "/users/a%20%3Fb")],
)
def test_what_a_parameter_holds_stays_inside_the_path(tmp_path, format, expected):
    asked = door(tmp_path, 'rewrite = "/users/{id}"', path="/u/{id}", format=format)
    assert asked.ask("GET", "/u/a%20%3Fb")[0] == 200
    event = asked.invoker.events[0]
    assert shown(event) in (expected, "/users/a ?b")
    assert not event.get("queryStringParameters")


def test_a_host(tmp_path):
    asked = door(tmp_path, 'rewrite-host = "www.example.org"', format="apigateway-v2")
    asked.ask("GET", "/api/v1/x", Host="example.com")
    event = asked.invoker.events[0]
    assert event["requestContext"]["domainName"] == event["headers"]["host"] == "www.example.org"


GUARDED = """
function-header = "none"
format = "{format}"
[authorizer.keys]
kind = "api-key"
file = "{keys}"
[[route]]
path = "/admin/{{any+}}"
function = "{function}"
{guard}
[[route]]
path = "/open/{{any+}}"
function = "f"
strip-prefix = "/open"
{more}
"""


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "guard",
    ['authorizer = "keys"', 'allow-from = "10.0.0.0/8"', 'deny-from = "192.0.2.0/24"', "fixed-response = 403"],
)
@pytest.mark.parametrize(
    "target",
    ["/open/admin/x", "/open/%61dmin/x", "/open/admin/x?y", "/%6fpen/admin/x", "/open/admin%2Fx", "/open/admin//x"],
)
def test_no_rewrite_leads_past_a_guard(tmp_path, format, guard, target):
    keys = tmp_path / "keys"
    keys.write_text("a " + "0" * 64)
    asked = Door(tmp_path, GUARDED.format(format=format, keys=keys, guard=guard, function="f:live", more=""))
    status = asked.ask("GET", target)[0]
    assert status in (403, 404), target
    assert not asked.invoker.invocations
    assert asked.ask("GET", "/open/users/x")[0] == 200


@pytest.mark.parametrize(
    ("function", "guard", "more", "status"),
    [
        ("other", 'allow-from = "10.0.0.0/8"', "", 200),
        ("f", 'allow-from = "192.0.2.0/24"', 'allow-from = "192.0.2.0/24"', 200),
        ("f", 'rate = "1/s"', "", 200),
        ("f", 'deny-from = "10.0.0.0/8"', 'deny-from = "10.9.0.0/16"', 404),
        ("arn:aws:lambda:us-east-1:123456789012:function:f", 'allow-from = "10.0.0.0/8"', "", 404),
        ("123456789012:function:f", 'allow-from = "10.0.0.0/8"', "", 404),
    ],
)
def test_who_may_be_led_there(tmp_path, function, guard, more, status):
    keys = tmp_path / "keys"
    keys.write_text("a " + "0" * 64)
    asked = Door(tmp_path, GUARDED.format(format="alb", keys=keys, guard=guard, function=function, more=more))
    assert asked.ask("GET", "/open/admin/x")[0] == status


def test_a_loop_of_slashes_costs_little(tmp_path):
    asked = door(tmp_path, 'strip-prefix = "/api/v1"', path="/{any+}", format="function-url")
    asked.ask("GET", "/" * 8000 + "api")
    asked.ask("GET", "/x" * 4000)
    asked.ask("GET", "%2F".join(["/api", "v1", *"x" * 2000]))
    assert [len(event["rawPath"]) for event in asked.invoker.events] == [4, 8000, 7998]


class TestWithExpressions:
    @pytest.fixture(autouse=True)
    def engine(self):
        pytest.importorskip("re2", reason="google-re2 is not installed")

    @pytest.mark.parametrize(
        ("more", "target", "expected"),
        [
            ('{regex = "^/old/([^?]*)", replace = "/new/$1"}', "/old/a/b?c=d", "/new/a/b?c=d"),
            ('{regex = "^/old/(.*)$", replace = "/new?$1"}', "/old/a=b", "/new?a=b"),
            ('{regex = "[?].*", replace = ""}', "/old/a?b=c", "/old/a"),
            ('{regex = "nothing", replace = "/x"}', "/old/a", "/old/a"),
            ('{regex = "^/old", replace = "/$$x"}', "/old/a", "/$x/a"),
        ],
    )
    def test_the_first_match_is_replaced(self, tmp_path, more, target, expected):
        asked = door(tmp_path, f"rewrite = {more}", path="/{any+}")
        assert asked.ask("GET", target)[0] == 200
        assert shown(asked.invoker.events[0]) == expected

    @pytest.mark.parametrize(
        "more",
        [
            '{regex = "^/", replace = ""}',
            '{regex = "^.*$", replace = "http://x/"}',
            '{regex = "/x(.*)", replace = "/$1$1$1$1$1$1$1$1$1"}',
        ],
    )
    def test_what_is_no_path_is_answered_500(self, tmp_path, more):
        asked = door(tmp_path, f"rewrite = {more}", path="/{any+}")
        assert asked.ask("GET", "/x" + "a" * 4000)[0] in (500, 502)
        assert not asked.invoker.invocations

    def test_a_host_that_is_none_is_answered_500(self, tmp_path):
        asked = door(tmp_path, 'rewrite-host = {regex = "^(.*)$", replace = "$1/.."}', path="/{any+}")
        assert asked.ask("GET", "/x")[0] in (500, 502)

    @pytest.mark.parametrize(
        ("table", "said"),
        [
            ({"regex": "(a)", "replace": "$2"}, "no group"),
            ({"regex": "a", "replace": "a b"}, "blanks"),
            ({"regex": "a", "replace": "\xe9"}, "ASCII"),
            ({"regex": "a"}, "a table with regex and replace"),
            ({"regex": "(", "replace": ""}, "RE2"),
            ({"regex": "a", "replace": "x" * 1025}, "1024"),
        ],
    )
    def test_mistakes(self, table, said):
        with pytest.raises(ValueError, match=said):
            rewrites.rewrite_of_table(table)


@pytest.mark.parametrize(
    ("more", "path", "said"),
    [
        ('rewrite = "/x/{id}"', "/y/{other}", "has no {id}"),
        ('rewrite = "x"', "/y", "no path"),
        ('rewrite = "/x/{"', "/y", "no path|written"),
        ('strip-prefix = "/b"', "/a/{x+}", "never begins"),
        ('strip-prefix = "/b/"', "/a/{x+}", "without a slash at its end"),
        ('rewrite-host = "a/b"', "/a/{x+}", "no host"),
    ],
)
def test_mistakes(tmp_path, more, path, said):
    with pytest.raises(Exception, match=said):
        door(tmp_path, more, path=path)


def test_the_function_is_what_was_named(tmp_path):
    asked = door(tmp_path, 'strip-prefix = "/api/v1"')
    asked.ask("GET", "/api/v1/x")
    assert asked.invoker.invocations[0].function == Function("aws", "f")


OVERRIDDEN = """
function-header = "none"
format = "apigateway-v1"
[[route]]
path = "/{where}/x"
methods = ["DELETE"]
function = "f"
allow-from = "10.0.0.0/8"
[[route]]
path = "/{where}/{{any+}}"
{methods}
function = "f"
[[route]]
path = "/open/{{any+}}"
{methods}
function = "f"
strip-prefix = "/open"
"""


@pytest.mark.parametrize("methods", ["", 'methods = ["POST", "DELETE"]'])
@pytest.mark.parametrize("target", ["/items/x", "/open/items/x"])
def test_no_header_that_names_a_method_leads_past_a_guard(tmp_path, methods, target):
    asked = Door(tmp_path, OVERRIDDEN.format(where="items", methods=methods))
    assert asked.ask("DELETE", target)[0] == 403
    status = asked.ask("POST", target, X_HTTP_Method_Override="DELETE")[0]
    assert status == 403 and not asked.invoker.invocations
    assert asked.ask("POST", target.replace("x", "y"), X_HTTP_Method_Override="DELETE")[0] == 200
    assert asked.invoker.events[0]["httpMethod"] == "DELETE"


CHOSEN = """
function-header = "none"
format = "alb"
[[route]]
path = "/admin/{{any+}}"
allow-from = "10.0.0.0/8"
{guarded}
[[route]]
path = "/open/{{any+}}"
strip-prefix = "/open"
{open}
"""


@pytest.mark.parametrize(
    ("guarded", "open", "status"),
    [
        ('function = "f"', 'split = {"other" = 999, "f" = 1}', 404),
        ('function = "f"', 'function = "other"\ncanary = "f"', 404),
        ('function = "f"', 'function = "other"\nshadow = "f"', 404),
        ('split = {"f" = 1, "g" = 1}', 'function = "g"', 404),
        ('function = "f"\ncanary = "g"', 'function = "g"', 404),
        ('split = {"f" = 1, "g" = 1}', 'split = {"x" = 1, "y" = 1}', 200),
    ],
)
def test_no_version_that_may_be_asked_is_led_past_its_guard(tmp_path, guarded, open, status):
    asked = Door(tmp_path, CHOSEN.format(guarded=guarded, open=open))
    assert {asked.ask("GET", "/open/admin/x")[0] for _ in range(20)} == {status}
    assert asked.ask("GET", "/open/users/x")[0] == 200
