"""WebSocket APIs in CloudFormation's own resources."""

from __future__ import annotations

from typing import Any

import pytest

from lambdaproxy.command.importing import lines
from lambdaproxy.config.cli import configure
from lambdaproxy.start.assembly import assemble
from tests.templates.support import a_function, notes, of_template, resource, routes, written

pytest.importorskip("yaml", reason="PyYAML is not installed")
pytest.importorskip("wsproto", reason="wsproto is not installed")

V2 = "AWS::ApiGatewayV2::"
API = {"ApiId": {"Ref": "Chat"}}


def uri(function: str) -> dict[str, str]:
    start = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
    return {"Fn::Sub": start + "${" + function + ".Arn}/invocations"}


def integration(function: str, **more: Any) -> dict[str, Any]:
    return resource(f"{V2}Integration", **API, IntegrationType="AWS_PROXY", IntegrationUri=uri(function), **more)


def route(key: str, to: str, **more: Any) -> dict[str, Any]:
    target = {"Fn::Join": ["/", ["integrations", {"Ref": to}]]}
    return resource(f"{V2}Route", **API, RouteKey=key, Target=target, **more)


def chat(**more: Any) -> dict[str, Any]:
    return {
        "Resources": {
            "Connect": a_function(),
            "Send": a_function(),
            "Chat": resource(
                f"{V2}Api", Name="chat", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.message"
            ),
            "ConnectIntegration": integration("Connect"),
            "SendIntegration": integration("Send", TimeoutInMillis=5000),
            "ConnectRoute": route("$connect", "ConnectIntegration", AuthorizationType="NONE"),
            "GoneRoute": route("$disconnect", "ConnectIntegration"),
            "SendRoute": route("sendmessage", "SendIntegration"),
            "SendResponse": resource(
                f"{V2}RouteResponse", **API, RouteId={"Ref": "SendRoute"}, RouteResponseKey="$default"
            ),
            "Stage": resource(f"{V2}Stage", **API, StageName="Prod", DeploymentId="x", StageVariables={"a": "b"}),
            "Deployment": resource(f"{V2}Deployment", **API),
            **more,
        }
    }


def test_a_chat(tmp_path):
    path = written(tmp_path, chat())
    assembly = of_template(path)
    assert sum("/Prod/@connections/" in one for one in routes(path)) == 1
    (api,) = assembly.sockets()
    assert (api.name, api.path, api.stage) == ("chat", "/Prod", "Prod")
    assert {key: (each.function.name, each.answers, each.timeout) for key, each in api.routes.items()} == {
        "$disconnect": ("Connect", False, None),
        "sendmessage": ("Send", True, 5.0),
    }
    assert notes(path) == []


def test_what_is_imported_is_the_same(tmp_path):
    path = written(tmp_path, chat())
    first = of_template(path)
    file = tmp_path / "made.toml"
    file.write_text("\n".join(line for line in lines(first) if not line.startswith("directory")))
    text = file.read_text()
    assert "[websocket.chat]" in text
    sockets = text[text.index("[websocket.chat]") :]
    file.write_text(
        "".join(f'[function.{name}]\nhandler = "x.y"\ndirectory = "."\n' for name in ("Connect", "Send")) + sockets
    )
    second = assemble(configure({}, {}, str(file)))
    (one,), (other,) = first.sockets(), second.sockets()
    assert (one.name, one.path, one.stage, dict(one.routes)) == (
        other.name,
        other.path,
        other.stage,
        dict(other.routes),
    )


def test_what_is_not_done_is_named(tmp_path):
    more = {
        "Mock": resource(f"{V2}Integration", **API, IntegrationType="MOCK"),
        "MockRoute": route("ping", "Mock"),
        "LostRoute": route("lost", "Nowhere"),
        "Other": resource(f"{V2}Stage", **API, StageName="Other"),
        "Model": resource(f"{V2}Model", **API),
        "KeyRoute": route("keyed", "SendIntegration", RequestModels={"a": "b"}),
    }
    told = "\n".join(notes(written(tmp_path, chat(**more))))
    for word in ("MockRoute", "type MOCK", "LostRoute", "another stage", "RequestModels"):
        assert word in told


@pytest.mark.parametrize("opened", [False, True])
def test_who_may_connect(tmp_path, opened):
    more = {
        "Auth": resource(
            f"{V2}Authorizer",
            **API,
            Name="a",
            AuthorizerType="REQUEST",
            AuthorizerUri=uri("Send"),
            IdentitySource=["route.request.querystring.token"],
        ),
        "ConnectRoute": route(
            "$connect", "ConnectIntegration", AuthorizationType="CUSTOM", AuthorizerId={"Ref": "Auth"}
        ),
    }
    assembly = of_template(written(tmp_path, chat(**more)), open_authorizers=opened)
    (found,) = [each for each in assembly.router.routes if each.socket is not None]
    assert found.authorizer == "chat-auth"
    made = assembly.configuration.authorizers["chat-auth"]
    assert dict(made.given)["identity-source"] == "method.request.querystring.token"
    # Messages to connections are another matter.
    assert [each.authorizer for each in assembly.router.routes if "@connections" in (each.path or "")] == [None]


def test_an_authorizer_that_cannot_be_asked_closes_the_door(tmp_path):
    more = {"ConnectRoute": route("$connect", "ConnectIntegration", AuthorizationType="CUSTOM", AuthorizerId="nobody")}
    path = written(tmp_path, chat(**more))
    (found,) = [each for each in of_template(path).router.routes if each.socket is not None]
    assert of_template(path).configuration.authorizers[found.authorizer or ""].kind == "closed"


def test_a_web_socket_beside_an_http_api(tmp_path):
    more = {
        "Http": resource(f"{V2}Api", Name="h", ProtocolType="HTTP", Target={"Fn::GetAtt": ["Send", "Arn"]}),
        "HttpStage": resource(f"{V2}Stage", ApiId={"Ref": "Http"}, StageName="$default"),
    }
    path = written(tmp_path, chat(**more))
    found = routes(path)
    assert any(one.startswith("WEBSOCKET /Prod ") for one in found)
    assert any(one.startswith("WEBSOCKET chat.localhost/Prod ") for one in found)
    assert any(" http.localhost$default" in one for one in found)


SERVERLESS = """
service: chat
provider:
  name: aws
  runtime: python3.12
  stage: live
  websocketsApiRouteSelectionExpression: $request.body.kind
functions:
  connect:
    handler: chat.handler
    events:
      - websocket: {route: $connect, authorizer: {name: who, identitySource: [route.request.querystring.token]}}
      - websocket: $disconnect
  ask:
    handler: chat.handler
    events:
      - websocket: {route: ask, routeResponseSelectionExpression: $default, other: 1}
      - websocket: {}
  who: {handler: chat.handler}
"""


def test_a_chat_of_the_serverless_framework(tmp_path):
    path = written(tmp_path, SERVERLESS, "serverless.yml")
    (tmp_path / "chat.py").write_text("def handler(event, context): return {}")
    assembly = of_template(path)
    (api,) = assembly.sockets()
    assert (api.path, api.stage) == ("/live", "live")
    assert {key: (each.function.name, each.answers) for key, each in api.routes.items()} == {
        "$disconnect": ("chat-live-connect", False),
        "ask": ("chat-live-ask", True),
    }
    (found,) = [each for each in assembly.router.routes if each.socket is not None]
    assert found.authorizer is not None
    assert assembly.configuration.authorizers[found.authorizer].kind == "lambda"
    told = "\n".join(notes(path))
    assert "has no route" in told
    assert "websocket.other: is not done here" in told
