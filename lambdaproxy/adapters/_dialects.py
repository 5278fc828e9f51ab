"""Which front door an event came through, and what all adapters do with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import unquote_to_bytes

from lambdaproxy.codecs._reverse import TEXT_TYPES, single_headers
from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.codecs.vpc_lattice import VpcLatticeCodec
from lambdaproxy.messages import Request, Response

__all__ = ["TEXT_TYPES", "Dialects", "Reverse", "Target", "recognise"]


class Reverse(Protocol):
    """The half of a codec that adapters need."""

    def decode_event(self, event: Mapping[str, Any]) -> Request:
        """The request of the event."""

    def encode_response(self, response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        """The result of the response."""


def recognise(event: Mapping[str, Any]) -> str:
    """The dialect of an event: `alb`, `apigateway-v1`, `apigateway-v2`, `apigateway-v2:payload=1.0`, `function-url` or
    `vpc-lattice`.

    A function URL is told from an HTTP API by its domain, or by its request id, which is a UUID where the HTTP API has
    16 characters. `ValueError` for events of something else.
    """
    context = event.get("requestContext")
    if isinstance(context, Mapping):
        if "elb" in context:
            return "alb"
        if "serviceArn" in context or "targetGroupArn" in context:
            return "vpc-lattice"
        version = event.get("version")
        if version == "2.0" and isinstance(context.get("http"), Mapping):
            is_url = ".lambda-url." in str(context.get("domainName")) or len(str(context.get("requestId"))) == 36
            return "function-url" if is_url else "apigateway-v2"
        if context.get("eventType") in ("CONNECT", "MESSAGE", "DISCONNECT") and "connectionId" in context:
            raise ValueError("the event is one of a WebSocket API: a connection, or a message, and no HTTP request")
    if "httpMethod" in event:
        return "apigateway-v2:payload=1.0" if event.get("version") == "1.0" else "apigateway-v1"
    if "raw_path" in event and "method" in event:
        return "vpc-lattice"
    raise ValueError("the event comes from no load balancer, API or function URL: it has no requestContext of theirs")


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
            codec = self._codecs[name, stage] = self._make(name, stage)
        return codec

    def _make(self, name: str, stage: str) -> Reverse:
        types = self._text_types
        if name == "alb":
            return AlbCodec(text_types=types)
        if name == "apigateway-v1":
            return RestApiCodec(text_types=types)
        if name == "apigateway-v2":
            return HttpApiCodec(stage=stage, text_types=types)
        if name == "function-url":
            return FunctionUrlCodec(text_types=types)
        if name == "vpc-lattice":
            return VpcLatticeCodec(text_types=types)
        return HttpApiPayload1Codec(stage=stage, text_types=types)

    def target(self, request: Request) -> Target:
        """The request's target, split at the base path."""
        return Target(request.target, self._base_path)

    def result(self, codec: Reverse, response: Response, event: Mapping[str, Any]) -> dict[str, Any]:
        """The function's result."""
        if self._multi_value is None:
            return codec.encode_response(response, event)
        if isinstance(codec, AlbCodec):
            return codec.encode_response(response, {"multiValueHeaders": {}} if self._multi_value else {})
        result = codec.encode_response(response, event)
        if not self._multi_value and "multiValueHeaders" in result:
            many = result.pop("multiValueHeaders")
            result["headers"] = single_headers([(name, value) for name, values in many.items() for value in values])
        return result
