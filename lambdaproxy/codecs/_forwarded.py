"""`X-Forwarded-For`, as a front door hands it on."""

from __future__ import annotations

from lambdaproxy.messages import Request

#: The address given for a client that has none: it came over a Unix socket, with nothing forwarded.
NOWHERE = "127.0.0.1"


def client_of(request: Request) -> str:
    """The client's address."""
    return request.client or NOWHERE


def appended(request: Request, bracket: bool = False) -> str:
    """The addresses before the client and the client's; ALB puts IPv6 into brackets when it appends it to a list."""
    client = request.client or NOWHERE
    if not request.forwarded_for:
        return client
    if bracket and ":" in client:
        client = f"[{client}]"
    return f"{request.forwarded_for}, {client}"


def received(request: Request) -> str | None:
    """The header as it was received, or None."""
    values = [value for name, value in request.headers if len(name) == 15 and name.lower() == b"x-forwarded-for"]
    return b", ".join(values).decode("latin-1") if values else None


def forwarded_for(request: Request, mode: str) -> str | None:
    """The header's value in the event, or None for none; `replace` names the client only."""
    if mode == "append":
        return appended(request)
    if mode == "replace":
        return client_of(request)
    return received(request) if mode == "preserve" else None
