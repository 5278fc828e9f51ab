"""Uploads and downloads over TLS, in both directions more than a record at a time."""

from __future__ import annotations

import random

from tests.aws.lambda_stub import certificate
from tests.processes import Server
from tests.s3.moto import BUCKET, ENV, running

FUNCTION = """
def look(event, context):
    return {"statusCode": 200, "body": event["claimCheck"]["key"]}

def send(event, context):
    key = event["queryStringParameters"]["key"]
    return {"statusCode": 200, "headers": {"x-lambdaproxy-body": "s3://uploads/" + key}}
"""

CONFIG = """
[function.look]
handler = "app.py:look"
[function.send]
handler = "app.py:send"
[[route]]
path = "/up"
function = "look"
format = "alb"
claim-check = {bucket = "uploads", prefix = "in/", endpoint-url = "<url>"}
[[route]]
path = "/down"
function = "send"
format = "apigateway-v2"
claim-check = {bucket = "uploads", prefix = "in/", endpoint-url = "<url>"}
"""


def test_both_ways(tmp_path):
    cert, key = certificate(tmp_path)
    body = random.Random(7).randbytes(11_000_003)
    (tmp_path / "app.py").write_text(FUNCTION)
    with running((str(cert), str(key))) as moto:
        (tmp_path / "proxy.toml").write_text(CONFIG.replace("<url>", moto.url))
        env = {**ENV, "AWS_CA_BUNDLE": str(cert)}
        config = str(tmp_path / "proxy.toml")
        with Server("--config", config, "--function-header", "none", env=env, cwd=tmp_path) as server:
            status, _, answer = server.request("POST", "/up", body)
            assert status == 200, server.process.output
            name = answer.decode()
            assert moto.client.get_object(Bucket=BUCKET, Key=name)["Body"].read() == body
            assert server.request("GET", f"/down?key={name}")[2] == body
            assert server.request("GET", f"/down?key={name}", headers={"Range": "bytes=-9"})[2] == body[-9:]
