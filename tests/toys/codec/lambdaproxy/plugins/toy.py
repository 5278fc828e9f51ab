"""A codec of somebody else's: the event is `{"shout": BODY}`, the result a JSON text."""

import json

from zope.interface import implementer

from lambdaproxy.errors import STATUSES, MalformedResult
from lambdaproxy.interfaces import IEventCodec, IEventCodecMaker, Option
from lambdaproxy.messages import Response


@implementer(IEventCodec)
class ToyCodec:
    name = "toy"
    own_request_id = False
    timeout = None
    streams_verbatim = False

    def __init__(self, times):
        self.times = times

    def encode_request(self, request, match):
        return json.dumps({"shout": request.body.decode("latin-1").upper() * self.times}).encode()

    def decode_result(self, result, request, match):
        text = json.loads(result.payload)
        if not isinstance(text, str):
            raise MalformedResult("the result is no text")
        return Response(200, ((b"Content-Type", b"text/plain"),), text.encode())

    def decode_prelude(self, prelude, request, match):
        return Response(200)

    def error_response(self, error, request):
        return Response(STATUSES[error.outcome].plain, (), error.public.encode(), error.outcome)

    def decode_event(self, event):
        raise ValueError("a toy has no second direction")

    def encode_response(self, response, event):
        return {}


@implementer(IEventCodecMaker)
class ToyMaker:
    name = "toy"
    help = "Shouts the body."
    options = (Option("times", int, 1, "How often."),)

    def make(self, options):
        return ToyCodec(options["times"])


toy = ToyMaker()
