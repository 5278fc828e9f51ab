"""Environment variables of functions: which names one may set, and files that hold them."""

from __future__ import annotations

import re
from pathlib import Path

RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "_LAMBDA_TELEMETRY_LOG_FD",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_HTTP_ENDPOINT",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_MAX_CONCURRENCY",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
        "PYTHONSAFEPATH",
    }
)
"""Variables a function cannot set. AWS reserves the credentials too; here a developer may give test ones by hand."""

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)\Z")


def check_variable(name: str) -> str:
    """The name of an environment variable, if a function may set it; raises `ValueError`."""
    if not re.fullmatch(r"[a-zA-Z]\w*", name, re.ASCII):
        raise ValueError(f"{name!r} is no name that Lambda takes for an environment variable")
    if name in RESERVED:
        raise ValueError(f"{name} is reserved: Lambda sets it itself")
    return name


def read_env_file(path: str) -> dict[str, str]:
    """`NAME=value` lines with `#` comments and optional quotes; raises `ValueError` that names the line.

    Names that Lambda sets itself are refused, as in a `[function.NAME]` table.
    """
    out: dict[str, str] = {}
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ValueError(f"cannot read {path}: {problem}") from None
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        found = _ASSIGNMENT.match(line)
        if "\0" in line:
            raise ValueError(f"{path}, line {number}: holds a NUL, which no environment can")
        if found is None or found[1] in RESERVED:
            why = "is reserved: Lambda sets it itself" if found else "is not NAME=value"
            raise ValueError(f"{path}, line {number}: {found[1] if found else 'the line'} {why}")
        value = found[2]
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        out[found[1]] = value
    return out
