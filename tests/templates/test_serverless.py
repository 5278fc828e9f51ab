"""`serverless.yml` of the Serverless Framework, and OpenAPI documents, as sources."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from lambdaproxy.config.cli import configure
from lambdaproxy.errors import ConfigError
from lambdaproxy.start.assembly import Assembly, assemble

yaml = pytest.importorskip("yaml")

SHOP = """\
service: shop
plugins: [serverless-python-requirements, serverless-offline]
custom:
  flag: "true"
  stage: ${opt:stage, self:provider.stage, 'none'}
  cfg: ${file(./cfg/${self:custom.stage}.yml)}
  secret: ${ssm:/shop/secret}
provider:
  name: aws
  runtime: python3.11
  stage: dev
  timeout: 10
  environment:
    TABLE: ${self:custom.cfg.table}
    SECRET: ${self:custom.secret}
    WHO: ${env:WHO_IS_IT_THEN, 'nobody'}
    COUNT: ${foo:x, 5}
    FLAG: ${strToBool(${self:custom.flag})}
    REGION: !Sub '${AWS::Region}'
  apiGateway: {binaryMediaTypes: ['*/*'], usagePlan: {}}
  httpApi:
    cors: true
    authorizers:
      own: {type: request, functionName: auth, enableSimpleResponses: true, identitySource: $request.header.X-Key}
package: {patterns: ['!node_modules/**']}
functions:
  auth: {handler: src/users.auth}
  get-user:
    handler: src/users.handler
    environment: {WHO: me}
    memorySize: 256
    events:
      - http: GET users/{id}
      - http: {path: users, method: post, cors: true, private: false}
      - http: {path: old, method: get, integration: lambda}
      - httpApi: 'GET /v2/users/{id}'
      - httpApi: {method: '*', path: /own, authorizer: own}
      - schedule: rate(1 hour)
    layers: [{Ref: CommonLambdaLayer}]
  star:
    name: the-star
    handler: src/users.handler
    url: {cors: true, invokeMode: RESPONSE_STREAM}
    events:
      - httpApi: '*'
      - alb: {listenerArn: 'arn:x', priority: 1, conditions: {path: /alb/*, method: [GET]}}
    provisionedConcurrency: 3
  typed: {handler: src/typed.handler, runtime: nodejs20.x}
layers: {common: {path: layer}}
resources: {Resources: {Table: {Type: 'AWS::DynamoDB::Table', Properties: {TableName: x}}}}
stepFunctions: {}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("src", "cfg", "layer"):
        (tmp_path / name).mkdir()
    (tmp_path / "src/users.py").write_text("def handler(event, context):\n    return {}\nauth = handler\n")
    (tmp_path / "src/typed.ts").write_text("")
    (tmp_path / "cfg/dev.yml").write_text("table: users-${opt:stage, 'dev'}\n")
    (tmp_path / "serverless.yml").write_text(SHOP)
    return tmp_path


def of(path: Path, **given: list[str]) -> Assembly:
    given = {name.replace("_", "-"): values for name, values in given.items()}
    return assemble(configure({"sam-template": [str(path)], **given}, {}, None))


def differences(assembly: Assembly) -> list[str]:
    return [text.partition(": ")[2] for text in assembly.configuration.differences]


def test_functions(folder):
    functions = of(folder).functions
    assert set(functions) == {"shop-dev-auth", "shop-dev-get-user", "the-star", "shop-dev-typed"}
    user = functions["shop-dev-get-user"]
    assert (user.handler, user.runtime, user.timeout, user.memory) == ("src/users.handler", "python3.11", 10, 256)
    assert user.layers == (str(folder / "layer"),) and user.directory == str(folder)
    variables = dict(user.environment)
    assert variables["TABLE"] == "users-dev" and variables["WHO"] == "me" and variables["IS_OFFLINE"] == "true"
    assert variables["SECRET"] == "ssm:/shop/secret" and variables["REGION"] == "us-east-1"
    assert dict(functions["the-star"].environment)["WHO"] == "nobody" and variables["COUNT"] == "5"
    assert variables["FLAG"].lower() == "true"
    assert functions["the-star"].memory == 1024
    tables = of(folder).configuration.functions
    assert tables["shop-dev-get-user"].logical == "get-user"


def test_routes(folder):
    assembly = of(folder)
    routes = {
        (route.path, route.methods, route.settings.format.name, route.function and route.function.name)
        for route in assembly.router.routes
        if route.host is None and route.function is not None and route.settings.format.name != "alb"
    }
    user = "shop-dev-get-user"
    assert routes == {
        ("/users/{id}", ("GET",), "apigateway-v1", user),
        ("/users", ("POST",), "apigateway-v1", user),
        ("/v2/users/{id}", ("GET",), "apigateway-v2", user),
        ("/own", (), "apigateway-v2", user),
        (None, (), "apigateway-v2", "the-star"),
    }
    balanced = [route for route in assembly.router.routes if route.settings.format.name == "alb"]
    assert {(str(route.function), route.methods) for route in balanced} == {("the-star", ("GET",))}
    by_path = {route.path: route for route in assembly.router.routes}
    assert ("stage", "dev") in by_path["/users"].settings.format.options
    assert ("binary_media_types", "*/*") in by_path["/users"].settings.format.options
    assert by_path["/own"].authorizer is not None and by_path["/own"].cors is not None
    url = next(route for route in assembly.router.routes if route.settings.format.name == "function-url")
    assert url.mode == "stream" and url.cors is not None


def test_what_is_not_done_is_named_with_its_line(folder):
    found = differences(of(folder))
    for line, text in (
        (2, "plugins.0: serverless-python-requirements: plugins are not run here"),
        (7, "custom.secret: ${ssm:/shop/secret} is not known here; its name stands for it"),
        (20, "provider.apiGateway.usagePlan: is not done here"),
        (25, "package: leaves nothing out here; the folder is used whole"),
        (35, "functions.get-user.events.2.http.integration: lambda is not done here; there is no route"),
        (38, "functions.get-user.events.5.schedule: such events are not served here; invoke the function itself"),
        (47, "functions.star.provisionedConcurrency: is not done here"),
        (51, "stepFunctions: is not done here"),
    ):
        assert f"line {line}: {text}" in found, found
    assert any("src/typed.ts is not compiled here" in text for text in found)


def test_the_stage_and_its_file(folder):
    (folder / "cfg/prod.yml").write_text("table: big\n")
    functions = of(folder, template_parameters=["stage=prod"]).functions
    assert dict(functions["shop-prod-get-user"].environment)["TABLE"] == "big"
    found = differences(of(folder, template_parameters=["stage=test"]))
    assert any("./cfg/test.yml cannot be read: No such file or directory" in text for text in found)
    assert not any("the template has none" in text or "Parameters" in text for text in found)


def test_a_stage_without_a_fallback_is_dev(folder):
    text = "service: s\nprovider: {name: google, stage: '${opt:stage}', runtime: python3.11}\nfunctions:\n"
    (folder / "serverless.yml").write_text(
        text + "  f: {handler: src/users.handler, environment: {A: '${opt:stage}'}}\n"
    )
    assembly = of(folder)
    assert dict(assembly.functions["s-dev-f"].environment)["A"] == "dev"
    assert differences(assembly) == [
        "line 2: provider.name: the project is for another cloud; it is read as one for AWS"
    ]


def test_dotenv_and_parameters(folder):
    (folder / ".env").write_text("WHO_IS_IT_THEN=dotenv\n")
    more = "useDotenv: true\nparams: {default: {size: 3}, dev: {size: 4}}\n"
    (folder / "serverless.yml").write_text(more + SHOP.replace("COUNT: ${foo:x, 5}", "COUNT: ${param:size}"))
    variables = dict(of(folder).functions["the-star"].environment)
    assert (variables["WHO"], variables["COUNT"]) == ("dotenv", "4")


@pytest.mark.parametrize(
    "text",
    [
        "${self:custom.a}",
        "${self:custom.${self:custom.a}}",
        "${file(serverless.yml):custom.a}",
        "${opt:stage, ${self:custom.a}}",
        "${self:}",
        "${self:custom.list.7}",
        "${file(/nowhere)}",
        "${file(./x.js):a}",
        "${env:}",
        "${:}${",
        "${a:b}${c:d, 'x'}",
        "${sls:stage}-${aws:accountId}-${sls:instanceId}",
    ],
)
def test_odd_variables_refuse_nothing(folder, text):
    document = yaml.safe_load("service: s\nprovider: {name: aws, runtime: python3.11}\n")
    document["custom"] = {"a": text, "list": [1]}
    document["functions"] = {"f": {"handler": "src/users.handler", "environment": {"A": text}}}
    (folder / "serverless.yml").write_text(yaml.safe_dump(document))
    assert "s-dev-f" in of(folder).functions


OWN = """\
service: own
provider: {name: aws, runtime: python3.11}
functions:
  hello: {handler: src/users.handler, events: [{http: GET hello}], condition: Never}
resources:
  - Conditions: {Never: !Equals [a, b]}
    Mappings: {Sizes: {eu-west-1: {name: big}}}
    Parameters: {Word: {Type: String, Default: w}}
  - Resources:
      ApiGatewayRestApi:
        Type: AWS::ApiGateway::RestApi
        Properties: {Name: own, BinaryMediaTypes: [image/png], Policy: {Statement: []}}
      Extra:
        Type: AWS::Lambda::Function
        Condition: Never
        Properties: {Runtime: python3.11, Handler: src/users.handler, Code: .}
      More:
        Type: AWS::Serverless::Function
        Properties:
          Runtime: python3.11
          Handler: src/users.handler
          CodeUri: .
          Environment: {Variables: {SIZE: !FindInMap [Sizes, eu-west-1, name], WORD: !Ref Word}}
"""


def test_own_resources_lie_over_what_the_framework_makes(folder):
    (folder / "serverless.yml").write_text(OWN)
    assembly = of(folder)
    assert set(assembly.functions) == {"own-dev-hello", "More"}
    assert dict(assembly.functions["More"].environment)["SIZE"] == "big"
    assert dict(assembly.functions["More"].environment)["WORD"] == "w"
    (route,) = [one for one in assembly.router.routes if one.path == "/hello"]
    assert ("binary_media_types", "image/png") in route.settings.format.options
    told = differences(assembly)
    assert any("ApiGatewayRestApi.Policy" in one or "Policy: is not done" in one for one in told), told
    assert any("functions.hello.condition: is not asked" in one for one in told), told


def places(value: Any, path: tuple[Any, ...] = ()) -> Any:
    yield path
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(one, (*path, key))


@pytest.mark.slow
def test_wrong_kinds_of_values_are_no_tracebacks(folder):
    document = yaml.safe_load(SHOP.replace("!Sub ", ""))
    kinds: tuple[Any, ...] = (None, 5, "x", [], ["x"], {}, {"x": {"y": 1}}, True)
    for number, path in enumerate(list(places(document))[1:]):
        for wrong in (kinds[number % 8], kinds[(number * 3 + 5) % 8]):
            changed = copy.deepcopy(document)
            at = changed
            for key in path[:-1]:
                at = at[key]
            at[path[-1]] = wrong
            (folder / "serverless.yml").write_text(yaml.safe_dump(changed))
            try:
                of(folder)
            except ConfigError as problem:
                assert "\n" not in str(problem)


API = """\
openapi: 3.0.1
info: {{title: x, version: '1'}}
paths:
  /users/{{id}}:
    get:
      x-amazon-apigateway-integration:
        {version}type: aws_proxy
        uri: !Sub 'arn:aws:apigateway:${{AWS::Region}}:lambda:path/2015-03-31/functions/${{Hello.Arn}}/invocations'
    post:
      x-amazon-apigateway-integration: {{$ref: '#/components/x-amazon-apigateway-integrations/orders'}}
    delete:
      x-amazon-apigateway-integration: {{type: aws, uri: 'arn:aws:apigateway:x'}}
components:
  x-amazon-apigateway-integrations:
    orders:
      type: aws_proxy
      {version}uri: arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/ORDERS/invocations
""".replace("ORDERS", "arn:aws:lambda:eu-west-1:1:function:orders:live")


def test_an_openapi_document_in_front_of_aws(tmp_path):
    for version, format in (("", "apigateway-v1"), ("payloadFormatVersion: '2.0'\n{0}", "apigateway-v2")):
        text = API.format(version="{0}").replace("{0}", version.format("{0}"))
        text = text.replace("\n{0}type", "\n        type").replace("\n{0}uri", "\n      uri")
        (tmp_path / "api.yaml").write_text(text)
        assembly = of(tmp_path / "api.yaml")
        found = {(route.methods, str(route.function)) for route in assembly.router.routes if route.function is not None}
        assert found == {(("GET",), "Hello"), (("POST",), "orders:live")}
        assert {route.settings.format.name for route in assembly.router.routes} == {format}
        assert {route.function.invoker for route in assembly.router.routes if route.function} == {"aws"}
        assert any("an integration of type aws is not done here" in text for text in differences(assembly))
        assert all(text.startswith("line ") for text in differences(assembly))


def test_an_openapi_document_with_embedded_functions(tmp_path):
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return {}\n")
    (tmp_path / "api.yaml").write_text(API.format(version=""))
    assembly = of(tmp_path / "api.yaml", local=[f"Hello={tmp_path}/app.py:handler"])
    assert {route.function.invoker for route in assembly.router.routes if route.function} == {"local"}
    assert assembly.functions["orders"].unable is not None and assembly.functions["Hello"].unable is None
    (note,) = [each for each in differences(assembly) if "it is not here" in each]
    uri = next(at for at, line in enumerate(API.splitlines(), 1) if "uri:" in line and "orders" in line)
    assert note.startswith(f"line {uri}: ")
    assert note.endswith(": orders: it is not here: add --local orders=FILE:FUNCTION, or a [function.orders] table")
