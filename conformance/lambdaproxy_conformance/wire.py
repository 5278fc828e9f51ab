"""One HTTP request whose bytes are exactly those of the case: no client library leaves targets and names alone."""

from __future__ import annotations

import base64
import copy
import http.client
import io
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import unquote, urlsplit

#: Bytes of an answer. No case asks for more than some kilobytes; a door may be out of its mind.
MOST = 8 << 20

#: What is raised when the time is over; two classes before Python 3.10.
TIMES_OUT = (TimeoutError, socket.timeout)


@dataclass(frozen=True)
class Answer:
    """What came back; `headers` as sent, in order."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass(frozen=True)
class Step:
    """One step of a conversation, for reports: `who` is `sent` or `came`."""

    who: str
    text: str


def shown(url: str) -> str:
    """A URL without the user and password that it may have: reports are passed on."""
    head, slashes, rest = url.partition("//")
    authority, slash, path = rest.partition("/")
    return f"{head}{slashes}{authority.rpartition('@')[2]}{slash}{path}"


class Line(io.RawIOBase):
    """A connection that is over at a time, however slowly bytes come: a bound for each read would let a door send one
    byte now and then for ever."""

    def __init__(self, sock: socket.socket, end: float) -> None:
        self._sock, self._end = sock, end

    def _left(self) -> None:
        self._sock.settimeout(max(0.001, self._end - time.monotonic()))

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left()
        return self._sock.recv_into(buffer)

    def makefile(self, *_: Any) -> io.BufferedReader:
        """What `http.client` reads from."""
        return io.BufferedReader(self)

    def sendall(self, data: bytes) -> None:
        self._left()
        self._sock.sendall(data)

    def close(self) -> None:
        self._sock.close()
        super().close()


class Door:
    """A front door at a URL; a path in it stands in front of every target, a user and password are sent as such.

    `host` is the Host header where it is not the URL's; `timeout` is in seconds, for a case; `insecure` believes any
    certificate, `ca` is a file with one that is believed, too. ValueError says in a sentence what is wrong with them.
    """

    def __init__(
        self, url: str, *, host: str = "", timeout: float = 30.0, insecure: bool = False, ca: str = ""
    ) -> None:
        self.url = shown(url)
        if not url.isascii() or any(character <= " " for character in url):
            raise ValueError(f"the URL {self.url!r} has a character that must be written as % and two digits")
        parts = urlsplit(url)
        self.scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
        if self.scheme not in ("http", "https") or not parts.hostname:
            hint = "" if "://" in url else f"; did you mean http://{self.url}?"
            raise ValueError(f"{self.url!r} is no URL such as http://localhost:3000{hint}")
        if parts.query or parts.fragment:
            raise ValueError(f"the URL {self.url!r} has more than a path; cases bring their own queries")
        try:
            port = parts.port
            parts.hostname.encode("idna")
        except ValueError:
            port = 0
        if port == 0:
            raise ValueError(f"the URL {self.url!r} has a host or a port that cannot be; ports are 1 to 65535")
        if not host.isascii() or any(character <= " " for character in host):
            raise ValueError(f"--host-header {host!r} cannot be a host")
        if not timeout > 0:
            raise ValueError(f"--timeout {timeout:g} is no time to wait")
        self.host = host or parts.netloc.rpartition("@")[2]
        self.path = parts.path.rstrip("/")
        self.timeout = timeout
        self.steps: list[Step] = []
        self._address = (parts.hostname, port or (443 if self.scheme == "https" else 80))
        self._end = time.monotonic() + timeout
        #: Fields of ours that are neither the case's nor in any report.
        self.own: list[str] = []
        self._secrets: list[str] = []
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._secrets = [base64.b64encode(pair.encode()).decode(), pair]
            self.own = [f"Authorization: Basic {self._secrets[0]}"]
        self._tls = _trust(insecure, ca) if self.scheme == "https" else None

    def afresh(self) -> Door:
        """The same door with its whole time, and nothing said yet: one for each case."""
        again = copy.copy(self)
        again.steps, again._end = [], time.monotonic() + self.timeout
        return again

    def hidden(self, text: str) -> str:
        """A text for a report, in which the door may have said the user and password that it was sent."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text

    def ask(self, method: str, target: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        """The answer to one request on a connection of its own; `OSError` or `HTTPException` if there is none."""
        lines = [f"{method} {self.path}{target} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in headers]
        sent = {name.lower() for name, _ in headers}
        if "content-length" not in sent and (body or method in ("POST", "PUT", "PATCH")):
            lines.append(f"Content-Length: {len(body)}")
        self.steps.append(Step("sent", "\n".join([*lines, "", ""]) + _text(body)))
        lines += ["Connection: close", *(self.own if "authorization" not in sent else ()), "", ""]
        line = self.connected()
        try:
            line.sendall("\r\n".join(lines).encode("utf-8") + body)
            answer, response = self.answer(line, method)
            response.close()
            return answer
        finally:
            line.close()

    def answer(self, line: Line, method: str) -> tuple[Answer, http.client.HTTPResponse]:
        """The answer that comes, and what it was read from."""
        response = http.client.HTTPResponse(cast(socket.socket, line), method=method)
        response.begin()
        content = b"" if response.status == 101 else response.read(MOST)
        head = "".join(f"\n{name}: {value}" for name, value in response.getheaders())
        self.steps.append(Step("came", f"HTTP/1.1 {response.status} {response.reason}{head}\n\n{_text(content)}"))
        if response.status != 101 and response.length:
            raise http.client.IncompleteRead(content, response.length)
        if len(content) == MOST:
            raise OSError(f"the answer has {MOST >> 20} MB and more")
        return Answer(response.status, response.getheaders(), content), response

    def connected(self) -> Line:
        """A connection of its own."""
        left = max(0.001, self._end - time.monotonic())
        plain = socket.create_connection(self._address, left)
        try:
            sock = plain if self._tls is None else self._tls.wrap_socket(plain, server_hostname=self._address[0])
        except BaseException:
            plain.close()
            raise
        return Line(sock, self._end)

    def start(self, target: str) -> str:
        """The first lines of a handshake for that target; clients connect to `/prod`, not to `/prod/`."""
        if self.path and target.partition("?")[0] == "/":
            target = target[1:]
        return "\r\n".join([f"GET {self.path}{target} HTTP/1.1", f"Host: {self.host}"])

    def silent(self, error: Exception, hint: bool = False) -> str:
        """What it means that there was no answer, in a sentence without its subject; `hint` asks whether the URL is
        meant."""
        if isinstance(error, TIMES_OUT):
            return f"does not answer within {self.timeout:g} s (--timeout)"
        if isinstance(error, ConnectionRefusedError):
            return "is not there: nobody listens at that port"
        if isinstance(error, socket.gaierror):
            return f"is not there: the host {self._address[0]} is not known"
        if isinstance(error, ssl.SSLCertVerificationError):
            why = error.verify_message.rstrip(".")
            return (
                f"has a certificate that is not believed ({why}); --ca FILE names one that is, --insecure believes any"
            )
        if isinstance(error, ssl.SSLError):
            return f"does not speak TLS as we do ({error.reason or 'the handshake failed'}); is it http://?"
        other = "; is it https://?" if hint and self.scheme == "http" else ""
        if isinstance(error, (http.client.RemoteDisconnected, ConnectionError)):
            return f"closes the connection without an answer{other}"
        if isinstance(error, http.client.IncompleteRead):
            return f"breaks off in its answer, after {len(error.partial)} bytes"
        if isinstance(error, http.client.HTTPException):
            return f"answers what is no HTTP ({type(error).__name__}: {str(error)[:60]!r}){other}"
        return f"gives no answer ({type(error).__name__}: {str(error)[:200]})"


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")


def _trust(insecure: bool, ca: str) -> ssl.SSLContext:
    """What is believed of certificates: the system's authorities, and those of the file."""
    context = ssl.create_default_context()
    if ca:
        try:
            context.load_verify_locations(ca)
        except (OSError, ValueError) as error:
            raise ValueError(f"--ca {ca!r} is no file with certificates in PEM form ({error})") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
