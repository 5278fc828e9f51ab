"""Lambda's own entry for Python functions that stream: `python3 -m lambdaproxy.runtime.entry`, on AWS or elsewhere.

It speaks the Runtime API, the streaming half of it too, which Lambda's Python runtime does not. Everything else is the
runtime that embedded functions have, so what runs here runs there. Standard library only.
"""

from __future__ import annotations

import os
import socket

from lambdaproxy.runtime import bootstrap


def main() -> None:
    """Serve the function that `_HANDLER` names; never returns."""
    host, _, port = os.environ["AWS_LAMBDA_RUNTIME_API"].rpartition(":")
    connection = socket.create_connection((host, int(port)) if host else (port, 80))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    bootstrap.load("python_runtime")["main"](bootstrap.load, connection)


if __name__ == "__main__":
    main()
