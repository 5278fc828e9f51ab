"""Small facts of the front doors: which field stands where, and who is asked where several could be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.doorway import fields, named

pytest.importorskip("joserfc", reason="pip install 'lambdaproxy[jwt]'")

from tests.conformance.test_doors import (
    HTTP,
    JWT,
    OF_URL,
    PAGE,
    REST,
    URL,
    cors,
    guarded,
    policy,
    preflight,
    rest,
    route,
)


def names(answer: Any) -> list[str]:
    return [name.decode().lower() for name, _ in answer.headers]


@pytest.mark.parametrize("format", [HTTP, URL])
def test_who_names_no_origin_is_told_nothing(door, format):
    """API Gateway guide, http-api-cors: CORS acts on requests with an Origin, preflights need a method too."""
    one = door(format + cors(PAGE, allow_methods=["GET"]) + route("/x" if format is HTTP else "$default", "GET"))
    assert named(one.ask("GET", "/x"), "access-control-") == {}
    asked = one.ask("OPTIONS", "/x", ("Origin", PAGE))
    assert "access-control-allow-methods" not in names(asked)


def test_a_preflight_of_an_http_api_has_an_id_and_no_type(door):
    """Recordings of 2026: 204 without a type and a length."""
    answer = door(HTTP + cors(PAGE, allow_methods=["GET"]) + route("/x", "GET")).ask("OPTIONS", "/x", *preflight())
    assert names(answer)[-1] == "apigw-requestid"
    assert not {"content-type", "content-length"} & set(names(answer))


def test_fields_of_cors_stand_after_the_function_s_and_before_the_id(door):
    """Captures of 2024 and 2026."""
    said = {"statusCode": 200, "headers": {"X-Mine": "1"}, "body": "x"}
    answer = door(HTTP + cors(PAGE, allow_credentials=True) + route("/x"), fn=said).ask("GET", "/x", ("Origin", PAGE))
    found = names(answer)
    assert found.index("x-mine") < found.index("access-control-allow-origin") < found.index("apigw-requestid")
    assert found[-1] == "apigw-requestid"


@pytest.mark.parametrize(("vary", "found"), [(True, ["origin"]), (False, [])])
def test_vary_has_a_switch(door, vary, found):
    """One recording has it beside a star, another has none beside a name."""
    answer = door(HTTP + cors("*", vary=vary) + route("/x")).ask("GET", "/x", ("Origin", PAGE))
    assert fields(answer, "vary") == found


@pytest.mark.parametrize(
    ("routes", "status"),
    [
        (route("/{any+}", authorizer="login"), 401),
        (route("$default", authorizer="login"), 401),
        # The guide's remedy: a route of its own for OPTIONS, without an authorizer.
        (route("/{any+}", authorizer="login") + route("/{proxy+}", "OPTIONS"), 200),
    ],
)
def test_a_preflight_of_a_route_for_any_method_meets_its_authorizer(door, routes, status):
    """Told by several people, 2023 to 2025; API Gateway guide for the remedy."""
    one = door(HTTP + cors(PAGE) + JWT + routes)
    assert one.ask("OPTIONS", "/x", *preflight()).status == status
    assert bool(one.events) is (status == 200)


def test_preflights_can_always_be_answered_here(door):
    """The same page says so of APIs whose routes take OPTIONS: a switch says which."""
    config = HTTP + cors(PAGE, preflight="always", allow_methods=["POST"]) + JWT + route("/{any+}", authorizer="login")
    answer = (one := door(config)).ask("OPTIONS", "/x", *preflight())
    assert (answer.status, fields(answer, "access-control-allow-origin"), one.events) == (204, [PAGE], {})


def test_the_order_of_a_function_url_s_preflight(door):
    """A browser's capture, 2024."""
    answer = door(URL + OF_URL + route("$default")).ask(
        "OPTIONS", "/", *preflight("https://localhost:8080", "POST", "authorization")
    )
    assert names(answer)[-5:] == [
        "vary", "access-control-allow-origin", "access-control-allow-headers", "access-control-allow-methods",
        "access-control-allow-credentials",
    ]  # fmt: skip
    assert "content-type" in names(answer)[:-5]


def test_what_a_function_url_s_function_says_of_methods_passes(door):
    """The same capture: lists are of preflights, so the function's stand alone."""
    said = {"statusCode": 200, "headers": {"access-control-allow-methods": "PUT", "access-control-allow-headers": "x"}}
    answer = door(URL + OF_URL + route("$default"), fn=said).ask("GET", "/", ("Origin", "https://localhost:8080"))
    assert fields(answer, "access-control-allow-methods") == ["PUT"]
    assert fields(answer, "access-control-allow-headers") == ["x"]


def test_a_load_balancer_hands_options_on(door):
    """ELB guide: a target answers preflights itself."""
    said = {"statusCode": 204, "headers": {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "PUT"}}
    one = door('format = "alb"\n' + route("$default"), fn=said)
    answer = one.ask("OPTIONS", "/x", *preflight())
    assert one.events["fn"][0]["httpMethod"] == "OPTIONS" and answer.status == 204
    assert named(answer, "access-control-") == {
        "access-control-allow-origin": ["*"], "access-control-allow-methods": ["PUT"],
    }  # fmt: skip


def test_a_load_balancer_s_own_response_headers(door):
    """ELB guide, header modification: fields of the listener stand on every answer."""
    config = (
        'format = "alb"\n'
        + route("$default")
        + 'response-headers = {Access-Control-Allow-Origin = "https://a.example"}\n'
    )
    said = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*"}, "body": ""}
    for result in (said, {"statusCode": "x"}):
        answer = door(config, fn=result).ask("GET", "/x")
        assert fields(answer, "access-control-allow-origin") == [PAGE]


def test_where_a_challenge_stands(door):
    """Captures of 2024 and 2026: content-type, www-authenticate, apigw-requestid."""
    found = names(guarded(door).ask("GET", "/x"))
    assert found.index("content-type") < found.index("www-authenticate") < found.index("apigw-requestid")


def test_a_lambda_authorizer_changes_no_header(door):
    """API Gateway guide: the function gets the request as it was."""
    one = rest(door, policy("Allow", "*"))
    assert one.ask("GET", "/a", ("Authorization", "Bearer t"), ("X-Api-Key", "k" * 24)).status == 200
    sent = {name.lower(): value for name, value in one.events["fn"][0]["headers"].items()}
    assert (sent["authorization"], sent["x-api-key"]) == ("Bearer t", "k" * 24)


@pytest.mark.parametrize(
    ("method", "path", "function"),
    [
        ("GET", "/pets/1", "exact"),
        ("POST", "/pets/1", "any"),
        ("GET", "/pets/1/2", "greedy"),
        ("POST", "/pets/1/2", "default"),
    ],
)
def test_the_route_of_an_http_api(door, method, path, function):
    """API Gateway guide, http-api-develop-routes: a full match, a greedy one with the method, $default."""
    config = "".join(
        route(at, *methods).replace('"fn"', f'"{name}"')
        for at, methods, name in (
            ("/pets/{id}", ("GET",), "exact"), ("/pets/{id}", (), "any"), ("/pets/{more+}", ("GET",), "greedy"),
            ("$default", (), "default"),
        )
    )  # fmt: skip
    one = door(HTTP + config)
    assert one.ask(method, path).status == 200
    assert list(one.events) == [function]


def test_a_resource_without_the_method_gives_way_to_what_takes_the_rest(door):
    """Told by an emulator that was compared with AWS: a REST API looks at resource and method together."""
    config = route("/pets", "GET").replace('"fn"', '"exact"') + route("/{proxy+}")
    one = door(REST + config)
    one.ask("POST", "/pets")
    assert list(one.events) == ["fn"]
