"""Every setting, declared once: name, parser, default, unit, help, and where it may stand.

A field `aws_region` is `--aws-region` on the command line and `aws-region` in the file. The command line wins over
the file; a route inherits what it does not set. `config.cli`, `config.toml` and the reference page are made from this.
It is one table, and long for that reason only: whoever looks for a setting finds it here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from lambdaproxy.config import (
    claim,
    cors,
    doors,
    filled,
    gateway_responses,
    rewrites,
    validation,
    values,
    versions,
)
from lambdaproxy.config.claim import ClaimCheck
from lambdaproxy.config.cors import Cors
from lambdaproxy.config.doors import FixedResponse, Rate, Redirect
from lambdaproxy.config.filled import Filled
from lambdaproxy.config.gateway_responses import GatewayResponse
from lambdaproxy.config.rewrites import Rewrite
from lambdaproxy.config.validation import Model
from lambdaproxy.config.values import Network, Spec
from lambdaproxy.config.versions import Canary, Shadow, Target
from lambdaproxy.messages import MOST_EVENT
from lambdaproxy.selection import parse_allow, parse_function

if TYPE_CHECKING:
    from lambdaproxy.selection import FunctionName, Pattern

COMMAND_LINE, FILE, ROUTE = "command line", "file", "route"
BOTH = frozenset((COMMAND_LINE, FILE))
EVERYWHERE = BOTH | {ROUTE}

_NUMBERS = frozenset(("N", "SECONDS", "BYTES", "PORT", "ENDPOINT", "STATUS"))
"""What may be a number in the file; names and patterns are texts, and a number there is a mistake."""


@dataclass(frozen=True, slots=True)
class Setting:
    """All there is to know of one setting: `multiple` ones are tuples, a `flag` takes no value on the command line."""

    name: str
    parse: Callable[[str], Any]
    default: Any
    help: str
    unit: str
    metavar: str
    where: frozenset[str]
    multiple: bool
    flag: bool
    section: str
    shown_default: str
    #: What a TOML table gives, where one may stand instead of a text.
    table: Callable[[Mapping[str, Any]], Any] | None = None

    def text(self, value: object) -> str:
        """The text of a TOML value, as one would write it on the command line.

        `ValueError` where a number or `true` stands for a text, or another kind of value than there can be.
        """
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and not values.takes_yes(self.parse) and not _NUMBERS & {*self.metavar.split("|")}:
            raise ValueError(f"{value} is a number; put it in quotes if it is meant as a text")
        return values.text_for(self.parse, value)


def setting(
    parse: Callable[[str], Any],
    default: Any,
    help: str,
    *,
    section: str = "",
    unit: str = "",
    metavar: str = "",
    where: frozenset[str] = BOTH,
    multiple: bool = False,
    flag: bool = False,
    shown_default: str = "",
    table: Callable[[Mapping[str, Any]], Any] | None = None,
) -> Any:
    """A dataclass field that carries its `Setting`; `shown_default` explains a default that is decided later."""
    about = (parse, default, help, unit, metavar, where, multiple, flag, section, shown_default, table)
    return field(default=default, metadata={"setting": about})


def _flag(help: str, *, section: str = "", where: frozenset[str] = BOTH) -> Any:
    return setting(values.yes_no, False, help, section=section, flag=True, where=where)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, with defaults; one of these for the whole, and one for every route."""

    port: str = setting(
        values.port, "8011", "Port to listen on, or a Twisted server endpoint.", section="Listening", metavar="PORT"
    )
    host: str = setting(
        values.host, "127.0.0.1", "Address to listen on, if --port is a number.", section="Listening", metavar="ADDRESS"
    )
    trusted_proxy: tuple[Network | None, ...] = setting(
        values.network,
        (),
        "Peer whose X-Forwarded-For, -Proto and -Port are believed: an address, a network, or none.",
        section="Listening",
        metavar="CIDR",
        multiple=True,
        shown_default="loopback and Unix sockets",
    )
    forwarded_host: bool = _flag(
        "Take the host from X-Forwarded-Host of trusted proxies, for routes and events; only if they replace what "
        "clients send there.",
        section="Listening",
    )
    allow_host: tuple[str, ...] = setting(
        values.host_pattern,
        (),
        "Host that is answered to, and whose web pages may ask: api.example.com, *.example.com, or * for any.",
        section="Listening",
        metavar="HOST",
        multiple=True,
        shown_default="on loopback without --allow those of loopback and of routes, elsewhere any",
    )
    workers: int | None = setting(
        values.workers,
        None,
        "Worker processes that share the port, kept by a supervisor that also reloads; auto: one for each processor.",
        section="Workers",
        metavar="N|auto",
        shown_default="one process, and no supervisor",
    )
    control: str | None = setting(
        values.file,
        None,
        "Unix socket of the supervisor, for lambdaproxy ctl; only its owner may use it.",
        section="Workers",
        metavar="PATH",
        shown_default="with --workers under systemd, control in the unit's RuntimeDirectory",
    )
    websocket_node: int = setting(
        values.whole(0, 65535),
        0,
        "Number of this host among those that serve the same WebSocket APIs; the ids of its connections carry it.",
        section="Workers",
        metavar="N",
    )
    format: Spec = setting(
        values.spec,
        Spec("alb"),
        "Which front door's events to send, with options as in alb:multi_value=yes.",
        section="Functions",
        metavar="NAME[:KEY=VALUE...]",
        where=EVERYWHERE,
    )
    function: FunctionName | None = setting(
        parse_function,
        None,
        "Function to invoke when neither a route nor the header says which: NAME, a partial or a full ARN, with a "
        ":QUALIFIER or not.",
        section="Functions",
        metavar="FUNCTION",
        where=EVERYWHERE,
    )
    function_header: str | None = setting(
        values.header_name,
        "X-Lambda-Function",
        "Header that names the function; none: no header does.",
        section="Functions",
        metavar="HEADER",
    )
    allow: tuple[Pattern, ...] = setting(
        parse_allow,
        (),
        "Functions the header may name: api-* for names, api-*:prod for that alias, api-*:* for any, arn:... for ARNs.",
        section="Functions",
        metavar="PATTERN",
        multiple=True,
        shown_default="on loopback any name, elsewhere the start is refused",
    )
    insecure: bool = _flag("Permit --allow '*' on an address that other machines reach.", section="Functions")
    cors: Cors | None = setting(
        cors.cors,
        None,
        "Web pages that may call, told to browsers as the format's service tells it: * or origins with commas between "
        "them; more can be said in a [cors] table.",
        section="Functions",
        metavar="ORIGINS",
        where=EVERYWHERE,
        table=cors.cors_of_table,
        shown_default="the function says it",
    )
    authorizer: str | None = setting(
        values.plugin_name,
        None,
        "Who may have the function invoked: the name of an [authorizer.NAME] table, or none for anybody.",
        section="Functions",
        metavar="NAME",
        where=frozenset((FILE, ROUTE)),
        shown_default="anybody",
    )
    scopes: tuple[str, ...] = setting(
        values.scope,
        (),
        "Scope that a token must have, if there are several one of them; for an authorizer of kind jwt.",
        section="Functions",
        metavar="SCOPE",
        where=frozenset((FILE, ROUTE)),
        multiple=True,
    )
    allow_from: tuple[Network, ...] = setting(
        values.source,
        (),
        "Address or network of clients that may ask; others get 403.",
        section="Functions",
        metavar="CIDR",
        where=EVERYWHERE,
        multiple=True,
        shown_default="any",
    )
    deny_from: tuple[Network, ...] = setting(
        values.source,
        (),
        "Address or network of clients that may not ask; they get 403.",
        section="Functions",
        metavar="CIDR",
        where=EVERYWHERE,
        multiple=True,
    )
    rate: Rate | None = setting(
        doors.rate,
        None,
        "Requests that may come on average, as in 100/s, 60/m or 1000/h; others get 429.",
        section="Functions",
        metavar="N/UNIT",
        where=EVERYWHERE,
        shown_default="any",
    )
    burst: int | None = setting(
        values.whole(0),
        None,
        "Requests that may come at once after a pause, with a rate.",
        section="Functions",
        metavar="N",
        where=EVERYWHERE,
        shown_default="a second's worth, at least 1",
    )
    rate_by: str = setting(
        doors.rate_by,
        "route",
        "Who has a rate of his own: route is all together, client an address; key, principal and claim.NAME are what "
        "the authorizer found out.",
        section="Functions",
        metavar="WHO",
        where=EVERYWHERE,
    )
    redirect: Redirect | None = setting(
        doors.redirect,
        None,
        "Where clients are sent instead of to a function, as in https://#{host}/#{path}; more can be said in a table.",
        section="Functions",
        metavar="URL",
        where=frozenset((FILE, ROUTE)),
        table=doors.redirect_of_table,
    )
    fixed_response: FixedResponse | None = setting(
        doors.fixed,
        None,
        "What is answered instead of by a function: a status, or a table with status-code, content-type, message-body.",
        section="Functions",
        metavar="STATUS",
        where=frozenset((FILE, ROUTE)),
        table=doors.fixed_of_table,
    )
    response_headers: tuple[tuple[str, str], ...] = setting(
        doors.headers,
        (),
        "A table of header fields that every answer gets; they replace the function's of the same name.",
        section="Functions",
        metavar="TABLE",
        where=frozenset((FILE, ROUTE)),
        table=doors.headers_of_table,
    )
    gateway_responses: tuple[GatewayResponse, ...] = setting(
        gateway_responses.responses,
        (),
        "A table of other answers to what goes wrong, by the types of a REST API's gateway responses.",
        section="Functions",
        metavar="TABLE",
        where=frozenset((FILE, ROUTE)),
        table=gateway_responses.responses_of_table,
        shown_default="the format's own",
    )
    request_parameters: tuple[str, ...] = setting(
        validation.parameter,
        (),
        "Parameter that a request must have, else it gets 400: header.NAME, querystring.NAME or path.NAME.",
        section="Functions",
        metavar="PARAMETER",
        where=frozenset((FILE, ROUTE)),
        multiple=True,
    )
    request_models: tuple[Model, ...] = setting(
        validation.models,
        (),
        "JSON Schema file that bodies of application/json must fit, else they get 400; or a table of files by content "
        "type, $default for all others.",
        section="Functions",
        metavar="FILE",
        where=frozenset((FILE, ROUTE)),
        table=validation.models_of_table,
        shown_default="none",
    )
    split: tuple[Target, ...] | None = setting(
        versions.split,
        None,
        "Table of functions that share a route's requests, FUNCTION or FUNCTION@INVOKER, and their weights.",
        section="Functions",
        metavar="TABLE",
        where=frozenset((ROUTE,)),
        table=versions.split_of_table,
        shown_default="the route's function has all",
    )
    canary: Canary | None = setting(
        versions.canary,
        None,
        "Version that gets more and more of the route's requests while it does as well as function, FUNCTION or "
        "FUNCTION@INVOKER; or a table with function, steps, interval, requests, errors and latency.",
        section="Functions",
        metavar="FUNCTION",
        where=frozenset((ROUTE,)),
        table=versions.canary_of_table,
    )
    shadow: Shadow | None = setting(
        versions.shadow,
        None,
        "Version that is sent GET and HEAD requests too, and all of a route that is repeatable, and whose answers are "
        "only compared; or a table with function, share, at-once and max-result.",
        section="Functions",
        metavar="FUNCTION",
        where=frozenset((ROUTE,)),
        table=versions.shadow_of_table,
    )
    failover: tuple[str, ...] = setting(
        values.plugin_name,
        (),
        "Invoker that is asked next where the function certainly did not run: the name of an [invoker.NAME] table.",
        section="Functions",
        metavar="NAME",
        where=frozenset((FILE, ROUTE)),
        multiple=True,
    )
    sticky: str | None = setting(
        versions.sticky,
        None,
        "By what somebody is known again who is to have the same version: cookie, header.NAME, query.NAME, claim.NAME, "
        "principal or key.",
        section="Functions",
        metavar="WHO",
        where=frozenset((ROUTE,)),
        shown_default="each request has a version of its own",
    )
    sticky_duration: float = setting(
        values.seconds,
        float(versions.DAY),
        "How long a visitor keeps the cookie of sticky.",
        section="Functions",
        unit="seconds",
        metavar="SECONDS",
        where=frozenset((FILE, ROUTE)),
    )
    claim_check: ClaimCheck | None = setting(
        claim.claim_check,
        None,
        "Where in S3 request bodies are kept that are too large for an event, BUCKET/PREFIX; or a table with bucket, "
        "prefix, above, region, endpoint-url, invoker, owner, expires, upload-timeout, at-once and results.",
        section="Functions",
        metavar="BUCKET/PREFIX",
        where=frozenset((ROUTE,)),
        table=claim.claim_check_of_table,
        shown_default="nowhere",
    )
    strip_prefix: str | None = setting(
        rewrites.prefix,
        None,
        "Segments at the beginning of the path that the function is not shown, as in /api/v1.",
        section="Functions",
        metavar="PATH",
        where=frozenset((FILE, ROUTE)),
    )
    rewrite: Rewrite | None = setting(
        rewrites.rewrite,
        None,
        "Path that the function is shown, with {name} for path parameters; or a table with regex and replace.",
        section="Functions",
        metavar="PATH",
        where=frozenset((FILE, ROUTE)),
        table=rewrites.rewrite_of_table,
    )
    rewrite_host: Rewrite | None = setting(
        rewrites.host,
        None,
        "Host that the function is shown; or a table with regex and replace.",
        section="Functions",
        metavar="HOST",
        where=frozenset((FILE, ROUTE)),
        table=rewrites.host_of_table,
    )
    timeout: float | None = setting(
        values.seconds,
        None,
        "How long an invocation may take before the client gets an error.",
        section="Functions",
        unit="seconds",
        metavar="SECONDS",
        where=EVERYWHERE,
        shown_default="1800 on AWS; embedded 2 more than the function's own time-out, which is 30",
    )
    max_body: int = setting(
        values.size,
        MOST_EVENT,
        "Largest request body; a larger one is answered 413.",
        section="Limits",
        unit="bytes",
        metavar="BYTES",
        where=EVERYWHERE,
    )
    max_requests: int = setting(
        values.whole(1),
        2048,
        "Requests in progress at once; more are answered 503.",
        section="Limits",
        metavar="N",
    )
    max_connections: int = setting(
        values.whole(1),
        10_000,
        "Connections open at once, or as many as the open files limit has room for; more are answered 503.",
        section="Limits",
        metavar="N",
    )
    max_header_size: int = setting(
        values.size,
        16 * 1024,
        "Largest header section, request line included; a larger one is answered 431 (or 414).",
        section="Limits",
        unit="bytes",
        metavar="BYTES",
    )
    max_header_fields: int = setting(
        values.whole(1),
        100,
        "Header fields of a request; more are answered 431.",
        section="Limits",
        metavar="N",
    )
    max_target: int = setting(
        values.size,
        8 * 1024,
        "Longest request target (path and query); a longer one is answered 414.",
        section="Limits",
        unit="bytes",
        metavar="BYTES",
    )
    max_body_framing: int = setting(
        values.size,
        64 * 1024,
        "Bytes of chunk framing that a body may have besides as many as its own; more is answered 413.",
        section="Limits",
        unit="bytes",
        metavar="BYTES",
    )
    max_pipelined: int = setting(
        values.whole(1),
        32,
        "Requests of one connection that are answered before other connections get their turn.",
        section="Limits",
        metavar="N",
    )
    max_bodies: int = setting(
        values.size,
        512 * 1024 * 1024,
        "Bytes of request bodies and events in memory at once, all together; beyond that requests are answered 503.",
        section="Limits",
        unit="bytes",
        metavar="BYTES",
    )
    max_unwritten: int = setting(
        values.size,
        256 * 1024 * 1024,
        "Bytes of answers that may wait in memory; beyond that the slowest readers are cut off, then requests get 503.",
        section="Limits",
        unit="bytes",
        metavar="BYTES",
    )
    header_timeout: float = setting(
        values.seconds,
        10.0,
        "How long a client may take to send a header section, TLS handshake included; then it is answered 408.",
        section="Limits",
        unit="seconds",
        metavar="SECONDS",
    )
    body_timeout: float = setting(
        values.seconds,
        20.0,
        "How long a client may take to send a body, plus the time its bytes take at --body-rate; then 408.",
        section="Limits",
        unit="seconds",
        metavar="SECONDS",
    )
    body_rate: int = setting(
        values.whole(1),
        500,
        "Slowest rate at which a body may arrive after --body-timeout.",
        section="Limits",
        unit="bytes per second",
        metavar="N",
    )
    body_timeout_max: float = setting(
        values.seconds,
        120.0,
        "How long a body may take however fast it arrives; then 408.",
        section="Limits",
        unit="seconds",
        metavar="SECONDS",
    )
    idle_timeout: float = setting(
        values.seconds,
        75.0,
        "How long a kept connection may wait for its next request; longer than the proxy in front waits.",
        section="Limits",
        unit="seconds",
        metavar="SECONDS",
    )
    write_timeout: float = setting(
        values.seconds,
        30.0,
        "How long a client may read nothing of an answer; then its connection is ended.",
        section="Limits",
        unit="seconds",
        metavar="SECONDS",
    )
    write_rate: int = setting(
        values.whole(1),
        500,
        "Slowest rate at which an answer that waits may be read after --write-timeout.",
        section="Limits",
        unit="bytes per second",
        metavar="N",
    )
    linger_timeout: float = setting(
        values.seconds,
        2.0,
        "How long we read on, and throw away, after refusing a request, so that the client sees the answer.",
        section="Limits",
        unit="seconds",
        metavar="SECONDS",
    )
    invoker: str | None = setting(
        values.plugin_name,
        None,
        "Invoker for functions that are not embedded: aws, local, or the name of an [invoker.NAME] table.",
        section="Invoking",
        metavar="NAME",
        where=EVERYWHERE,
        shown_default="aws; local when embedded functions are given and --allow is not",
    )
    invoke_mode: str = setting(
        values.one_of("buffered", "response-stream", "event", "dry-run"),
        "buffered",
        "How to invoke: buffered takes the result whole; response-stream passes it on as it comes; event hands the "
        "event over and answers 202; dry-run only asks for permission and answers 204.",
        section="Invoking",
        metavar="MODE",
        where=EVERYWHERE,
    )
    retry: str = setting(
        values.one_of("safe", "idempotent", "never"),
        "safe",
        "When to invoke again after a failure: safe, where the function cannot have run; idempotent, also where nobody "
        "knows, for GET, HEAD and OPTIONS and for routes that are repeatable; never.",
        section="Invoking",
        metavar="POLICY",
    )
    repeatable: bool = _flag(
        "Functions may run twice for one request whatever its method, if --retry is idempotent.",
        section="Invoking",
        where=EVERYWHERE,
    )
    client_context: str | Filled | None = setting(
        filled.filled("context", values.json_object),
        None,
        "Client context for every invocation: a JSON object, with places as in tenant-id.",
        section="Invoking",
        metavar="JSON",
        where=EVERYWHERE,
    )
    tenant_id: str | Filled | None = setting(
        filled.filled("tenant", values.tenant_id),
        None,
        "Tenant id, for functions with tenant isolation; {header.NAME}, {path.NAME}, {query.NAME}, {claim.NAME}, "
        "{principal} and {key} are filled from the request.",
        section="Invoking",
        metavar="ID",
        where=EVERYWHERE,
    )
    durable_name: str | Filled | None = setting(
        filled.filled("durable", values.durable_name),
        None,
        "Beginning of the durable execution's name, the request id follows; with places as in tenant-id, the whole "
        "name.",
        section="Invoking",
        metavar="PREFIX",
        where=EVERYWHERE,
    )
    durable_arn: bool = _flag(
        "Tell clients the ARN of the durable execution, in X-Amz-Durable-Execution-Arn; with invoke-mode event it is "
        "told anyway.",
        section="Invoking",
        where=EVERYWHERE,
    )
    log_tail: bool = _flag(
        "Fetch the last 4 KB of the function's log with each result, and write them to our log.",
        section="Invoking",
        where=EVERYWHERE,
    )
    aws_region: str | None = setting(
        values.text,
        None,
        "AWS region.",
        section="Invoking",
        metavar="REGION",
        shown_default="AWS_REGION, AWS_DEFAULT_REGION, the profile's, else us-east-1",
    )
    aws_profile: str | None = setting(
        values.text,
        None,
        "Profile of the AWS configuration files.",
        section="Invoking",
        metavar="PROFILE",
        shown_default="AWS_PROFILE",
    )
    endpoint_url: str | None = setting(
        values.endpoint_url,
        None,
        "Where the Lambda API is, if not at AWS: https, or http on this machine.",
        section="Invoking",
        metavar="URL",
    )
    http_endpoint: bool = _flag(
        "Permit an http endpoint URL beyond this machine: session tokens and payloads travel in the clear.",
        section="Invoking",
    )
    ca_bundle: str | None = setting(
        values.file,
        None,
        "PEM file of the authorities to trust at the Lambda API.",
        section="Invoking",
        metavar="FILE",
        shown_default="AWS_CA_BUNDLE, the profile's, else the system's",
    )
    max_in_flight: int | None = setting(
        values.whole(1),
        None,
        "Invocations at once on AWS; as many more may wait for a second.",
        section="Invoking",
        metavar="N",
        shown_default="1024",
    )
    on_disconnect: str | None = setting(
        values.one_of("finish", "abort"),
        None,
        "When a client has gone while its function runs: finish drops the result when it comes; abort closes the "
        "connection to AWS, or ends the process of an embedded function.",
        section="Invoking",
        metavar="finish|abort",
        shown_default="finish; for streams abort",
    )
    local: tuple[str, ...] = setting(
        values.text,
        (),
        "Embedded function, run by this machine: hello=examples/hello.py:handler or hello=package.module:handler.",
        section="Embedded functions",
        metavar="NAME=HANDLER",
        multiple=True,
    )
    local_concurrency: int = setting(
        values.whole(1, 1000),
        10,
        "Workers of one embedded function at most.",
        section="Embedded functions",
        metavar="N",
    )
    local_queue: int = setting(
        values.whole(0),
        100,
        "Invocations that may wait for a worker; 0 throttles as AWS does.",
        section="Embedded functions",
        metavar="N",
    )
    sam_template: str | None = setting(
        values.file,
        None,
        "Template of SAM, CloudFormation or the CDK, serverless.yml, or OpenAPI document, whose functions and HTTP "
        "routes to serve: a file, or its folder.",
        section="Embedded functions",
        metavar="FILE",
    )
    template_parameters: tuple[str, ...] = setting(
        values.parameter,
        (),
        "Value of a parameter of the template, instead of its default.",
        section="Embedded functions",
        metavar="NAME=VALUE",
        multiple=True,
    )
    env_vars: str | None = setting(
        values.file,
        None,
        "JSON file with values for variables of the template's functions, as the SAM command line takes it.",
        section="Embedded functions",
        metavar="FILE",
    )
    open_authorizers: bool = _flag(
        "Let everybody in where the template names an authorizer that cannot be asked here; else nobody is.",
        section="Embedded functions",
    )
    api_keys: str | None = setting(
        values.file,
        None,
        "API keys for the template's routes: on each line a name and the SHA-256 of its key, in hexadecimal.",
        section="Embedded functions",
        metavar="FILE",
    )
    iam_keys: str | None = setting(
        values.file,
        None,
        "Keys that requests to the template's routes with AWS_IAM are signed with; only its owner may read the file.",
        section="Embedded functions",
        metavar="FILE",
    )
    no_reload: bool = _flag("Do not look for changed files of functions.", section="Embedded functions")
    debug: tuple[str, ...] = setting(
        values.text,
        (),
        "Run this embedded function under a debugger, without deadlines: debugpy, or Node's inspector.",
        section="Embedded functions",
        metavar="NAME[:PORT]",
        multiple=True,
    )
    invoke_api: str | None = setting(
        values.endpoint,
        None,
        "Serve the Lambda Invoke API for SDKs on this port or endpoint.",
        section="Embedded functions",
        metavar="ENDPOINT",
    )
    invoke_api_keys: str = setting(
        values.file,
        "invoke-api-keys",
        "AWS credentials file with the keys that the Invoke API accepts; made there, mode 0600, if absent.",
        section="Embedded functions",
        metavar="FILE",
    )
    invoke_api_unsigned: bool = _flag(
        "Accept unsigned calls of the Invoke API; on loopback only.", section="Embedded functions"
    )
    disable_metrics: bool = _flag("Do not serve /metrics.", section="Observing")
    metrics_listen: str | None = setting(
        values.endpoint,
        None,
        "Serve /metrics, /healthz and /readyz on this port or endpoint instead of the main one.",
        section="Observing",
        metavar="ENDPOINT",
    )
    inspect: str | None = setting(
        values.endpoint_or_off,
        None,
        "Show requests, events, logs, results and answers on a page at this port or endpoint; off: nowhere.",
        section="Observing",
        metavar="ENDPOINT|off",
        shown_default="8012 if every function is embedded and the listener is on loopback, else off",
    )
    prices: str | None = setting(
        values.file,
        None,
        "What AWS charges in your region or by your contract, for the inspector's page of the bill.",
        section="Observing",
        metavar="FILE",
        shown_default="our own file, of us-east-1",
    )
    access_log: str | None = setting(
        values.log_file,
        None,
        "Where the access lines go: - for standard output, a file, or off.",
        section="Observing",
        metavar="-|FILE|off",
        shown_default="where twistd logs",
    )
    log_format: str | None = setting(
        values.one_of("text", "json"),
        None,
        "How the log is written: text for people, or JSON, one object a line; access lines that go there, too.",
        section="Observing",
        metavar="text|json",
        shown_default="text on a terminal, JSON elsewhere",
    )
    log_level: str = setting(
        values.one_of("debug", "info", "warn", "error", "critical"),
        "info",
        "The least level that is logged; access lines and what functions print are no matter of levels.",
        section="Observing",
        metavar="LEVEL",
    )
    error_detail: bool | None = setting(
        values.yes_no,
        None,
        "Say in error responses what went wrong; for development.",
        section="Observing",
        metavar="yes|no",
        where=EVERYWHERE,
        shown_default="yes if every function is embedded and the listener is on loopback",
    )
    drain_timeout: float = setting(
        values.seconds,
        30.0,
        "How long requests in progress may take to finish when we are told to stop.",
        section="Limits",
        unit="seconds",
        metavar="SECONDS",
    )


def _collect() -> Mapping[str, Setting]:
    found = {}
    for each in fields(Settings):
        name = each.name.replace("_", "-")
        found[name] = Setting(name, *each.metadata["setting"])
    return found


SETTINGS: Mapping[str, Setting] = _collect()
"""All settings by their public name, in the order of the help text."""


def attribute(name: str) -> str:
    """The field of `Settings` that the public name stands for."""
    return name.replace("-", "_")
