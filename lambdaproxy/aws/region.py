"""Which AWS region is meant, and why; and which there are."""

from __future__ import annotations

from collections.abc import Mapping
from configparser import ConfigParser, Error
from difflib import SequenceMatcher
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import orjson

DEFAULT = "us-east-1"


def find_region(given: str | None, profile: str | None, environment: Mapping[str, str]) -> tuple[str, str]:
    """The region and its source: the setting, the environment, the profile of the AWS files, else us-east-1."""
    if given:
        return given, "from the configuration"
    for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        if environment.get(variable):
            return environment[variable], f"from {variable}"
    profile = profile or environment.get("AWS_PROFILE") or environment.get("AWS_DEFAULT_PROFILE") or "default"
    # Where both files know the profile, botocore takes what the credentials file says.
    for variable, name, sections in (
        ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials", (profile,)),
        ("AWS_CONFIG_FILE", "~/.aws/config", (f"profile {profile}", profile)),
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


@cache
def known_regions() -> frozenset[str]:
    """The regions of botocore's partitions; empty where its file cannot be read. botocore itself is not imported."""
    spec = find_spec("botocore")
    try:
        assert spec is not None and spec.origin is not None
        document = orjson.loads((Path(spec.origin).parent / "data" / "partitions.json").read_bytes())
        return frozenset(
            region for each in document["partitions"] for region in each["regions"] if region[-1].isdigit()
        )
    except (AssertionError, OSError, ValueError, KeyError, TypeError):
        return frozenset()


def nearest(region: str) -> str | None:
    """The known region whose name is most like this one."""
    region = region.lower()

    def alike(other: str) -> tuple[float, int]:
        same = next((at for at, (one, two) in enumerate(zip(region, other, strict=False)) if one != two), len(region))
        return SequenceMatcher(None, region, other).ratio(), same

    best = max(sorted(known_regions()), key=alike, default=None)
    return best if best is not None and alike(best)[0] > 0.6 else None
