"""Inside Lambda there may be nothing but the standard library: codecs, wsgi and asgi must run there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import lambdaproxy

PROGRAM = r"""
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("orjson", "pybase64", "zope", "twisted", "botocore", "prometheus_client", "treq"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Nothing())
sys.path.insert(0, sys.argv[1])

import json
from lambdaproxy.adapters import asgi, wsgi
from lambdaproxy.codecs.reading import recognise
from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.codecs.vpc_lattice import VpcLatticeCodec
from lambdaproxy.messages import InvocationResult, Match, Request

def flat(environ, start_response):
    start_response("201 Created", [("Content-Type", "text/plain"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")])
    return [environ["PATH_INFO"].encode("latin-1"), b" ", environ["wsgi.input"].read()]

async def waiting(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError(scope["type"])
    body = (await receive())["body"]
    headers = [(b"content-type", b"text/plain"), (b"set-cookie", b"a=b"), (b"set-cookie", b"c=d")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": scope["path"].encode() + b" " + body})

asked = Request("POST", b"/a%20b?c=d", "HTTP/1.1", ((b"Content-Type", b"text/plain"),), "é".encode(), "https",
                "example.com", 443, "198.51.100.7", "", None, "7c2af7db-31f3-42b5-8a6d-9ffc74e3b9e0",
                "1-6a5145a8-536f3e792f6be9b44c1f46fa", 1.5)
codecs = [AlbCodec(), AlbCodec(multi_value=True), RestApiCodec(binary_media_types=["*/*"]), HttpApiCodec(),
          HttpApiPayload1Codec(), FunctionUrlCodec(), VpcLatticeCodec(), VpcLatticeCodec(version=1)]
for codec in codecs:
    for handler in (wsgi.handler(flat), asgi.handler(waiting)):
        event = json.loads(codec.encode_request(asked, Match()))
        recognise(event)
        result = json.dumps(handler(event, None)).encode()
        response = codec.decode_result(InvocationResult(result), asked, Match())
        assert response.status == 201, response
        assert response.body == "/a b é".encode(), response
        assert sum(name.lower() == b"set-cookie" for name, _ in response.headers) == 2, response
foreign = {name.partition(".")[0] for name in sys.modules} & {"orjson", "zope", "twisted"}
assert not foreign, foreign
print("done")
"""


def test_codecs_and_adapters_run_on_the_standard_library():
    root = Path(lambdaproxy.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", PROGRAM, str(root)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.stderr == ""
    assert done.stdout == "done\n"
