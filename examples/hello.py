"""An AWS Lambda function that tells what it received: try it with any of the formats."""

import json
import platform


def handler(event, context):
    """Answer any front door's event with a small JSON document."""
    answer = {
        "message": "Hello from a Lambda function",
        "method": event.get("httpMethod") or event["requestContext"]["http"]["method"],
        "path": event.get("path") or event.get("rawPath"),
        "query": event.get("queryStringParameters")
        or event.get("multiValueQueryStringParameters")
        or {},
        "body": event.get("body"),
        "isBase64Encoded": event["isBase64Encoded"],
        "function": context.function_name,
        "requestId": context.aws_request_id,
        "python": platform.python_version(),
    }
    headers = {"content-type": "application/json"}
    if "multiValueHeaders" in event and "headers" not in event:
        # An ALB with multi-value headers reads only that map of the result.
        return {
            "statusCode": 200,
            "multiValueHeaders": {"content-type": ["application/json"]},
            "body": json.dumps(answer),
        }
    return {"statusCode": 200, "headers": headers, "body": json.dumps(answer)}
