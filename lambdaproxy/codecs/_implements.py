"""Says that the codecs provide `IEventCodec`: here, so that they themselves run where there is no zope.interface."""

from __future__ import annotations

from zope.interface import classImplements

from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.apigateway_v2_payload1 import HttpApiPayload1Codec
from lambdaproxy.codecs.apigateway_websocket import WebSocketCodec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.codecs.vpc_lattice import VpcLatticeCodec
from lambdaproxy.interfaces import ICorsCodec, IEventCodec, IMessageCodec, IPathReader

__all__ = [
    "AlbCodec",
    "FunctionUrlCodec",
    "HttpApiCodec",
    "HttpApiPayload1Codec",
    "RestApiCodec",
    "VpcLatticeCodec",
    "WebSocketCodec",
]

classImplements(AlbCodec, IEventCodec, IPathReader)
classImplements(RestApiCodec, IEventCodec, IPathReader)
classImplements(HttpApiCodec, IEventCodec, IPathReader, ICorsCodec)
classImplements(HttpApiPayload1Codec, IEventCodec, IPathReader, ICorsCodec)
classImplements(FunctionUrlCodec, IEventCodec, IPathReader, ICorsCodec)
classImplements(VpcLatticeCodec, IEventCodec, IPathReader)
classImplements(WebSocketCodec, IEventCodec, IPathReader, IMessageCodec)
