"""A WebSocket API's function: it hears of connections, of messages and of ends (docs/websocket.md)."""

import json


def handler(event, context):
    about = event["requestContext"]
    print(about["eventType"], about["routeKey"], about["connectionId"])
    if about["routeKey"] == "ask":
        return {"statusCode": 200, "body": json.dumps({"answer": json.loads(event["body"]).get("question")})}
    return {"statusCode": 200}
