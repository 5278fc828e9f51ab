"""Which front door an event came through, and the codec that turns it into a request and back.

It is for adapters, inside Lambda: it needs nothing but the standard library, and no plugins.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lambdaproxy.codecs._reverse import TEXT_TYPES as TEXT_TYPES
from lambdaproxy.codecs._reverse import single_headers
from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.codecs.vpc_lattice import VpcLatticeCodec
from lambdaproxy.messages import Request, Response


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


def reader(name: str, stage: str, text_types: tuple[str, ...]) -> Reverse:
    """The codec of a dialect that `recognise` named; only HTTP APIs have their stage in the path of an event."""
    if name == "alb":
        return AlbCodec(text_types=text_types)
    if name == "apigateway-v1":
        return RestApiCodec(text_types=text_types)
    if name == "apigateway-v2":
        return HttpApiCodec(stage=stage, text_types=text_types)
    if name == "function-url":
        return FunctionUrlCodec(text_types=text_types)
    if name == "vpc-lattice":
        return VpcLatticeCodec(text_types=text_types)
    return HttpApiPayload1Codec(stage=stage, text_types=text_types)


def result_of(codec: Reverse, response: Response, event: Mapping[str, Any], many: bool | None) -> dict[str, Any]:
    """The result of a response, with `multiValueHeaders` or without where the dialect has both; None: as the event."""
    if many is None:
        return codec.encode_response(response, event)
    if isinstance(codec, AlbCodec):
        return codec.encode_response(response, {"multiValueHeaders": {}} if many else {})
    result = codec.encode_response(response, event)
    if not many and "multiValueHeaders" in result:
        pairs = result.pop("multiValueHeaders")
        result["headers"] = single_headers([(name, value) for name, values in pairs.items() for value in values])
    return result
