"""Runs a web server in a worker, and hands it the requests that its events are: a Lambda Web Function.

Started by `launch.py` with the server's command. The server listens where `AWS_LAMBDA_HTTP_ENDPOINT` says; which fields
it sees, and what a client is told when it does not answer, is as the Lambda guide has it (web-functions-http,
web-functions-revisions-timeout). Standard library only.
"""
# mypy: ignore-errors

import base64
import json
import os
import signal
import socket
import sys
import threading
import time
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote

BASE = "/2018-06-01/runtime/invocation/"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS", "DELETE")
REMOVED = frozenset(
    (
        "connection",
        "keep-alive",
        "upgrade",
        "expect",
        "te",
        "trailer",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "x-real-ip",
        "x-http-method-override",
        "x-http-method",
        "x-method-override",
        # What frames the body, which comes in one piece.
        "transfer-encoding",
        "content-length",
    )
)
"""Request fields that the server does not see, beside those that begin with `lambda-web-` or that Connection names."""
NOT_ANSWERED = frozenset(("connection", "keep-alive", "transfer-encoding", "upgrade", "trailer", "proxy-connection"))
DOMAIN = "_LAMBDAPROXY_ENDPOINT"
"""The variable with the host that requests must name; the server does not see it."""
READY_PAUSE = 0.005
SPARE = 0.1
"""Seconds before its deadline that a request which has no answer is given one."""
PIECE = 65536
VERDICT = 0.5


class Request:
    """What an event asks of the server; raises `KeyError`, `TypeError` or `ValueError` for one that is no request."""

    def __init__(self, event, request_id, name, domain=""):
        about = event["requestContext"]["http"]
        self.method, self.protocol = about["method"], about.get("protocol", "HTTP/1.1")
        query = event.get("rawQueryString")
        self.target = quote(event["rawPath"] or "/", safe="/%:@!$&'()*+,;=-._~") + (f"?{query}" if query else "")
        body = event.get("body") or ""
        self.body = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
        headers = {key.lower(): value for key, value in event["headers"].items()}
        self.domain, self.host = domain, headers.get("host", "")
        if domain:
            headers["host"] = domain
        named = {one.strip().lower() for one in headers.get("connection", "").split(",")}
        self.headers = [
            (key, value)
            for key, value in headers.items()
            if key not in REMOVED and key not in named and not key.startswith("lambda-web-")
        ]
        if event.get("cookies") and "cookie" not in headers:
            self.headers.append(("cookie", "; ".join(event["cookies"])))
        self.headers += [("lambda-web-request-id", request_id), ("lambda-web-endpoint-name", name)]

    def refusal(self):
        """The status with which Lambda itself refuses it; None for one that the server may have."""
        if self.protocol == "HTTP/1.0":
            return 505
        if self.domain and self.host.rpartition(":")[0].lower() != self.domain and self.host.lower() != self.domain:
            return 404 if self.host else 400
        return None if self.method in METHODS else 400


def fields(answer):
    """Status, headers and cookies of the server's answer, as a streamed result begins with them."""
    headers, cookies = {}, []
    for key, value in answer.getheaders():
        key = key.lower()
        if key == "set-cookie":
            cookies.append(value)
        elif key not in NOT_ANSWERED:
            headers[key] = f"{headers[key]}, {value}" if key in headers else value
    head = {"statusCode": answer.status, "headers": headers}
    return {**head, "cookies": cookies} if cookies else head


class Result:
    """A streamed result on its way to the Runtime API."""

    def __init__(self, api, request_id):
        self._api, self._path = api, f"{BASE}{request_id}/response"
        self.begun = False

    def begin(self, head):
        self.begun = True
        self._api.putrequest("POST", self._path)
        for key, value in (
            ("Lambda-Runtime-Function-Response-Mode", "streaming"),
            ("Content-Type", "application/vnd.awslambda.http-integration-response"),
            ("Transfer-Encoding", "chunked"),
            ("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body"),
        ):
            self._api.putheader(key, value)
        self._api.endheaders()
        self.write(json.dumps(head).encode() + bytes(8))

    def write(self, data):
        self._api.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end(self, error=""):
        trailer = b""
        if error:
            document = json.dumps({"errorType": error, "errorMessage": "the web server's answer was cut"}).encode()
            trailer = b"Lambda-Runtime-Function-Error-Type: %b\r\nLambda-Runtime-Function-Error-Body: %b\r\n" % (
                error.encode(),
                base64.b64encode(document),
            )
        self._api.send(b"0\r\n" + trailer + b"\r\n")
        self._api.getresponse().read()


def serve_one(result, event, request_id, name, endpoint, deadline, domain=""):
    """Hand one event to the server at `endpoint`, and its answer to `result`; `deadline` is monotonic.

    With `domain` only requests for this host are, and it is what the server sees.
    """
    try:
        request = Request(json.loads(event), request_id, name, domain)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        kind = type(problem).__name__  # its text may hold the request
        sys.stderr.write(f"the event is no request of a function URL ({kind}); web functions need that format\n")
        answer_alone(result, 502, "Runtime.InvalidEvent", request_id)
        return
    status = request.refusal()
    if status is not None:
        answer_alone(result, status, "", request_id)
        return
    server = HTTPConnection(*endpoint, timeout=max(0.05, deadline - time.monotonic()))
    late = threading.Timer(max(0.05, deadline - time.monotonic()), lambda: cut(server))
    late.daemon = True
    late.start()
    try:
        server.putrequest(request.method, request.target, skip_host=True, skip_accept_encoding=True)
        for key, value in request.headers:
            server.putheader(key, value.encode("utf-8"))
        if request.body or request.method in ("POST", "PUT", "PATCH"):
            server.putheader("content-length", str(len(request.body)))
        server.endheaders(request.body or None)
        answer = server.getresponse()
        result.begin(fields(answer))
        while True:
            piece = answer.read1(PIECE)
            if not piece:
                break
            result.write(piece)
        whole = answer.length in (None, 0) or request.method == "HEAD"
        result.end("" if whole and not late.finished.is_set() else "Runtime.TruncatedResponse")
    except (OSError, HTTPException, ValueError) as problem:
        timed_out = deadline - time.monotonic() <= 0.02
        if not timed_out:
            # A connection that is lost may be the first sign of the server's end, and with it of ours.
            time.sleep(VERDICT)
        if result.begun:
            result.end("Runtime.RequestTimeout" if timed_out else "Runtime.TruncatedResponse")
        elif timed_out:
            answer_alone(result, 504, "Runtime.RequestTimeout", request_id)
        else:
            sys.stderr.write(f"the web server gave no answer: {problem!r}\n")
            answer_alone(result, 502, "Runtime.InvalidResponse", request_id)
    finally:
        late.cancel()
        server.close()


def cut(server):
    """End what the server still sends."""
    try:
        server.sock.shutdown(socket.SHUT_RDWR)
    except (OSError, AttributeError):
        pass


def answer_alone(result, status, error, request_id):
    """An answer that is Lambda's own."""
    headers = {"content-type": "text/plain", "lambda-web-request-id": request_id}
    result.begin({"statusCode": status, "headers": {**headers, "lambda-web-error-type": error} if error else headers})
    result.end()


def main(command):
    """Start the server, wait until it listens, then serve one event after the other."""
    domain = os.environ.pop(DOMAIN, "")
    host, _, port = os.environ["AWS_LAMBDA_HTTP_ENDPOINT"].partition(":")
    endpoint = (host, int(port))
    try:
        pid = os.posix_spawnp(command[0], command, os.environ)
    except OSError as problem:
        sys.stderr.write(f"cannot run {command[0]}: {problem.strerror}\n")
        sys.exit(127)
    # Told to end, the server is told, and we end as it does.
    signal.signal(signal.SIGTERM, lambda number, _: os.kill(pid, number))
    threading.Thread(target=end_with, args=(pid,), daemon=True).start()
    while True:
        try:
            socket.create_connection(endpoint, 1).close()
            break
        except OSError:
            time.sleep(READY_PAUSE)
    address = os.environ["AWS_LAMBDA_RUNTIME_API"]
    api = HTTPConnection(address)
    while True:
        api.request("GET", BASE + "next")
        answer = api.getresponse()
        event, headers = answer.read(), answer.headers
        if answer.status != 200:
            sys.exit(1)
        request_id = headers["Lambda-Runtime-Aws-Request-Id"]
        left = int(headers["Lambda-Runtime-Deadline-Ms"]) / 1000 - time.time()
        deadline = time.monotonic() + max(0.05, left - SPARE)
        serve_one(Result(api, request_id), event, request_id, "local", endpoint, deadline, domain)


def end_with(pid):
    """When the server ends, so do we, in the same way."""
    _, how = os.waitpid(pid, 0)
    # A handler belongs to the main thread; the status that shells give for a signal says as much.
    os._exit(128 + os.WTERMSIG(how) if os.WIFSIGNALED(how) else os.WEXITSTATUS(how))
