"""Asks the inspector of a lambdaproxy that runs. Secrets stay hidden: what shows them is never asked for."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

from lambdaproxy.command.words import Refused

DEFAULT = "http://127.0.0.1:8012/"
MOST = 64 * 1024 * 1024
READ_SECONDS = 30.0
RUN_SECONDS = 1860.0
"""What an invocation may take, and a minute."""


@dataclass(frozen=True, slots=True)
class Inspector:
    """An inspector at `url`, the address that the log shows at start, with its token where it has one."""

    url: str = DEFAULT

    def get(self, path: str) -> Any:
        """What a page says; raises `Refused`."""
        return self._ask("GET", path, None, READ_SECONDS)

    def post(self, path: str, value: Mapping[str, Any], seconds: float = READ_SECONDS) -> Any:
        """What comes of an action; raises `Refused`."""
        return self._ask("POST", path, json.dumps(value).encode(), seconds)

    def check(self) -> tuple[SplitResult, str]:
        """The address and the token in it, if it is one; raises `Refused`. Nobody is asked."""
        try:
            place = urlsplit(self.url)
            if place.scheme not in ("http", "https") or not place.hostname or place.path not in ("", "/"):
                raise ValueError
            token = parse_qs(place.query).get("token", [""])[0]
            token.encode("ascii")
            _ = place.port  # raises where it is none
        except ValueError:
            raise Refused(f"--inspector: {self._shown()!r} is no address such as {DEFAULT}") from None
        return place, token

    def _ask(self, method: str, path: str, body: bytes | None, seconds: float) -> Any:
        place, token = self.check()
        make = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        connection = make(str(place.hostname), place.port, timeout=seconds)
        headers = {"Host": place.netloc, "X-Inspector": "1", "Content-Type": "application/json"}
        if token:
            headers["Cookie"] = f"lambdaproxy-inspector={token}"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            value = json.loads(answer.read(MOST))
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Refused(
                f"{self._shown()}: {said}; is it the inspector of lambdaproxy serve --inspect PORT?"
            ) from None
        except (ValueError, RecursionError):
            raise Refused(f"{self._shown()}: this is no inspector of lambdaproxy") from None
        finally:
            connection.close()
        if answer.status != 200 or not isinstance(value, dict):
            reason = value.get("error") if isinstance(value, dict) else None
            raise Refused(f"{self._shown()}: {reason or f'it answered {answer.status}'}")
        return value

    def _shown(self) -> str:
        """The address without its token."""
        return self.url.partition("?")[0]
