"""Finds the plugins: makers of codecs and invokers by name, and checks the options they are given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

from twisted.plugin import getPlugins
from zope.interface import Interface

import lambdaproxy.plugins
from lambdaproxy.config.values import Spec
from lambdaproxy.errors import LambdaProxyError
from lambdaproxy.interfaces import IAuthorizerMaker, IEventCodec, IEventCodecMaker, IInvokerMaker, Option
from lambdaproxy.messages import Request, Response


@cache
def _makers(interface: type[Interface]) -> Mapping[str, Any]:
    # A plugin module that fails to import is logged with its traceback on each look, so we look once.
    found: dict[str, Any] = {}
    makers: Iterable[Any] = getPlugins(interface, lambdaproxy.plugins)
    for maker in makers:
        other = found.setdefault(maker.name, maker)
        if other is not maker:
            raise ValueError(f"two plugins are called {maker.name!r}: {_module(other)} and {_module(maker)}")
    return dict(sorted(found.items()))


def codec_makers() -> Mapping[str, IEventCodecMaker]:
    """All codec makers that are installed, by name."""
    return _makers(IEventCodecMaker)


def formats() -> tuple[str, ...]:
    """What `--format` takes, each kind of event once: every format, and the variants that it says it has."""
    return tuple([text for name, maker in codec_makers().items() for text in getattr(maker, "variants", (name,))])


def authorizer_format(payload: str) -> str:
    """The format whose codec makes the events of Lambda authorizers that are told this `payload`."""
    makers = codec_makers().values()
    made = {each: text for maker in makers for each, text in getattr(maker, "authorizer_payloads", ())}
    return str(made[payload])


def refusal(codec: IEventCodec, error: LambdaProxyError) -> Response:
    """What a codec answers to an error where it matters nothing who asked for what."""
    return codec.error_response(error, Request(**_ANY))


def invoker_makers() -> Mapping[str, IInvokerMaker]:
    """All invoker makers that are installed, by name."""
    return _makers(IInvokerMaker)


def authorizer_makers() -> Mapping[str, IAuthorizerMaker]:
    """All authorizer makers that are installed, by name."""
    return _makers(IAuthorizerMaker)


def make_codec(spec: Spec) -> IEventCodec:
    """The codec that `--format` names; `ValueError` lists the known names or options."""
    makers = codec_makers()
    if spec.name not in makers:
        meant = next((name for name, each in makers.items() if spec.name in getattr(each, "also_called", ())), None)
        if meant is not None:
            raise ValueError(f"unknown format {spec.name!r}; here that is {meant!r}")
    maker = _find("format", spec.name, makers)
    options = parse_options(f"format {spec.name}", maker.options, spec.options)
    try:
        codec: IEventCodec = maker.make(options)
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"the plugin {_module(maker)} failed: {type(error).__name__}: {error}") from error
    return codec


def invoker_maker(kind: str) -> IInvokerMaker:
    """The invoker maker of this kind; `ValueError` lists the known ones."""
    maker: IInvokerMaker = _find("kind of invoker", kind, invoker_makers())
    return maker


def authorizer_maker(kind: str) -> IAuthorizerMaker:
    """The authorizer maker of this kind; `ValueError` lists the known ones."""
    maker: IAuthorizerMaker = _find("kind of authorizer", kind, authorizer_makers())
    return maker


def parse_options(whose: str, known: Iterable[Option], given: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Parse `key=value` pairs by a maker's options, defaults filled in; `ValueError` names the key."""
    by_name = {option.name: option for option in known}
    values: dict[str, Any] = {}
    for key, text in given:
        option = by_name.get(key)
        if option is None:
            raise ValueError(unknown(f"option of {whose}", key, by_name))
        try:
            value = option.parse(text)
        except ValueError as error:
            raise ValueError(f"{whose}: {key}: {error}") from None
        if option.multiple:
            values[key] = (*values.get(key, ()), value)
        elif key in values:
            raise ValueError(f"{whose}: {key} is given twice")
        else:
            values[key] = value
    return {name: values.get(name, option.default) for name, option in by_name.items()}


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """`unknown option 'x'; did you mean 'y'? There are: ...`"""
    known = sorted(set(known))
    near = get_close_matches(name, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    listed = f" There are: {', '.join(known)}" if known else " There are none"
    # A long list would bury the one name that was meant.
    return f"unknown {what} {name!r}{hint}{'' if near and len(known) > 20 else listed}"


def _module(maker: object) -> str:
    return type(maker).__module__


def _find(what: str, name: str, makers: Mapping[str, Any]) -> Any:
    if name not in makers:
        raise ValueError(unknown(what, name, makers))
    return makers[name]


_ANY: Mapping[str, Any] = {
    "method": "GET",
    "target": b"/",
    "version": "HTTP/1.1",
    "headers": ((b"Host", b"example.com"),),
    "body": b"",
    "scheme": "https",
    "host": "example.com",
    "port": 443,
    "client": "192.0.2.1",
    "forwarded_for": "",
    "tls": None,
    "id": "00000000-0000-4000-8000-000000000000",
    "trace_id": "1-00000000-000000000000000000000000",
    "received": 0.0,
}
