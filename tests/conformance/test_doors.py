"""What the front doors of AWS do before the function and instead of it: a case for each fact that somebody has seen or
AWS has written, with its source."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from twisted.python.usage import UsageError

from lambdaproxy.errors import ConfigError
from tests.doorway import OK, Doorway, Raised, fields, named

pytest.importorskip("joserfc", reason="pip install 'lambdaproxy[jwt]'")

from tests.authorizers.issuing import RSA, key_set, token

NOW = 1_750_000_000.0
PAGE = "https://a.example"
ISSUER = "https://login.example"
DOCUMENTS = {
    f"{ISSUER}/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"},
    f"{ISSUER}/keys": key_set(RSA),
}
HTTP = 'format = "apigateway-v2"\n'
REST = 'format = "apigateway-v1"\n'
URL = 'format = "function-url"\n'


def route(path: str, *methods: str, **more: Any) -> str:
    said = "".join(f"{key.replace('_', '-')} = {json.dumps(value)}\n" for key, value in more.items())
    listed = f"methods = {json.dumps(methods)}\n" if methods else ""
    return f'[[route]]\npath = "{path}"\nfunction = "fn"\n{listed}{said}'


def preflight(origin: str = PAGE, method: str = "POST", headers: str = "") -> list[tuple[str, str]]:
    found = [("Origin", origin), ("Access-Control-Request-Method", method)]
    return found + ([("Access-Control-Request-Headers", headers)] if headers else [])


def cors(*origins: str, **more: Any) -> str:
    said = {"allow-origins": list(origins), **{key.replace("_", "-"): value for key, value in more.items()}}
    return "[cors]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in said.items())


# -- CORS of an HTTP API


def test_options_without_an_origin_that_no_route_takes(door):
    """Observed on AWS, 2026."""
    answer = (one := door(HTTP + cors(PAGE) + route("/x", "GET"))).ask("OPTIONS", "/x")
    assert (answer.status, answer.body, fields(answer, "content-type")) == (204, b"", [])
    assert named(answer, "access-control-") == {} and one.events == {}


def test_a_preflight_where_nothing_is_configured(door):
    """Observed on AWS, 2026: a browser's preflight."""
    answer = door(HTTP + route("/x", "POST")).ask("OPTIONS", "/x", *preflight())
    assert (answer.status, answer.body) == (404, b'{"message":"Not Found"}')
    assert fields(answer, "content-type") == ["application/json"]


def test_an_error_of_the_gateway_has_the_headers(door):
    """Observed on AWS, 2026."""
    one = door(HTTP + cors("*") + route("/x", "POST"), fn=Raised("x"))
    answer = one.ask("POST", "/x", ("Origin", "http://localhost:5173"))
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')
    assert fields(answer, "access-control-allow-origin") == ["*"] and fields(answer, "vary") == ["origin"]


def test_the_functions_headers_are_replaced(door):
    """API Gateway guide, http-api-cors."""
    said = {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "7"}}
    one = door(HTTP + cors(PAGE) + route("/x"), fn=said)
    answer = one.ask("GET", "/x", ("Origin", PAGE))
    assert named(answer, "access-control-") == {"access-control-allow-origin": [PAGE]}
    assert named(one.ask("GET", "/x", ("Origin", "https://other.example")), "access-control-") == {}


@pytest.mark.parametrize("format", [HTTP, REST])
def test_credentials_with_any_origin_are_refused_at_start(door, format):
    """Observed when such an API is made."""
    with pytest.raises((ConfigError, UsageError), match="allow-credentials") as caught:
        door(format + cors("*", allow_credentials=True) + route("/x"))
    assert "*" in str(caught.value)


@pytest.mark.parametrize("path", ["/x", "/{any+}", "$default"])
def test_a_route_for_any_method_gets_its_preflights(door, path):
    """Told by several people, 2020 to 2025."""
    one = door(HTTP + cors(PAGE) + route(path))
    one.ask("OPTIONS", "/x", *preflight())
    assert one.events["fn"][0]["requestContext"]["http"]["method"] == "OPTIONS"


def test_a_preflight_of_a_token_s_route_is_answered_without_one(door):
    """API Gateway guide: preflights that no route takes are answered."""
    one = door(HTTP + cors(PAGE, allow_methods=["POST"]) + JWT + route("/x", "POST", authorizer="login"))
    answer = one.ask("OPTIONS", "/x", *preflight())
    assert answer.status == 204 and fields(answer, "access-control-allow-origin") == [PAGE]


# -- CORS of a function URL

OF_URL = cors(
    "https://localhost:8080", allow_headers=["authorization", "content-type", "x-books-authorization"],
    allow_methods=["GET", "POST"], allow_credentials=True,
)  # fmt: skip


def test_a_preflight_of_a_function_url(door):
    """A browser's capture, 2024."""
    one = door(URL + OF_URL + route("$default"))
    answer = one.ask("OPTIONS", "/", *preflight("https://localhost:8080", "POST", "authorization"))
    assert (answer.status, answer.body, one.events) == (200, b"", {})
    assert fields(answer, "content-type") == ["application/json"] and fields(answer, "vary") == ["Origin"]
    assert named(answer, "access-control-") == {
        "access-control-allow-origin": ["https://localhost:8080"],
        "access-control-allow-headers": ["authorization,content-type,x-books-authorization"],
        "access-control-allow-methods": ["GET,POST"],
        "access-control-allow-credentials": ["true"],
    }
    assert fields(answer, "x-amzn-trace-id") == []


def test_a_function_url_adds_to_the_functions_headers(door):
    """The same capture: browsers refuse what stands twice."""
    said = {"statusCode": 200, "headers": {"access-control-allow-origin": "https://localhost:8080"}}
    answer = door(URL + OF_URL + route("$default"), fn=said).ask("GET", "/", ("Origin", "https://localhost:8080"))
    assert fields(answer, "access-control-allow-origin") == ["https://localhost:8080"] * 2
    assert fields(answer, "vary") == ["Origin"]


def test_a_function_url_without_rules_hands_preflights_on(door):
    """The same capture."""
    one = door(URL + route("$default"))
    one.ask("OPTIONS", "/", *preflight())
    event = one.events["fn"][0]
    assert event["requestContext"]["http"]["method"] == "OPTIONS"
    assert event["headers"]["access-control-request-method"] == "POST"


def test_any_origin_of_a_function_url_is_named(door):
    """Told by several people, 2024."""
    answer = door(URL + cors("*") + route("$default")).ask("GET", "/", ("Origin", PAGE))
    assert fields(answer, "access-control-allow-origin") == [PAGE]


# -- tokens

JWT = f'[authorizer.login]\nkind = "jwt"\nissuer = "{ISSUER}"\naudience = ["web"]\n'


def bearer(**more: Any) -> tuple[str, str]:
    claims = {"iss": ISSUER, "aud": "web", "exp": int(NOW) + 600, **more}
    return "Authorization", f"Bearer {token({k: v for k, v in claims.items() if v is not None})}"


def guarded(door: Any, *scopes: str) -> Doorway:
    more = {"scopes": list(scopes)} if scopes else {}
    made: Doorway = door(HTTP + JWT + route("/x", authorizer="login", **more))
    return made


def challenge(answer: Any) -> str:
    return fields(answer, "www-authenticate")[0]


def test_no_token(door):
    """Captures of 2024 and 2026."""
    one = guarded(door)
    for header in ((), (("Authorization", ""),)):
        answer = one.ask("GET", "/x", *header)
        assert (answer.status, answer.body, challenge(answer)) == (401, b'{"message":"Unauthorized"}', "Bearer")
        assert fields(answer, "content-type") == ["application/json"]
    assert one.events == {}


def test_what_is_no_token(door):
    """Told twice in words."""
    answer = guarded(door).ask("GET", "/x", ("Authorization", "Bearer not-a-token"))
    assert answer.status == 401
    assert challenge(answer) == (
        'Bearer scope="" error="invalid_token" error_description="token contains an invalid number of segments"'
    )


def test_a_missing_scope(door):
    """A capture of 2024."""
    answer = guarded(door, "HelloAPI/hello.read", "HelloAPI/hello.write").ask("GET", "/x", bearer(scope="openid"))
    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')
    assert challenge(answer) == (
        'Bearer scope="HelloAPI/hello.read HelloAPI/hello.write" error="insufficient_scope" '
        'error_description="expected scopes: [HelloAPI/hello.read HelloAPI/hello.write]"'
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"aud": "other"}, "the token does not have a valid audience"),  # guide, a request of 2020
        ({"aud": "other", "client_id": "web"}, "the token does not have a valid audience"),  # guide of 2025
        ({"exp": int(NOW) - 1}, "the token has expired"),  # a capture of 2020
    ],
)
def test_a_token_that_is_not_good(door, said, words):
    answer = guarded(door).ask("GET", "/x", bearer(**said))
    assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
    assert challenge(answer) == f'Bearer scope="" error="invalid_token" error_description="{words}"'


def test_client_id_where_there_is_no_audience(door):
    """API Gateway guide, 2025."""
    assert guarded(door).ask("GET", "/x", bearer(aud=None, client_id="web")).status == 200


def test_claims_are_texts(door):
    """Measured in 2026."""
    one = guarded(door)
    said = {"cognito:groups": ["admin", "poweruser"], "email_verified": True, "exp": 9999999999, "scope": "a b",
            "none": None, "empty": [], "one": ["admins"]}  # fmt: skip
    assert one.ask("GET", "/x", bearer(**said)).status == 200
    found = one.events["fn"][0]["requestContext"]["authorizer"]
    assert list(found) == ["jwt"] and found["jwt"]["scopes"] is None
    claims = found["jwt"]["claims"]
    assert claims["cognito:groups"] == "[admin poweruser]" and claims["email_verified"] == "true"
    assert claims["exp"] == "9999999999" and claims["empty"] == "[]" and claims["one"] == "[admins]"
    assert "none" not in claims


def test_scopes_are_all_of_the_token(door):
    """Measured in 2026."""
    one = guarded(door, "read", "admin/other")
    assert one.ask("GET", "/x", bearer(scope="read write")).status == 200
    assert one.events["fn"][0]["requestContext"]["authorizer"]["jwt"]["scopes"] == ["read", "write"]


# -- Lambda authorizers


def policy(effect: str, resource: str, **more: Any) -> dict[str, Any]:
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": resource}
    return {"principalId": "me", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}, **more}


def rest(door: Any, who: Any, more: str = "") -> Doorway:
    table = f'[authorizer.who]\nkind = "lambda"\nfunction = "who"\npayload = "token"\n{more}'
    made: Doorway = door(REST + table + route("/a", authorizer="who") + route("/b", authorizer="who"), who=who, fn=OK)
    return made


def said(answer: Any) -> tuple[int, Any, list[str]]:
    return answer.status, json.loads(answer.body), fields(answer, "x-amzn-errortype")


def test_rest_without_a_token(door):
    """A capture of 2023, whole heads."""
    one = rest(door, policy("Allow", "*"))
    assert said(one.ask("GET", "/a")) == (401, {"message": "Unauthorized"}, ["UnauthorizedException"])
    assert "who" not in one.events


def test_rest_explicit_deny(door):
    """A capture of 2026; the capital letter is AWS's."""
    one = rest(door, lambda event: policy("Deny", event["methodArn"]))
    words = "User is not authorized to access this resource with an explicit deny in an identity-based policy"
    assert said(one.ask("GET", "/a", ("Authorization", "x"))) == (403, {"Message": words}, ["AccessDeniedException"])


def test_rest_deny_without_a_principal(door):
    """A capture of 2023: its handler names none."""
    one = rest(door, {key: value for key, value in policy("Deny", "*").items() if key != "principalId"})
    assert one.ask("GET", "/a", ("Authorization", "x")).status == 403


@pytest.mark.parametrize(
    "result", [{"principalId": "me"}, {}, [], "text", None, {**policy("Allow", "*"), "context": [1]}]
)
def test_rest_broken_result(door, result):
    """A capture of 2023 for the answer."""
    one = rest(door, result)
    expected = (500, {"message": None}, ["AuthorizerConfigurationException"])
    assert said(one.ask("GET", "/a", ("Authorization", "x"))) == expected


def test_rest_raised_unauthorized(door):
    """API Gateway guide."""
    one = rest(door, Raised("Unauthorized"))
    assert said(one.ask("GET", "/a", ("Authorization", "x")))[:2] == (401, {"message": "Unauthorized"})
    assert rest(door, Raised("Unauthorized!")).ask("GET", "/a", ("Authorization", "x")).status == 500


def test_rest_a_kept_policy_is_judged_for_each_method(door):
    """API Gateway guide: applicable to all methods across an API."""
    one = rest(door, policy("Allow", "arn:aws:execute-api:*:*:*/*/GET/a"))
    assert one.ask("GET", "/a", ("Authorization", "t")).status == 200
    assert said(one.ask("GET", "/b", ("Authorization", "t")))[:2] == (
        403,
        {"Message": "User is not authorized to access this resource"},
    )
    assert len(one.events["who"]) == 1
    one.ask("GET", "/a", ("Authorization", "other"))
    assert len(one.events["who"]) == 2


def test_rest_what_the_authorizer_is_told(door):
    """API Gateway guide, "Input to a Lambda authorizer"."""
    one = rest(door, policy("Allow", "*", context={"n": 5, "b": True, "s": "x"}))
    one.ask("GET", "/a?x=1", ("Authorization", "Bearer t"))
    assert one.events["who"] == [
        {
            "type": "TOKEN",
            "methodArn": "arn:aws:execute-api:us-east-1:123456789012:lambdaprox/prod/GET/a",
            "authorizationToken": "Bearer t",
        }
    ]
    authorizer = one.events["fn"][0]["requestContext"]["authorizer"]
    assert isinstance(authorizer.pop("integrationLatency"), int)
    assert authorizer == {"principalId": "me", "n": "5", "b": "true", "s": "x"}


def simple(door: Any, who: Any, more: str = "") -> Doorway:
    table = '[authorizer.who]\nkind = "lambda"\nfunction = "who"\npayload = "2.0"\nsimple = true\n'
    table += f'identity-source = ["$request.header.Authorization"]\n{more}'
    made: Doorway = door(HTTP + table + route("/x", authorizer="who"), who=who, fn=OK)
    return made


def test_http_simple_answers(door):
    """A capture of 2021."""
    one = simple(door, {"isAuthorized": False})
    answer = one.ask("GET", "/x")
    assert (answer.status, answer.body) == (401, b'{"message":"Unauthorized"}')
    assert fields(answer, "www-authenticate") == [] and "who" not in one.events
    answer = one.ask("GET", "/x", ("Authorization", "t"))
    assert (answer.status, answer.body) == (403, b'{"message":"Forbidden"}')


@pytest.mark.parametrize("who", [Raised("x"), Raised("Unauthorized"), "no", {"isAuthorized": "true"}, {}])
def test_http_broken_answers(door, who):
    """API Gateway guide."""
    answer = simple(door, who).ask("GET", "/x", ("Authorization", "t"))
    assert (answer.status, answer.body) == (500, b'{"message":"Internal Server Error"}')


def test_http_context_keeps_its_types(door):
    """API Gateway guide, with an array and a map."""
    context = {"a": [1, {"b": None}], "m": {"x": True}, "n": 1.5}
    one = simple(door, {"isAuthorized": True, "context": context})
    one.ask("GET", "/x", ("Authorization", "t"))
    assert one.events["fn"][0]["requestContext"]["authorizer"] == {"lambda": context}
    told = one.events["who"][0]
    assert (told["type"], told["identitySource"], told["version"]) == ("REQUEST", ["t"], "2.0")
    assert told["routeArn"].endswith("/$default/GET/x") and "body" not in told and "isBase64Encoded" not in told


# -- keys, quotas, rates

KEY = "k" * 24


def keyed(door: Any, tmp_path: Any, more: str = "", format: str = REST) -> Doorway:
    file = tmp_path / "keys"
    file.write_text(f"partner {hashlib.sha256(KEY.encode()).hexdigest()}\n")
    table = f'[authorizer.keys]\nkind = "api-key"\nfile = "{file}"\n{more}'
    made: Doorway = door(format + table + route("/x", authorizer="keys"))
    return made


@pytest.mark.parametrize("sent", [(), (("x-api-key", ""),), (("x-api-key", "u" * 24),)])
def test_no_key(door, tmp_path, sent):
    """API Gateway guide; a capture."""
    answer = keyed(door, tmp_path).ask("GET", "/x", *sent)
    assert said(answer) == (403, {"message": "Forbidden"}, ["ForbiddenException"])


def test_a_key_in_the_event(door, tmp_path):
    """API Gateway guide; the header still reaches the function."""
    one = keyed(door, tmp_path)
    one.ask("GET", "/x", ("X-API-KEY", KEY))
    event = one.events["fn"][0]
    assert event["requestContext"]["identity"]["apiKey"] == KEY
    assert event["requestContext"]["identity"]["apiKeyId"] == "partner"
    assert event["headers"]["X-API-KEY"] == KEY


def test_over_the_quota(door, tmp_path):
    """A capture of 2026."""
    one = keyed(door, tmp_path, 'quota = "1/day"\n', 'format = "apigateway-v1:limits=aws"\n')
    assert one.ask("GET", "/x", ("x-api-key", KEY)).status == 200
    answer = one.ask("GET", "/x", ("x-api-key", KEY))
    assert said(answer) == (429, {"message": "Limit Exceeded"}, ["LimitExceededException"])
    assert fields(answer, "retry-after") == []


@pytest.mark.parametrize(("format", "kind"), [(REST, ["TooManyRequestsException"]), (HTTP, [])])
def test_over_the_rate(door, format, kind):
    """Captures of 2026."""
    one = door(format.replace('"\n', ':limits=aws"\n') + route("/x", rate="1/s", burst=1))
    assert one.ask("GET", "/x").status == 200
    answer = one.ask("GET", "/x")
    assert said(answer) == (429, {"message": "Too Many Requests"}, kind)
    assert fields(answer, "retry-after") == []


@pytest.mark.parametrize(
    ("context", "status", "kind"),
    [
        ({"usageIdentifierKey": KEY}, 200, []),
        ({"usageIdentifierKey": "u" * 24}, 403, ["ForbiddenException"]),
        ({}, 403, ["ForbiddenException"]),
        ({"usageIdentifierKey": 7}, 403, ["ForbiddenException"]),
    ],
)
def test_a_key_that_a_lambda_authorizer_names(door, context, status, kind):
    """API Gateway guide, apiKeySource AUTHORIZER; the event shows the key. What a client sends is not looked at."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    tables = (
        '[authorizer.who]\nkind = "lambda"\nfunction = "who"\npayload = "token"\n'
        f'[authorizer.keys]\nkind = "api-key"\nkey = ["partner {digest}"]\nidentity-source = "usageIdentifierKey"\n'
        '[authorizer.both]\nkind = "all"\nof = ["who", "keys"]\n'
    )
    one = door(REST + tables + route("/x", authorizer="both"), who={**policy("Allow", "*"), **context})
    answer = one.ask("GET", "/x", ("Authorization", "t"), ("X-API-Key", KEY))
    assert (answer.status, fields(answer, "x-amzn-errortype")) == (status, kind)
    if status == 200:
        shown = one.events["fn"][0]["requestContext"]
        assert (shown["identity"]["apiKey"], shown["identity"]["apiKeyId"]) == (KEY, "partner")
        assert shown["authorizer"]["principalId"] == "me"


def test_a_quota_is_charged_when_all_have_let_a_request_in(door, tmp_path):
    """API Gateway guide: what is refused is not counted, whoever refuses it."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    tables = (
        '[authorizer.who]\nkind = "lambda"\nfunction = "who"\npayload = "token"\nresult-ttl = 0\n'
        f'[authorizer.keys]\nkind = "api-key"\nkey = ["partner {digest}"]\nquota = "1/day"\nrate = "1/s"\n'
        '[authorizer.both]\nkind = "all"\nof = ["keys", "who"]\n'
    )

    def who(event: Any) -> Any:
        return policy("Allow" if event["authorizationToken"] == "good" else "Deny", "*")

    one = door(REST + tables + route("/x", authorizer="both"), who=who)
    for sent, status in (("bad", 403), ("bad", 403), ("good", 200), ("good", 429)):
        assert one.ask("GET", "/x", ("Authorization", sent), ("X-API-Key", KEY)).status == status, sent


def test_a_rate_of_nothing_is_an_off_switch(door):
    """API Gateway guide."""
    assert door(REST + route("/x", rate="0/s")).ask("GET", "/x").status == 429


# -- redirects of a load balancer


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("/a?b=c", "https://example.com:443/a?b=c"),
        ("/a", "https://example.com:443/a"),
        ("/", "https://example.com:443/"),
    ],
)
def test_a_redirect_names_its_port(door, asked, location):
    """A capture of 2026."""
    table = "redirect = {protocol = 'HTTPS', port = '443', status-code = 301}\n"
    one = door(f"[[route]]\npath = '$default'\n{table}")
    answer = one.ask("GET", asked, host="example.com", scheme="http", port=80)
    assert (answer.status, fields(answer, "location")) == (301, [location])
    assert fields(answer, "server") == ["awselb/2.0"]


# -- IAM


def test_a_rest_path_that_is_not_there_and_an_authorization_that_is_no_signature(door):
    """A capture: also on paths that no route takes."""
    one = door(REST + route("/x", "GET"))
    status, document, kind = said(one.ask("GET", "/nowhere", ("Authorization", "Bearer x")))
    assert (status, kind) == (403, ["IncompleteSignatureException"])
    assert document["message"].startswith(
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base"
    )
    status, document, kind = said(one.ask("GET", "/nowhere"))
    assert (status, document, kind) == (
        403,
        {"message": "Missing Authentication Token"},
        ["MissingAuthenticationTokenException"],
    )


# -- validation


@pytest.mark.parametrize("path", ["/x", "/x?qs1="])
def test_required_parameters_of_a_rest_api(door, path):
    """A recording of 2024: names in the order of their whole expressions."""
    config = REST + route("/x", request_parameters=["querystring.qs1", "header.x-header-param"])
    answer = door(config).ask("GET", path)
    assert said(answer)[:2] == (
        400,
        {"message": "Missing required request parameters: [x-header-param, qs1]"},
    )


# -- what is kept of an answer is nobody else's


def test_what_is_kept_is_kept_for_all_values_and_one_authorizer(door):
    """API Gateway guide: the key is the values of all identity sources."""

    def who(event: Any) -> Any:
        return {"isAuthorized": event["identitySource"] == ["a", "b"]}

    def table(name: str, *sources: str) -> str:
        listed = json.dumps([f"$request.header.{source}" for source in sources])
        return (
            f'[authorizer.{name}]\nkind = "lambda"\nfunction = "who"\npayload = "2.0"\nsimple = true\n'
            f"result-ttl = 300\nidentity-source = {listed}\n"
        )

    config = table("one", "X-A", "X-B") + table("two", "X-B", "X-A")
    one = door(HTTP + config + route("/one", authorizer="one") + route("/two", authorizer="two"), who=who)
    good = (("X-A", "a"), ("X-B", "b"))
    for _ in range(2):
        assert one.ask("GET", "/one", *good).status == 200
        # The same values in other places, joined, parted, or doubled are somebody else's.
        for headers in (
            (("X-A", "b"), ("X-B", "a")),
            (("X-A", "ab"), ("X-B", "b")),
            (("X-A", "a,b"), ("X-B", "b")),
            (("X-A", "a"), ("X-B", "b "), ("X-B", "b")),
            (("X-A", "a"),),
            (("X-A", "A"), ("X-B", "b")),
        ):
            assert one.ask("GET", "/one", *headers).status in (401, 403), headers
        assert one.ask("GET", "/two", *good).status == 403
    assert len([each for each in one.events["who"] if each["identitySource"] == ["a", "b"]]) == 1


def test_a_token_that_is_known_is_judged_for_each_route(door):
    """What is remembered of a token is what it says, and not that somebody was let in."""
    other = JWT.replace("login", "other").replace("web", "app")
    config = JWT + other.replace("https://other.example", ISSUER)
    one = door(
        HTTP + config + route("/a", authorizer="login") + route("/b", authorizer="login", scopes=["admin"])
        + route("/c", authorizer="other")
    )  # fmt: skip
    sent = bearer(scope="read")
    for _ in range(3):
        assert one.ask("GET", "/a", sent).status == 200
        assert one.ask("GET", "/b", sent).status == 403
        assert one.ask("GET", "/c", sent).status == 401
