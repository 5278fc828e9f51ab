"""Frames of a WebSocket connection (RFC 6455) by wsproto, with bounds on what they may hold and inflate to (RFC 7692).

A message is read no further than it may be long: a frame that says it is longer is refused by its head, and what is
compressed is inflated up to the bound only. No compression state is kept between messages, in neither direction: that
of an idle connection would be thirty times all the rest of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from io import StringIO
from typing import Any

from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, FrameProtocol, Opcode, ParseFailed, RsvBits

TEXT, PART, PING, PONG, CLOSE = "text", "part", "ping", "pong", "close"

WORTH_IT = 1024
"""Bytes of a message from which compressing it is tried: a compressor costs 50 microseconds to make."""

NAME = "permessage-deflate"
_NONE, _FIRST = RsvBits(False, False, False), RsvBits(True, False, False)
_WINDOWS = ("9", "10", "11", "12", "13", "14", "15")
_TAIL = b"\0\0\xff\xff"


class Broken(Exception):
    """The client broke the protocol, or a bound; `code` is what the connection is closed with."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class _Bounds(Extension):
    """Looks at each frame's head and data on their way in, and compresses on the way out.

    wsproto's own extension inflates whatever comes, as far as it goes.
    """

    name = NAME

    def __init__(self, message: int, frame: int, window: int) -> None:
        self.given = message, frame, window
        self._message, self._frame, self._deflate, self._window = message, frame, window > 0, window
        #: Bytes of the message that is being read, inflated.
        self.size = 0
        self._packed = False
        self._inflate: Any = None

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool:
        return False

    def frame_inbound_header(
        self, proto: Any, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        if opcode.iscontrol():
            return _NONE
        if opcode is Opcode.BINARY:
            # Bits that mean nothing are the worse fault.
            wrong = rsv.rsv2 or rsv.rsv3 or (rsv.rsv1 and not self._deflate)
            return CloseReason.PROTOCOL_ERROR if wrong else CloseReason.UNSUPPORTED_DATA
        if payload_length > self._frame or payload_length + self.size > self._message:
            return CloseReason.MESSAGE_TOO_BIG
        if opcode is Opcode.CONTINUATION:
            return _NONE
        self._packed = rsv.rsv1
        return _FIRST if self._deflate else _NONE

    def frame_inbound_payload_data(self, proto: Any, data: bytes) -> bytes | CloseReason:
        if proto.header.opcode.iscontrol():
            return data
        if self._packed:
            return self._inflated(data)
        self.size += len(data)
        return data

    def _inflated(self, data: bytes) -> bytes | CloseReason:
        inflate = self._inflate
        if inflate is None:
            inflate = self._inflate = zlib.decompressobj(-15)
        elif inflate.eof:
            # A last block, and the byte that follows one (RFC 7692, 7.2.3.5).
            return b"" if not data.strip(b"\0") else CloseReason.INVALID_FRAME_PAYLOAD_DATA
        try:
            found: bytes = inflate.decompress(data, self._message - self.size + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self.size += len(found)
        if self.size > self._message or inflate.unconsumed_tail:
            return CloseReason.MESSAGE_TOO_BIG
        if inflate.unused_data.strip(b"\0"):
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        return found

    def frame_inbound_complete(self, proto: Any, fin: bool) -> bytes | CloseReason | None:
        if not fin or proto.header.opcode.iscontrol():
            return None
        found: bytes | CloseReason = b""
        if self._packed and not (self._inflate is not None and self._inflate.eof):
            found = self._inflated(_TAIL)
        self.size, self._packed, self._inflate = 0, False, None
        return found

    def frame_outbound(self, proto: Any, opcode: Opcode, rsv: RsvBits, data: bytes, fin: bool) -> tuple[RsvBits, bytes]:
        if not self._deflate or opcode.iscontrol() or len(data) < WORTH_IT:
            return rsv, data
        deflate = zlib.compressobj(wbits=-self._window)
        packed = deflate.compress(data) + deflate.flush(zlib.Z_SYNC_FLUSH)
        return (_FIRST, packed[:-4]) if len(packed) - 4 < len(data) else (rsv, data)


class Frames:
    """One connection's frames: bytes in, what they say out one by one, and the other way round.

    `message` and `frame` bound what comes, in bytes; `window` is that of compression, 9 to 15 (as a power of two), or 0
    where none was agreed on.
    """

    __slots__ = ("_bounds", "_data", "_events", "_protocol", "_text")

    def __init__(self, message: int, frame: int, window: int) -> None:
        self._bounds = _Bounds(message, frame, window)
        self._protocol: Any = FrameProtocol(False, [self._bounds])
        self._text: StringIO | None = None

    def fresh(self) -> Frames:
        """The same with nothing read."""
        return Frames(*self._bounds.given)

    def receive(self, data: bytes) -> None:
        """Take bytes of the client; `next` reads them."""
        self._protocol.receive_bytes(data)

    @property
    def held(self) -> int:
        """Bytes that are kept: of what was not read yet, and of a message that is not whole."""
        return len(self._protocol._frame_decoder.buffer) + self._bounds.size

    @property
    def partial(self) -> bool:
        """Whether a message has begun that is not whole."""
        return self._text is not None

    def next(self) -> tuple[str, Any] | None:
        """What comes next of what was received, or None: a text, a part of one, a ping or a pong with its data, or the
        client's close with its code and reason, after which nothing comes. Raises `Broken`."""
        try:
            for frame in self._protocol.received_frames():
                opcode = frame.opcode
                if opcode is Opcode.TEXT:
                    if frame.message_finished and self._text is None:
                        return TEXT, frame.payload
                    if self._text is None:
                        self._text = StringIO()
                    self._text.write(frame.payload)
                    if frame.message_finished:
                        text, self._text = self._text.getvalue(), None
                        return TEXT, text
                    return PART, None
                if opcode is Opcode.PING:
                    return PING, frame.payload
                if opcode is Opcode.PONG:
                    return PONG, frame.payload
                return CLOSE, (int(frame.payload[0]), frame.payload[1] or "")
        except ParseFailed as error:
            raise Broken(int(error.code), str(error)) from None
        return None

    def text(self, text: str) -> bytes:
        """The frame of a message."""
        return bytes(self._protocol.send_data(text))

    def ping(self) -> bytes:
        return bytes(self._protocol.ping())

    def pong(self, data: bytes) -> bytes:
        return bytes(self._protocol.pong(data))

    def close(self, code: int, reason: str) -> bytes:
        """The frame that closes; 1005 and 1006 have no code in it."""
        return bytes(self._protocol.close(None if code in (1005, 1006) else code, reason or None))


def accept(offers: Sequence[str]) -> tuple[str, int] | None:
    """The answer to the first offer of compression that can be met, and the window of what we send, or None (RFC 7692,
    5.1 and 7.1).

    A window of 256 bytes, which nobody's zlib can make, cannot be met.
    """
    for offer in offers:
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name.lower() != NAME:
            continue
        answer = [NAME, "server_no_context_takeover", "client_no_context_takeover"]
        seen, window = set(), 15
        for parameter in parameters:
            key, _, value = (part.strip().strip('"') for part in parameter.partition("="))
            if key in seen:
                break
            seen.add(key)
            if key in ("server_no_context_takeover", "client_no_context_takeover") and not value:
                continue
            if key == "client_max_window_bits" and (not value or value in _WINDOWS or value == "8"):
                continue
            if key == "server_max_window_bits" and value in _WINDOWS:
                window = int(value)
                answer.append(f"{key}={value}")
                continue
            break
        else:
            return "; ".join(answer), window
    return None
