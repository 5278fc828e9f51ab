"""Takes uploads of any size, and gives objects back by their key."""

import hashlib
import json

import claim


def upload(event, context):
    digest, size = hashlib.sha256(), 0
    for piece in claim.checked(event):
        digest.update(piece)
        size += len(piece)
    said = {"size": size, "sha256": digest.hexdigest(), "key": event.get("claimCheck", {}).get("key")}
    return {"statusCode": 201, "headers": {"Content-Type": "application/json"}, "body": json.dumps(said)}


def download(event, context):
    # Whoever may have this object: that is for you to decide.
    key = event["queryStringParameters"]["key"]
    return {"statusCode": 200, "headers": claim.reference("my-uploads", key)}
