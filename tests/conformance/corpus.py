"""Turns recordings of live AWS into conformance cases.

The recordings are not ours to ship: they lie in ../shared/corpus beside the repository, with a manifest that says for
each where it comes from and how it was kept. What cannot be replayed is named in `LEFT_OUT`, with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2].parent / "shared" / "corpus"

Case = dict[str, Any]

_REST_HTTP = "REST API with an HTTP integration, not with a Lambda one"
_STATUS_ONLY = "shows how a REST API maps the status of an HTTP integration; no event and no result in it"
_EDITED = "edited by hand, as its values contradict each other: "

#: Recordings of fidelity A or A- that are not replayed, or not whole.
LEFT_OUT: dict[str, str] = {
    "aws-recorded/voker/http-request.json": "the request of the other voker files, replayed with them",
    "aws-recorded/voker/README.md": "text",
    "aws-recorded/localstack/apigw_v1_header_remapping_http_HTTP.json": _REST_HTTP,
    "aws-recorded/localstack/apigw_v1_header_remapping_http_HTTP_PROXY.json": _REST_HTTP,
    "aws-recorded/localstack/apigw_v1_header_remapping_aws_AWS.json": "a Lambda integration without proxy",
    "aws-recorded/localstack/apigw_http_test_http_integration_invoke_status_code_passthrough_HTTP.json": _STATUS_ONLY,
    "aws-recorded/localstack/apigw_http_test_http_integration_invoke_status_code_passthrough_HTTP_PROXY.json": (
        _STATUS_ONLY
    ),
    "aws-recorded/localstack/lambda_invoke_api.json": "the Lambda Invoke API, which is no front door; no codec in it",
    "aws-sdk-samples/go/apigw-restapi-openapi-request.json": (
        _EDITED + "identity and authorizer are invented, isBase64Encoded is gone, the path lacks the stage"
    ),
    "aws-sdk-samples/powertools/apiGatewayProxyV2Event_GET.json": (
        _EDITED + "header names in upper case, a JWT authorizer, an address with a mask, no Host"
    ),
    "aws-sdk-samples/powertools/albEvent.json": (
        _EDITED + 'the body "Test" was put into a GET without Content-Type or Content-Length'
    ),
}

#: What is taken out of a recording before it is compared, and why.
PARTLY: dict[str, str] = {
    "aws-sdk-samples/go/apigw-v2-request-no-authorizer.json": "`requestContext.authentication`: mutual TLS",
    "aws-recorded/aws-lambda-go-lambdaurl/*": "`requestContext.authorizer`: IAM authorization, not offered",
    "aws-recorded/voker/apigwv1-request.json": ("`deploymentId`: the Go struct that wrote the file has no such member"),
    "aws-recorded/text/function-url-200-and-403.json": (
        "the body of the 403: a newer recording (November 2025) has a longer text, which we send"
    ),
    "aws-recorded/text/payload-too-large.json": "the Invoke API's entry: no codec in it",
    "aws-recorded/localstack/apigw_v1_test_invocation_trace_id.json": "the MOCK integration's headers",
    "aws-recorded/localstack/function_url_all_snapshots.json": (
        "administration of function URLs, and tests that recorded nothing"
    ),
    "aws-sdk-samples/powertools/lambdaFunctionUrlEvent.json": "`requestId` and `http.userAgent`: edited",
    "aws-sdk-samples/powertools/lambdaFunctionUrlEventWithHeaders.json": (
        "`rawQueryString`: empty, although there are query parameters; and those of the file above"
    ),
}


def truth() -> list[str]:
    """The files that are recordings of live AWS (fidelity A and A-)."""
    manifest = json.loads((ROOT / "manifest.json").read_text(encoding="utf-8"))
    return [entry["file"] for entry in manifest if entry["fidelity"] in ("A", "A-")]


def cases() -> list[Case]:
    """Every case of every recording that is replayed; `file` names its recording."""
    made = []
    for pattern, convert in CONVERTERS.items():
        paths = sorted(ROOT.glob(pattern))
        assert paths, f"no recording matches {pattern}"
        for path in paths:
            name = path.relative_to(ROOT).as_posix()
            for case in convert(json.loads(path.read_text(encoding="utf-8"))):
                made.append({"file": name, **case, "name": f"{name}: {case.get('name', '')}"})
    return made


# -- helpers -----------------------------------------------------------------------------------------------------


def _open(value: Any) -> Any:
    """Placeholders of recorders (`<uuid:1>`) stand for anything."""
    if isinstance(value, dict):
        return {key: _open(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_open(member) for member in value]
    return "<any>" if isinstance(value, str) and value.startswith("<") and value.endswith(">") else value


def _mask(document: Any, *paths: str) -> Any:
    """Let anything stand at these places; only where something stands."""
    for path in paths:
        *parents, last = path.split(".")
        place = document
        for parent in parents:
            place = place.get(parent) or {}
        if last in place:
            place[last] = "<any>" if not isinstance(place[last], list) else ["<any>"]
    return document


_CLOUDFRONT = ("CloudFront-", "Via", "X-Amz-Cf-Id")


def _rest_headers(event: Case) -> Case:
    """One recorder put a plain placeholder where AWS sends a list."""
    many = event["multiValueHeaders"]
    for name, value in many.items():
        if isinstance(value, str):
            many[name] = ["<any>"]
    return event


# -- voker: one request through all four -------------------------------------------------------------------------


def _voker(codec: str, options: Case, *masked: str, tls: Case | None = None) -> Callable[[Any], Iterator[Case]]:
    def convert(event: Any) -> Iterator[Case]:
        from lambdaproxy_conformance.compare import prune

        sent = json.loads((ROOT / "aws-recorded/voker/http-request.json").read_text(encoding="utf-8"))
        headers = event.get("headers") or {name: value[0] for name, value in event["multiValueHeaders"].items()}
        low = {name.lower(): value for name, value in headers.items()}
        context = event["requestContext"]
        if "elb" in context:
            options["target_group_arn"] = context["elb"]["targetGroupArn"]
        elif codec != "function-url":
            options.update(account=context["accountId"], api_id=context["apiId"], stage=context["stage"])
        request = {
            "method": sent["method"],
            "target": sent["target"],
            "headers": sent["headers"],
            "body": sent["body_utf8"],
            "host": low["host"],
            "scheme": low["x-forwarded-proto"],
            "port": int(low["x-forwarded-port"]),
            "client": low["x-forwarded-for"],
            "trace_id": low["x-amzn-trace-id"].removeprefix("Root="),
        }
        if tls:
            request["tls"] = tls
        if "requestTimeEpoch" in context or "timeEpoch" in context:
            request["received"] = context.get("requestTimeEpoch", context.get("timeEpoch")) / 1000
        if len(context.get("requestId", "")) == 36:
            request["id"] = context["requestId"]
        expected = prune(_mask(event, *masked))
        if codec == "apigateway-v1":
            expected["requestContext"]["deploymentId"] = "<any>"
        yield {"codec": codec, "options": options, "request": request, "event": expected, "normalise": ["prune"]}

    return convert


# -- REST API ----------------------------------------------------------------------------------------------------

_REST = {"account": "111111111111", "stage": "stage", "stage_in_path": "yes"}


def _rest_events(document: Any) -> Iterator[Case]:
    for recorded in document["cases"]:
        event = _rest_headers(recorded["event"])
        sent = recorded["http_request"]
        added = [[name, value] for name, value in event["headers"].items() if name.startswith(_CLOUDFRONT)]
        parsed = isinstance(event["body"], dict)
        yield {
            "name": recorded["name"],
            "codec": "apigateway-v1",
            "options": _REST,
            "request": {
                "method": sent["method"],
                "target": sent["target"],
                "headers": [*sent["headers"], *added],
                "body": sent["body_utf8"],
            },
            "route": {"template": event["resource"]} if event["resource"] != "/{proxy+}" else None,
            "event": _open(event),
            "normalise": ["parse_body"] if parsed else [],
        }


def _rest_mapping(document: Any) -> Iterator[Case]:
    event = _rest_headers(document["recorded-content"]["http-proxy-invocation-data-mapping"]["content"])
    own = ("Host", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")
    yield {
        "name": "requestParameters are ignored; the request is made from the event",
        "codec": "apigateway-v1",
        "options": {**_REST, "stage": "test"},
        "request": {
            "method": "POST",
            "target": "/test/foobar?testQueryString=foo&testVar=bar",
            "headers": [[name, value] for name, value in event["headers"].items() if name not in own],
            "body": json.dumps(event["body"]),
        },
        "route": {"template": "/{pathVariable}", "path_parameters": [["pathVariable", "foobar"]]},
        "event": _open(event),
        "normalise": ["parse_body"],
    }


_EDGE_ANSWER = {"via", "x-cache", "x-amz-cf-id", "x-amz-cf-pop"}


def _answer(headers: dict[str, str]) -> list[list[str]]:
    return [[name, _open(value)] for name, value in headers.items() if name.lower() not in _EDGE_ANSWER]


def _split_test_multi(headers: list[list[str]]) -> list[list[str]]:
    """The recorder joined the fields of one name."""
    return [
        [name, part]
        for name, value in headers
        for part in (value.split(", ") if name.lower() == "test-multi" else [value])
    ]


def _rest_results(document: Any) -> Iterator[Case]:
    for recorded in document["cases"]:
        response: Case = {"status": recorded["status"]}
        seen = recorded["recorded"]
        if isinstance(seen["content"], str):
            response["body"] = seen["content"]
        else:
            response["body_json"] = seen["content"]
        if "headers" in seen:
            response["headers"] = _split_test_multi(_answer(seen["headers"]))
        case = {
            "name": recorded["name"],
            "codec": "apigateway-v1",
            "request": {"headers": list(map(list, document["request_headers"].items()))},
            "response": response,
        }
        failed = recorded["lambda_result"] == "__FUNCTION_ERROR__"
        yield {**case, **({"error": "FunctionError"} if failed else {"result": recorded["lambda_result"]})}


def _rest_headers_cases(document: Any) -> Iterator[Case]:
    sent = document["http_request"]
    for name, recorded in document["recorded_content"].items():
        if name == "apigw-id":
            continue
        response = {"headers": [[key, _open(value)] for key, value in recorded["response-headers"].items()]}
        case = {
            "name": name,
            "codec": "apigateway-v1",
            "options": {"stage_in_path": "yes", "stage": "stage"},
            "request": {"target": "/stage/no-param", "headers": sent["headers"]},
        }
        if "headers" in recorded:
            content = "x" * int(recorded["response-headers"]["Content-Length"])
            expected = {key: _open(value) for key, value in recorded["headers"].items()}
            yield {
                **case,
                "event": {
                    **dict.fromkeys(
                        [
                            "resource",
                            "path",
                            "httpMethod",
                            "multiValueHeaders",
                            "queryStringParameters",
                            "pathParameters",
                            "multiValueQueryStringParameters",
                            "stageVariables",
                            "requestContext",
                            "isBase64Encoded",
                        ],
                        "<any>",
                    ),
                    "body": recorded["body"],
                    "headers": expected,
                },
                "result": {"statusCode": 200, "body": content},
                "response": {"status": 200, **response},
            }
        else:
            # A mapping of a header that must not be mapped: the integration fails before Lambda is called.
            body = {"status": 500, "body": '{"message": "Internal server error"}'}
            yield {**case, "error": "InvokeRejected", "response": {**body, **response}}


def _rest_trace(document: Any) -> Iterator[Case]:
    sent = {
        "normal-req-headers-AWS_PROXY": [],
        "trace-id-req-headers-AWS_PROXY": [
            ["x-amzn-trace-id", "Root=1-3152b799-8954dae64eda91bc9a23a7e8;Parent=7fa8c0f79203be72;Sampled=1"]
        ],
        "trace-id-small-req-headers-AWS_PROXY": [["x-amzn-trace-id", "Root=1-3152b799-8954dae64eda91bc9a23a7e8"]],
    }
    for name, headers in sent.items():
        expected = _answer(document["recorded-content"][name])
        expected = [pair for pair in expected if pair[0] != "content-length"]
        yield {
            "name": name,
            "codec": "apigateway-v1",
            "request": {"headers": headers},
            "result": {"statusCode": 200, "body": "{}"},
            "response": {"status": 200, "headers": expected, "any_case": True},
        }


def _rest_not_found(document: Any) -> Iterator[Case]:
    for name in ("not-found", "wrong-method"):
        recorded = document["recorded-content"][name]
        yield {
            "name": name,
            "codec": "apigateway-v1",
            "error": "NotFound",
            "response": {
                "status": 403,
                "body_json": recorded["content"],
                "headers": [
                    ["x-amzn-ErrorType", recorded["errorType"]],
                    ["x-amzn-RequestId", "<uuid>"],
                    ["x-amz-apigw-id", "<gateway-id>"],
                    ["Content-Type", "application/json"],
                ],
            },
        }


def _rest_not_post(document: Any) -> Iterator[Case]:
    yield {
        "name": "the integration cannot call Lambda",
        "codec": "apigateway-v1",
        "error": "InvokeRejected",
        "response": {
            "status": 500,
            "body_json": document["recorded-content"]["invocation-payload-with-get-proxy-method"],
        },
    }


# -- HTTP API ----------------------------------------------------------------------------------------------------

_LAMBDA_ERRORS = {
    "integration timeout (30 s; real 0m30.163s)": "InvokeTimeout",
    "response format not the expected one": "MalformedResult",
    "resource policy does not allow the API to invoke": "InvokeRejected",
    "Lambda throttled (reserved concurrency)": "Throttled",
    "unhandled error in the function": "FunctionError",
}


def _http_errors(document: Any) -> Iterator[Case]:
    for recorded in document["cases"]:
        response = recorded["response"]
        headers = [
            [name, value if name != "apigw-requestid" else "<gateway-id>"] for name, value in response["headers"]
        ]
        yield {
            "name": recorded["case"],
            "codec": "apigateway-v2",
            "error": _LAMBDA_ERRORS[recorded["case"]],
            "response": {
                "status": response["status"],
                "body": response["body_utf8"],
                "headers": headers,
                "any_case": True,
            },
        }


def _payload1(document: Any) -> Iterator[Case]:
    sent, event, answer = document["http_request"], document["event"], document["http_response"]
    own = ("requestContext.requestId", "requestContext.extendedRequestId")
    addresses = ("headers.X-Forwarded-For", "multiValueHeaders.X-Forwarded-For", "requestContext.identity.sourceIp")
    traces = ("headers.X-Amzn-Trace-Id", "multiValueHeaders.X-Amzn-Trace-Id")
    yield {
        "codec": "apigateway-v2",
        "options": {
            "payload": "1.0",
            "account": "000000000000",
            "api_id": event["requestContext"]["apiId"],
            "stage": "sandbox",
            "stage_in_path": "yes",
        },
        "request": {
            "method": sent["method"],
            "target": sent["target"],
            "headers": sent["headers"],
            "body": sent["body_utf8"],
            "host": dict(sent["headers"])["host"],
            "received": event["requestContext"]["requestTimeEpoch"] / 1000,
        },
        "route": {"template": "/data_recorder_01"},
        "event": _mask(event, *own, *addresses, *traces),
        "result": {
            "statusCode": answer["status"],
            "headers": {"Content-Type": "application/json", "x-custom-header": "my custom header value"},
            "body": answer["body_utf8"],
        },
        "response": {
            "status": answer["status"],
            "body": answer["body_utf8"],
            "headers": [
                [name, value if name != "apigw-requestid" else "<gateway-id>"] for name, value in answer["headers"]
            ],
            "any_case": True,
        },
    }


def _v2_sample(event: Any) -> Iterator[Case]:
    context = event["requestContext"]
    del context["authentication"]
    yield {
        "codec": "apigateway-v2",
        "options": {"account": context["accountId"], "api_id": context["apiId"]},
        "request": {
            "headers": [["accept", "*/*"], ["user-agent", "curl/7.58.0"], ["content-length", "0"]],
            "host": context["domainName"],
            "client": "1.2.3.4",
            "trace_id": event["headers"]["x-amzn-trace-id"].removeprefix("Root="),
            "received": context["timeEpoch"] / 1000,
        },
        "event": _mask(event, "requestContext.requestId"),
    }


# -- function URL ------------------------------------------------------------------------------------------------

_FRONT_DOOR = ("host", "x-forwarded-", "x-amzn-trace-id", "x-amzn-tls-")


def _url_event(event: Any) -> Iterator[Case]:
    text = json.dumps(event).replace("<url-id>", "url-id")
    event = json.loads(text)
    context = event["requestContext"]
    context.pop("authorizer", None)
    if context["http"]["userAgent"] == "agent":
        context["http"]["userAgent"] = event["headers"]["user-agent"]
    if len(context["requestId"]) != 36:
        context["requestId"] = "<any>"
    query = event["rawQueryString"]
    if not query and "queryStringParameters" in event:
        query = "parameter1=value1&parameter1=value2&parameter2=value"
        event["rawQueryString"] = query
    headers = event["headers"]
    body = {"body_base64" if event["isBase64Encoded"] else "body": event["body"]} if "body" in event else {}
    yield {
        "codec": "function-url",
        "options": {"account": context["accountId"]} if context["accountId"] == "anonymous" else {},
        "request": {
            "method": context["http"]["method"],
            "target": event["rawPath"] + (f"?{query}" if query else ""),
            "headers": [[name, value] for name, value in headers.items() if not name.startswith(_FRONT_DOOR)],
            "host": headers["host"],
            "client": headers["x-forwarded-for"],
            "tls": {"version": headers["x-amzn-tls-version"], "cipher": headers["x-amzn-tls-cipher-suite"]},
            "trace_id": headers["x-amzn-trace-id"].removeprefix("Root="),
            "id": context["requestId"] if len(context["requestId"]) == 36 else "7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0",
            "received": context["timeEpoch"] / 1000,
            **body,
        },
        "event": _mask(event, *(["requestContext.accountId"] if context["accountId"] != "anonymous" else [])),
    }


def _url_answer(recorded: Any) -> Case:
    response: Case = {"status": recorded["statuscode"]}
    length = recorded["headers"].get("Content-Length")
    if isinstance(recorded["content"], str):
        response["body"] = recorded["content"]
    else:
        response["body_json"] = recorded["content"]
    response["headers"] = [
        ["x-amzn-RequestId", "<uuid>"],
        ["X-Amzn-Trace-Id", "<response-trace>"],
        ["Content-Type", recorded["headers"].get("Content-Type", "application/json")],
        *([["Content-Length", length]] if length else []),
    ]
    return response


def _url_results(document: Any) -> Iterator[Case]:
    for recorded in document["cases"]:
        if recorded["recorded"] is None:
            response: Case = {"status": 418}
        else:
            response = _url_answer(recorded["recorded"])
        yield {
            "name": recorded["name"],
            "codec": "function-url",
            "request": {"method": "POST", "target": document["request"]["target"]},
            "result": recorded["lambda_result"],
            "response": response,
        }


def _echo(name: str, recorded: Any) -> Case:
    """What a function that echoes its event showed of it."""
    headers = recorded["headers"]
    shown = {key: _open(value) for key, value in headers.items()}
    if "x-forwarded-for" not in headers:
        # The recorder took out what begins with `x-`.
        for key in ("trace-id", "tls-version", "tls-cipher-suite"):
            shown[f"x-amzn-{key}"] = "<any>"
        for key in ("for", "port", "proto"):
            shown[f"x-forwarded-{key}"] = "<any>"
    data = recorded["data"]
    is_text = not isinstance(data, str)
    pairs = [f"{key}={part}" for key, value in recorded["args"].items() for part in value.split(",")]
    path = recorded["path"]
    sent = [[key, value] for key, value in headers.items() if not key.startswith(_FRONT_DOOR)]
    body = {"body": json.dumps(data)} if is_text else {"body_base64": data}
    context = dict.fromkeys(
        ["accountId", "apiId", "domainName", "domainPrefix", "requestId", "routeKey", "stage", "time", "timeEpoch"],
        "<any>",
    )
    http = {"method": recorded["method"], "path": path, "protocol": "HTTP/1.1", "sourceIp": "198.51.100.7"}
    event: Case = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "&".join(pairs),
        "headers": shown,
        "requestContext": {**context, "http": {**http, "userAgent": headers["user-agent"]}},
        "body": data,
        "isBase64Encoded": not is_text,
    }
    if pairs:
        event["queryStringParameters"] = recorded["args"]
    return {
        "name": name,
        "codec": "function-url",
        "request": {
            "method": recorded["method"],
            "target": path + (f"?{event['rawQueryString']}" if pairs else ""),
            "headers": sent,
            **body,
        },
        "event": event,
        "normalise": ["parse_body"] if is_text else [],
    }


def _url_snapshots(document: Any) -> Iterator[Case]:
    for name, recorded in document.items():
        content = recorded["content"]
        if "url_response" in content:
            yield _echo(name, content["url_response"])
        answer = content.get("lambda_url_invocation")
        if answer and "[" in name:
            result = answer["content"]
            number = {"[integer]": 3, "[float]": 3.1, "[boolean]": True, "[list-mixed]": ["hello", 3, True]}
            kind = name[name.index("[") :]
            result = number.get(kind, result)
            if kind == "[http-response]":
                result = {"statusCode": 200, "body": "body123"}
            elif kind == "[http-response-json]":
                result = {"statusCode": 200, "body": '{"hello": "world"}'}
            yield {"name": name, "codec": "function-url", "result": result, "response": _url_answer(answer)}
        elif answer:
            yield {
                "name": name,
                "codec": "function-url",
                "result": {"statusCode": 200, "body": "hi"},
                "response": _url_answer(answer),
            }
        refused = content.get("lambda_url_invocation_missing_permission") or (
            content.get("invoke_deleted_alias_url_response_delayed", {}).get("content")
        )
        if refused:
            yield {
                "name": name,
                "codec": "function-url",
                "error": "NotFound",
                "response": {
                    "status": 403,
                    "body_json": refused,
                    "headers": [
                        ["x-amzn-ErrorType", "AccessDeniedException"],
                        ["x-amzn-RequestId", "<uuid>"],
                        ["Content-Type", "application/json"],
                    ],
                },
            }
        if "response_data" in content:
            yield {
                "name": name,
                "codec": "function-url",
                "prelude": None,
                "response": {"status": content["response_status"]},
            }


def _url_text(document: Any) -> Iterator[Case]:
    for recorded in document["cases"]:
        response = recorded["response"]
        ok = response["status"] == 200
        masked = {"x-amzn-RequestId": "<uuid>", "X-Amzn-Trace-Id": "<response-trace>"}
        headers = [[name, masked.get(name, value)] for name, value in response["headers"]]
        if ok:
            made: Case = {"result": {"message": "OK"}}
            expected: Case = {"body": response["body_utf8"]}
        else:
            made, expected = {"error": "NotFound"}, {}
            headers = [pair for pair in headers if pair[0] != "Content-Length"]
        yield {
            "name": recorded["case"],
            "codec": "function-url",
            **made,
            "response": {"status": response["status"], "headers": headers, **expected},
        }


def _through_gateway(document: Any) -> Iterator[Case]:
    for name, recorded in document["recorded-content"].items():
        if name == "api_id":
            continue
        event = recorded.get("content", recorded)
        event = json.loads(json.dumps(event).replace("<content_length:1>", "26"))
        yield _echo(name, event)


# -- ALB ---------------------------------------------------------------------------------------------------------


def _alb_sample(event: Any) -> Iterator[Case]:
    many = "multiValueHeaders" in event
    given = event["multiValueHeaders" if many else "headers"]
    headers = {name: value[0] if many else value for name, value in given.items()}
    query = event["multiValueQueryStringParameters" if many else "queryStringParameters"]
    pairs = [f"{name}={value[0] if many else value}" for name, value in query.items()]
    own = ("host", "x-forwarded-", "x-amzn-trace-id")
    bare = event["body"] == "base64_encoded_string"
    yield {
        "codec": "alb",
        "options": {
            "multi_value": "yes" if many else "no",
            "target_group_arn": event["requestContext"]["elb"]["targetGroupArn"],
        },
        "request": {
            "method": event["httpMethod"],
            "target": event["path"] + ("?" + "&".join(pairs) if pairs else ""),
            "headers": [[name, value] for name, value in headers.items() if not name.startswith(own)],
            "host": headers["host"],
            "scheme": headers["x-forwarded-proto"],
            "port": int(headers["x-forwarded-port"]),
            "client": headers["x-forwarded-for"],
            "trace_id": headers["x-amzn-trace-id"].removeprefix("Root="),
            "body": "x" * 242 if bare else "",
        },
        "event": _mask(event, "body") if bare else event,
    }


def _alb_502(recorded: Any) -> Iterator[Case]:
    yield {
        "codec": "alb",
        "error": "FunctionError",
        "response": {"status": recorded["status"], "body": recorded["body_utf8"], "headers": recorded["headers"]},
    }


# -- too large ---------------------------------------------------------------------------------------------------


def _too_large(document: Any) -> Iterator[Case]:
    for recorded in document["cases"]:
        service = recorded["service"]
        if service == "invoke-api":
            continue
        codec = {"apigw-v1": "apigateway-v1", "apigw-v2": "apigateway-v2", "function-url": "function-url"}[service]
        response = {"status": recorded["status"], "body": recorded["body_utf8"]}
        if "10485760" in recorded["when"]:
            yield {
                "name": recorded["when"],
                "codec": codec,
                "options": {"limits": "aws"},
                "request": {"method": "POST", "body": "x" * 10485761},
                "refused": True,
                "response": {**response, "headers_include": [["Content-Type", recorded["content_type"]]]},
            }
        else:
            yield {"name": recorded["when"], "codec": codec, "error": "EventTooLarge", "response": response}


_IDS = ("requestContext.requestId", "requestContext.extendedRequestId", "requestContext.resourceId")
_URL_TLS = {"version": "TLSv1.3", "cipher": "TLS_AES_128_GCM_SHA256"}

CONVERTERS: dict[str, Callable[[Any], Iterator[Case]]] = {
    "found/*.cases.json": lambda document: iter(document["cases"]),
    "aws-recorded/voker/alb-request.json": _voker("alb", {"multi_value": "yes"}),
    "aws-recorded/voker/apigwv1-request.json": _voker("apigateway-v1", {}, *_IDS),
    "aws-recorded/voker/apigwv2-request.json": _voker("apigateway-v2", {}, *_IDS),
    "aws-recorded/voker/functionurl-request.json": _voker("function-url", {}, tls=_URL_TLS),
    "aws-recorded/localstack/apigw_v1_proxy_integration.cases.json": _rest_events,
    "aws-recorded/localstack/apigw_v1_request_data_mapping.json": _rest_mapping,
    "aws-recorded/localstack/apigw_v1_response_validation.cases.json": _rest_results,
    "aws-recorded/localstack/apigw_v1_header_remapping_aws_AWS_PROXY.json": _rest_headers_cases,
    "aws-recorded/localstack/apigw_v1_test_invocation_trace_id.json": _rest_trace,
    "aws-recorded/localstack/apigw_v1_test_routing_not_found.json": _rest_not_found,
    "aws-recorded/localstack/apigw_v1_non_post_integration_method.json": _rest_not_post,
    "aws-recorded/localstack/apigw_http_test_http_integration_with_lambda_*.json": _through_gateway,
    "aws-recorded/localstack/apigw_http_test_http_integration_method_*.json": _through_gateway,
    "aws-recorded/localstack/apigw_http_test_http_proxy_integration_request_data_mappings.json": _through_gateway,
    "aws-recorded/localstack/function_url_responses.cases.json": _url_results,
    "aws-recorded/localstack/function_url_all_snapshots.json": _url_snapshots,
    "aws-recorded/aws-lambda-go-lambdaurl/*.json": _url_event,
    "aws-recorded/text/function-url-200-and-403.json": _url_text,
    "aws-recorded/text/http-api-errors.json": _http_errors,
    "aws-recorded/text/http-api-payload-1.0-event.json": _payload1,
    "aws-recorded/text/payload-too-large.json": _too_large,
    "aws-recorded/text/alb-502.json": _alb_502,
    "aws-recorded/text/alb-get-body-without-content-type.json": _alb_sample,
    "aws-sdk-samples/go/alb-lambda-target-request-headers-only.json": _alb_sample,
    "aws-sdk-samples/go/alb-lambda-target-request-multivalue-headers.json": _alb_sample,
    "aws-sdk-samples/go/apigw-v2-request-no-authorizer.json": _v2_sample,
    "aws-sdk-samples/powertools/albMultiValueHeadersEvent.json": _alb_sample,
    "aws-sdk-samples/powertools/lambdaFunctionUrlEvent.json": _url_event,
    "aws-sdk-samples/powertools/lambdaFunctionUrlEventWithHeaders.json": _url_event,
}
