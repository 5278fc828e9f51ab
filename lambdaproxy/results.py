"""From the result of an invocation to the response of a front door: whole, read in slices, or as a stream."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from lambdaproxy import streaming
from lambdaproxy.admission import Admission
from lambdaproxy.base import weight
from lambdaproxy.base.held import Ledger
from lambdaproxy.base.sliced import without_collector
from lambdaproxy.errors import MalformedResult
from lambdaproxy.interfaces import IBody, IEventCodec
from lambdaproxy.messages import InvocationResult, Mode, Request, Response

BODILESS = frozenset((204, 304))
"""Statuses whose answers have no body (RFC 9110, 6.4.1)."""

UNANSWERED: dict[Mode, int] = {"event": 202, "dry-run": 204}
"""Modes in which the function gives no result, and the status of success (API reference of Invoke)."""


class Results:
    """Reads results; `answers` is where streams are counted that have to be whole before they are answered."""

    def __init__(self, reactor: IReactorTime, answers: Ledger | None) -> None:
        self._turns, self._answers = weight.Turns(reactor), answers

    def decode(self, result: InvocationResult, request: Request, admission: Admission) -> Response:
        """A buffered result, read or small, as the response; raises `MalformedResult`."""
        codec, match = admission.route.codec, admission.match
        payload = result.payload
        assert isinstance(payload, bytes)
        status = UNANSWERED.get(admission.route.mode)
        if status is not None:
            # Nothing else tells the client of its execution, which goes on.
            arn = result.durable_arn
            return Response(status, ((b"X-Amz-Durable-Execution-Arn", arn.encode("latin-1")),) if arn else ())
        if result.content_type == streaming.HTTP_STREAM:
            # A function that streams HTTP, invoked without streaming: its head is in front of its body all the same.
            found = streaming.find_prelude(payload, ended=True)
            if isinstance(found, tuple):
                prelude, at = found
                return replace(codec.decode_prelude(prelude, request, match), body=payload[at:])
        if len(payload) > weight.SMALL:
            return without_collector(codec.decode_result, result, request, match)
        return codec.decode_result(result, request, match)

    async def read(self, result: InvocationResult, payload: bytes, codec: IEventCodec) -> InvocationResult:
        """The result with its outline, if parsing all of it would keep everybody else waiting, or has been done."""
        if len(payload) <= weight.UNSEEN:
            return result
        value = weight.one_text(payload)
        if value is not None:
            return replace(result, outline=value)
        if weight.surely_light(payload) or await weight.is_light(payload, self._turns):
            return result
        if not hasattr(codec, "compact"):
            raise MalformedResult(
                f"the result of {len(payload)} bytes holds more JSON values than this format reads at once; return "
                "what is large as the text of a body"
            )
        outline, written = await weight.outline(payload, codec.compact, self._turns)
        return replace(result, payload=written, outline=outline)

    async def stream(
        self,
        result: InvocationResult,
        body: IBody,
        request: Request,
        admission: Admission,
        ended: Callable[[Failure | None], None],
    ) -> Response:
        """The head of a streamed result; its body follows when the response is written, its end is told to `ended`."""
        codec, match = admission.route.codec, admission.match
        prelude, rest = await streaming.split(body, result.content_type)
        if prelude is None and not codec.streams_verbatim:
            payload = await streaming.collect(rest, held=self._answers)
            result = await self.read(replace(result, payload=payload), payload, codec)
            return without_collector(codec.decode_result, result, request, match)
        try:
            response = codec.decode_prelude(prelude, request, match)
        except BaseException:
            streaming.discard(rest)
            raise
        if prelude is None and result.content_type is not None:
            # Without a head of its own a stream is what the function calls it.
            kept = tuple(pair for pair in response.headers if pair[0].lower() != b"content-type")
            response = replace(response, headers=(*kept, (b"Content-Type", result.content_type)))
        if request.method == "HEAD" or response.status in BODILESS:
            return replace(response, body=streaming.Unread(rest, ended))
        return replace(response, body=streaming.Followed(rest, ended))
