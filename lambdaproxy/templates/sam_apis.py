"""The APIs of SAM: `AWS::Serverless::Api` and `HttpApi`, those that events imply, and the events of functions."""

from __future__ import annotations

from lambdaproxy.templates.answers import open_to_pages, preflights
from lambdaproxy.templates.apis import HTTP, REST, add_route, make_api, methods_of, path_of, report
from lambdaproxy.templates.authorizers import guarded
from lambdaproxy.templates.certificates import of_domain
from lambdaproxy.templates.differences import Properties, meant
from lambdaproxy.templates.found import Api
from lambdaproxy.templates.gateway import of_resources as gateway_resources
from lambdaproxy.templates.gateway import read_gateway_responses
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.openapi import KEY_SOURCE, add_document
from lambdaproxy.templates.plans import finish_keys, read_key_source, read_plans, read_single, values_of_keys
from lambdaproxy.templates.raw_rest import document_of
from lambdaproxy.templates.sam_authorizers import of_event, read_authorizers
from lambdaproxy.templates.stack import Stack, map_of
from lambdaproxy.templates.throttles import read_methods, read_routes, route_settings

KINDS = {"AWS::Serverless::Api": "Api", "AWS::Serverless::HttpApi": "HttpApi"}
IMPLIED = {"Api": "ServerlessRestApi", "HttpApi": "ServerlessHttpApi"}


class SamApis:
    """The APIs of one stack; `raw` are those that are written in CloudFormation's own resources."""

    def __init__(self, stack: Stack, raw: dict[str, Api]) -> None:
        self._stack, self._raw = stack, raw
        self._apis: dict[tuple[str, str], Api] = {}

    def read(self) -> None:
        """The APIs that stand in the template as resources, with the routes of their documents."""
        for logical, resource in self._stack.of_type(*KINDS).items():
            self._api(KINDS[resource["Type"]], logical)

    def _api(self, kind: str, logical: str) -> Api:
        if (kind, logical) in self._apis:
            return self._apis[kind, logical]
        stack = self._stack
        properties = stack.properties(logical, kind)
        rest = kind == "Api"
        variables, binary = "Variables" if rest else "StageVariables", "BinaryMediaTypes"
        stage = properties.get("StageName", "Prod" if rest else "$default")
        places = {key: properties.where(stack.differences, key) for key in ("StageName", variables, binary)}
        where = ("Resources", logical, "Properties")
        document, at = document_of(stack, properties, where, "DefinitionBody", "DefinitionUri")
        media = (properties.get_as(list, binary) or []) if rest else []
        more = map_of(document).get("x-amazon-apigateway-binary-media-types")
        media = [*media, *more] if rest and isinstance(more, list) else media
        api = make_api(
            stack,
            logical if logical in stack.resources else IMPLIED[kind],
            REST if rest else HTTP,
            (places["StageName"], stage),
            (places[variables], properties.get_as(dict, variables)),
            (places[binary], media),
        )
        self._apis[kind, logical] = api
        api.grows = document is None or not rest or bool(properties.get("MergeDefinitions"))
        if rest:
            api.preflights = properties.get("Cors")
            api.where = properties.where(stack.differences, "Cors")
        else:
            place = properties.where(stack.differences, "CorsConfiguration")
            open_to_pages(stack, api.door, place, properties.get("CorsConfiguration"))
        stack.read.add(logical)
        of_domain(stack, map_of(properties.values.get("Domain")), properties.where(stack.differences, "Domain"))
        if isinstance(properties.values.get("Auth"), dict):
            auth = properties.inner("Auth")
            read_authorizers(stack, api, auth, properties.where(stack.differences, "Auth"))
        if not rest:
            read_routes(stack, api, properties.get("DefaultRouteSettings"), properties.get("RouteSettings"), where)
        else:
            read_methods(stack, api, properties.get("MethodSettings"), where)
            source = properties.get("ApiKeySourceType") or map_of(document).get(KEY_SOURCE)
            read_key_source(stack, api, source, properties.where(stack.differences, "ApiKeySourceType"))
            read_single(stack, api, logical)
        api.plan = (*api.plan, *values_of_keys(stack))
        if document is not None:
            add_document(stack, api, document, at)
        if rest:
            responses = properties.get("GatewayResponses")
            read_gateway_responses(stack, api, responses, properties.where(stack.differences, "GatewayResponses"))
            gateway_resources(stack, api, logical)
        report(stack, properties)
        return api

    def events(self, logical: str, properties: Properties) -> None:
        """The routes of a function's `Api` and `HttpApi` events; others are listed."""
        stack, name = self._stack, self._stack.names[logical]
        events = properties.inner("Events")
        for event in events.values:
            about = events.inner(event)
            kind, given = text(about.get("Type")), about.inner("Properties")
            where = ("Resources", logical, "Properties", "Events", str(event))
            if kind not in IMPLIED:
                about.get("Properties")
                given.values = {}
                said = f"events of type {kind} are not served here{meant(kind, IMPLIED)}"
                if "Type" not in about:
                    said = "the event has no Type"
                stack.add(where, f"{said}; invoke the function itself" if not said.endswith("?") else said)
                continue
            api = self._of_event(kind, text(given.get("RestApiId" if kind == "Api" else "ApiId", "")))
            methods = methods_of(given.get("Method", "any"))
            path = str(given.get("Path", "$default"))
            version = str(given.get("PayloadFormatVersion", "2.0")) if kind == "HttpApi" else "2.0"
            milliseconds = given.get("TimeoutInMillis")
            streamed = given.get("ResponseTransferMode") == "STREAM"
            guard = given.inner("Auth") if isinstance(given.values.get("Auth"), dict) else None
            settings = of_event(stack, api, guard, (*where, "Properties")) if guard is not None else ()
            settings = (*settings, *route_settings(stack, given, where))
            if guard is not None and api.grows:
                guard.get("OverrideApiAuth")  # what an event says of its own path holds anyway
            if methods is None:
                stack.add(where, f"{given.get('Method')} is no method of HTTP; there is no route")
            elif {(path_of(api, path), one) for one in (methods, ())} & api.documented:
                # The document has it; such an event only lets the API invoke the function, but for this.
                if guard is not None and text(guard.get("OverrideApiAuth", False)) == "true":
                    stack.found.guard_again(api.door, path_of(api, path), methods, guarded(stack, api, settings, where))
            elif not api.grows:
                if not stack.found.has_route(api.door, path, methods):
                    stack.add(where, "there is no route: its API has no such path, and events add none to it")
            else:
                add_route(stack, api, where, path, methods, name, version, milliseconds, streamed, settings)

    def _of_event(self, kind: str, logical: str) -> Api:
        """The API that an event names; an implied one where it names none of the template."""
        if logical in self._raw:
            return self._raw[logical]
        resource = self._stack.resources.get(logical, {})
        return self._api(kind, logical if resource.get("Type") == f"AWS::Serverless::{kind}" else "")

    def finish(self) -> None:
        """List the paths of documents that nothing sends to a function."""
        apis = {logical: api for (_, logical), api in self._apis.items()} | self._raw
        read_plans(self._stack, apis)
        for api in apis.values():
            finish_keys(self._stack, api)
            if api.preflights:
                try:
                    for route in preflights(self._stack.found, api):
                        self._stack.found.add_route(route)
                except ValueError as problem:
                    self._stack.add(api.where, f"no preflight is answered: {problem}")
            for path, methods, where in api.open:
                if not (self._stack.found.has_route(api.door, path, methods)):
                    self._stack.add(where, "there is no route: it has no integration, and no event names it")
