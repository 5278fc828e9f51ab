"""REST APIs in CloudFormation's own resources: `AWS::ApiGateway::RestApi`, `Resource`, `Method`, `Stage`."""

from __future__ import annotations

import os
from typing import Any

from lambdaproxy.templates.answers import mock
from lambdaproxy.templates.apis import REST, add_integration, add_route, make_api, methods_of, report
from lambdaproxy.templates.described_authorizers import of_method, of_resources
from lambdaproxy.templates.differences import Properties
from lambdaproxy.templates.document import TemplateError, load
from lambdaproxy.templates.found import Api, Where
from lambdaproxy.templates.gateway import of_resources as gateway_resources
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.networks import policy
from lambdaproxy.templates.openapi import KEY_SOURCE, add_document, not_done
from lambdaproxy.templates.plans import read_key_source, read_single, values_of_keys
from lambdaproxy.templates.stack import Stack, map_of
from lambdaproxy.templates.throttles import read_methods

_KIND = "AWS::ApiGateway::"
_DEEPEST = 100
NO_MATTER = frozenset({f"{_KIND}{one}" for one in ("Account", "Deployment", "Model", "DocumentationPart", "ApiKey")})
"""They change nothing that a route does; what a usage plan or a validator would do is listed."""
_METHOD_DONE = ("MethodResponses", "OperationName", "RequestModels", "ResourceId", "RestApiId", "HttpMethod")
_INTEGRATION_DONE = (
    "IntegrationHttpMethod", "PassthroughBehavior", "ContentHandling", "Credentials", "ConnectionType",
    "IntegrationResponses", "CacheKeyParameters", "CacheNamespace",
)  # fmt: skip
_API_DONE = (
    "Name",
    "Description",
    "FailOnWarnings",
    "Mode",
    "Parameters",
    "DisableExecuteApiEndpoint",
    "Body",
    "Policy",
)


def read_rest_apis(stack: Stack) -> dict[str, Api]:
    """The REST APIs by logical name, their routes added."""
    stages = _stages(stack)
    found: dict[str, Api] = {}
    for logical in stack.of_type(f"{_KIND}RestApi"):
        properties = stack.properties(logical)
        where = ("Resources", logical, "Properties")
        stage, variables, place, settings = stages.get(logical, ("prod", {}, where, None))
        document, at = document_of(stack, properties, where)
        media = properties.get_as(list, "BinaryMediaTypes") or []
        more = map_of(document).get("x-amazon-apigateway-binary-media-types")
        found[logical] = api = make_api(
            stack,
            logical,
            REST,
            ((*place, "StageName"), stage),
            ((*place, "Variables"), variables),
            ((*where, "BinaryMediaTypes"), [*media, *(more if isinstance(more, list) else [])]),
        )
        stack.read.add(logical)
        api.plan = tuple(values_of_keys(stack))
        of_document = map_of(document).get(KEY_SOURCE)
        read_key_source(stack, api, properties.get("ApiKeySourceType") or of_document, (*where, "ApiKeySourceType"))
        read_single(stack, api, logical)
        read_methods(stack, api, settings, place)
        of_resources(stack, api, logical, f"{_KIND}Authorizer", "RestApiId")
        if "Policy" in properties:
            policy(stack, api, properties.get("Policy"), (*where, "Policy"))
        api.grows = False  # an event of such an API only lets it invoke the function
        if document is not None:
            add_document(stack, api, document, at)
        gateway_resources(stack, api, logical)
        report(stack, properties, _API_DONE)
    for logical in stack.of_type(f"{_KIND}Method"):
        _method(stack, logical, found)
    return found


def _stages(stack: Stack) -> dict[str, tuple[Any, Any, Where, Any]]:
    """The stage of each API, with its variables and rates: that of a Stage, or which a Deployment names."""
    found: dict[str, tuple[Any, Any, Where, Any]] = {}
    for logical, resource in stack.of_type(f"{_KIND}Stage", f"{_KIND}Deployment").items():
        properties = stack.properties(logical)
        api = text(properties.get("RestApiId"))
        where = ("Resources", logical, "Properties")
        stack.read.add(logical)
        is_stage = resource["Type"].endswith("Stage")
        about = properties if is_stage else properties.inner("StageDescription")
        if not is_stage and "StageName" not in properties:
            continue
        stage = properties.get("StageName")
        if is_stage and api in found and found[api][2][1] in stack.of_type(f"{_KIND}Stage"):
            stack.add(where, f"the API has another stage, {found[api][0]}, which is the one that is served")
        elif is_stage or api not in found:
            found[api] = (stage, about.get_as(dict, "Variables") or {}, where, about.get("MethodSettings"))
        if is_stage:
            report(stack, properties, ("DeploymentId", "StageName", "RestApiId", "Description", "ClientCertificateId"))
    return found


def document_of(
    stack: Stack, properties: Properties, where: Where, body: str = "Body", elsewhere: str = "BodyS3Location"
) -> tuple[dict[str, Any] | None, Where]:
    """The OpenAPI document of an API, and where it stands."""
    document = properties.get_as(dict, body)
    if document is not None:
        return document, (*where, body)
    location = properties.get(elsewhere)
    if location is None:
        return None, where
    where = (*where, elsewhere)
    if not isinstance(location, str) or location.startswith("s3://"):
        stack.add(where, "only a file beside the template is read; its paths have no routes here")
        return None, where
    try:
        return load(os.path.join(stack.folder, location))[0], where
    except TemplateError as problem:
        stack.add(where, f"{location} cannot be read: {problem}; its paths have no routes here")
        return None, where


def _method(stack: Stack, logical: str, apis: dict[str, Api]) -> None:
    properties = stack.properties(logical)
    where = ("Resources", logical)
    stack.read.add(logical)
    api = apis.get(text(properties.get("RestApiId")))
    path = _path(stack, text(properties.get("ResourceId")), text(properties.get("RestApiId")))
    methods = methods_of(properties.get("HttpMethod", "ANY"))
    integration = properties.inner("Integration")
    kind = text(integration.get("Type", "")).lower()
    uri, milliseconds = integration.get("Uri"), integration.get("TimeoutInMillis")
    streamed = text(integration.get("ResponseTransferMode", "")).upper() == "STREAM"
    for key in _INTEGRATION_DONE:
        integration.get(key)
    if api is None or path is None or methods is None:
        what = "API" if api is None else "resource" if path is None else "method"
        stack.add(where, f"there is no route: its {what} is not known from this template")
        return
    answer = mock(integration.values) if kind == "mock" else None
    if answer is not None:
        add_route(stack, api, where, path, methods, "", settings=answer)
        return
    if kind != "aws_proxy":
        stack.add(where, not_done(kind, methods))
        return
    settings = of_method(stack, api, properties, (*where, "Properties"))
    report(stack, properties, _METHOD_DONE)
    place = (*where, "Properties", "Integration", "Uri")
    add_integration(
        stack, api, place, path, methods, uri, milliseconds=milliseconds, streamed=streamed, settings=settings
    )


def _path(stack: Stack, resource: str, api: str) -> str | None:
    """The path of a resource, put together from its parents' parts; None where one is not known."""
    parts: list[str] = []
    while resource != f"{api}.RootResourceId":
        logical = resource.removesuffix(".ResourceId")
        if stack.resources.get(logical, {}).get("Type") != f"{_KIND}Resource" or len(parts) > _DEEPEST:
            return None
        properties = stack.properties(logical)
        stack.read.add(logical)
        parts.append(text(properties.get("PathPart")))
        resource = text(properties.get("ParentId"))
    return "/" + "/".join(reversed(parts))
