"""Lets in who signs with a key that we have issued: what APIs and function URLs call AWS_IAM.

AWS's own keys cannot be verified by anybody but AWS: a signature needs the secret, and that never travels. So keys are
ours, in a file that only our user may read, and whoever has one signs with any SDK.
"""

from __future__ import annotations

import configparser
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from lambdaproxy.authorizers.policy import like
from lambdaproxy.authorizers.watched import Watched
from lambdaproxy.errors import NotSigned
from lambdaproxy.interfaces import IAuthorizer
from lambdaproxy.messages import Grant, Match, Request
from lambdaproxy.wire.signed import Refusal, verify
from lambdaproxy.wire.sigv4 import Keys

API, URL = "execute-api", "lambda"
ACCOUNT = "123456789012"

_NAME = re.compile(r"[A-Za-z0-9+=,.@_-]{1,64}")
_KEY = re.compile(r"[A-Za-z0-9]{16,128}")
_KNOWN = frozenset(
    (
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "account",
        "user_id",
        "user_arn",
        "org",
        "allow",
    )
)
SHORTEST_SECRET = 30
"""Characters of a secret; AWS's own have 40."""


@dataclass(frozen=True, slots=True)
class User:
    """Who has a key, and what events say of him; `allow` are patterns of methods and routes, none for all."""

    name: str
    keys: Keys
    grant: Grant
    allow: tuple[str, ...] = ()


def read_users(path: str) -> Mapping[str, User]:
    """Users by access key; `ValueError` that names the section but never a secret, `OSError` if it cannot be read."""
    mode = os.stat(path).st_mode
    if stat.S_IMODE(mode) & 0o077:
        raise ValueError(f"{path} can be read by others; chmod 600 {path}")
    parser = configparser.RawConfigParser(default_section="")
    try:
        parser.read_string(Path(path).read_text("utf-8-sig"))
    except (configparser.Error, UnicodeDecodeError):
        # The parser's own text quotes the line, which may hold a secret.
        raise ValueError(f"{path} is no file of [NAME] sections with aws_access_key_id and the like") from None
    found: dict[str, User] = {}
    for name in parser.sections():
        user = _user(path, name, dict(parser.items(name)))
        if user.keys.access_key in found:
            raise ValueError(f"{path}: [{name}]: its access key stands in the file already")
        found[user.keys.access_key] = user
    return found


def _user(path: str, name: str, said: Mapping[str, str]) -> User:
    def wrong(what: str) -> ValueError:
        return ValueError(f"{path}: [{name[:64]}]: {what}")

    if not _NAME.fullmatch(name):
        raise wrong("a name has 1 to 64 letters, digits and + = , . @ _ -")
    unknown = sorted(said.keys() - _KNOWN)
    if unknown:
        raise wrong(f"there is no key {unknown[0][:40]!r}; keys are {', '.join(sorted(_KNOWN))}")
    access, secret = said.get("aws_access_key_id", ""), said.get("aws_secret_access_key", "")
    if not _KEY.fullmatch(access):
        raise wrong("aws_access_key_id must have 16 to 128 letters and digits")
    if len(secret) < SHORTEST_SECRET or not secret.isascii():
        raise wrong(f"aws_secret_access_key must have {SHORTEST_SECRET} characters at least")
    account = said.get("account", ACCOUNT)
    if not re.fullmatch(r"\d{12}", account):
        raise wrong("account must have twelve digits")
    user_id = said.get("user_id", access)
    arn = said.get("user_arn", f"arn:aws:iam::{account}:user/{name}")
    grant = Grant(
        "iam",
        principal=arn,
        context={
            "accessKey": access,
            "accountId": account,
            "callerId": user_id,
            "cognitoIdentity": None,
            "principalOrgId": said.get("org"),
            "userArn": arn,
            "userId": user_id,
        },
        key_id=name,
    )
    allow = tuple(
        each.strip() for each in said.get("allow", "").splitlines() for each in each.split(",") if each.strip()
    )
    return User(name, Keys(access, secret, said.get("aws_session_token") or None), grant, allow)


@implementer(IAuthorizer)
class IamAuthorizer:
    """`service` is `execute-api` or `lambda`, `place` the ARN of the API and stage as far as its refusals show it."""

    reads_body = True

    def __init__(
        self,
        path: str,
        seconds: Callable[[], float],
        wall: Callable[[], float],
        *,
        service: str,
        region: str,
        place: str,
        unsigned_payload: bool = False,
    ) -> None:
        self._users = Watched(path, read_users, seconds)
        self._wall = wall
        self._service, self._region, self._place = service, region, place
        self._unsigned = unsigned_payload

    def start(self) -> None:
        """Nothing has to be fetched."""

    def _keys(self, access_key: str) -> Keys | None:
        user = self._users.value.get(access_key)
        return None if user is None else user.keys

    def authorize(self, request: Request, match: Match, scopes: Sequence[str]) -> Grant:
        """Who signed; `NotSigned` in the words of AWS."""
        self._users.refresh()
        try:
            access_key = verify(
                request.method,
                request.target,
                request.headers,
                request.body,
                self._keys,
                self._wall(),
                self._service,
                self._region,
                self._unsigned,
            )
        except Refusal as problem:
            raise NotSigned(problem.code, problem.text, f"{problem.code}: {problem.text[:120]}") from None
        user = self._users.value[access_key]
        asked = f"{request.method} {match.template or '$default'}"
        if user.allow and not any(like(pattern, asked) for pattern in user.allow):
            raise NotSigned(*self._not_allowed(user, request), f"{user.name} may not {asked}"[:200], True)
        return user.grant

    def _not_allowed(self, user: User, request: Request) -> tuple[str, str]:
        path = request.target.partition(b"?")[0].decode("latin-1").removeprefix("/")
        return "AccessDeniedException", (
            f"User: {user.grant.principal} is not authorized to perform: execute-api:Invoke on resource: "
            f"{self._place}/{request.method}/{path} because no identity-based policy allows the execute-api:Invoke "
            "action"
        )

    def stop(self) -> Deferred[None]:
        return succeed(None)
