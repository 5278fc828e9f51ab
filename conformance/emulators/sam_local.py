"""SAM's own local API without its container: the service of `sam local start-api`, and the echo function in process.

    python sam_local.py PORT http-2|http-1|rest     in an environment that has aws-sam-cli

What makes events of requests and answers of results is SAM's; only the container that runs the function is not.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from samcli.lib.providers.provider import Api
from samcli.local.apigw.local_apigw_service import LocalApigwService
from samcli.local.apigw.route import Route

from lambdaproxy_conformance.functions import echo


class InProcess:
    """Runs the echo function where SAM would start a container; a failure is written as the runtimes write it."""

    def is_debugging(self) -> bool:
        return False

    def invoke(self, name: str, event: str, stdout: Any, stderr: Any = None, **others: Any) -> None:
        try:
            result = echo.handler(json.loads(event), None)
        except Exception as error:
            result = {"errorMessage": str(error), "errorType": type(error).__name__, "stackTrace": []}
        stdout.write_str(json.dumps(result))


def main(port: str, kind: str) -> None:
    """Serve until killed."""
    if kind == "rest":
        routes = [Route("echo", path, ["ANY"], Route.API) for path in ("/", "/{proxy+}")]
    else:
        version = "2.0" if kind == "http-2" else "1.0"
        routes = [Route("echo", "$default", ["ANY"], Route.HTTP, payload_format_version=version, is_default_route=True)]
    api = Api(routes=routes)
    if kind == "rest":
        api.stage_name = "Prod"
    service = LocalApigwService(api, InProcess(), port=int(port), host="127.0.0.1")
    service.create()
    service.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
