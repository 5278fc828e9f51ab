"""Puts the echo function behind every front door that a running ministack has, and prints how to ask each.

GATEWAY_PORT=4566 ministack &
python ministack.py http://127.0.0.1:4566       in an environment that has boto3
"""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import boto3

ECHO = Path(__file__).parents[1] / "lambdaproxy_conformance" / "functions" / "echo.py"
ROLE = "arn:aws:iam::000000000000:role/echo"


def _client(service: str, url: str) -> Any:
    return boto3.client(
        service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )


def main(url: str) -> None:
    """Make the function, an HTTP API for each payload format, a REST API, a function URL and a load balancer."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("echo.py", ECHO.read_text())
    functions = _client("lambda", url)
    made = functions.create_function(
        FunctionName="echo",
        Runtime="python3.11",
        Role=ROLE,
        Handler="echo.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    arn = made["FunctionArn"]
    port = url.rpartition(":")[2]

    http = _client("apigatewayv2", url)
    for payload, format in (("2.0", "apigateway-v2"), ("1.0", "apigateway-v2:payload=1.0")):
        api = http.create_api(Name=f"echo-{payload}", ProtocolType="HTTP")["ApiId"]
        integration = http.create_integration(
            ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion=payload
        )["IntegrationId"]
        http.create_route(ApiId=api, RouteKey="$default", Target=f"integrations/{integration}")
        http.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
        print(f"{format} http://127.0.0.1:{port} --host-header {api}.execute-api.localhost:{port}")

    rest = _client("apigateway", url)
    api = rest.create_rest_api(name="echo")["id"]
    root = rest.get_resources(restApiId=api)["items"][0]["id"]
    greedy = rest.create_resource(restApiId=api, parentId=root, pathPart="{proxy+}")["id"]
    for resource in (root, greedy):
        rest.put_method(restApiId=api, resourceId=resource, httpMethod="ANY", authorizationType="NONE")
        rest.put_integration(
            restApiId=api,
            resourceId=resource,
            httpMethod="ANY",
            type="AWS_PROXY",
            integrationHttpMethod="POST",
            uri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations",
        )
    rest.create_deployment(restApiId=api, stageName="dev")
    print(f"apigateway-v1 {url}/restapis/{api}/dev/_user_request_ --stage dev")

    address = functions.create_function_url_config(FunctionName="echo", AuthType="NONE")["FunctionUrl"]
    print(f"function-url http://127.0.0.1:{port} --host-header {address.split('/')[2]}")

    balancers = _client("elbv2", url)
    balancer = balancers.create_load_balancer(Name="echo", Subnets=["subnet-1"])["LoadBalancers"][0]
    group = balancers.create_target_group(Name="echo", TargetType="lambda")["TargetGroups"][0]["TargetGroupArn"]
    balancers.register_targets(TargetGroupArn=group, Targets=[{"Id": arn}])
    balancers.create_listener(
        LoadBalancerArn=balancer["LoadBalancerArn"],
        Protocol="HTTP",
        Port=80,
        DefaultActions=[{"Type": "forward", "TargetGroupArn": group}],
    )
    print(f"alb http://127.0.0.1:{port} --host-header {balancer['DNSName']}")


if __name__ == "__main__":
    main(sys.argv[1])
