"""What rules of load balancers say: conditions, weights of target groups, transforms, in our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lambdaproxy.config.conditions import HEADER, HOST, PATH, QUERY, SOURCE, Condition, check
from lambdaproxy.config.rewrites import rewrite_of_table
from lambdaproxy.config.templates import check_host
from lambdaproxy.templates.intrinsics import text
from lambdaproxy.templates.stack import map_of, number

METHOD = "http-request-method"
_CONFIGS = {
    HEADER: "HttpHeaderConfig",
    HOST: "HostHeaderConfig",
    PATH: "PathPatternConfig",
    QUERY: "QueryStringConfig",
    SOURCE: "SourceIpConfig",
    METHOD: "HttpRequestMethodConfig",
}
_TRANSFORMS = {
    "url-rewrite": ("UrlRewriteConfig", "rewrite"),
    "host-header-rewrite": ("HostHeaderRewriteConfig", "rewrite_host"),
}
Settings = tuple[tuple[str, Any], ...]


def conditions(given: Any) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Condition, ...]]:
    """Methods and hosts as routes have them, and the other conditions; `ValueError` for one that there is not."""
    methods: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    found: list[Condition] = []
    for one in given if isinstance(given, list) else []:
        about = map_of(one)
        kind = text(about.get("Field", ""))
        if kind not in _CONFIGS:
            raise ValueError(f"our routes cannot say a condition on {kind or 'nothing'}")
        config = map_of(about.get(_CONFIGS[kind]))
        regex = isinstance(config.get("RegexValues"), list)
        values = config.get("RegexValues") or config.get("Values") or about.get("Values")
        if not isinstance(values, list) or not values:
            raise ValueError(f"the condition on {kind} has no values")
        if kind == QUERY:
            pairs = [map_of(value) for value in values]
            values = [f"{text(pair.get('Key', ''))}={text(pair.get('Value', ''))}" for pair in pairs]
        texts = tuple(map(text, values))
        if kind == METHOD:
            methods = () if "*" in texts else tuple(dict.fromkeys(one.upper() for one in texts))
        elif kind == HOST and not regex and all(map(_is_host, texts)):
            hosts = texts
        elif kind != PATH or regex or not {"*", "/*"} & set(texts):
            name = text(config.get("HttpHeaderName", "")).lower() if kind == HEADER else ""
            found.append(Condition(kind, texts, name, regex))
    check(found)
    return methods, hosts, tuple(found)


def transforms(given: Any) -> Settings:
    """The rewrites of a rule; `ValueError` for one that we cannot do."""
    found = []
    for one in given if isinstance(given, list) else []:
        about = map_of(one)
        kind = text(about.get("Type", ""))
        if kind not in _TRANSFORMS:
            raise ValueError(f"a transform of type {kind or 'unknown'} is not done here")
        config, setting = _TRANSFORMS[kind]
        rewrites = map_of(about.get(config)).get("Rewrites")
        for rewrite in rewrites if isinstance(rewrites, list) else []:
            said = map_of(rewrite)
            table = {"regex": text(said.get("Regex", "")), "replace": text(said.get("Replace", ""))}
            found.append((setting, rewrite_of_table(table)))
    return tuple(found)


def stickiness(action: Mapping[str, Any]) -> Settings:
    """Who keeps his target group."""
    config = map_of(map_of(action.get("ForwardConfig")).get("TargetGroupStickinessConfig"))
    if text(config.get("Enabled", "")).lower() != "true":
        return ()
    seconds = number(config.get("DurationSeconds"))
    duration = (
        float(seconds) if isinstance(seconds, int) and not isinstance(seconds, bool) and seconds > 0 else 86_400.0
    )
    return ("sticky", "cookie"), ("sticky_duration", duration)


def _is_host(host: str) -> bool:
    try:
        check_host(host)
    except ValueError:
        return False
    return True
