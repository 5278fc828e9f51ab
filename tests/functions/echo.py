"""Functions for the tests of the whole: they speak every dialect."""

import base64
import os
import sys
import time


def _body(event):
    body = event.get("body") or ""
    return base64.b64decode(body) if event["isBase64Encoded"] else body.encode()


def _answer(event, status, body, headers):
    result = {"statusCode": status, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    if "multiValueHeaders" in event and "headers" not in event:
        result["multiValueHeaders"] = {name: [value] for name, value in headers.items()}
    else:
        result["headers"] = headers
    return result


def handler(event, context):
    """The request's body, byte for byte, whatever it is."""
    return _answer(event, 200, _body(event), {"content-type": "application/octet-stream", "x-pid": str(os.getpid())})


def raises(event, context):
    raise ValueError("secret-in-message")


def exits(event, context):
    os._exit(3)


def sleeps(event, context):
    print("asleep", flush=True)
    time.sleep(float(event.get("headers", {}).get("x-sleep", "30")))
    return _answer(event, 200, b"slept", {"content-type": "text/plain"})


def malformed(event, context):
    return {"statusCode": "not a status"}


def prints(event, context):
    print("printed by the function")
    print("and to stderr", file=sys.stderr)
    return _answer(event, 200, b"ok", {"content-type": "text/plain"})
