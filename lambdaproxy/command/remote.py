"""Asks the Invoke API of a lambdaproxy that runs: invocations, the functions that there are, and what they wrote."""

from __future__ import annotations

import base64
import http.client
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from lambdaproxy.command.words import Refused
from lambdaproxy.registry import unknown
from lambdaproxy.runtime.invoke_keys import read_keys
from lambdaproxy.wire.eventstream import Decoder, EventStreamError
from lambdaproxy.wire.sigv4 import Keys, amz_date, authorization

KEYS = "invoke-api-keys"
FUNCTIONS = "/2015-03-31/functions"
STREAMS = "/2021-11-15/functions"
LOGS = "/lambdaproxy/logs"


@dataclass(frozen=True, slots=True)
class Remote:
    """An Invoke API at `url` (`http://HOST:PORT`), asked with keys where there are some."""

    url: str
    keys: Keys | None = None

    def ask(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> http.client.HTTPResponse:
        """The answer, whose body is not read yet; raises `Refused` where there is none, or an error."""
        place = urlsplit(self.url)
        make = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        connection = make(place.netloc)
        fields = {"Host": place.netloc, **(headers or {})}
        if self.keys is not None:
            fields["X-Amz-Date"] = amz_date(time.time()).decode()
            if self.keys.token:
                fields["X-Amz-Security-Token"] = self.keys.token
            signed = tuple((name.encode(), value.encode()) for name, value in fields.items())
            region = os.environ.get("AWS_REGION", "us-east-1")
            made = authorization(self.keys, region, "lambda", method, target.encode(), signed, body)
            fields["Authorization"] = made.decode()
        try:
            connection.request(method, target, body or None, fields)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Refused(f"{self.url}: {said}; is it the Invoke API of lambdaproxy serve --invoke-api PORT?") from None
        if answer.status >= 300:
            raise Refused(f"{self.url}: {self._message(answer)}")
        return answer

    def _message(self, answer: http.client.HTTPResponse) -> str:
        try:
            document = json.loads(answer.read(65536))
            message = document.get("message") or document.get("Message") or "it gives no reason"
        except (ValueError, AttributeError, OSError, http.client.HTTPException):
            message = "this is no Invoke API"
        if (
            answer.status == 403
            and self.keys is None
            and "Authentication" in (answer.getheader("x-amzn-ErrorType") or "")
        ):
            return f"it takes signed calls only; name its file of keys with --keys (there is no {KEYS} here)"
        return f"{answer.status}, {message}"

    def names(self) -> list[str]:
        """The functions that can be invoked."""
        try:
            found = json.loads(self.ask("GET", FUNCTIONS).read())
            return [str(one["FunctionName"]) for one in found["Functions"]]
        except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
            raise Refused(f"{self.url}: this is no Invoke API") from None

    def name(self, wanted: str | None) -> str:
        """The function that is meant, the only one where none is named."""
        return chosen(wanted, self.names())

    def invoke(self, name: str, event: bytes, kind: str, context: str | None) -> tuple[bytes, str | None, bytes]:
        """The result, the kind of error or None, and the end of the log."""
        answer = self.ask("POST", f"{FUNCTIONS}/{quote(name, safe='')}/invocations", event, _headers(kind, context))
        log = base64.b64decode(answer.getheader("X-Amz-Log-Result") or "")
        return answer.read(), answer.getheader("X-Amz-Function-Error"), log

    def stream(self, name: str, event: bytes, context: str | None) -> Iterator[tuple[bytes, dict[str, Any] | None]]:
        """The pieces of a streamed result, and at the end an empty one with how it ended."""
        target = f"{STREAMS}/{quote(name, safe='')}/response-streaming-invocations"
        answer, decoder = self.ask("POST", target, event, _headers("RequestResponse", context)), Decoder()
        try:
            while data := answer.read1(65536):
                for message in decoder.feed(data):
                    if message.event_type == "InvokeComplete":
                        yield b"", json.loads(message.payload)
                        return
                    yield message.payload, None
        except (OSError, http.client.HTTPException, EventStreamError, ValueError):
            pass
        raise Refused(f"{self.url}: the stream was cut")

    def logs(self, name: str | None, follow: bool) -> Iterator[bytes]:
        """What functions wrote, in pieces."""
        query = [*([f"function={quote(name, safe='')}"] if name else []), *(["follow=yes"] if follow else [])]
        answer = self.ask("GET", "?".join([LOGS, "&".join(query)]) if query else LOGS)
        try:
            while data := answer.read1(65536):
                yield data
        except (OSError, http.client.HTTPException):
            raise Refused(f"{self.url}: it has ended") from None


def _headers(kind: str, context: str | None) -> dict[str, str]:
    found = {"X-Amz-Invocation-Type": kind, "X-Amz-Log-Type": "Tail", "Content-Type": "application/json"}
    if context is not None:
        found["X-Amz-Client-Context"] = base64.b64encode(context.encode()).decode()
    return found


def remote(url: str, keys: str | None) -> Remote:
    """The Invoke API at `url`, or at a port of this machine; raises `Refused`."""
    url = f"http://127.0.0.1:{url}" if url.isdigit() else url.rstrip("/")
    try:
        place = urlsplit(url)
        good = place.scheme in ("http", "https") and place.hostname and (place.port or True) and not place.path
    except ValueError:
        good = False
    if not good:
        raise Refused(f"--url: {url!r} is no address such as http://127.0.0.1:8013")
    if keys is None and not os.path.exists(KEYS):
        return Remote(url)
    try:
        return Remote(url, read_keys(keys or KEYS)[0])
    except ValueError as problem:
        raise Refused(f"--keys: {problem}") from None


def chosen(wanted: str | None, names: list[str]) -> str:
    """The function that is meant: the only one, where none is named; raises `Refused`."""
    if wanted is None:
        if len(names) == 1:
            return names[0]
        raise Refused(f"say which function: {', '.join(sorted(names)) or 'there is none'}")
    if wanted.rpartition(":")[0] in names or wanted in names or wanted.startswith("arn:"):
        return wanted
    raise Refused(unknown("function", wanted, names))
