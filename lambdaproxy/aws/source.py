"""Where AWS credentials come from: botocore's provider chain, and a role to assume; it blocks, and runs in threads."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from time import time as epoch_seconds
from typing import Any

from lambdaproxy.aws.children import Children
from lambdaproxy.wire.sigv4 import Keys

HINT = (
    "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with --aws-profile, or give this machine a role; "
    "in a container on EC2 the instance's metadata hop limit must be 2 "
    "(aws ec2 modify-instance-metadata-options --http-put-response-hop-limit 2)"
)


class NoCredentials(Exception):
    """The providers gave nothing; the text says what they said, without secrets."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a source gave: keys, their end in epoch seconds (None: none is known), and the provider's name."""

    keys: Keys
    expires: float | None
    method: str


class BotocoreSource:
    """botocore's provider chain, and a role to assume on top of it; `fetch` blocks, and imports botocore."""

    def __init__(
        self,
        region: str,
        profile: str | None = None,
        role: str | None = None,
        external_id: str | None = None,
        session_name: str = "lambdaproxy",
    ) -> None:
        self._region, self._profile, self._role = region, profile, role
        self._external_id, self._session_name = external_id, session_name
        #: What decides, beside environment and files, which credentials are found.
        self.identity = repr((region, profile, role, external_id))
        # A session and its credentials: together, because a fetch that was given up may still end.
        self._loaded: tuple[Any, Any] = (None, None)
        self._seen = self._stamps()
        self._children = Children()

    def give_up(self) -> None:
        """Nobody waits for the running `fetch` any more: end the processes that hold it up."""
        self._children.kill()

    def changed(self) -> bool:
        """Whether an AWS file was written since it was read."""
        return self._stamps() != self._seen

    def seen(self) -> None:
        """The AWS files as they are now were read, by somebody else."""
        self._seen = self._stamps()

    def fetch(self, anew: bool) -> Fetched:
        """Credentials that are good for now; `anew` when AWS rejected the last ones. Raises `NoCredentials`.

        botocore itself would renew them within their last 15 minutes. It is not let: a renewal that fails there says
        nothing and gives the old ones, and one that hangs holds a lock on which the next one waits.
        """
        try:
            return self._fetch(anew)
        except ImportError as error:
            advice = f"install it, and let the user that runs lambdaproxy read {sys.prefix}"
            raise NoCredentials(f"botocore cannot be loaded: {error}; {advice}") from None

    def _fetch(self, anew: bool) -> Fetched:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            session, credentials = self._loaded
            loads = anew or credentials is None or self.changed() or _ends_soon(credentials)
            if loads:
                session, credentials = self._load()
            frozen = (_as_loaded(credentials) if loads else None) or credentials.get_frozen_credentials()
            keys = Keys(frozen.access_key, frozen.secret_key, frozen.token)
            expires = getattr(credentials, "_expiry_time", None)
            method = str(getattr(credentials, "method", "") or "unknown")
            if self._role is not None:
                return self._assume(session)
            return Fetched(keys, expires.timestamp() if expires is not None else None, method)
        except (BotoCoreError, ClientError, RuntimeError, OSError, ValueError, KeyError) as error:
            # What a program of somebody's said may have lines; a reason is one.
            raise NoCredentials(f"{type(error).__name__}: {' '.join(str(error).split())[:300]}") from None

    def _load(self) -> tuple[Any, Any]:
        import botocore.session

        self._seen = self._stamps()
        session = botocore.session.Session(profile=self._profile)
        self._children.adopt(session)
        credentials = session.get_credentials()
        if credentials is None:
            raise NoCredentials(f"no AWS credentials were found; {HINT}")
        self._loaded = loaded = (session, credentials)
        return loaded

    def _assume(self, session: Any) -> Fetched:
        from botocore.config import Config

        config = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2, "mode": "standard"})
        client = session.create_client("sts", region_name=self._region, config=config)
        more = {"ExternalId": self._external_id} if self._external_id else {}
        answer = client.assume_role(RoleArn=self._role, RoleSessionName=self._session_name, **more)["Credentials"]
        keys = Keys(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
        return Fetched(keys, answer["Expiration"].timestamp(), "assume-role")

    def _stamps(self) -> tuple[object, ...]:
        names = (
            os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
            os.environ.get("AWS_CONFIG_FILE", "~/.aws/config"),
        )
        stamps: list[object] = []
        for name in names:
            try:
                found = os.stat(os.path.expanduser(name))
            except OSError:
                stamps.append(None)
            else:
                stamps.append((found.st_mtime_ns, found.st_size, found.st_ino))
        return tuple(stamps)


def _ends_soon(credentials: Any) -> bool:
    """Whether botocore would renew these; those that never end are read again each time."""
    needed = getattr(credentials, "refresh_needed", None)
    return needed is None or bool(needed())


def _as_loaded(credentials: Any) -> Any:
    """What a provider gave just now, where that is good; botocore would ask for keys of 15 minutes a second time."""
    frozen, expires = getattr(credentials, "_frozen_credentials", None), getattr(credentials, "_expiry_time", None)
    return frozen if expires is not None and expires.timestamp() > epoch_seconds() else None
