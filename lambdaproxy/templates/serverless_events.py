"""The events of `serverless.yml` that are HTTP, as SAM and CloudFormation have them: http, httpApi, alb, url."""

from __future__ import annotations

from typing import Any

from lambdaproxy.templates.differences import Differences, meant
from lambdaproxy.templates.serverless_sockets import add_event

REST, HTTP, LISTENER = "ApiGatewayRestApi", "HttpApi", "AlbListener"
_HEADERS = [
    "Content-Type", "X-Amz-Date", "Authorization", "X-Api-Key", "X-Amz-Security-Token", "X-Amz-User-Agent",
    "X-Amzn-Trace-Id",
]  # fmt: skip
_CORS = {
    "allowedOrigins": "AllowOrigins", "allowedHeaders": "AllowHeaders", "allowedMethods": "AllowMethods",
    "exposedResponseHeaders": "ExposeHeaders", "maxAge": "MaxAge", "allowCredentials": "AllowCredentials",
}  # fmt: skip
_HTTP_DONE = frozenset(
    ("path", "method", "cors", "authorizer", "private", "documentation", "operationId", "operationName")
)
_REST_DONE = frozenset(
    ("binaryMediaTypes", "shouldStartNameWithService", "description", "metrics", "minimumCompressionSize")
)
_HTTP_API_DONE = frozenset(
    ("cors", "authorizers", "payload", "name", "metrics", "shouldStartNameWithService", "disableDefaultEndpoint")
)
_ALB_DONE = frozenset(("conditions", "listenerArn", "priority", "multiValueHeaders", "targetGroupName", "healthCheck"))
_KINDS = ("http", "httpApi", "websocket", "alb")
_CONDITIONS = {"path": "path-pattern", "host": "host-header", "method": "http-request-method"}


class Apis:
    """Makes of events those of SAM, and the APIs that they belong to when the first one does."""

    def __init__(
        self,
        provider: dict[str, Any],
        stage: str,
        resources: dict[str, Any],
        lines: dict[tuple[str, ...], int],
        differences: Differences,
    ) -> None:
        self._provider, self._stage, self._resources = provider, stage, resources
        self._lines, self._differences = lines, differences
        self._rest_authorizers: dict[str, Any] = {}
        self._http_authorizers: dict[str, Any] = {}
        self._cors: Any = None
        self._rest = self._http = False

    def events(self, name: str, logical: str, function: dict[str, Any]) -> dict[str, Any]:
        """The events of a function for its resource."""
        found: dict[str, Any] = {}
        given = function.get("events")
        for at, event in enumerate(given if isinstance(given, list) else []):
            where = ("functions", name, "events", str(at))
            event = {event: {}} if isinstance(event, str) else event
            if not isinstance(event, dict) or not event:
                self._differences.add(where, "is no event, and is left out")
                continue
            kind, about = next(iter(event.items()))
            key = f"event{at}"
            line = self._lines.get(where)
            if line is not None:
                self._lines["Resources", logical, "Properties", "Events", key] = line
            if kind == "http":
                made = self._http_event(about, (*where, "http"))
            elif kind == "httpApi":
                made = self._http_api_event(about, function, (*where, "httpApi"))
            elif kind == "websocket":
                place = (*where, "websocket")
                add_event(self._resources, self._provider, self._stage, logical, about, place, self._differences)
                continue
            elif kind == "alb":
                self._alb(f"{logical}Alb{at}", logical, about, (*where, "alb"))
                continue
            else:
                said = f"such events are not served here{meant(kind, _KINDS) or '; invoke the function itself'}"
                self._differences.add((*where, str(kind)), said)
                continue
            if made is not None:
                found[key] = made
        return found

    def _line_of(self, about: Any) -> tuple[str, str] | None:
        """Method and path, of `GET /users` or of a table."""
        if isinstance(about, str):
            method, _, path = about.strip().rpartition(" ")
            return ("ANY", "*") if about.strip() == "*" else (method.strip() or "ANY", path)
        if isinstance(about, dict):
            return str(about.get("method", "ANY")), str(about.get("path", "*"))
        return None

    def _http_event(self, about: Any, where: tuple[str, ...]) -> dict[str, Any] | None:
        line = self._line_of(about)
        if line is None:
            self._differences.add(where, "is no event, and is left out")
            return None
        table = about if isinstance(about, dict) else {}
        if str(table.get("integration", "lambda-proxy")).lower() not in ("lambda-proxy", "aws_proxy", "aws-proxy"):
            self._differences.add(
                (*where, "integration"), f"{table['integration']} is not done here; there is no route"
            )
            return None
        self._differences.add_unknown(where, table, (*_HTTP_DONE, "integration"))
        self._rest = True
        if table.get("cors"):
            self._cors = self._cors or table["cors"]
        auth: dict[str, Any] = {}
        if table.get("private"):
            auth["ApiKeyRequired"] = True
        if table.get("authorizer"):
            auth |= self._rest_authorizer(table["authorizer"])
        path = "/" + line[1].strip("/")
        properties = {"Path": path, "Method": line[0].lower(), "RestApiId": {"Ref": REST}}
        return {"Type": "Api", "Properties": properties | ({"Auth": auth} if auth else {})}

    def _rest_authorizer(self, given: Any) -> dict[str, Any]:
        table = given if isinstance(given, dict) else {"name": given}
        if str(table.get("name", "")).lower() == "aws_iam" or str(table.get("type", "")).lower() == "aws_iam":
            return {"Authorizer": "AWS_IAM"}
        arn = table.get("arn", table.get("name") if str(table.get("name")).startswith("arn:") else None)
        name = str(table.get("name") or "authorizer").rpartition(":")[2]
        if str(table.get("type", "")).upper() == "COGNITO_USER_POOLS" or ":userpool/" in str(arn):
            made: dict[str, Any] = {"UserPoolArn": arn if arn is not None else str(table.get("authorizerId"))}
            name = str(table.get("name") or "userPool").replace("/", "-").rpartition(":")[2]
        else:
            kind = str(table.get("type", "token")).upper()
            target = arn if arn is not None else {"Fn::GetAtt": [_function(name), "Arn"]}
            made = {"FunctionArn": target, "FunctionPayloadType": kind}
            source = str(table.get("identitySource", "method.request.header.Authorization"))
            headers = [one.strip().rpartition(".")[2] for one in source.split(",") if ".header." in one]
            queries = [one.strip().rpartition(".")[2] for one in source.split(",") if ".querystring." in one]
            if kind == "TOKEN":
                made["Identity"] = {"Header": (headers or ["Authorization"])[0]}
                if table.get("identityValidationExpression"):
                    made["Identity"]["ValidationExpression"] = table["identityValidationExpression"]
            else:
                made["Identity"] = {"Headers": headers} | ({"QueryStrings": queries} if queries else {})
            if "resultTtlInSeconds" in table:
                made["Identity"]["ReauthorizeEvery"] = table["resultTtlInSeconds"]
        self._rest_authorizers[name] = made
        scopes = {"AuthorizationScopes": table["scopes"]} if table.get("scopes") else {}
        return {"Authorizer": name, **scopes}

    def _http_api_event(self, about: Any, function: dict[str, Any], where: tuple[str, ...]) -> dict[str, Any] | None:
        line = self._line_of(about)
        if line is None:
            self._differences.add(where, "is no event, and is left out")
            return None
        self._http = True
        table = about if isinstance(about, dict) else {}
        self._differences.add_unknown(where, table, ("method", "path", "authorizer"))
        settings = self._map(self._provider.get("httpApi"))
        own = self._map(function.get("httpApi"))
        version = str(own.get("payload", settings.get("payload", "2.0")))
        method, path = line
        properties: dict[str, Any] = {"ApiId": {"Ref": HTTP}, "PayloadFormatVersion": version}
        if path == "*":
            properties |= {"Path": "$default", "Method": "any"}
        else:
            properties |= {"Path": path, "Method": "any" if method == "*" else method.lower()}
        authorizer = table.get("authorizer")
        if authorizer:
            guard = authorizer if isinstance(authorizer, dict) else {"name": authorizer}
            if str(guard.get("type", guard.get("name"))).lower() == "aws_iam":
                properties["Auth"] = {"Authorizer": "AWS_IAM"}
            else:
                name = str(guard.get("name") or guard.get("id") or "authorizer")
                properties["Auth"] = {"Authorizer": name}
                if guard.get("scopes"):
                    properties["Auth"]["AuthorizationScopes"] = guard["scopes"]
        return {"Type": "HttpApi", "Properties": properties}

    @staticmethod
    def _map(value: Any) -> dict[str, Any]:
        return value if isinstance(value, dict) else {}

    def url(self, function: dict[str, Any]) -> dict[str, Any] | None:
        """A function's URL for its resource, or None."""
        given = function.get("url")
        if not given:
            return None
        table = self._map(given)
        iam = str(table.get("authorizer", "")).lower() == "aws_iam"
        made: dict[str, Any] = {"AuthType": "AWS_IAM" if iam else "NONE"}
        if str(table.get("invokeMode", "")).upper() == "RESPONSE_STREAM":
            made["InvokeMode"] = "RESPONSE_STREAM"
        if table.get("cors"):
            made["Cors"] = _cors(table["cors"])
        return made

    def _alb(self, key: str, logical: str, about: Any, where: tuple[str, ...]) -> None:
        if not isinstance(about, dict):
            self._differences.add(where, "is no event, and is left out")
            return
        conditions = []
        for name, value in self._map(about.get("conditions")).items():
            values = value if isinstance(value, list) else [value]
            if name not in _CONDITIONS:
                self._differences.add(
                    (*where, "conditions", str(name)), "such conditions are not done here; there is no route"
                )
                return
            conditions.append({"Field": _CONDITIONS[name], f"{_FIELD[name]}Config": {"Values": values}})
        self._differences.add_unknown(where, about, _ALB_DONE)
        line = self._lines.get(where[:-1], 0)
        self._resources.setdefault(LISTENER, {
            "Type": "AWS::ElasticLoadBalancingV2::Listener",
            "Properties": {"Port": 443, "Protocol": "HTTPS", "DefaultActions": []},
        })  # fmt: skip
        target: dict[str, Any] = {
            "TargetType": "lambda",
            "Targets": [{"Id": {"Fn::GetAtt": [logical, "Arn"]}}],
        }
        if about.get("multiValueHeaders"):
            target["TargetGroupAttributes"] = [{"Key": "lambda.multi_value_headers.enabled", "Value": "true"}]
        self._resources[f"{key}Group"] = {"Type": "AWS::ElasticLoadBalancingV2::TargetGroup", "Properties": target}
        self._resources[f"{key}Rule"] = {
            "Type": "AWS::ElasticLoadBalancingV2::ListenerRule",
            "Properties": {
                "ListenerArn": {"Ref": LISTENER},
                "Priority": about.get("priority", 1),
                "Conditions": conditions,
                "Actions": [{"Type": "forward", "TargetGroupArn": {"Ref": f"{key}Group"}}],
            },
        }
        for one in ("Group", "Rule"):
            self._lines["Resources", f"{key}{one}"] = line

    def finish(self) -> None:
        """Make the APIs that have events."""
        if self._rest:
            settings = self._map(self._provider.get("apiGateway"))
            properties: dict[str, Any] = {"StageName": self._stage}
            if settings.get("binaryMediaTypes"):
                properties["BinaryMediaTypes"] = settings["binaryMediaTypes"]
            if self._cors is not None:
                properties["Cors"] = _rest_cors(self._cors)
            if self._rest_authorizers:
                properties["Auth"] = {"Authorizers": self._rest_authorizers}
            self._api(REST, "AWS::Serverless::Api", properties, "AWS::ApiGateway::RestApi")
            self._differences.add_unknown(("provider", "apiGateway"), settings, _REST_DONE)
        if self._http:
            self._finish_http(self._map(self._provider.get("httpApi")))

    def _api(self, name: str, kind: str, properties: dict[str, Any], raw: str) -> None:
        """Make an API; where the project's own resources have one of its name, the framework lays that over it."""
        own = self._resources.get(name)
        if own is not None:
            if own.get("Type") != raw:
                return
            given = self._map(own.get("Properties"))
            for key, value in given.items():
                if key in _OF_OWN_API:
                    properties[key] = value
                elif key not in ("Name", "Description", "Tags", "ProtocolType", "EndpointConfiguration"):
                    self._differences.add(("Resources", name, "Properties", str(key)), "is not done here")
        self._resources[name] = {"Type": kind, "Properties": properties}

    def _finish_http(self, settings: dict[str, Any]) -> None:
        properties: dict[str, Any] = {}
        if settings.get("cors"):
            properties["CorsConfiguration"] = _cors(settings["cors"])
        authorizers = {}
        for name, about in self._map(settings.get("authorizers")).items():
            table = self._map(about)
            source = table.get("identitySource", "$request.header.Authorization")
            if str(table.get("type", "jwt")).lower() == "jwt":
                configuration = {"issuer": table.get("issuerUrl"), "audience": table.get("audience")}
                first = source[0] if isinstance(source, list) and source else source
                authorizers[name] = {"JwtConfiguration": configuration, "IdentitySource": first}
            else:
                sources = source if isinstance(source, list) else [source]
                headers = [str(one).rpartition(".")[2] for one in sources if ".header." in str(one)]
                arn = table.get("functionArn")
                authorizers[name] = {
                    "FunctionArn": arn or {"Fn::GetAtt": [_function(str(table.get("functionName", name))), "Arn"]},
                    "AuthorizerPayloadFormatVersion": str(table.get("payloadVersion", "2.0")),
                    "EnableSimpleResponses": bool(table.get("enableSimpleResponses", False)),
                    "Identity": {"Headers": headers, "ReauthorizeEvery": table.get("resultTtlInSeconds", 0)},
                }
        if authorizers:
            properties["Auth"] = {"Authorizers": authorizers}
        self._api(HTTP, "AWS::Serverless::HttpApi", properties, "AWS::ApiGatewayV2::Api")
        self._differences.add_unknown(("provider", "httpApi"), settings, _HTTP_API_DONE)


_OF_OWN_API = frozenset(("BinaryMediaTypes", "CorsConfiguration"))
_FIELD = {"path": "PathPattern", "host": "HostHeader", "method": "HttpRequestMethod"}


def _function(name: str) -> str:
    name = name.replace("-", "Dash").replace("_", "Underscore")
    return f"{name[:1].upper()}{name[1:]}LambdaFunction"


def _cors(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        return {"AllowOrigins": ["*"], "AllowHeaders": _HEADERS, "AllowMethods": ["*"]}
    return {_CORS[key]: value for key, value in given.items() if key in _CORS and value is not None}


def _rest_cors(given: Any) -> Any:
    """What answers preflights; SAM writes header values in quotes."""
    if not isinstance(given, dict):
        return "'*'"
    origin = given.get("origin") or given.get("origins") or "*"
    origin = origin[0] if isinstance(origin, list) and origin else origin
    headers = given.get("headers") or _HEADERS
    made: dict[str, Any] = {
        "AllowOrigin": f"'{origin}'",
        "AllowHeaders": f"'{','.join(map(str, headers)) if isinstance(headers, list) else headers}'",
    }
    if given.get("allowCredentials"):
        made["AllowCredentials"] = True
    if given.get("maxAge") is not None:
        made["MaxAge"] = f"'{given['maxAge']}'"
    return made
