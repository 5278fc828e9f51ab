"""What all adapters do with an event, whichever front door it came through."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from lambdaproxy.codecs.reading import TEXT_TYPES, Reverse, reader, recognise, result_of
from lambdaproxy.messages import Request, Response

__all__ = ["TEXT_TYPES", "Dialects", "Target"]


class Target:
    """Where a request goes: the part of the path that the application does not see, and the rest, both encoded."""

    __slots__ = ("full", "path", "query", "script")

    def __init__(self, target: bytes, base_path: bytes) -> None:
        self.full, _, self.query = target.partition(b"?")
        self.script, self.path = b"", self.full
        if base_path and (self.full == base_path or self.full.startswith(base_path + b"/")):
            self.script, self.path = base_path, self.full[len(base_path) :] or b"/"

    @staticmethod
    def decoded(part: bytes) -> bytes:
        """Percent-decoded, once."""
        return unquote_to_bytes(part)


class Dialects:
    """Finds the codec of each event, and shapes the result as the adapter's options say.

    :param base_path: a prefix of the path, such as `/v1`, that is the application's mount point.
    :param text_types: content types whose bodies go out as text; all others go out as base64.
    :param multi_value: True or False to always or never answer with `multiValueHeaders`, where the dialect has both
        (ALB, REST API, HTTP API 1.0). None does what the event does.
    """

    def __init__(
        self, *, base_path: str = "", text_types: Iterable[str] = TEXT_TYPES, multi_value: bool | None = None
    ) -> None:
        stripped = base_path.strip("/")
        self._base_path = f"/{stripped}".encode() if stripped else b""
        self._text_types = tuple(text_types)
        self._multi_value = multi_value
        self._codecs: dict[tuple[str, str], Reverse] = {}

    def codec(self, event: Mapping[str, Any]) -> Reverse:
        """The codec of the event's dialect and stage."""
        name = recognise(event)
        stage = str((event.get("requestContext") or {}).get("stage") or "$default")
        codec = self._codecs.get((name, stage))
        if codec is None:
            codec = self._codecs[name, stage] = reader(name, stage, self._text_types)
        return codec

    def target(self, request: Request) -> Target:
        """The request's target, split at the base path."""
        return Target(request.target, self._base_path)

    def result(self, codec: Reverse, response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        """The function's result."""
        return result_of(codec, response, event, self._multi_value)
