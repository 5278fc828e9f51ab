"""Bodies that lambdaproxy left in S3 because an event has no room for them; standard library only.

An event says under `claimCheck` where its body is. No front door fills that key from a request, so what stands there is
lambdaproxy's word. `body_of(event)` reads the object by the URL that comes with it: the function needs no permission.
"""

from __future__ import annotations

import io
import time
import urllib.request
import zlib
from base64 import b64encode
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

__all__ = ["HEADER", "ClaimBody", "body_of", "reference"]

KEY = "claimCheck"

HEADER = "X-Lambdaproxy-Body"
"""The header of a response that names the object which lambdaproxy sends for a body."""

PIECE = 256 * 1024
MOST_BREAKS = 5
"""How often reading begins anew where it broke off."""

SECONDS = 30


def reference(bucket: str, key: str) -> dict[str, str]:
    """The header of a response whose body is this object: lambdaproxy sends it, with ranges, and nothing of it passes
    through the function. It has to be one that `claim-check` of the route permits."""
    return {HEADER: f"s3://{bucket}/{quote(key, safe='/-_.~')}"}


def body_of(event: Mapping[str, Any]) -> ClaimBody | None:
    """The body that the event speaks of, as a file that can be read once; None where it is in the event itself."""
    claim = event.get(KEY)
    return ClaimBody(claim) if isinstance(claim, Mapping) else None


class ClaimBody(io.RawIOBase):
    """A file that reads an object as it is read; `OSError` where that fails, or where what came is not what was sent.

    `claim` is what the event says: bucket, key, size, contentType, etag, checksum, url, expires.
    """

    def __init__(self, claim: Mapping[str, Any]) -> None:
        self.claim = claim
        self.size = int(claim["size"])
        self._at = self._crc = self._breaks = 0
        self._response: Any = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Some bytes; 0 at the end, when all of them were checked."""
        if self._at >= self.size:
            self._check()
            return 0
        while True:
            try:
                response = self._response = self._response or self._open()
                count: int = response.readinto(memoryview(buffer)[: self.size - self._at])
                if count:
                    break
                raise OSError("the object ended early")
            except (OSError, HTTPException) as error:
                self._again(error)
        self._crc = zlib.crc32(memoryview(buffer)[:count], self._crc)
        self._at += count
        if self._at >= self.size:
            self._check()
        return count

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, or all that is left; fewer only at the end."""
        wanted = self.size - self._at if size is None or size < 0 else min(size, self.size - self._at)
        pieces = bytearray(wanted)
        view, at = memoryview(pieces), 0
        while at < wanted:
            at += self.readinto(view[at:])
        return bytes(pieces)

    def seek(self, offset: int, whence: int = 0) -> int:
        """To where it is already: some frameworks go to the beginning before they read."""
        if whence == 0 and offset == self._at:
            return self._at
        raise io.UnsupportedOperation("a large body can be read once, from its beginning to its end")

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            response.close()
        super().close()

    def _open(self) -> Any:
        headers = {"Range": f"bytes={self._at}-"} if self._at else {}
        if self.claim.get("etag"):
            headers["If-Match"] = f'"{self.claim["etag"]}"'
        request = urllib.request.Request(self.claim["url"], headers=headers)  # noqa: S310  (lambdaproxy's own word)
        response = urllib.request.urlopen(request, timeout=SECONDS)  # noqa: S310
        if self._at and response.status != 206:
            raise OSError("the object cannot be read from where it broke off")
        return response

    def _again(self, error: Exception) -> None:
        """Read on from where it broke off, or give up."""
        if self._response is not None:
            self._response.close()
            self._response = None
        status = getattr(error, "code", None)
        self._breaks += 1
        if self._breaks > MOST_BREAKS or (status is not None and status < 500):
            # The error of urllib has the URL in it, which lets people in.
            said = f"S3 answered {status}" if status is not None else type(error).__name__
            raise OSError(f"the body of the request could not be read from S3: {said}") from None
        time.sleep(0.1 * 2**self._breaks)

    def _check(self) -> None:
        checksum = self.claim.get("checksum") or {}
        if checksum.get("algorithm") != "CRC32":
            return
        if b64encode(self._crc.to_bytes(4, "big")).decode() != checksum.get("value"):
            raise OSError("the body of the request is not what was sent: its checksum differs")
