"""`X-Forwarded-For`, as a front door hands it on."""

from __future__ import annotations

from lambdaproxy.messages import Request

#: The address given for a client that has none: it came over a Unix socket, with nothing forwarded.
NOWHERE = "127.0.0.1"


def appended(request: Request, bracket: bool = False) -> str:
    """The addresses before the client, of which there are some, and the client's; ALB puts IPv6 into brackets."""
    client = request.client or NOWHERE
    if bracket and ":" in client:
        client = f"[{client}]"
    return f"{request.forwarded_for}, {client}"


def passed(request: Request, last: str) -> str:
    """What the client itself sent, and its address where it sent nothing: a function URL (recorded in 2025).

    `last` is the last X-Forwarded-For field, or empty. Where the client stands in it, a proxy of ours wrote it.
    """
    client = request.client or NOWHERE
    if request.forwarded_for:
        return request.forwarded_for
    if not last or client in last:
        return client
    return sent_list(request)


def sent_list(request: Request) -> str:
    """All X-Forwarded-For fields as one list."""
    values = [value for name, value in request.headers if len(name) == 15 and name.lower() == b"x-forwarded-for"]
    return b", ".join(values).decode("latin-1")


def keep_forwarded(headers: dict[str, str], key: str, request: Request, mode: str) -> None:
    """The modes in which the front door writes nothing: `preserve` hands on what was received, `remove` does not."""
    if mode == "preserve":
        headers[key] = sent_list(request)
    else:
        del headers[key]
