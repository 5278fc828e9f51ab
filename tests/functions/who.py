"""Lambda authorizers for tests: the token says what to answer."""


def handler(event, context):
    token = event.get("authorizationToken") or event["headers"].get("authorization", "")
    if token == "fail":
        raise RuntimeError("secret reason")
    if token == "unauthorized":
        raise Exception("Unauthorized")
    if event.get("version") == "2.0":
        return {"isAuthorized": token == "good", "context": {"who": "me", "list": [1]}}
    effect = "Allow" if token == "good" else "Deny"
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}
    return {"principalId": "me", "policyDocument": {"Statement": [statement]}, "context": {"who": "me", "n": 5}}
