"""Lambda functions for test_awslambdaric: the same applications behind our adapters and behind those of others."""

from importlib import import_module

from lambdaproxy.adapters import asgi, wsgi
from tests.adapters.frameworks import make_fastapi, make_flask

flask_ours = wsgi.handler(make_flask())
fastapi_ours = asgi.handler(make_fastapi())
flask_theirs = import_module("apig_wsgi").make_lambda_handler(make_flask(mild=True), binary_support=True)
fastapi_theirs = import_module("mangum").Mangum(make_fastapi(mild=True), lifespan="off")
