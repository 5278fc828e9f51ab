"""Looks at what belongs to others: Runtime APIs of other functions, and the process that started it."""

import json
import os
import socket

NEXT = b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n"


def ask(address):
    """The first bytes of an answer, an empty text if the connection is closed."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), 20) as client:
        try:
            client.sendall(NEXT)
            return client.recv(100).decode("latin-1")
        except ConnectionError:
            return ""


def handler(event, context):
    return {str(port): ask(f"127.0.0.1:{port}") for port in event["ports"]}


def where(event, context):
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    return {"api": address, "next": ask(address) if event.get("next") else None}


def parent(event, context):
    """What of the process that serves can be read; and, to compare, of our own."""
    found = {name: look(f"/proc/{os.getppid()}/{name}") for name in ("environ", "mem", "fd", "maps", "cmdline")}
    found["own"] = look(f"/proc/{os.getpid()}/environ")
    return {"statusCode": 200, "body": json.dumps(found)}


def look(path):
    try:
        if path.endswith("/fd"):
            os.readlink(path + "/0")
        else:
            with open(path, "rb") as file:
                file.read(1)
    except OSError as problem:
        return problem.strerror
    return "read"
