"""Which AWS region is meant, and why."""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser, Error
from pathlib import Path

DEFAULT = "us-east-1"


def find_region(given: str | None, profile: str | None, environment: Mapping[str, str]) -> tuple[str, str]:
    """The region and its source: the setting, the environment, the profile of the AWS files, else us-east-1."""
    if given:
        return given, "from the configuration"
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if environment.get(variable):
            return environment[variable], f"from {variable}"
    profile = profile or environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or "default"
    for variable, name, sections in (
        ("AWS_CONFIG_FILE", "~/.aws/config", (f"profile {profile}", profile)),
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", (profile,)),
    ):
        parser = ConfigParser(interpolation=None, strict=False)
        try:
            parser.read(Path(environment.get(variable) or name).expanduser(), "utf-8")
        except (Error, UnicodeDecodeError, OSError, RuntimeError):
            continue
        for section in sections:
            found = parser.get(section, "region", fallback="").strip()
            if found:
                return found, f"of the profile {profile}"
    return DEFAULT, "the default; set --aws-region to change it"
