"""An AWS Lambda function that tells what it received: try it with any of the formats."""

import base64
import json
import platform


def handler(event, context):
    """Answer any front door's event with a small JSON document."""
    body = event.get("body") or ""
    if event["isBase64Encoded"]:
        body = base64.b64decode(body).decode("utf-8", "replace")
    answer = {
        "message": "Hello from a Lambda function",
        "method": event.get("httpMethod") or event["requestContext"]["http"]["method"],
        "path": event.get("path") or event.get("rawPath"),
        "query": event.get("queryStringParameters") or event.get("multiValueQueryStringParameters") or {},
        "body": body,
        "function": context.function_name,
        "requestId": context.aws_request_id,
        "python": platform.python_version(),
    }
    result = {"statusCode": 200, "body": json.dumps(answer)}
    if "multiValueHeaders" in event and "headers" not in event:
        # An ALB with multi-value headers reads only that map of the result.
        result["multiValueHeaders"] = {"content-type": ["application/json"]}
    else:
        result["headers"] = {"content-type": "application/json"}
    return result
