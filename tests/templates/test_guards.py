"""Who may ask, and how often, as templates say it: done where it can be, closed where it cannot."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from lambdaproxy.templates.networks import networks
from tests.templates.support import a_function, asked, notes, of_template, resource, written

POOL = "arn:aws:cognito-idp:eu-west-1:123456789012:userpool/eu-west-1_AbC123"
ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbC123"
KEY = "k" * 24
CODE = {"Runtime": "python3.12", "Handler": "index.handler", "InlineCode": "handler = 1"}


def sam(kind: str, events: dict[str, dict[str, Any]], more: dict[str, Any] | None = None, **api: Any) -> dict[str, Any]:
    """A template with an API, a function with these events, and a function that may be asked."""
    stage = {"StageName": "x"} if kind == "Api" else {}
    name = "RestApiId" if kind == "Api" else "ApiId"
    about = {
        event: {"Type": kind, "Properties": {"Path": f"/{event}", "Method": "get", name: {"Ref": "A"}, **given}}
        for event, given in events.items()
    }
    return {
        "Resources": {
            "A": resource(f"AWS::Serverless::{kind}", **stage, **api),
            "F": resource("AWS::Serverless::Function", Events=about, **CODE),
            "Who": resource("AWS::Serverless::Function", **CODE),
            **(more or {}),
        }
    }


def made(path: Any, **settings: Any) -> dict[str, Any]:
    """The routes by path, and what is known of each."""
    assembly = of_template(path, **settings)
    tables = assembly.configuration.authorizers
    return {
        str(route.path): (
            route.authorizer and (tables[route.authorizer].kind, tables[route.authorizer].given), route.settings
        )
        for route in assembly.router.routes
        if not route.closed
    }  # fmt: skip


def test_tokens_of_an_http_api(tmp_path):
    auth = {
        "DefaultAuthorizer": "Login",
        "Authorizers": {
            "Login": {
                "JwtConfiguration": {"issuer": ISSUER, "audience": ["a", "b"]},
                "IdentitySource": "$request.header.X-Token",
                "AuthorizationScopes": ["read"],
            }
        },
    }
    events: dict[str, dict[str, Any]] = {
        "plain": {},
        "scoped": {"Auth": {"Authorizer": "Login", "AuthorizationScopes": ["write", "admin"]}},
        "open": {"Auth": {"Authorizer": "NONE"}},
    }
    path = written(tmp_path, sam("HttpApi", events, Auth=auth))
    found = made(path)
    given = (("issuer", ISSUER), ("audience", "a"), ("audience", "b"), ("identity-source", "$request.header.X-Token"))
    assert found["/plain"][0] == found["/scoped"][0] == ("jwt", given)
    assert found["/plain"][1].scopes == ("read",)
    assert found["/scoped"][1].scopes == ("write", "admin")
    assert found["/open"][0] is None
    assert notes(path) == []


def test_pools_of_a_rest_api(tmp_path):
    auth = {
        "DefaultAuthorizer": "Pool",
        "Authorizers": {"Pool": {"UserPoolArn": {"Ref": "Arn"}, "Identity": {"Header": "X-T"}}},
    }
    document = sam("Api", {"a": {}, "b": {"Auth": {"AuthorizationScopes": ["x/y"]}}}, Auth=auth)
    document["Parameters"] = {"Arn": {"Type": "String"}}
    path = written(tmp_path, document)
    found = made(path, template_parameters=(f"Arn={POOL}",))
    kind, given = found["/a"][0]
    assert (kind, dict(given)["user-pool"], dict(given)["rules"]) == ("jwt", POOL, "cognito")
    assert dict(given)["identity-source"] == "method.request.header.X-T"
    assert found["/b"][1].scopes == ("x/y",)
    assert notes(path, template_parameters=(f"Arn={POOL}",)) == []


def test_a_pool_that_the_template_makes_is_not_known_and_closes(tmp_path):
    auth = {"DefaultAuthorizer": "Pool", "Authorizers": {"Pool": {"UserPoolArn": {"Fn::GetAtt": "Users.Arn"}}}}
    more = {"Users": resource("AWS::Cognito::UserPool")}
    path = written(tmp_path, sam("Api", {"a": {}}, more, Auth=auth))
    assert made(path)["/a"][0][0] == "closed"
    assert any(
        "A.Auth.Authorizers.Pool: nobody is let in: the user pool" in one and "[authorizer.a-pool]" in one
        for one in notes(path)
    )
    assert made(path, open_authorizers=True)["/a"][0] is None
    assert any("everybody is let in (--open-authorizers)" in one for one in notes(path, open_authorizers=True))
    url = {"Fn::Sub": "https://cognito-idp.${AWS::Region}.amazonaws.com/${Users}"}
    auth = {"DefaultAuthorizer": "J", "Authorizers": {"J": {"JwtConfiguration": {"issuer": url, "audience": ["a"]}}}}
    path = written(tmp_path, sam("HttpApi", {"a": {}}, more, Auth=auth))
    assert made(path)["/a"][0][0] == "closed"


def test_an_own_table_takes_the_place(tmp_path):
    from lambdaproxy.config.cli import Options
    from lambdaproxy.start.assembly import assemble

    auth = {"DefaultAuthorizer": "Pool", "Authorizers": {"Pool": {"UserPoolArn": {"Fn::GetAtt": "Users.Arn"}}}}
    path = written(tmp_path, sam("Api", {"a": {}}, {"Users": resource("AWS::Cognito::UserPool")}, Auth=auth))
    config = tmp_path / "p.toml"
    config.write_text(f'[authorizer.a-pool]\nkind = "jwt"\nrules = "cognito"\nuser-pool = "{POOL}"\n')
    options = Options()
    options.parseOptions(["--config", str(config), "--sam-template", str(path)])
    assembly = assemble(options.configuration())
    assert assembly.configuration.differences == ()
    assert assembly.router.routes[0].authorizer == "a-pool"


def test_keys(tmp_path):
    auth = {
        "ApiKeyRequired": True,
        "UsagePlan": {
            "CreateUsagePlan": "PER_API",
            "Quota": {"Limit": 500, "Period": "DAY"},
            "Throttle": {"BurstLimit": 20, "RateLimit": 10},
        },
    }
    events: dict[str, Any] = {"a": {}, "b": {"Auth": {"ApiKeyRequired": False}}}
    path = written(tmp_path, sam("Api", events, Auth=auth))
    assert made(path)["/a"][0][0] == "closed"
    assert any("give keys of yours (--api-keys)" in one for one in notes(path))
    keys = tmp_path / "keys"
    keys.write_text(f"partner {hashlib.sha256(KEY.encode()).hexdigest()}\n")
    found = made(path, api_keys=str(keys))
    assert found["/a"][0] == (
        "api-key", (("rate", "10/s"), ("burst", "20"), ("quota", "500/day"), ("file", str(keys))),
    )  # fmt: skip
    assert found["/b"][0] is None
    assert notes(path, api_keys=str(keys)) == []


def test_keys_whose_values_the_template_has(tmp_path):
    more = {
        "Partner": resource("AWS::ApiGateway::ApiKey", Value=KEY, Enabled=True),
        "Off": resource("AWS::ApiGateway::ApiKey", Value="o" * 24, Enabled=False),
        "Plan": resource(
            "AWS::ApiGateway::UsagePlan", ApiStages=[{"ApiId": {"Ref": "A"}, "Stage": "x"}],
            Quota={"Limit": 9, "Period": "MONTH"},
        ),
        "Use": resource("AWS::ApiGateway::UsagePlanKey", KeyId={"Ref": "Partner"}, KeyType="API_KEY"),
    }  # fmt: skip
    auth = {
        "DefaultAuthorizer": "Token", "ApiKeyRequired": True, "Authorizers": {"Token": {"FunctionArn": {"Ref": "Who"}}},
    }  # fmt: skip
    path = written(tmp_path, sam("Api", {"a": {}, "b": {"Auth": {"Authorizer": "NONE"}}}, more, Auth=auth))
    found = made(path)
    assert found["/a"][0] == ("all", (("of", "a-token"), ("of", "a-keys")))
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    assert found["/b"][0] == ("api-key", (("key", f"Partner {digest}"), ("quota", "9/month")))
    assert notes(path) == []


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}], ((), ())),
        (
            [
                {"Effect": "Allow", "Principal": "*"},
                {"Effect": "Deny", "Principal": "*", "Condition": {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8"]}}},
                {"Effect": "Deny", "Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.1.0.0/16"}}},
            ],
            (("10.0.0.0/8",), ("10.1.0.0/16",)),
        ),
        (
            [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.1"}}}],
            (("192.0.2.1/32",), ()),
        ),
        ([{"Effect": "Deny", "Principal": "*"}], None),
        ([{"Effect": "Allow", "Principal": {"AWS": "123456789012"}}], None),
        ([{"Effect": "Allow", "Principal": "*", "Condition": {"StringEquals": {"aws:SourceVpc": "v"}}}], None),
        ([{"Effect": "Deny", "Principal": "*", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}], None),
        ([{"Effect": "allow", "Principal": "*"}], None),
        (["x"], None),
        ([], None),
    ],
)
def test_policies(statements, expected):
    found = networks(statements)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        shown = tuple(tuple(str(one) for one in found.get(key, ())) for key in ("allow_from", "deny_from"))
        assert shown == expected


def test_networks_of_sam(tmp_path):
    auth = {"ResourcePolicy": {"IpRangeWhitelist": ["10.0.0.0/8"], "IpRangeBlacklist": ["10.9.0.0/16"]}}
    path = written(tmp_path, sam("Api", {"a": {}}, Auth=auth))
    assert asked(of_template(path), "GET", "/a", client="10.1.2.3") == "F"
    for client in ("192.0.2.1", "10.9.1.1"):
        refused = asked(of_template(path), "GET", "/a", client=client)
        assert not isinstance(refused, str) and refused.status == 403
    assert notes(path) == []
    for policy in ({"SourceVpcBlacklist": ["vpc-1"]}, {"CustomStatements": [{"Effect": "Deny", "Principal": "*"}]},
                   {"IpRangeWhitelist": ["nowhere"]}):  # fmt: skip
        path = written(tmp_path, sam("Api", {"a": {}}, Auth={"ResourcePolicy": policy}))
        assert made(path)["/a"][0][0] == "closed"
        assert any("nobody is let in: only networks of a policy are done" in one for one in notes(path))


def test_rates(tmp_path):
    http = sam(
        "HttpApi", {"a": {}, "b": {}, "c": {"RouteSettings": {"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 2}}},
        DefaultRouteSettings={"ThrottlingBurstLimit": 200, "ThrottlingRateLimit": 100.5},
        RouteSettings={"GET /b": {"ThrottlingRateLimit": 5}},
    )  # fmt: skip
    path = written(tmp_path, http)
    said = {key: (str(about.rate), about.burst) for key, (_, about) in made(path).items()}
    assert said == {"/a": ("100.5/s", 200), "/b": ("5/s", None), "/c": ("1/s", 2)}
    assert notes(path) == []
    rest = sam(
        "Api", {"a": {}, "b": {}},
        MethodSettings=[
            {"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 7, "ThrottlingBurstLimit": 8},
            {"ResourcePath": "/~1b", "HttpMethod": "GET", "ThrottlingRateLimit": 1},
            {"ResourcePath": "/b", "HttpMethod": "GET", "ThrottlingRateLimit": 0, "ThrottlingBurstLimit": 0},
        ],
    )  # fmt: skip
    path = written(tmp_path, rest)
    said = {key: (str(about.rate), about.burst) for key, (_, about) in made(path).items()}
    assert said == {"/a": ("7/s", 8), "/b": ("0/s", None)}


def test_preflights_are_refused_where_aws_asks_them_for_a_token(tmp_path):
    authorizers = {"Token": {"FunctionArn": {"Ref": "Who"}}}
    for auth, status in (
        ({"DefaultAuthorizer": "Token", "Authorizers": authorizers}, 401),
        ({"DefaultAuthorizer": "Token", "Authorizers": authorizers, "AddDefaultAuthorizerToCorsPreflight": False}, 200),
        ({"ApiKeyRequired": True}, 403),
        ({"ApiKeyRequired": True, "AddApiKeyRequiredToCorsPreflight": False}, 200),
        ({}, 200),
    ):
        path = written(tmp_path, sam("Api", {"a": {}}, Auth=auth, Cors="'*'"))
        answer = asked(of_template(path), "OPTIONS", "/a")
        assert not isinstance(answer, str)
        assert answer.status == status, auth


def raw_http(**resources: Any) -> dict[str, Any]:
    uri = {"Fn::GetAtt": "F.Arn"}
    return {
        "Resources": {
            "F": a_function(),
            "Who": a_function(),
            "Api": resource("AWS::ApiGatewayV2::Api", ProtocolType="HTTP"),
            "To": resource(
                "AWS::ApiGatewayV2::Integration", ApiId={"Ref": "Api"}, IntegrationType="AWS_PROXY", IntegrationUri=uri,
                PayloadFormatVersion="2.0",
            ),
            "Stage": resource(
                "AWS::ApiGatewayV2::Stage", ApiId={"Ref": "Api"}, StageName="$default",
                DefaultRouteSettings={"ThrottlingRateLimit": 3, "ThrottlingBurstLimit": 4},
            ),
            **resources,
        }
    }  # fmt: skip


def route(key: str, kind: str = "NONE", authorizer: str | None = None, **more: Any) -> dict[str, Any]:
    target = {"Fn::Join": ["/", ["integrations", {"Ref": "To"}]]}
    about: dict[str, Any] = {"ApiId": {"Ref": "Api"}, "RouteKey": key, "Target": target, "AuthorizationType": kind}
    return resource(
        "AWS::ApiGatewayV2::Route",
        **about,
        **({} if authorizer is None else {"AuthorizerId": {"Ref": authorizer}}),
        **more,
    )


def test_resources_of_an_http_api(tmp_path):
    authorizer = "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${Who.Arn}/invocations"
    document = raw_http(
        Jwt=resource(
            "AWS::ApiGatewayV2::Authorizer", ApiId={"Ref": "Api"}, AuthorizerType="JWT", Name="x",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": "https://login.example.com/", "Audience": ["web"]},
        ),
        Ask=resource(
            "AWS::ApiGatewayV2::Authorizer", ApiId={"Ref": "Api"}, AuthorizerType="REQUEST", Name="y",
            AuthorizerPayloadFormatVersion="2.0", EnableSimpleResponses=True, AuthorizerResultTtlInSeconds=60,
            IdentitySource=["$request.header.A", "$request.querystring.b"], AuthorizerUri={"Fn::Sub": authorizer},
        ),
        One=route("GET /jwt", "JWT", "Jwt", AuthorizationScopes=["a/b"]), Two=route("GET /ask", "CUSTOM", "Ask"),
        Three=route("GET /iam", "AWS_IAM"), Four=route("GET /open"), Five=route("GET /lost", "JWT", "Nowhere"),
    )  # fmt: skip
    path = written(tmp_path, document)
    found = made(path)
    assert found["/jwt"][0][0] == "jwt"
    assert dict(found["/jwt"][0][1])["issuer"] == "https://login.example.com/"
    assert found["/jwt"][1].scopes == ("a/b",)
    kind, given = found["/ask"][0]
    assert kind == "lambda"
    assert {("simple", "yes"), ("result-ttl", "60"), ("function", "Who"), ("payload", "2.0"),
            ("identity-source", "$request.querystring.b")} <= set(given)  # fmt: skip
    assert found["/open"][0] is None
    assert found["/iam"][0][0] == found["/lost"][0][0] == "closed"
    assert str(found["/open"][1].rate) == "3/s"
    assert len(notes(path)) == 3


def test_resources_of_a_rest_api(tmp_path):
    uri = {"Fn::Sub": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations"}
    who = {"Fn::Sub": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${Who.Arn}/invocations"}

    def method(kind: str, path: str, **more: Any) -> dict[str, Any]:
        return resource(
            "AWS::ApiGateway::Method", RestApiId={"Ref": "Api"}, ResourceId={"Ref": path}, HttpMethod="GET",
            AuthorizationType=kind, Integration={"Type": "AWS_PROXY", "Uri": uri}, **more,
        )  # fmt: skip

    def part(name: str) -> dict[str, Any]:
        parent = {"Fn::GetAtt": ["Api", "RootResourceId"]}
        return resource("AWS::ApiGateway::Resource", RestApiId={"Ref": "Api"}, ParentId=parent, PathPart=name)

    document = {
        "Resources": {
            "F": a_function(),
            "Who": a_function(),
            "Api": resource(
                "AWS::ApiGateway::RestApi",
                Policy={"Statement": [
                    {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "*",
                     "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}},
                ]},
            ),
            "A": part("token"), "B": part("pool"), "C": part("key"),
            "Token": resource(
                "AWS::ApiGateway::Authorizer", RestApiId={"Ref": "Api"}, Type="TOKEN", AuthorizerUri=who,
                IdentitySource="method.request.header.X-T", IdentityValidationExpression="a.*",
            ),
            "Pool": resource(
                "AWS::ApiGateway::Authorizer", RestApiId={"Ref": "Api"}, Type="COGNITO_USER_POOLS", ProviderARNs=[POOL],
                IdentitySource="method.request.header.Authorization",
            ),
            "Ma": method("CUSTOM", "A", AuthorizerId={"Ref": "Token"}),
            "Mb": method("COGNITO_USER_POOLS", "B", AuthorizerId={"Ref": "Pool"}, AuthorizationScopes=["x/y"]),
            "Mc": method("NONE", "C", ApiKeyRequired=True),
            "Key": resource("AWS::ApiGateway::ApiKey", Value=KEY),
            "Stage": resource(
                "AWS::ApiGateway::Stage", RestApiId={"Ref": "Api"}, StageName="v1",
                MethodSettings=[{"ResourcePath": "/*", "HttpMethod": "*", "ThrottlingRateLimit": 5}],
            ),
        }
    }  # fmt: skip
    path = written(tmp_path, document)
    found = made(path)
    assert found["/token"][0][0] == "lambda"
    assert {("payload", "token"), ("validation", "a.*"), ("identity-source", "method.request.header.X-T")} <= set(
        found["/token"][0][1]
    )
    assert found["/pool"][0][0] == "jwt" and found["/pool"][1].scopes == ("x/y",)
    assert found["/key"][0][0] == "api-key"
    for _, about in found.values():
        assert [str(one) for one in about.allow_from] == ["10.0.0.0/8"]
        assert str(about.rate) == "5/s"
    assert notes(path) == []


def test_security_of_a_document(tmp_path):
    uri = {"Fn::Sub": "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${F.Arn}/invocations"}

    def operation(security: Any = None) -> dict[str, Any]:
        about: dict[str, Any] = {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": uri}}
        return {"get": about if security is None else {**about, "security": security}}

    document = {
        "openapi": "3.0.1",
        "components": {
            "securitySchemes": {
                "jwt": {
                    "type": "oauth2",
                    "x-amazon-apigateway-authorizer": {
                        "type": "jwt", "identitySource": "$request.header.Authorization",
                        "jwtConfiguration": {"issuer": "https://login.example.com", "audience": ["web"]},
                    },
                },
                "sig": {"type": "apiKey", "name": "Authorization", "in": "header",
                        "x-amazon-apigateway-authtype": "awsSigv4"},
                "odd": {"type": "http", "scheme": "basic"},
            }
        },
        "security": [{"jwt": []}],
        "paths": {
            "/default": operation(), "/scoped": operation([{"jwt": ["a/b"]}]), "/open": operation([]),
            "/sig": operation([{"sig": []}]), "/odd": operation([{"odd": []}]),
            "/either": operation([{"jwt": []}, {"sig": []}]),
        },
    }  # fmt: skip
    template = {
        "Resources": {"F": a_function(), "Api": resource("AWS::ApiGatewayV2::Api", ProtocolType="HTTP", Body=document)}
    }
    path = written(tmp_path, template)
    found = made(path)
    assert found["/default"][0][0] == found["/scoped"][0][0] == "jwt"
    assert found["/scoped"][1].scopes == ("a/b",) and found["/default"][1].scopes == ()
    assert found["/open"][0] is None
    assert {found[each][0][0] for each in ("/sig", "/odd", "/either")} == {"closed"}
    assert len(notes(path)) == 3
    assert {each: found[0] for each, found in made(path, open_authorizers=True).items()} == {
        **{each: found[each][0] for each in ("/default", "/scoped")},
        **dict.fromkeys(("/open", "/sig", "/odd", "/either")),
    }


def test_what_a_closed_route_says(tmp_path):
    from lambdaproxy.authorizers.several import ClosedAuthorizer
    from lambdaproxy.errors import Denied
    from lambdaproxy.messages import NO_ROUTE
    from tests.authorizers.asking import request

    with pytest.raises(Denied, match=r"line 7: A\.Auth"):
        ClosedAuthorizer("line 7: A.Auth").authorize(request(), NO_ROUTE, ())


MUTUAL = {"TruststoreUri": "s3://bucket/trust.pem"}


def test_certificates_of_clients_are_asked_for_by_nobody_and_that_is_named(tmp_path):
    domain = {"DomainName": "a.example", "CertificateArn": "x", "MutualTlsAuthentication": MUTUAL}
    raw = {
        "D": resource("AWS::ApiGatewayV2::DomainName", DomainName="b.example", MutualTlsAuthentication=MUTUAL),
        "E": resource("AWS::ApiGateway::DomainName", DomainName="c.example", MutualTlsAuthentication=MUTUAL),
    }
    for kind in ("Api", "HttpApi"):
        path = written(tmp_path, sam(kind, {"a": {}}, raw, Domain=domain))
        said = [one for one in notes(path) if "MutualTlsAuthentication" in one]
        assert len(said) == 3 and all("everybody is let in who reaches this port" in one for one in said), said
    path = written(tmp_path, sam("Api", {"a": {}}, Domain={**domain, "MutualTlsAuthentication": {}}))
    assert not any("Mutual" in one for one in notes(path))


@pytest.mark.parametrize(
    ("mutual", "closes", "said"),
    [
        ({"Mode": "verify", "TrustStoreArn": "x"}, True, "L.MutualAuthentication: nobody is let in: certificates"),
        ({"Mode": "passthrough"}, False, "L.MutualAuthentication: certificates of clients are not asked for here"),
        ({"Mode": "off"}, False, None),
    ],
)
def test_a_listener_that_verifies_certificates_lets_nobody_in(tmp_path, mutual, closes, said):
    kind = "AWS::ElasticLoadBalancingV2::"
    forward = [{"Type": "forward", "TargetGroupArn": {"Ref": "T"}}]
    document = {
        "Resources": {
            "F": resource("AWS::Serverless::Function", **CODE),
            "T": resource(f"{kind}TargetGroup", TargetType="lambda", Targets=[{"Id": {"Fn::GetAtt": "F.Arn"}}]),
            "L": resource(
                f"{kind}Listener", Port=443, Protocol="HTTPS", DefaultActions=forward, MutualAuthentication=mutual,
                ListenerAttributes=[{"Key": "routing.http.response.server.enabled", "Value": "false"}],
            ),
            "R": resource(
                f"{kind}ListenerRule", ListenerArn={"Ref": "L"}, Priority=1, Actions=forward,
                Conditions=[{"Field": "path-pattern", "Values": ["/a"]}],
            ),
        }
    }  # fmt: skip
    path = written(tmp_path, document)
    kinds = {None if one[0] is None else one[0][0] for one in made(path).values()}
    assert kinds == ({"closed"} if closes else {None})
    found = notes(path)
    assert [said in one for one in found if "MutualAuthentication" in one] == ([True] if said else [])
    assert any("L.ListenerAttributes: is not done here" in one for one in found)
