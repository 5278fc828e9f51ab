"""A WebSocket client of the standard library: one conversation with a door, message by message (RFC 6455)."""

from __future__ import annotations

import os
import struct
import zlib

from lambdaproxy_conformance.wire import MOST, Door, Step

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


class Talk:
    """What begins with a handshake; a context manager. `refused` is the answer to one that opened nothing."""

    def __init__(self, door: Door, target: str, headers: list[tuple[str, str]]) -> None:
        named = {name.lower() for name, _ in headers}
        more = [(name, value) for name, value in HANDSHAKE.items() if name.lower() not in named]
        fields = [f"{name}: {value}" for name, value in (*headers, *more)]
        start = door.start(target)
        self._steps, self._inflate = door.steps, zlib.decompressobj(-15)
        self._steps.append(Step("sent", "\n".join([*start.split("\r\n"), *fields, "", ""])))
        self._line = door.connected()
        try:
            self._line.sendall("\r\n".join([start, *fields, *door.own, "", ""]).encode("utf-8"))
            answer, response = door.answer(self._line, "GET")
        except BaseException:
            self._line.close()
            raise
        self.refused = answer if answer.status != 101 else None
        #: What the response was read from has what follows it; it is closed with the response.
        self._response, self._reader = response, response.fp

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.close()

    def say(self, text: str) -> None:
        self._steps.append(Step("sent", text))
        self._send(TEXT, text.encode("utf-8"))

    def end(self, code: int, reason: str) -> None:
        """Close, and wait until the other side has closed, too."""
        self._send(CLOSE, struct.pack("!H", code) + reason.encode("utf-8"))
        while self._frame()[0] != CLOSE:
            pass

    def hear(self) -> str:
        """The next message; `OSError` if the connection ends instead."""
        while True:
            opcode, payload = self._frame()
            if opcode == TEXT:
                text = payload.decode("utf-8", "backslashreplace")
                self._steps.append(Step("came", text))
                return text
            if opcode == PING:
                self._send(PONG, payload)
            if opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if len(payload) > 1 else 1005
                raise OSError(f"the connection was closed with {code}")

    def _send(self, opcode: int, payload: bytes) -> None:
        size, mask = len(payload), os.urandom(4)
        head = bytes((0x80 | opcode, 0x80 | min(size, 126)))
        head += struct.pack("!H", size) if size > 125 else b""
        self._line.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)))

    def _frame(self) -> tuple[int, bytes]:
        """One frame; messages in several are not for a client that asks for no more than a few kilobytes."""
        first, second = self._take(2)
        size = second & 0x7F
        if size == 126:
            size = struct.unpack("!H", self._take(2))[0]
        elif size == 127:
            size = struct.unpack("!Q", self._take(8))[0]
        payload = self._take(size)
        if first & 0x40:
            try:
                payload = self._inflate.decompress(payload + b"\0\0\xff\xff", MOST)
            except zlib.error as error:
                raise OSError(f"the door sends a frame that is wrongly deflated ({error})") from None
        if first & 0x30 or not first & 0x80:
            raise OSError("the door sends a frame with reserved bits, or a message in parts")
        return first & 0x0F, payload

    def _take(self, size: int) -> bytes:
        if size > MOST:
            raise OSError(f"the door sends a frame of {size} bytes")
        try:
            found = self._reader.read(size) if size else b""
        except ConnectionResetError:  # It ended while something of ours was on its way.
            found = b""
        if len(found) < size:
            raise OSError("the connection ended")
        return bytes(found)
