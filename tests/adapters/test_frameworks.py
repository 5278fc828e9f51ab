"""Flask and FastAPI answer behind every front door as they do served directly, up to what a dialect loses."""

from __future__ import annotations

import asyncio
import json
import random

import pytest

from lambdaproxy.adapters import asgi, wsgi
from lambdaproxy.messages import InvocationResult, Match
from tests.adapters.frameworks import (
    make_fastapi,
    make_flask,
    plain_request,
    random_request,
    same,
    serve_asgi,
    serve_wsgi,
)
from tests.codecs.dialects import CODECS

pytestmark = pytest.mark.slow

REQUESTS = 500
ALL = pytest.mark.parametrize("name", CODECS)
#: What the adapters of others know.
THEIRS = [name for name in CODECS if not name.endswith("-stage") and not name.startswith("lattice")]


def one_by_one(name, adapter, app, serve):
    codec, handler = CODECS[name], adapter(app)
    chosen = random.Random(f"{name} {serve.__name__}")
    for _ in range(REQUESTS):
        message = random_request(chosen, name)
        event = json.loads(codec.encode_request(message, Match()))
        result = json.loads(json.dumps(handler(event, None)))
        response = codec.decode_result(InvocationResult(json.dumps(result).encode()), message, Match())
        same(name, serve(app, message), response)


@ALL
def test_flask(name):
    one_by_one(name, wsgi.handler, make_flask(), serve_wsgi)


@ALL
def test_fastapi(name):
    one_by_one(name, asgi.handler, make_fastapi(), serve_asgi)


# -- the adapters that others use, behind our events -------------------------------------------------------------------


def their_adapter(name, handler, app, serve):
    codec = CODECS[name]
    chosen = random.Random(name)
    for _ in range(100):
        message = plain_request(chosen)
        event = json.loads(codec.encode_request(message, Match()))
        result = json.dumps(handler(event, Context())).encode()
        response = codec.decode_result(InvocationResult(result), message, Match())
        same(name, serve(app, message), response)


class Context:
    aws_request_id = "7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0"
    function_name = "test"


@pytest.mark.parametrize("name", THEIRS)
def test_mangum(name):
    mangum = pytest.importorskip("mangum", reason="needs Mangum")
    app = make_fastapi(mild=True)
    asyncio.set_event_loop(asyncio.new_event_loop())  # Mangum uses the current one
    their_adapter(name, mangum.Mangum(app, lifespan="off"), app, serve_asgi)


@pytest.mark.parametrize("name", THEIRS)
def test_apig_wsgi(name):
    apig_wsgi = pytest.importorskip("apig_wsgi", reason="needs apig-wsgi")
    app = make_flask(mild=True)
    their_adapter(name, apig_wsgi.make_lambda_handler(app, binary_support=True), app, serve_wsgi)
