"""The makers of the built-in codecs: what `--format` may name, with their options. Cheap to import."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from zope.interface import implementer

from lambdaproxy.interfaces import IEventCodec, IEventCodecMaker, Option


def _choice(*allowed: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {text!r}")
        return text

    return parse


def _yes_no(text: str) -> bool:
    known = {"yes": True, "true": True, "on": True, "1": True, "no": False, "false": False, "off": False, "0": False}
    try:
        return known[text.lower()]
    except KeyError:
        raise ValueError(f"must be yes or no, not {text!r}") from None


def _matching(pattern: str, what: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def parse(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"{text!r} is no {what}")
        return text

    return parse


_arn = _matching(r"arn:[!-~]+", "ARN")
_account = _matching(r"[0-9]{12}", "account number of 12 digits")
_url_account = _matching(r"[0-9]{12}|anonymous", "account number of 12 digits, nor `anonymous`")
_identifier = _matching(r"[A-Za-z0-9-]{1,64}", "identifier (letters, digits and hyphens)")
_stage = _matching(r"[A-Za-z0-9_-]{1,128}", "stage name (letters, digits, hyphens and underscores)")
_http_stage = _matching(r"\$default|[A-Za-z0-9_-]{1,128}", "stage name (`$default`, or letters, digits, - and _)")
_domain = _matching(r"[A-Za-z0-9.-]{1,253}", "domain name")
_place = _matching(r"[A-Za-z0-9.-]{1,253}(?::[0-9]{1,5})?", "domain name, with or without a port")
_media_type = _matching(r"[!-~]+/[!-~]+", "media type such as image/png, image/* or */*")
_word = _matching(r"[!-~]{1,64}", "name without spaces")


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise ValueError(f"{text!r} is no NAME=VALUE")
    return name, value


def _lattice_arn(resource: str) -> str:
    return f"arn:aws:vpc-lattice:us-east-1:123456789012:{resource}-0123456789abcdef0"


_SOURCE_VPC_ARN = "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-0123456789abcdef0"

_ERRORS = Option(
    "errors",
    _choice("aws", "plain"),
    "aws",
    "aws: the statuses of the AWS service; plain: the same for every format (throttle and overload 503, time-out 504)",
)
_LIMITS = Option("limits", _choice("none", "aws"), "none", "aws: apply the service's size limits, with its errors")


def _xff(default: str, *choices: str) -> Option:
    return Option("xff", _choice(*choices), default, "X-Forwarded-For in the event: " + ", ".join(choices))


_API_OPTIONS = (
    Option("account", _account, "123456789012", "account number in the event"),
    Option("api_id", _identifier, "lambdaprox", "API identifier in the event"),
    Option("domain", _domain, None, "domain name in the event (default: the request's host)"),
    Option("stage_in_path", _yes_no, False, "clients send the stage as the first part of the path"),
    Option("stage_variables", _variable, (), "NAME=VALUE, repeatable", multiple=True),
    _xff("append", "append", "preserve", "remove", "replace"),
    _ERRORS,
    _LIMITS,
)


def _check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as keyword arguments of a codec."""
    arguments = dict(options)
    if "stage_variables" in arguments:
        arguments["stage_variables"] = dict(arguments["stage_variables"])
    return arguments


@implementer(IEventCodecMaker)
class AlbMaker:
    """Makes `alb` codecs."""

    name = "alb"
    also_called = ("elb", "elbv2", "load-balancer", "application-load-balancer")
    help = "Application Load Balancer with a Lambda target group"
    sample_host = "lb.example.com"
    paths = (("alb", "the path as sent, segment by segment; `/%61` is `/a`, an encoded slash separates nothing"),)
    variants = ("alb", "alb:multi_value=yes")
    options = (
        Option("multi_value", _yes_no, False, "multi-value headers, as the target group's attribute says"),
        Option(
            "target_group_arn",
            _arn,
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/lambdaproxy/0123456789abcdef",
            "ARN of the target group in the event",
        ),
        _xff("append", "append", "preserve", "remove", "replace"),
        Option("tls_headers", _yes_no, False, "add x-amzn-tls-version and x-amzn-tls-cipher-suite"),
        Option("tls_kx", _yes_no, False, "add x-amzn-tls-kx, the group of the key exchange"),
        Option(
            "identity_headers",
            _choice("drop", "keep"),
            "drop",
            "a client's x-amzn-oidc-* and x-amzn-mtls-*, which a load balancer writes: drop, or keep where one in "
            "front of us does",
        ),
        Option("empty_headers", _yes_no, False, "hand on header fields with an empty value, which ALB drops"),
        Option("server", _yes_no, True, "responses say `Server: awselb/2.0`"),
        _ERRORS,
        _LIMITS,
    )

    def make(self, options: Mapping[str, Any]) -> IEventCodec:
        """An `AlbCodec`."""
        from lambdaproxy.codecs._implements import AlbCodec

        return AlbCodec(**_check_options(options))


@implementer(IEventCodecMaker)
class RestApiMaker:
    """Makes `apigateway-v1` codecs."""

    name = "apigateway-v1"
    also_called = ("rest", "rest-api", "restapi", "apigateway", "api-gateway", "apigw", "apigw-v1")
    help = "API Gateway REST API with a Lambda proxy integration (payload 1.0)"
    sample_host = "api.example.com"
    authorizer_payloads = (("rest", "apigateway-v1"), ("token", "apigateway-v1"))
    paths = (("apigateway-v1", "as `alb`, with one slash in front and none behind: `//hello/` is `/hello`"),)
    options = (
        *_API_OPTIONS,
        Option("stage", _stage, "prod", "name of the stage"),
        Option("binary_media_types", _media_type, (), "media types whose bodies are binary, repeatable", multiple=True),
        Option("deployment_id", _identifier, None, "deployment identifier in the event (default: made up)"),
        Option("trace_self", _yes_no, True, "put Self= in front of a client's X-Amzn-Trace-Id"),
        Option("claims", _choice("typed", "strings"), "typed", "claims of a JWT: typed, or strings as Cognito's"),
        Option("context", _choice("strings", "typed"), "strings", "values of a Lambda authorizer's context"),
        Option("resource_id", _identifier, None, "resource identifier in the event (default: made up, one per route)"),
    )

    def make(self, options: Mapping[str, Any]) -> IEventCodec:
        """A `RestApiCodec`."""
        from lambdaproxy.codecs._implements import RestApiCodec

        return RestApiCodec(**_check_options(options))


@implementer(IEventCodecMaker)
class HttpApiMaker:
    """Makes `apigateway-v2` codecs, for either payload format."""

    name = "apigateway-v2"
    also_called = ("http", "http-api", "httpapi", "apigw-v2")
    help = "API Gateway HTTP API (payload 2.0, or 1.0)"
    variants = ("apigateway-v2", "apigateway-v2:payload=1.0")
    sample_host = "api.example.com"
    authorizer_payloads = (("2.0", "apigateway-v2"), ("1.0", "apigateway-v2:payload=1.0"))
    paths = (
        ("apigateway-v2", "the path decoded twice and cut at a `?` that came out of it"),
        ("apigateway-v2:payload=1.0", "the path decoded"),
    )
    options = (
        Option("payload", _choice("2.0", "1.0"), "2.0", "payload format version"),
        *_API_OPTIONS,
        Option("stage", _http_stage, "$default", "name of the stage"),
    )

    def make(self, options: Mapping[str, Any]) -> IEventCodec:
        """An `HttpApiCodec` or an `HttpApiPayload1Codec`; `ValueError` for the stage `$default` in a path."""
        from lambdaproxy.codecs._implements import HttpApiCodec, HttpApiPayload1Codec

        arguments = _check_options(options)
        if arguments["stage_in_path"] and arguments["stage"] == "$default":
            raise ValueError("stage_in_path needs a stage: $default is in no path")
        if arguments.pop("payload") == "1.0":
            return HttpApiPayload1Codec(**arguments)
        return HttpApiCodec(**arguments)


@implementer(IEventCodecMaker)
class FunctionUrlMaker:
    """Makes `function-url` codecs."""

    name = "function-url"
    also_called = ("url", "lambda-url", "function-urls")
    help = "Lambda function URL"
    paths = (("function-url", "the path with one slash in front, decoded"),)
    options = (
        Option("account", _url_account, "anonymous", "account in the event: anonymous, or 12 digits"),
        Option("url_id", _identifier, None, "URL identifier in the event (default: first label of the domain)"),
        Option("domain", _domain, None, "domain name in the event (default: the request's host)"),
        Option("tls_version", _word, "TLSv1.3", "x-amzn-tls-version where TLS ended in front of us"),
        Option("tls_cipher", _word, "TLS_AES_128_GCM_SHA256", "x-amzn-tls-cipher-suite, likewise"),
        _xff("pass", "pass", "replace", "append", "preserve", "remove"),
        _ERRORS,
        _LIMITS,
    )

    def make(self, options: Mapping[str, Any]) -> IEventCodec:
        """A `FunctionUrlCodec`."""
        from lambdaproxy.codecs._implements import FunctionUrlCodec

        return FunctionUrlCodec(**_check_options(options))


@implementer(IEventCodecMaker)
class VpcLatticeMaker:
    """Makes `vpc-lattice` codecs."""

    name = "vpc-lattice"
    also_called = ("lattice",)
    help = "VPC Lattice with a Lambda target group"
    variants = ("vpc-lattice", "vpc-lattice:version=1")
    paths = (("vpc-lattice", "as `alb`"),)
    options = (
        Option("version", _choice("2", "1"), "2", "event structure version of the target group"),
        Option("service_arn", _arn, _lattice_arn("service/svc"), "ARN of the service; its region is the event's"),
        Option("service_network_arn", _arn, _lattice_arn("servicenetwork/sn"), "ARN of the service network"),
        Option("target_group_arn", _arn, _lattice_arn("targetgroup/tg"), "ARN of the target group"),
        Option("source_vpc_arn", _arn, _SOURCE_VPC_ARN, "ARN of the VPC that clients are in"),
        Option("incomplete", _choice("refuse", "accept"), "refuse", "results without one of the required members"),
        _xff("append", "append", "preserve", "remove", "replace"),
        _ERRORS,
        _LIMITS,
    )

    def make(self, options: Mapping[str, Any]) -> IEventCodec:
        """A `VpcLatticeCodec`."""
        from lambdaproxy.codecs._implements import VpcLatticeCodec

        return VpcLatticeCodec(**(dict(options) | {"version": int(options["version"])}))


def _selection(text: str) -> str:
    from lambdaproxy.codecs._selection import Selection

    return Selection(text).expression


@implementer(IEventCodecMaker)
class WebSocketMaker:
    """Makes the codecs of WebSocket APIs."""

    name = "apigateway-websocket"
    also_called = ("websocket", "websockets", "ws")
    help = "API Gateway WebSocket API, for [websocket.NAME] tables"
    # A request of HTTP is no handshake: it is compared with none of the others.
    variants = ()
    messages = True
    options = (
        Option("account", _account, "123456789012", "account number of the API"),
        Option("api_id", _identifier, "lambdaprox", "API identifier in the event"),
        Option("domain", _place, None, "domain name in the event (default: the handshake's host)"),
        Option("stage", _stage, "prod", "name of the stage"),
        Option("stage_variables", _variable, (), "NAME=VALUE, repeatable", multiple=True),
        Option(
            "route_selection_expression",
            _selection,
            "$request.body.action",
            "what of a message says its route",
        ),
        Option("context", _choice("strings", "typed"), "strings", "values of a Lambda authorizer's context"),
        _xff("append", "append", "preserve", "remove", "replace"),
        _ERRORS,
        Option("limits", _choice("none", "aws"), "none", "aws: 128 KB a message, 32 KB a frame, 10 min, 2 h, 29 s"),
    )

    def make(self, options: Mapping[str, Any]) -> IEventCodec:
        """A `WebSocketCodec`."""
        from lambdaproxy.codecs._implements import WebSocketCodec

        return WebSocketCodec(**_check_options(options))


alb = AlbMaker()
apigateway_v1 = RestApiMaker()
apigateway_v2 = HttpApiMaker()
function_url = FunctionUrlMaker()
vpc_lattice = VpcLatticeMaker()
apigateway_websocket = WebSocketMaker()

MAKERS = (alb, apigateway_v1, apigateway_v2, apigateway_websocket, function_url, vpc_lattice)
