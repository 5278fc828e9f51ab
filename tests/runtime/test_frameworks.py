"""Functions written by others for AWS run unchanged: popular frameworks and their Lambda adapters.

The frameworks are looked for in the environment that LAMBDAPROXY_FRAMEWORKS names (a Python interpreter) and in the
folder that LAMBDAPROXY_NODE_MODULES names; what is not installed is skipped.
"""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import orjson
from twisted.trial.unittest import SkipTest

from lambdaproxy.runtime.functions import FunctionSettings
from tests.runtime.real import RealProcesses
from tests.runtime.support import FUNCTIONS, function

PYTHON = os.environ.get("LAMBDAPROXY_FRAMEWORKS", sys.executable)
NODE_MODULES = os.environ.get("LAMBDAPROXY_NODE_MODULES", "")
FOLDER = os.path.join(FUNCTIONS, "frameworks")

EVENT = orjson.dumps(
    {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/items/7",
        "rawQueryString": "q=a%20b",
        "queryStringParameters": {"q": "a b"},
        "headers": {"host": "api.example.com", "x-forwarded-for": "192.0.2.1", "x-forwarded-port": "443",
                    "x-forwarded-proto": "https", "accept": "*/*"},
        "requestContext": {
            "accountId": "123456789012", "apiId": "api", "domainName": "api.example.com", "domainPrefix": "api",
            "http": {"method": "GET", "path": "/items/7", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1",
                     "userAgent": "test"},
            "requestId": "id", "routeKey": "$default", "stage": "$default",
            "time": "21/Nov/2026:21:00:00 +0000", "timeEpoch": 1795294800000,
        },
        "isBase64Encoded": False,
    }
)  # fmt: skip


@cache
def installed(module: str) -> bool:
    return subprocess.run([PYTHON, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


class Frameworks(RealProcesses):
    async def answer(self, settings: FunctionSettings) -> Any:
        local = self.local(settings)
        for _ in range(2):
            result = await local.invoke("f", EVENT)
            self.assertIsNone(result.function_error, result.payload)
        document = orjson.loads(result.payload)
        self.assertEqual(document["statusCode"], 200, document)
        return orjson.loads(document["body"])

    async def python(self, module: str, *needs: str) -> Any:
        for need in needs:
            if not installed(need):
                raise SkipTest(f"{need} is not installed in {PYTHON}")
        settings = FunctionSettings("f", f"{module}.handler", "python3.13", FOLDER, python=PYTHON)
        return await self.answer(settings)

    async def test_fastapi_with_mangum(self) -> None:
        self.assertEqual(await self.python("fastapi_app", "fastapi", "mangum"), {"item": 7, "q": "a b"})

    async def test_flask_with_apig_wsgi(self) -> None:
        self.assertEqual(await self.python("flask_app", "flask", "apig_wsgi"), {"item": 7, "q": "a b", "body": ""})

    async def test_powertools(self) -> None:
        self.assertEqual(await self.python("powertools_app", "aws_lambda_powertools"), {"item": 7, "q": "a b"})
        self.assertIn('"message":"asked for an item"', self.made[0].log)

    async def test_express_with_serverless_http(self) -> None:
        if not os.path.isdir(os.path.join(NODE_MODULES, "serverless-http")):
            raise SkipTest("serverless-http is not installed where LAMBDAPROXY_NODE_MODULES says")
        settings = function("f", "frameworks/express_app.cjs:handler")
        folder = os.path.abspath(self.mktemp())
        os.makedirs(folder)
        os.symlink(NODE_MODULES, os.path.join(folder, "node_modules"))
        shutil.copy(os.path.join(FOLDER, "express_app.cjs"), folder)
        self.assertEqual(await self.answer(replace(settings, directory=folder)), {"item": 7, "q": "a b"})
