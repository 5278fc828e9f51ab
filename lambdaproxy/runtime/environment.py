"""What all functions of an invoker share, and the environment of a worker process.

It is built from nothing, in the shape that AWS documents and that its runtimes show; what the operator's own
environment holds reaches no function, his credentials least of all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from lambdaproxy.runtime.functions import FunctionSettings
from lambdaproxy.runtime.layers import Layout, Namespaces
from lambdaproxy.runtime.variables import read_env_file

_INHERITED = ("PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_CA_BUNDLE",
)
DUMMY_KEY = "lambdaproxy"


class CannotStart(Exception):
    """The function's program is missing or cannot be run; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Site:
    """What all functions of one invoker share: region, account, whether files are watched, where to invoke each other.

    `keys` are an access key, a secret key and a session token (or None) that functions get in place of the operator's:
    those of our own Invoke API where it is served, else dummies. `environ` is the operator's environment.
    `interpreters` are those on this machine for a runtime's identifier, `missing` those that are not; `sdk` is a folder
    with boto3 for functions that have none, and `cache` one for the byte code of functions that are watched. `hosts` is
    a file for functions with extensions, in which `sandbox.localdomain` is this machine.
    """

    region: str = "us-east-1"
    account: str = "123456789012"
    reload: bool = True
    endpoint: str | None = None
    keys: tuple[str, str, str | None] = field(default=(DUMMY_KEY, DUMMY_KEY, DUMMY_KEY), repr=False)
    debug: Mapping[str, int] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)
    namespaces: Namespaces = field(default_factory=Namespaces)
    interpreters: Mapping[str, str] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    sdk: str | None = None
    cache: str | None = None
    hosts: str = ""

    def arn(self, name: str, qualifier: str | None = None) -> str:
        """The ARN that an invocation of this function shows; the qualifier only if the caller gave one."""
        arn = f"arn:aws:lambda:{self.region}:{self.account}:function:{name}"
        return f"{arn}:{qualifier}" if qualifier else arn


def _libraries(folder: str) -> bool:
    """Whether there are libraries that a dynamic linker would look for."""
    try:
        with os.scandir(folder) as entries:
            return any(entry.name.startswith("lib") and ".so" in entry.name for entry in entries)
    except OSError:
        return False


def _search_paths(settings: FunctionSettings, places: Layout, own: dict[str, str]) -> None:
    """Programs and libraries of layers and of the function, in Lambda's order."""
    programs = places.seen("bin")
    if programs:
        own["PATH"] = os.pathsep.join([own.get("PATH", os.defpath), *programs])
    libraries = [one for one in (settings.directory, os.path.join(settings.directory, "lib")) if _libraries(one)]
    libraries += places.seen("lib")
    if libraries:
        own["LD_LIBRARY_PATH"] = os.pathsep.join(libraries)
    if settings.family == "nodejs":
        packages = [os.path.join(settings.directory, "node_modules"), *places.node_folders(settings.runtime)]
        own["NODE_PATH"] = os.pathsep.join(packages)


def variables(settings: FunctionSettings, site: Site, places: Layout, address: str, log_stream: str) -> dict[str, str]:
    """All variables of one worker whose Runtime API is at `address`; raises `CannotStart`."""
    own = {name: site.environ[name] for name in _INHERITED if name in site.environ}
    own |= {
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": f"{settings.timeout:g}",
        "LAMBDAPROXY": "1",
    }
    own |= _credentials(settings, site)
    if site.endpoint is not None:
        own["AWS_ENDPOINT_URL_LAMBDA"] = site.endpoint
    if places.plan:
        own.pop("TMPDIR", None)  # /tmp is its own
    _search_paths(settings, places, own)
    if settings.log_format == "json" or settings.threads:
        own["AWS_LAMBDA_LOG_FORMAT"] = "JSON"
    if settings.env_file:
        try:
            own |= read_env_file(settings.env_file)
        except ValueError as problem:
            raise CannotStart(str(problem)) from None
    own |= dict(settings.environment)
    if site.reload:
        # A .pyc is checked by whole seconds and size: an edit within a second could run the old code.
        own["PYTHONDONTWRITEBYTECODE"] = "1"
    own |= {
        "_HANDLER": settings.handler,
        "AWS_REGION": site.region,
        "AWS_DEFAULT_REGION": site.region,
        "AWS_LAMBDA_FUNCTION_NAME": settings.name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(settings.memory),
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{settings.name}",
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": address,
        "LAMBDA_TASK_ROOT": settings.directory,
        "LAMBDA_RUNTIME_DIR": os.path.dirname(os.path.abspath(__file__)),
    }
    if settings.per_environment and settings.ours:
        own["AWS_LAMBDA_MAX_CONCURRENCY"] = str(settings.per_environment)
        own["AWS_LAMBDA_INITIALIZATION_TYPE"] = "lambda-managed-instances"
    # Our bootstrap names the Node that runs it where the function names none: since 24 other rules hold.
    if settings.family != "provided" and not (settings.runtime == "nodejs" and settings.ours):
        own["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{identifier(settings)}"
    return own


def identifier(settings: FunctionSettings) -> str:
    """The runtime's identifier as AWS writes it; for a family without version that of a runtime in use today.

    Not cosmetic: from `python3.12` on, Lambda writes JSON without escapes.
    """
    if settings.runtime == "python":
        own = settings.python is None
        return f"python{sys.version_info[0]}.{sys.version_info[1]}" if own else "python3.13"
    if settings.runtime == "nodejs":
        return "nodejs22.x"
    return settings.runtime


def _credentials(settings: FunctionSettings, site: Site) -> dict[str, str]:
    if settings.credentials == "inherit":
        return {name: site.environ[name] for name in _CREDENTIALS if name in site.environ}
    access, secret, token = site.keys
    own = {
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
        # An SDK would find the operator's own in his files or on his machine's metadata address.
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    if token is not None:
        own["AWS_SESSION_TOKEN"] = token
    return own
