"""What S3's words for its refusals mean, and what an operator can do about each (S3 API reference, error responses)."""

from __future__ import annotations

import re

from lambdaproxy.aws.advice import CREDENTIALS

TRANSIENT = frozenset(
    (
        "InternalError",
        "OperationAborted",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "503 SlowDown",
    )
)
"""What passes by itself."""

EXPIRED = frozenset(("ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "TokenRefreshRequired"))
"""Keys that are good no longer: others may be there."""

_REGION = "the bucket is in another region: name it as region in claim-check"
_ADVICE = {
    "AccessDenied": "let the policy of our role, and the bucket's own, permit s3:PutObject, s3:GetObject, "
    "s3:DeleteObject and s3:AbortMultipartUpload below the prefix, and the use of the bucket's KMS key if it has one",
    "AllAccessDisabled": "the bucket is disabled by AWS; ask its support",
    "NoSuchBucket": "make the bucket, or mend its name in claim-check",
    "PermanentRedirect": _REGION,
    "AuthorizationHeaderMalformed": _REGION,
    "IllegalLocationConstraintException": _REGION,
    "InvalidToken": "the session token is wrong or old: log in again, or renew what the provider gives",
    "KMS.DisabledException": "enable the KMS key of the bucket",
    "KMS.NotFoundException": "the KMS key of the bucket is gone; choose another",
    "BadDigest": "bytes were changed on the way to S3: look at the network, or at a proxy between us",
    "NotImplemented": "this store does not know what we ask for; it must know multipart uploads",
}

_WORD = re.compile(rb"<Code>([A-Za-z0-9. ]{1,80})</Code>")
_SIZE = re.compile(rb"<ActualObjectSize>(\d{1,19})</ActualObjectSize>")
_ID = re.compile(rb"<UploadId>([^<>\s]{1,1024})</UploadId>")
_TAG = re.compile(rb"<ETag>([^<>\s]{1,256})</ETag>")


def advice(code: str) -> str:
    """What to do, with a semicolon before it, or nothing where nobody knows."""
    text = _ADVICE.get(code) or CREDENTIALS.get(code)
    return f"; {text}" if text else ""


def code_of(body: bytes) -> str:
    """The code of an error document, or an empty text; the rest of it may quote what was signed."""
    found = _WORD.search(body[:65536]) if b"<Error>" in body[:4096] else None
    return found[1].decode("ascii") if found is not None else ""


def size_of(body: bytes) -> int | None:
    """The size of an object, in the document that refuses a range of it."""
    found = _SIZE.search(body[:65536])
    return int(found[1]) if found is not None else None


def upload_id_of(body: bytes) -> str:
    """The id of a multipart upload that was begun, or an empty text."""
    found = _ID.search(body[:65536])
    return found[1].decode("latin-1") if found is not None else ""


def upload_ids_of(body: bytes) -> list[str]:
    """The ids of all multipart uploads in a list of them."""
    return [found.decode("latin-1") for found in _ID.findall(body)]


def etag_of(body: bytes) -> str:
    """The ETag in a document, without its quotes."""
    found = _TAG.search(body[:65536])
    return found[1].decode("latin-1").replace("&quot;", "").replace("&#34;", "").strip('"') if found is not None else ""
