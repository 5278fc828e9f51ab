"""Paths, stages and routes: what the parts of API Gateway make of them."""

from __future__ import annotations

from lambdaproxy.base.known import Known, is_short
from lambdaproxy.base.paths import after_stage, decoded, parameters_in
from lambdaproxy.codecs._refusals import BadTarget, UnknownStage
from lambdaproxy.messages import Match, Request

ALL_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})


def split(request: Request) -> tuple[str, str]:
    """Path and query as sent; `BadTarget` if they are not ASCII."""
    try:
        path, _, query = request.target.decode("ascii").partition("?")
    except UnicodeDecodeError:
        raise BadTarget("the request target is not ASCII") from None
    return path, query


def without_stage(path: str, stage: str) -> str:
    """A path that clients send with the stage -> the part after the stage, with its slashes; else `UnknownStage`."""
    rest = after_stage(path, stage)
    if rest is None:
        raise UnknownStage(f"the path does not begin with /{stage}")
    return rest


def resource_of(match: Match, path: str, stage: str | None) -> str:
    """The template of the route, without the stage if clients send it; without a route what an API that takes
    everything has: `/{proxy+}`, and `/` for the root, which no greedy parameter matches."""
    template = match.template
    if template is None:
        return "/{proxy+}" if path.strip("/") else "/"
    template = template_of(template, stage)
    return template if template[-1] != "/" else template.rstrip("/") or "/"


def parameters_of(match: Match, path: str) -> dict[str, str] | None:
    """The path parameters as the route has found them; None if there are none. `path` is the path without the stage.

    A greedy parameter at the root is the path itself: the router has seen the stage too, where clients send it.
    """
    if not match.path_parameters:
        return None
    parameters = dict(match.path_parameters)
    if _is_greedy_root(match.template):
        parameters[match.path_parameters[-1][0]] = path.removeprefix("/")
    return parameters


def decoded_parameters_of(match: Match, sent: str, shown: str, stage: str | None) -> dict[str, str] | None:
    """The same for an HTTP API, whose event shows the path decoded: `sent` and `shown`, both without the stage."""
    parameters = parameters_of(match, sent)
    if parameters is None or "%" not in sent:
        return parameters
    assert match.template is not None
    found = parameters_in(template_of(match.template, stage)[1:].split("/"), shown[1:].split("/"))
    return {name: decoded(value) for name, value in parameters.items()} if found is None else dict(found)


def rest_parameters_of(match: Match, path: str) -> dict[str, str] | None:
    """The same for a REST API: without a route there is `{proxy+}`, and a greedy parameter loses the slashes around
    it, all in front and one behind (recorded in 2024)."""
    if match.template is None:
        rest = path.lstrip("/").removesuffix("/")
        return {"proxy": rest} if rest else None
    parameters = parameters_of(match, path)
    if parameters and match.template.endswith("+}"):
        name = match.path_parameters[-1][0]
        parameters[name] = parameters[name].lstrip("/").removesuffix("/")
    return parameters


def _is_greedy_root(template: str | None) -> bool:
    return template is not None and template.endswith("+}") and template.startswith("/{") and template.count("/") == 1


def template_of(template: str, stage: str | None) -> str:
    """The template of a route, without the stage if clients send it."""
    return template[len(stage) + 1 :] if stage is not None and template.startswith(f"/{stage}/") else template


def route_key(match: Match, stage: str | None, method: str) -> str:
    """The route key of an HTTP API: `$default`, `GET /a/{b}`, or `ANY /a` for a route that takes any method.

    A route that names several methods is several routes of an HTTP API, each with its own key.
    """
    if match.template is None:
        return "$default"
    if method not in match.methods:
        method = match.methods[0] if len(match.methods) == 1 else "ANY"
    return f"{method} {template_of(match.template, stage)}"


def client_path(path: str, prefix: str) -> str:
    """A path of an event without the stage that AWS put in front of it; `prefix` is `/stage` or empty."""
    if prefix and path == prefix:
        return "/"
    return path[len(prefix) :] if prefix and path.startswith(f"{prefix}/") else path


def domain_of(host: str) -> tuple[str, str]:
    """A Host value without its port, and the first label of it: `api.example.com:80` -> `api.example.com`, `api`."""
    name, colon, port = host.rpartition(":")
    if not colon or not (port.isdigit() or not port):
        name = host
    return name, name.partition(".")[0]


#: What `domain_of` says, as clients call a server by few names.
DOMAINS: Known[str, tuple[str, str]] = Known(domain_of, is_short)
