"""What the environment and the AWS files say about Lambda's endpoint, as botocore takes it, and where it comes from.

botocore honours these for its own clients, such as STS; whoever sets them means Lambda, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from lambdaproxy.errors import ConfigError

_FILES = (("AWS_CONFIG_FILE", "~/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"))


@dataclass(frozen=True, slots=True)
class Found:
    """A value, and where it was found, for people."""

    value: str
    source: str


class Profile:
    """The settings of one profile, under those of the environment; `ConfigError` where the files cannot be read."""

    def __init__(self, profile: str | None, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._whole: Mapping[str, Any] = {}
        self._own: Mapping[str, Any] = {}
        self.name = profile or environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or "default"
        if any(_exists(environment.get(variable) or name) for variable, name in _FILES):
            self._read()

    def _read(self) -> None:
        # Half a second; not before there is something to read.
        from botocore.exceptions import ConfigParseError, ProfileNotFound
        from botocore.session import Session

        session = Session(profile=self.name)
        try:
            self._whole = session.full_config
            self._own = session.get_scoped_config()
        except ConfigParseError as error:
            raise ConfigError(f"{error}; mend this AWS file") from None
        except ProfileNotFound:
            # One that is not there has no keys, either, which is said then; that of the environment may come later.
            self._own = {}

    def text(self, variable: str, key: str) -> Found | None:
        """A value of the environment, else of the profile."""
        value = self._environment.get(variable)
        if value:
            return Found(value, variable)
        value = self._own.get(key)
        return Found(value, f"{key} of the profile {self.name}") if isinstance(value, str) and value else None

    def flag(self, variable: str, key: str) -> Found | None:
        """`true` or `false` of the environment, else of the profile; other values are refused."""
        found = self.text(variable, key)
        if found is not None and found.value.lower() not in ("true", "false"):
            raise ConfigError(f"{found.source} is {found.value!r}; write true or false")
        return found

    def endpoint_url(self, service: str = "lambda") -> Found | None:
        """The endpoint of a service: of the environment, else of the profile's `services`, else of the profile."""
        ignored = self.flag("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "ignore_configured_endpoint_urls")
        if ignored is not None and ignored.value.lower() == "true":
            return None
        for variable in (f"AWS_ENDPOINT_URL_{service.upper()}", "AWS_ENDPOINT_URL"):
            if self._environment.get(variable):
                return Found(self._environment[variable], variable)
        services = self._own.get("services")
        if services:
            section = self._whole.get("services", {}).get(services)
            if not section:
                raise ConfigError(
                    f"the profile {self.name} names [services {services}], which is not in the AWS files; add it"
                )
            own = section.get(service)
            url = own.get("endpoint_url") if isinstance(own, dict) else None
            if url:
                return Found(url, f"endpoint_url of {service} in [services {services}], for the profile {self.name}")
        return self.text("", "endpoint_url")

    def ca_bundle(self) -> Found | None:
        """The file of authorities to trust."""
        found = self.text("AWS_CA_BUNDLE", "ca_bundle")
        if found is None and self._environment.get("REQUESTS_CA_BUNDLE"):
            found = Found(self._environment["REQUESTS_CA_BUNDLE"], "REQUESTS_CA_BUNDLE")
        return found


def check_profile(profile: str, environment: Mapping[str, str]) -> None:
    """`ConfigError` if the AWS files do not have the profile that was asked for by name."""
    files = [environment.get(variable) or name for variable, name in _FILES]
    known: list[str] = []
    if any(map(_exists, files)):
        from botocore.exceptions import ConfigParseError
        from botocore.session import Session

        try:
            known = Session().available_profiles
        except ConfigParseError as error:
            raise ConfigError(f"{error}; mend this AWS file") from None
    if profile not in known:
        near = get_close_matches(profile, known, 1)
        meant = f"; did you mean {near[0]!r}?" if near else f" ({' and '.join(files)}); name one that is, or add it"
        raise ConfigError(f"the profile {profile!r} is not in the AWS files{meant}")


def _exists(name: str) -> bool:
    try:
        return Path(name).expanduser().is_file()
    except (OSError, RuntimeError):
        return False
