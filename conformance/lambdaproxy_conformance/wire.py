"""One HTTP request whose bytes are exactly those of the case: no client library leaves targets and names alone."""

from __future__ import annotations

import http.client
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What came back; `headers` as sent, in order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


class Door:
    """A front door at a URL; a path in it stands in front of every target.

    `host` is the Host header where it is not the URL's; `insecure` believes any certificate.
    """

    def __init__(self, url: str, *, host: str = "", timeout: float = 30.0, insecure: bool = False) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url!r} is no URL such as http://localhost:3000")
        self.scheme = parts.scheme
        self.host = host or parts.netloc.rpartition("@")[2]
        self._address = (parts.hostname, parts.port or (443 if parts.scheme == "https" else 80))
        self._prefix = parts.path.rstrip("/")
        self._timeout = timeout
        self._tls = None
        if parts.scheme == "https":
            self._tls = ssl.create_default_context()
            if insecure:
                self._tls.check_hostname = False
                self._tls.verify_mode = ssl.CERT_NONE

    def ask(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        """The answer to one request on a connection of its own; `OSError` or `HTTPException` if there is none."""
        lines = [f"{method} {self._prefix}{target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in headers]
        sent = {name.lower() for name, _ in headers}
        if "content-length" not in sent and (body or method in ("POST", "PUT", "PATCH")):
            lines.append(f"Content-Length: {len(body)}")
        lines += ["Connection: close", "", ""]
        with self.connected() as sock:
            sock.sendall("\r\n".join(lines).encode("utf-8") + body)
            response = http.client.HTTPResponse(sock, method=method)
            try:
                response.begin()
                content = response.read()
            finally:
                response.close()
            return Answer(response.status, response.getheaders(), content)

    def connected(self) -> socket.socket:
        """A connection of its own."""
        plain = socket.create_connection(self._address, self._timeout)
        return plain if self._tls is None else self._tls.wrap_socket(plain, server_hostname=self._address[0])

    def start(self, target: str) -> str:
        """The first lines of a handshake for that target; clients connect to `/prod`, not to `/prod/`."""
        if self._prefix and target.partition("?")[0] == "/":
            target = target[1:]
        return f"GET {self._prefix}{target} HTTP/1.1\r\nHost: {self.host}"
