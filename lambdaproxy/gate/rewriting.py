"""What a function is shown instead of the path and the host that were asked for."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import quote

from lambdaproxy.base.paths import PathReader, as_sent
from lambdaproxy.base.regexes import Regex
from lambdaproxy.config.rewrites import Rewrite
from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import RewriteFailed
from lambdaproxy.http1 import grammar
from lambdaproxy.interfaces import IEventCodec, IPathReader
from lambdaproxy.messages import Head, Headers, Match

MOST_TARGET = 16 * 1024
"""Bytes of a path and a query that were rewritten."""

_TARGET = re.compile(rb"/[!-~]*")
_PLACE = re.compile(r"\{([^{}]*)\}")
_SLASH = re.compile(r"/|%2[Ff]|\Z")


class Rewriting:
    """The rewrites of one route; `of_settings` makes one where there are any."""

    def __init__(self, settings: Settings, codec: IEventCodec) -> None:
        self._reader: PathReader = codec.read_path if IPathReader.providedBy(codec) else as_sent
        #: Whether path parameters are decoded when they reach us.
        self._decoded = list(self._reader("/%41")[1]) == ["A"]
        self._prefix = settings.strip_prefix
        self._segments = tuple((self._prefix or "")[1:].split("/"))
        self._path, self._host = settings.rewrite, settings.rewrite_host
        self._path_regex = _regex(self._path, False)
        self._host_regex = _regex(self._host, True)

    def apply(self, head: Head, headers: Headers, match: Match) -> tuple[Head, Headers, Match]:
        """The head as the function is to see it, its header fields, and the match; raises `RewriteFailed`."""
        target, host = head.target.decode("latin-1"), head.host
        if self._prefix is not None:
            target = self._stripped(target)
            template = match.template
            if template is not None and (template == self._prefix or template.startswith(f"{self._prefix}/")):
                match = Match(template[len(self._prefix) :] or "/", match.methods, match.path_parameters)
        if self._path is not None:
            target = self._rewritten(self._path, target, match)
        if self._host is not None:
            host = _replaced(self._host, self._host_regex, host)
            headers = tuple(
                (name, host.encode("latin-1") if name.lower() == b"host" else value) for name, value in headers
            )
        return _head(head, target, host, headers), headers, match

    def _stripped(self, target: str) -> str:
        """The target without the prefix, however that is spelt; as it is where it does not begin with it."""
        path, question, query = target.partition("?")
        begin = len(path) - len(path.lstrip("/"))
        for found in _SLASH.finditer(path, begin):
            segments = self._reader(path[: found.start()])[0]
            if tuple(segments) == self._segments:
                rest = path[found.end() :]
                return f"/{rest}{question}{query}"
            if len(segments) > len(self._segments):
                break
        return target

    def _rewritten(self, rewrite: Rewrite, target: str, match: Match) -> str:
        if rewrite.regex is not None:
            return _replaced(rewrite, self._path_regex, target)
        known = dict(match.path_parameters)

        def value(place: re.Match[str]) -> str:
            text = known.get(place[1], "")
            return quote(text, safe="/:@!$&'()*+,;=~") if self._decoded else text

        made = _PLACE.sub(value, rewrite.text)
        query = target.partition("?")[2]
        return f"{made}{'&' if '?' in made else '?'}{query}" if query else made


def of_settings(settings: Settings, codec: IEventCodec, template: str | None) -> Rewriting | None:
    """The rewrites of a route, or None; `ValueError` for what can never be done."""
    for place in settings.rewrite.places if settings.rewrite is not None else ():
        if f"{{{place}}}" not in (template or "") and f"{{{place}+}}" not in (template or ""):
            raise ValueError(f"rewrite: the path of the route has no {{{place}}}")
    if settings.strip_prefix is not None and template is not None:
        for ours, its in zip(settings.strip_prefix.split("/"), template.split("/"), strict=False):
            if its.startswith("{"):
                break
            if ours != its:
                raise ValueError(f"strip-prefix: the path of the route, {template}, never begins with it")
    if settings.strip_prefix is None and settings.rewrite is None and settings.rewrite_host is None:
        return None
    return Rewriting(settings, codec)


def _regex(rewrite: Rewrite | None, ignore_case: bool) -> Regex | None:
    if rewrite is None or rewrite.regex is None:
        return None
    return Regex(rewrite.regex, ignore_case=ignore_case)


def _replaced(rewrite: Rewrite, regex: Regex | None, text: str) -> str:
    if regex is None:
        return rewrite.text
    made = regex.replace(rewrite.text, text)
    return text if made is None else made


def _head(head: Head, target: str, host: str, headers: Headers) -> Head:
    try:
        sent = target.encode("latin-1")
        if host != head.host:
            grammar.host(host.encode("latin-1"))
    except (UnicodeEncodeError, grammar.Malformed):
        raise RewriteFailed("what a rewrite made is no host, or cannot be sent") from None
    if len(sent) > MOST_TARGET or not (_TARGET.fullmatch(sent) or sent == head.target):
        raise RewriteFailed(f"what a rewrite made of the path is none, or longer than {MOST_TARGET} bytes")
    return replace(head, target=sent, headers=headers, host=host)
