"""APIs, URLs and load balancers in CloudFormation's own resources, and OpenAPI documents."""

from __future__ import annotations

from typing import Any

import pytest

from tests.templates.support import a_function, asked, notes, of_template, resource, routes, written

pytest.importorskip("yaml", reason="PyYAML is not installed")

ARN = {"Fn::GetAtt": ["F", "Arn"]}
URI = {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations"}


def method(at: Any, verb: str, auth: str = "NONE", **integration: Any) -> dict[str, Any]:
    about = {"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": URI, **integration}
    return resource(
        "AWS::ApiGateway::Method",
        RestApiId={"Ref": "Api"},
        ResourceId=at,
        HttpMethod=verb,
        AuthorizationType=auth,
        Integration=about,
    )


def test_a_rest_api(tmp_path):
    root = {"Fn::GetAtt": ["Api", "RootResourceId"]}
    path = written(
        tmp_path,
        {
            "Resources": {
                "F": a_function(),
                "Api": resource("AWS::ApiGateway::RestApi", Name="x", BinaryMediaTypes=["image~1png"]),
                "Pets": resource("AWS::ApiGateway::Resource", RestApiId={"Ref": "Api"}, ParentId=root, PathPart="pets"),
                "Pet": resource(
                    "AWS::ApiGateway::Resource", RestApiId={"Ref": "Api"}, ParentId={"Ref": "Pets"}, PathPart="{id}"
                ),
                "Get": method({"Ref": "Pet"}, "GET", TimeoutInMillis="5000"),
                "Any": method(root, "ANY"),
                "Mock": method({"Ref": "Pets"}, "OPTIONS", Type="MOCK"),
                "Preflight": method(
                    {"Ref": "Pet"},
                    "OPTIONS",
                    Type="MOCK",
                    RequestTemplates={"application/json": '{"statusCode": 204}'},
                    IntegrationResponses=[
                        {
                            "StatusCode": "204",
                            "ResponseParameters": {"method.response.header.Access-Control-Allow-Origin": "'*'"},
                        }
                    ],
                ),
                "Old": method({"Ref": "Pets"}, "PUT", Type="AWS"),
                "Iam": method({"Ref": "Pets"}, "POST", auth="AWS_IAM"),
                "Lost": method({"Ref": "Nowhere"}, "GET"),
                "Stream": method({"Ref": "Pets"}, "GET", ResponseTransferMode="STREAM"),
                "Live": resource(
                    "AWS::ApiGateway::Stage", RestApiId={"Ref": "Api"}, StageName="live", Variables={"a": "b"}
                ),
                "Deployment": resource("AWS::ApiGateway::Deployment", RestApiId={"Ref": "Api"}),
                "Allow": resource("AWS::Lambda::Permission", FunctionName={"Ref": "F"}),
                "Plan": resource("AWS::ApiGateway::UsagePlan"),
            }
        },
    )
    live = "apigateway-v1:stage=live:stage_variables=a=b:binary_media_types=image/png"
    assert routes(path) == [
        f"GET /pets/{{id}} -> F {live}",
        f"ANY / -> F {live}",
        f"OPTIONS /pets/{{id}} -> - {live}",
        f"POST /pets -> F {live}",
        f"GET /pets -> F {live}",
        f"ANY $default -> - {live}",
    ]
    found = {str(route): route for route in of_template(path).router.routes}
    assert found["GET /pets/{id}"].timeout == 5
    assert found["GET /pets"].mode == "stream"
    answer = asked(of_template(path), "OPTIONS", "/pets/1", headers=())
    assert not isinstance(answer, str)
    assert (answer.status, dict(answer.headers)[b"Access-Control-Allow-Origin"]) == (204, b"*")
    assert [one.partition(": ")[2] for one in notes(path)] == [
        "Lost.ResourceId: there is no Nowhere in this template; its name stands for its value",
        "Lost: there is no route: its resource is not known from this template",
        "Mock: an integration of type mock that looks at the request is not done here; preflights are not answered",
        "Old: an integration of type aws is not done here; there is no route",
        "Plan: it names no stage of an API, and does nothing",
        "Iam.AuthorizationType: nobody is let in: signatures need keys of yours (--iam-keys); [authorizer.api-aws-iam] "
        "in a file takes its place, and --open-authorizers lets everybody in",
    ]


def http(**more: dict[str, Any]) -> dict[str, Any]:
    return {"Resources": {"F": a_function(), **more}}


def integration(**properties: Any) -> dict[str, Any]:
    given = {"ApiId": {"Ref": "Api"}, "IntegrationType": "AWS_PROXY", "IntegrationUri": ARN, **properties}
    return resource("AWS::ApiGatewayV2::Integration", **given)


def route(key: str, target: str = "Int", **properties: Any) -> dict[str, Any]:
    return resource(
        "AWS::ApiGatewayV2::Route",
        ApiId={"Ref": "Api"},
        RouteKey=key,
        Target={"Fn::Sub": f"integrations/${{{target}}}"},
        **properties,
    )


def test_an_http_api(tmp_path):
    document = http(
        Api=resource("AWS::ApiGatewayV2::Api", ProtocolType="HTTP", CorsConfiguration={"AllowOrigins": ["no origin"]}),
        Int=integration(PayloadFormatVersion="2.0", TimeoutInMillis=2000),
        Old=integration(PayloadFormatVersion="1.0", IntegrationUri=URI),
        Elsewhere=integration(IntegrationType="HTTP_PROXY", IntegrationUri="https://example.com"),
        Get=route("GET /pets/{id}"),
        Rest=route("$default", "Old"),
        Away=route("GET /away", "Elsewhere"),
        Secret=route("GET /secret", AuthorizationType="JWT", AuthorizerId="x"),
        Lost=route("GET /lost", "Nowhere"),
        Stage=resource("AWS::ApiGatewayV2::Stage", ApiId={"Ref": "Api"}, StageName="$default", AutoDeploy=True),
        Socket=resource("AWS::ApiGatewayV2::Api", ProtocolType="WEBSOCKET"),
        Connect=resource("AWS::ApiGatewayV2::Route", ApiId={"Ref": "Socket"}, RouteKey="$connect", Target="x"),
    )
    path = written(tmp_path, document)
    assert routes(path) == [
        "GET /pets/{id} -> F apigateway-v2",
        "ANY $default -> F apigateway-v2:payload=1.0",
        "GET /secret -> F apigateway-v2",
    ]
    assert {one.partition(": ")[2].partition(":")[0] for one in notes(path)} == {
        "Api.CorsConfiguration", "Away", "Secret.AuthorizerId", "Lost", "Lost.Target.Fn", "Socket", "Connect",
    }  # fmt: skip


def test_quick_create(tmp_path):
    api = resource("AWS::ApiGatewayV2::Api", ProtocolType="HTTP", RouteKey="GET /quick", Target=ARN)
    path = written(tmp_path, http(Api=api))
    assert routes(path) == ["GET /quick -> F apigateway-v2", "ANY $default -> - apigateway-v2"]
    assert notes(path) == []


def test_aliases_and_versions_of_functions(tmp_path):
    document = http(
        Version=resource("AWS::Lambda::Version", FunctionName={"Ref": "F"}),
        Live=resource("AWS::Lambda::Alias", FunctionName={"Ref": "F"}, Name="live", FunctionVersion={"Ref": "Version"}),
        A=resource("AWS::ApiGatewayV2::Api", ProtocolType="HTTP", Target={"Ref": "Live"}),
        Url=resource("AWS::Lambda::Url", AuthType="NONE", TargetFunctionArn={"Ref": "F"}, Qualifier="live"),
    )
    path = written(tmp_path, document)
    assert routes(path) == [
        "ANY a.localhost$default -> F:live apigateway-v2",
        "ANY $default -> F:live apigateway-v2",
        "ANY url.localhost$default -> F:live function-url",
    ]
    assert notes(path) == ["line 1: Url: another door has ANY $default, too; this one is at the host url.localhost"]


def test_each_of_several_urls_has_a_host(tmp_path):
    urls = {
        f"Url{at}": resource("AWS::Lambda::Url", AuthType="AWS_IAM", TargetFunctionArn={"Ref": name})
        for at, name in ((1, "F"), (2, "G"))
    }
    path = written(tmp_path, http(G=a_function(), **urls))
    assert routes(path) == [
        "ANY url1.localhost$default -> F function-url",
        "ANY $default -> F function-url",
        "ANY url2.localhost$default -> G function-url",
    ]
    assert sum("AuthType: nobody is let in" in one for one in notes(path)) == 2
    keys = tmp_path / "keys"
    keys.write_text(f"[a]\naws_access_key_id = AKIATESTTESTTESTTEST\naws_secret_access_key = {'s' * 40}\n")
    keys.chmod(0o600)
    made = of_template(path, iam_keys=str(keys)).configuration
    assert not any("let in" in one for one in made.differences)
    assert ("service", "lambda") in made.authorizers["url1-aws-iam"].given


OPENAPI = """\
openapi: 3.0.1
info: {title: x, version: '1'}
x-amazon-apigateway-cors: {allowOrigins: ['*']}
paths:
  /pets/{id}:
    parameters: [{name: id, in: path}]
    get:
      security: [{key: []}]
      x-amazon-apigateway-integration: &one
        type: aws_proxy
        httpMethod: POST
        payloadFormatVersion: '2.0'
        timeoutInMillis: 3000
        uri: !Sub arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F.Arn}/invocations
    options:
      x-amazon-apigateway-integration: {type: mock}
    post:
      x-amazon-apigateway-integration: {$ref: '#/components/x-amazon-apigateway-integrations/shared'}
    put: {responses: {}}
    delete: {responses: {}}
  /queue:
    post:
      x-amazon-apigateway-integration: {type: aws_proxy, integrationSubtype: SQS-SendMessage}
  /old:
    get:
      x-amazon-apigateway-integration: {type: aws, uri: x, requestTemplates: {a: b}}
  /$default:
    x-amazon-apigateway-any-method:
      isDefaultRoute: true
      x-amazon-apigateway-integration: *one
components:
  x-amazon-apigateway-integrations:
    shared: {type: AWS_PROXY, uri: !GetAtt F.Arn, credentials: x, requestParameters: {a: b}}
"""
F = """\
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      InlineCode: handler = 1
"""
EVENTS = """\
      Events:
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: "/pets/{id}", Method: get}}
        Put: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: "/pets/{id}", Method: put}}
"""


def indented(text: str, by: int) -> str:
    return "".join(" " * by + line + "\n" for line in text.splitlines())


def the_document(kind: str, key: str, tmp_path: Any) -> str:
    include = "Fn::Transform: {Name: AWS::Include, Parameters: {Location: api.yaml}}\n"
    body = {"DefinitionUri": " api.yaml\n", "include": "\n" + indented(include, 8)}.get(
        key, "\n" + indented(OPENAPI, 8)
    )
    (tmp_path / "api.yaml").write_text(
        OPENAPI.replace("!Sub ", "")
        .replace("${AWS::Region}", "x")
        .replace("${F.Arn}", "arn:aws:lambda:us-east-1:123456789012:function:F")
        .replace("!GetAtt F.Arn", "F")
    )
    name = "DefinitionBody" if key == "include" else key
    more = "      ProtocolType: HTTP\n" if kind == "AWS::ApiGatewayV2::Api" else ""
    return f"Resources:\n  Api:\n    Type: {kind}\n    Properties:\n{more}      {name}:{body}{F}{EVENTS}"


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("AWS::Serverless::HttpApi", "DefinitionBody"),
        ("AWS::Serverless::HttpApi", "DefinitionUri"),
        ("AWS::Serverless::HttpApi", "include"),
        ("AWS::ApiGatewayV2::Api", "Body"),
    ],
)
def test_an_openapi_document(tmp_path, kind, key):
    path = written(tmp_path, the_document(kind, key, tmp_path), "t.yaml")
    assert routes(path) == [
        "GET /pets/{id} -> F apigateway-v2",
        "POST /pets/{id} -> F apigateway-v2:payload=1.0",
        "ANY $default -> F apigateway-v2",
        "PUT /pets/{id} -> F apigateway-v2",
    ]
    assert of_template(path).router.routes[0].timeout == 3
    found = notes(path)
    for says in (
        "get.security: nobody is let in",
        "options.x-amazon-apigateway-integration: an integration of type mock that looks",
        "post.x-amazon-apigateway-integration.requestParameters: is not done here",
        "an integration with SQS-SendMessage is not done here",
        "/old.get.x-amazon-apigateway-integration: an integration of type aws is not",
        "delete: there is no route: it has no integration, and no event names it",
    ):
        assert any(says in one for one in found), says
    assert len(found) == 6
    assert all(one.startswith("line ") for one in found)


def test_swagger_and_its_stage_variables(tmp_path):
    uri = "arn:aws:apigateway:x:lambda:path/a/functions/arn:aws:lambda:x:1:function:${stageVariables.fn}/invocations"
    body = {
        "swagger": "2.0",
        "x-amazon-apigateway-binary-media-types": ["*/*"],
        "paths": {"/a/": {"x-amazon-apigateway-any-method": {
            "x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": uri, "responseTransferMode": "STREAM"}}}},
    }  # fmt: skip
    api = resource("AWS::Serverless::Api", StageName="v1", DefinitionBody=body, Variables={"fn": "F"})
    path = written(tmp_path, http(Api=api))
    options = "apigateway-v1:stage=v1:stage_variables=fn=F:binary_media_types=*/*"
    assert routes(path) == [f"ANY /a -> F {options}", f"ANY $default -> - {options}"]
    assert of_template(path).router.routes[0].mode == "stream"
    assert notes(path) == []


def group(**more: Any) -> dict[str, Any]:
    return resource("AWS::ElasticLoadBalancingV2::TargetGroup", TargetType="lambda", Targets=[{"Id": ARN}], **more)


def rule(priority: Any, *conditions: dict[str, Any], **action: Any) -> dict[str, Any]:
    return resource(
        "AWS::ElasticLoadBalancingV2::ListenerRule",
        ListenerArn={"Ref": "Web"},
        Priority=priority,
        Conditions=list(conditions),
        Actions=[{"Type": "forward", "TargetGroupArn": {"Ref": "Group"}, **action}],
    )


def test_a_load_balancer(tmp_path):
    several = [{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}]
    document = http(
        G=a_function(),
        Group=group(TargetGroupAttributes=several),
        Other=resource("AWS::ElasticLoadBalancingV2::TargetGroup", TargetType="lambda", Targets=[{"Id": {"Ref": "G"}}]),
        Machines=resource("AWS::ElasticLoadBalancingV2::TargetGroup", TargetType="ip"),
        Web=resource(
            "AWS::ElasticLoadBalancingV2::Listener",
            DefaultActions=[{"Type": "forward", "TargetGroupArn": {"Ref": "Other"}}],
        ),
        Api=rule(
            "10",
            {"Field": "path-pattern", "Values": ["/api/*", "/exact"]},
            {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET", "POST"]}},
        ),
        Host=rule(20, {"Field": "host-header", "HostHeaderConfig": {"Values": ["*.example.com"]}}),
        Header=rule(30, {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "a", "Values": ["b"]}}),
        Part=rule(40, {"Field": "path-pattern", "Values": ["/img*.png"]}),
        Covered=rule(
            50, {"Field": "path-pattern", "Values": ["/api/special"]},
            {"Field": "http-request-method", "HttpRequestMethodConfig": {"Values": ["GET"]}},
            TargetGroupArn={"Ref": "Other"},
        ),
        Away=rule(60, TargetGroupArn={"Ref": "Machines"}),
        Fixed=rule(80, {"Field": "path-pattern", "Values": ["/fixed"]}),
        Moved=rule(90, {"Field": "path-pattern", "Values": ["/moved"]}),
        Login=rule(70, {"Field": "path-pattern", "Values": ["/in"]}),
    )  # fmt: skip
    login = document["Resources"]["Login"]["Properties"]["Actions"]
    login.insert(0, {"Type": "authenticate-cognito"})
    document["Resources"]["Fixed"]["Properties"]["Actions"] = [
        {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain"}}
    ]
    document["Resources"]["Moved"]["Properties"]["Actions"] = [
        {"Type": "redirect", "RedirectConfig": {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}
    ]
    path = written(tmp_path, document)
    for target, status in (("/fixed", 404), ("/moved", 301)):
        answer = asked(of_template(path), "GET", target, headers=())
        assert not isinstance(answer, str)
        assert answer.status == status
    assert routes(path) == [
        "10: GET|POST $default when path-pattern is /api/* or /exact -> F alb:multi_value=yes",
        "20: ANY *.example.com$default -> F alb:multi_value=yes",
        "30: ANY $default when http-header a is b -> F alb:multi_value=yes",
        "40: ANY $default when path-pattern is /img*.png -> F alb:multi_value=yes",
        "50: GET $default when path-pattern is /api/special -> G alb",
        "70: ANY $default when path-pattern is /in -> F alb:multi_value=yes",
        "80: ANY $default when path-pattern is /fixed -> - alb",
        "90: ANY $default when path-pattern is /moved -> - alb",
        "ANY $default -> G alb",
    ]
    found = notes(path)
    for says in (
        "Away.Actions: there is no route: the target group Machines has no function",
        "Login.Actions: nobody is let in: authenticate-cognito is not done here",
    ):
        assert any(says in one for one in found), says
    assert len(found) == 2


def forward(*groups: tuple[str, int], **more: Any) -> dict[str, Any]:
    listed = [{"TargetGroupArn": {"Ref": name}, "Weight": weight} for name, weight in groups]
    return {"TargetGroupArn": None, "ForwardConfig": {"TargetGroups": listed, **more}}


def test_rules_of_a_load_balancer_whole(tmp_path):
    """Conditions, weights and transforms become what our routes can say."""
    other = resource("AWS::ElasticLoadBalancingV2::TargetGroup", TargetType="lambda", Targets=[{"Id": {"Ref": "G"}}])
    sticky = {"TargetGroupStickinessConfig": {"Enabled": True, "DurationSeconds": 600}}
    fields: list[dict[str, Any]] = [
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "2*"}, {"Value": "beta"}]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["192.0.2.0/24"]}},
        {"Field": "host-header", "HostHeaderConfig": {"Values": ["api-*.example.com", "b.example.com"]}},
    ]
    document = http(
        G=a_function(),
        Group=group(),
        Other=other,
        Web=resource("AWS::ElasticLoadBalancingV2::Listener", DefaultActions=[]),
        All=rule(1, *fields),
        Split=rule(2, {"Field": "path-pattern", "Values": ["/s"]}, **forward(("Group", 9), ("Other", 1), **sticky)),
        None_=rule(3, **forward(("Group", 0), ("Other", 0))),
        Too=rule(2, {"Field": "path-pattern", "Values": ["/t"]}),
        Bad=rule(4, {"Field": "source-ip", "SourceIpConfig": {"Values": ["x"]}}),
        Odd=rule(5, {"Field": "moon-phase", "Values": ["x"]}),
        Long=rule(6, {"Field": "path-pattern", "Values": ["/" + "x" * 300]}),
        Free=rule(7, {"Field": "path-pattern", "Values": ["*"]}),
    )
    path = written(tmp_path, document)
    assembly = of_template(path)
    found = {str(each): each for each in assembly.router.routes}
    assert list(found)[:2] == [
        "1: ANY $default when query-string is v=2* or beta, source-ip is 192.0.2.0/24, "
        "host-header is api-*.example.com or b.example.com",
        "2: ANY $default when path-pattern is /s",
    ]
    split = found["2: ANY $default when path-pattern is /s"]
    assert split.versions is not None
    assert [(each.name, weight) for each, weight in split.versions.weighing.weights()] == [("F", 9), ("G", 1)]
    assert split.settings.sticky_duration == 600
    assert "7: ANY $default" in found
    said = notes(path)
    for says in (
        "None_.Actions: there is no route: weights: no function has a weight",
        "Too: there is no route: another rule has its priority",
        "Bad.Conditions: there is no route: source-ip: 'x'",
        "Odd.Conditions: there is no route: our routes cannot say a condition on moon-phase",
        "Long.Conditions: there is no route: path-pattern:",
    ):
        assert any(says in one for one in said), (says, said)
    assert len(said) == 5


def test_expressions_and_transforms_of_rules(tmp_path):
    pytest.importorskip("re2", reason="google-re2 is not installed")
    pattern = {"Field": "path-pattern", "PathPatternConfig": {"RegexValues": ["^/v[0-9]+/"]}}

    def changed(priority: int, kind: str, config: str, **rewrite: str) -> dict[str, Any]:
        made = rule(priority, pattern)
        made["Properties"]["Transforms"] = [{"Type": kind, config: {"Rewrites": [rewrite]}}]
        return made

    document = http(
        Group=group(),
        Web=resource("AWS::ElasticLoadBalancingV2::Listener", DefaultActions=[]),
        Url=changed(1, "url-rewrite", "UrlRewriteConfig", Regex="^/v[0-9]+/(.*)$", Replace="/$1"),
        Host=changed(2, "host-header-rewrite", "HostHeaderRewriteConfig", Regex="^api[.]", Replace="www."),
        Bad=changed(3, "url-rewrite", "UrlRewriteConfig", Regex="(?=a)", Replace="/$1"),
    )
    path = written(tmp_path, document)
    first, second = of_template(path).router.routes[:2]
    assert str(first) == "1: ANY $default when path-pattern matches ^/v[0-9]+/"
    assert str(first.settings.rewrite) == "^/v[0-9]+/(.*)$ -> /$1"
    assert str(second.settings.rewrite_host) == "^api[.] -> www."
    assert any("Bad.Transforms: there is no route: '(?=a)' is no regular expression" in one for one in notes(path))


def test_what_our_routes_would_refuse_refuses_no_start(tmp_path):
    document = http(
        Api=resource("AWS::ApiGatewayV2::Api", ProtocolType="HTTP"),
        Int=integration(),
        A=route("GET /%41/{x}"),
        B=route("GET /A/{y}"),
        Group=group(),
        Web=resource("AWS::ElasticLoadBalancingV2::Listener", DefaultActions=[]),
        R=rule(1, {"Field": "path-pattern", "Values": ["/x/*", "/x/", "/%41", "/A"]}),
        U=resource("AWS::Lambda::Url", TargetFunctionArn={"Ref": "F"}, Qualifier="Table.Arn"),
    )
    found = notes(written(tmp_path, document))
    for says in (
        "B: GET /A/{y} is there already; the first one is kept",
        "U: there is no route: 'Table.Arn' is no version or alias",
    ):
        assert any(says in one for one in found), (says, found)


def test_values_of_the_wrong_kind_are_no_traceback(tmp_path):
    kinds = [
        "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Resource", "AWS::ApiGateway::Method", "AWS::ApiGateway::Stage",
        "AWS::ApiGateway::Deployment", "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Route",
        "AWS::ApiGatewayV2::Integration", "AWS::ApiGatewayV2::Stage", "AWS::Lambda::Url", "AWS::Lambda::Alias",
        "AWS::Lambda::Version", "AWS::ElasticLoadBalancingV2::Listener", "AWS::ElasticLoadBalancingV2::ListenerRule",
        "AWS::ElasticLoadBalancingV2::TargetGroup", "AWS::Serverless::Api", "AWS::Serverless::HttpApi",
        "AWS::Serverless::Application", "AWS::CloudFormation::Stack", "AWS::Serverless::LayerVersion",
        "AWS::Lambda::LayerVersion", "AWS::Serverless::Function", "AWS::Lambda::Function",
    ]  # fmt: skip
    words = [
        "RestApiId", "ResourceId", "HttpMethod", "Integration", "StageName", "Variables", "BinaryMediaTypes", "Body",
        "ApiId", "RouteKey", "Target", "TargetFunctionArn", "DefaultActions", "Actions", "Conditions", "Targets",
        "TargetGroupAttributes", "Priority", "ListenerArn", "DefinitionBody", "DefinitionUri", "Location", "Layers",
        "TemplateURL", "FunctionName", "Name", "Code", "CodeUri", "Events", "Handler", "Runtime", "Timeout", "Cors",
        "Parameters", "ProtocolType", "BodyS3Location", "ParentId", "PathPart", "StageDescription", "FunctionUrlConfig",
    ]  # fmt: skip
    odd: list[Any] = [None, 7, "x", True, [1, None], {"a": {"b": 1}}, [[{"a": 1}]], {"Ref": "R0"}, {"paths": {"/": 1}}]
    for value in odd:
        given = {f"R{at}": resource(kind, **dict.fromkeys(words, value)) for at, kind in enumerate(kinds)}
        given |= {f"S{at}": {"Type": kind, "Properties": value} for at, kind in enumerate(kinds)}
        events = {"E": {"Type": value}, "G": {"Type": "Api", "Properties": value}}
        given["T"] = resource("AWS::Serverless::Function", Events=events)
        path = written(tmp_path, {"Resources": {"F": a_function(), **given}})
        assert "F" in of_template(path).functions


def test_an_integration_may_name_its_function_without_an_arn(tmp_path):
    uri = {"Fn::Sub": "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${F}/invocations"}
    body = {
        "swagger": "2.0",
        "paths": {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": uri}}}},
    }
    api = {"Type": "AWS::Serverless::Api", "Properties": {"StageName": "s", "DefinitionBody": body}}
    path = written(tmp_path, {"Resources": {"F": a_function(), "Api": api}})
    assert any("/a" in one and "F" in one for one in routes(path)), routes(path)
