"""The makers that come with lambdaproxy."""

from lambdaproxy.authorizers.jwt_maker import jwt
from lambdaproxy.authorizers.makers import all_, api_key, closed, iam, lambda_
from lambdaproxy.aws.maker import AwsInvokerMaker
from lambdaproxy.codecs.makers import (
    alb,
    apigateway_v1,
    apigateway_v2,
    apigateway_websocket,
    function_url,
    vpc_lattice,
)
from lambdaproxy.gate.nobody import none
from lambdaproxy.runtime.maker import local
from lambdaproxy.sockets.management import connections

__all__ = [
    "alb",
    "all_",
    "api_key",
    "apigateway_v1",
    "apigateway_v2",
    "apigateway_websocket",
    "aws",
    "closed",
    "connections",
    "function_url",
    "iam",
    "jwt",
    "lambda_",
    "local",
    "none",
    "vpc_lattice",
]

aws = AwsInvokerMaker()
