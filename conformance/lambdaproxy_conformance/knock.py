"""The first question to a door: is the echo function there, and does the door stand for the format that was named?

One sentence is worth more than all the cases failing for one reason.
"""

from __future__ import annotations

import dataclasses
import http.client
import json
from collections.abc import Mapping
from typing import Any

from lambdaproxy_conformance.probe import NoEvent, Setup, event_of
from lambdaproxy_conformance.sockets import Talk
from lambdaproxy_conformance.wire import Answer, Door


class NotAsked(Exception):
    """Why a door cannot be asked, in a sentence."""


def knock(door: Door, format: str, setup: Setup) -> Setup:
    """The set-up with the stage that the door's first event names where none was given; `NotAsked` where there is no
    such event."""
    door = door.afresh()
    try:
        event = _event_of_socket(door) if format == "apigateway-websocket" else _event(door, format)
    except (OSError, http.client.HTTPException) as error:
        raise NotAsked(f"{door.url} {door.silent(error, hint=True)}") from None
    seen = kind(event)
    if seen and format not in seen:
        raise NotAsked(
            f"{door.url} makes the event of {' or '.join(seen)}, not of {format}; name that with --format, or give"
            " --anyway"
        )
    if "multiValueHeaders" in event and "headers" not in event and setup.options.get("multi_value") != "yes":
        raise NotAsked(f"{door.url} has multi-value headers; say so with --option multi_value=yes, or give --anyway")
    if setup.stage is None:
        return dataclasses.replace(setup, stage=_stage(event))
    return setup


def listens(door: Door, format: str) -> bool:
    """Whether the door still answers anything."""
    door = door.afresh()
    try:
        if format == "apigateway-websocket":
            with Talk(door, "/", []):
                pass
        else:
            door.ask("GET", "/", [], b"")
    except http.client.HTTPException:
        return True
    except OSError:
        return False
    return True


def kind(event: Mapping[str, Any]) -> tuple[str, ...]:
    """The formats that an event can be of, by what only they have; none if that cannot be told."""
    about = event.get("requestContext")
    about = about if isinstance(about, dict) else {}
    if "elb" in about:
        return ("alb",)
    if "eventType" in about and "connectionId" in about:
        return ("apigateway-websocket",)
    if "raw_path" in event or "serviceNetworkArn" in about or "serviceArn" in about:
        return ("vpc-lattice",)
    if event.get("version") == "2.0" and "http" in about:
        return ("apigateway-v2", "function-url")
    if "httpMethod" in event and "resource" in event:
        return ("apigateway-v1", "apigateway-v2:payload=1.0")
    return ()


def _stage(event: Mapping[str, Any]) -> str | None:
    about = event.get("requestContext")
    stage = about.get("stage") if isinstance(about, dict) else None
    return stage if isinstance(stage, str) and stage else None


def _event(door: Door, format: str) -> Mapping[str, Any]:
    answer = door.ask("GET", "/", [], b"")
    try:
        event = json.loads(answer.body)["event"]
        if isinstance(event, dict):
            return event
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    _moved(door, answer)
    raise NotAsked(
        f"{door.url} is answered {answer.status} {answer.body[:60]!r}, and not by the echo function, which must stand"
        f" behind every path{_path(door, answer)}"
    )


def _event_of_socket(door: Door) -> Mapping[str, Any]:
    with Talk(door, "/", []) as talk:
        if talk.refused is not None:
            _moved(door, talk.refused)
            answer = talk.refused
            raise NotAsked(
                f"{door.url} answers a WebSocket's handshake with {answer.status} {answer.body[:60]!r}, so nothing can"
                f" be asked{_path(door, answer)}"
            )
        talk.say('{"conformance": "CONNECT"}')
        try:
            event = event_of(talk.hear())
        except NoEvent as error:
            raise NotAsked(f"{door.url} has another function than the echo function behind $default: {error}") from None
        except OSError as error:
            raise NotAsked(
                f"{door.url} does not answer a message ({error}); the echo function stands behind $default, which needs"
                " a route response"
            ) from None
    if not event:
        raise NotAsked(
            f"{door.url} answers, but the function that is asked has not heard of $connect; give it that route, too,"
            " and one process"
        )
    return event


def _moved(door: Door, answer: Answer) -> None:
    to = next((value for name, value in answer.headers if name.lower() == "location"), None)
    if 300 <= answer.status < 400 and to is not None:
        raise NotAsked(
            f"{door.url} redirects to {to[:200]!r} ({answer.status}); cases follow nothing, so give that URL"
        )


def _path(door: Door, answer: Answer) -> str:
    if 400 <= answer.status < 500 and not door.path:
        return f"; does the URL lack its stage, as in {door.url.rstrip('/')}/prod?"
    return ""
