"""Requests that a front door turns away itself, before any function; each knows the status if it is not the table's."""

from __future__ import annotations

from lambdaproxy.errors import BadRequest, EventTooLarge, MalformedResult, NotFound


class NotText(BadRequest):
    """ALB: a text body or a header value that is no UTF-8."""

    label = "not_text"
    public = "The body is declared as text, or a header value is used as text, but it is not valid UTF-8"


class BadTarget(BadRequest):
    """A request target with bytes outside ASCII."""

    label = "target"
    public = "The request target must be percent-encoded ASCII"


class UnknownStage(NotFound):
    """With `stage_in_path`: the path does not begin with the stage."""

    label = "stage"


class UriTooLong(BadRequest):
    """`limits=aws`: the request line is longer than this front door takes."""

    label = "uri_too_long"
    public = "Request-URI too large"
    status = 414


class HeadersTooLarge(BadRequest):
    """`limits=aws`: one header field or all of them are larger than this front door takes."""

    label = "headers_too_large"
    public = "Request header fields too large"
    status = 431


class TooManyForwarded(BadRequest):
    """`limits=aws`, ALB: more than 30 addresses in `X-Forwarded-For`."""

    label = "forwarded_for"
    public = "Too many addresses in X-Forwarded-For"
    status = 463


class ContentTooLong(EventTooLarge):
    """`limits=aws`: the body is larger than this front door takes, whatever its event would be."""

    label = "content_too_long"


class BadBase64(MalformedResult):
    """A body declared as base64 that is none: REST API answers this with 500 where other results give 502."""

    label = "malformed_base64"
