"""The keys that the Invoke API accepts: an AWS credentials file of our own, readable by its owner alone."""

from __future__ import annotations

import base64
import configparser
import os
import secrets
import stat
from pathlib import Path

from lambdaproxy.wire.sigv4 import Keys

_HEADER = """\
# Keys for the Invoke API of lambdaproxy on this machine. AWS knows nothing of them.
# Use: AWS_SHARED_CREDENTIALS_FILE={path} aws lambda invoke --endpoint-url URL ...
[default]
aws_access_key_id = {access}
aws_secret_access_key = {secret}
"""


def load_or_make_keys(path: str) -> tuple[Keys, ...]:
    """The keys of every profile in the credentials file at `path`, which is made, with mode 0600, if it is absent.

    Raises `ValueError` with a sentence that names the file, never a key, where the file cannot be read, is open to
    others, or holds no complete pair of keys.
    """
    try:
        _make(path)
    except FileExistsError:
        pass
    except OSError as problem:
        raise ValueError(f"{path} cannot be made: {problem.strerror}") from None
    return read_keys(path)


def read_keys(path: str) -> tuple[Keys, ...]:
    """The same of a file that is there."""
    try:
        mode = os.stat(path).st_mode
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is not UTF-8"
        raise ValueError(f"{path} cannot be read: {reason}") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ValueError(f"{path} can be read by others; chmod 600 {path}")
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(text)
    except configparser.Error:
        # The parser's own text quotes the line, which may hold a secret.
        raise ValueError(f"{path} is no AWS credentials file") from None
    found = []
    for section in parser.sections():
        access = parser.get(section, "aws_access_key_id", fallback="")
        secret = parser.get(section, "aws_secret_access_key", fallback="")
        if access and secret:
            found.append(Keys(access, secret, parser.get(section, "aws_session_token", fallback=None)))
    if not found:
        raise ValueError(f"{path} holds no profile with aws_access_key_id and aws_secret_access_key")
    return tuple(found)


def _make(path: str) -> None:
    access = "AKIA" + base64.b32encode(os.urandom(10)).decode()
    secret = secrets.token_urlsafe(30)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(_HEADER.format(path=os.path.abspath(path), access=access, secret=secret))
    except OSError:
        os.unlink(path)  # half of it, on a full disc, would be in the way of the next start
        raise
