"""A WebSocket client of the standard library: one conversation with a door, message by message (RFC 6455)."""

from __future__ import annotations

import http.client
import os
import socket
import struct
import zlib

from lambdaproxy_conformance.wire import Answer

TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


class Talk:
    """What begins with a handshake; a context manager. `refused` is the answer to one that opened nothing."""

    def __init__(self, sock: socket.socket, start: str, headers: list[tuple[str, str]]) -> None:
        named = {name.lower() for name, _ in headers}
        more = [(name, value) for name, value in HANDSHAKE.items() if name.lower() not in named]
        lines = [start, *(f"{name}: {value}" for name, value in (*headers, *more)), "", ""]
        self._sock, self._inflate = sock, zlib.decompressobj(-15)
        sock.sendall("\r\n".join(lines).encode("utf-8"))
        response = http.client.HTTPResponse(sock, method="GET")
        response.begin()
        self.refused: Answer | None = None
        if response.status != 101:
            self.refused = Answer(response.status, response.getheaders(), response.read())
        #: What the response was read from has what follows it; it is closed with the response.
        self._response, self._reader = response, response.fp

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def say(self, text: str) -> None:
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
                return payload.decode("utf-8")
            if opcode == PING:
                self._send(PONG, payload)
            if opcode == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if payload else 1005
                raise OSError(f"the connection was closed with {code}")

    def _send(self, opcode: int, payload: bytes) -> None:
        size, mask = len(payload), os.urandom(4)
        head = bytes((0x80 | opcode, 0x80 | min(size, 126)))
        head += struct.pack("!H", size) if size > 125 else b""
        self._sock.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)))

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
            payload = self._inflate.decompress(payload + b"\0\0\xff\xff")
        if first & 0x30 or not first & 0x80:
            raise OSError("the door sends a frame with reserved bits, or a message in parts")
        return first & 0x0F, payload

    def _take(self, size: int) -> bytes:
        found = self._reader.read(size) if size else b""
        if len(found) < size:
            raise OSError("the connection ended")
        return bytes(found)
