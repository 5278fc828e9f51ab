"""TLS towards AWS with the standard library: contexts that always verify, and a session over memory buffers.

`ssl.MemoryBIO` costs two thirds of what pyOpenSSL does for a small request, follows the system's trust, and needs no
memory that is writable and executable, so that systemd's MemoryDenyWriteExecute can stay on.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from lambdaproxy.errors import ConfigError

_READ = 17 * 1024
"""Bytes asked for at once: more than a record has (RFC 8446, 5.1), and OpenSSL gives one record at a time."""


def client_context(ca_bundle: str | None = None) -> ssl.SSLContext:
    """TLS 1.2 or newer, host names and chains verified, against `ca_bundle` (a PEM file) or the system's trust.

    Where the system has no certificates at all, those that come with botocore are used. `ConfigError` if the bundle
    cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_bundle)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"CA bundle {ca_bundle}: {error}; give a PEM file with certificates (ca-bundle)") from None
    if ca_bundle is None and not context.cert_store_stats()["x509_ca"] and not _has_directory():
        import botocore

        context.load_verify_locations(Path(botocore.__file__).parent / "cacert.pem")
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _has_directory() -> bool:
    paths = ssl.get_default_verify_paths()
    return paths.capath is not None and any(Path(paths.capath).iterdir())


class Session:
    """One TLS session without a socket: bytes of the wire in, bytes for the wire out."""

    __slots__ = ("_done", "_incoming", "_object", "_outgoing", "_record", "closed")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self._done = False
        self._record = b""
        #: True once the peer said, within TLS, that nothing more follows.
        self.closed = False

    @property
    def done(self) -> bool:
        """True once the handshake is complete and the peer is who it should be."""
        return self._done

    def handshake(self, data: bytes = b"") -> bytes:
        """Go on with the handshake; gives what to send. Raises `ssl.SSLError`, for one `SSLCertVerificationError`."""
        if data:
            self._incoming.write(data)
        try:
            self._object.do_handshake()
            self._done = True
        except ssl.SSLWantReadError:
            pass
        return self._outgoing.read()

    @property
    def cut(self) -> int:
        """Bytes of a record whose end has not come, where nothing of it could be read."""
        return len(self._record)

    def alert(self) -> bytes:
        """What is left to send after an error: the alert that tells the peer why."""
        return self._outgoing.read()

    def encrypt(self, data: bytes) -> bytes:
        """Bytes of the application -> bytes for the wire."""
        self._object.write(data)
        return self._outgoing.read()

    def receive(self, data: bytes) -> tuple[bytes, bytes]:
        """Bytes of the wire -> (bytes of the application, bytes to send); raises `ssl.SSLError`."""
        incoming, read = self._incoming, self._object.read
        if data:
            incoming.write(data)
        pieces = []
        try:
            while incoming.pending:
                piece = read(_READ)
                if not piece:
                    self.closed = True
                    break
                pieces.append(piece)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.closed = True
        out = self._outgoing.read() if self._outgoing.pending else b""
        if not pieces or self._record:
            self._record = b"" if pieces else _unfinished(self._record + data)
        return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), out


def _unfinished(data: bytes) -> bytes:
    """What follows the last whole record (RFC 8446, 5.1: a header of five bytes, the last two of them a length)."""
    at = 0
    while at + 5 <= len(data) and (end := at + 5 + int.from_bytes(data[at + 3 : at + 5])) <= len(data):
        at = end
    return data[at:]
