"""What a template says and is not done: every property that nobody asked for is listed, so that none is lost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from lambdaproxy.wire.failures import printable

NO_MATTER = frozenset(
    {
        "Description", "Tags", "PropagateTags", "Role", "RolePath", "Policies", "PermissionsBoundary",
        "AssumeRolePolicyDocument", "KmsKeyArn", "AutoPublishCodeSha256", "AutoPublishAliasAllProperties",
        "DeploymentPreference", "DeletionPolicy", "RetentionPolicy", "LicenseInfo", "CompatibleArchitectures",
        "CompatibleRuntimes", "LayerName", "Name", "AlwaysDeploy", "VersionDescription",
        "InvokeRole", "EnableFunctionDefaultPermissions", "DisableFunctionDefaultPermissions",
    }
)  # fmt: skip
"""Names, tags, permissions and deployment: they change neither what a function sees nor what it may answer."""

OF_AWS = frozenset(
    {
        "APIKeyId", "Action", "AllocationId", "ApiKeyId", "ApiKeySelectionExpression", "ApiKeys", "Architecture",
        "CapacityProviderArn", "CapacityProviderName", "CapacityProviderScalingConfig", "Configuration",
        "CpuConfigurations", "DefaultAction", "Definition", "DestinationArn", "Destinations", "DocumentationPartId",
        "FunctionUrl", "Functions", "IPv6Address", "IdentityValidationExpression", "IntegrationId",
        "IntegrationResponseId", "IntegrationResponseKey", "IntegrationTarget", "IntegrationTimeout", "IsDefault",
        "KMSKeyArn", "LambdaArn", "LatestVersion", "LayerVersionArn", "ListenerArns", "LoadBalancerArn",
        "LoadBalancerArns", "LoadBalancerName", "LogStream", "MaxEnvironments", "ModelId", "Models", "Names",
        "ProvisionedConcurrentExecutions", "RequestModel", "ResourceArn", "RevisionDescription", "RootResourceId",
        "Route53", "RouteResponseId", "Routes", "SSEEnabled", "Source", "SslPolicy", "State", "Stream", "StreamArn",
        "TargetArn", "TargetArns", "TargetGroupName", "TemplateSelectionExpression", "TlsConfig", "TrustStoreArn",
        "TrustStoreArns", "TruststoreUri", "Types", "URI", "UsagePlanId", "UserPool", "UserPoolDomain",
        "VersionDeletionPolicy", "VersionId", "Versioned", "VpcEgressConfiguration",
        "stepFunctions", "provisionedConcurrency", "runtimeManagement", "onError", "onFailure", "maxAge",
    }
)  # fmt: skip
"""Properties of AWS and of the Serverless Framework that nobody asks for here, and that look like one that we know."""


MOST_NAME, MOST_TEXT = 100, 2000
"""Characters of a name that may be a misspelt one, and of what is said of one place."""


def meant(key: object, known: Iterable[object], near_enough: float = 0.8) -> str:
    """What to add of a name that nobody knows: the nearest that is known, if one is near."""
    if str(key) in OF_AWS or len(str(key)) > MOST_NAME:
        return ""
    spelled = {str(one).lower(): str(one) for one in known}
    near = get_close_matches(str(key).lower(), spelled, 1, near_enough)
    return f"; did you mean {spelled[near[0]]}?" if near and spelled[near[0]] != str(key) else ""


def shown(note: str) -> str:
    """A template may be anybody's, with any words: in what is said of it none moves a terminal or ends a line."""
    if len(note) > MOST_TEXT:
        note = f"{note[: MOST_TEXT // 2]} ... {note[-MOST_TEXT // 2 :]}"
    return printable(note, len(note))


class Differences:
    """The list of what is not done as it is written; `lines` are those of keys, by their path in the document."""

    def __init__(self, lines: dict[tuple[str, ...], int]) -> None:
        self._lines = lines  # that of who reads, which may still come to know some
        self._found: dict[tuple[int, str], None] = {}

    def add(self, path: tuple[str, ...], instead: str) -> None:
        """`path` begins at the section, as in `("Resources", "Api", "Properties", "Auth")`."""
        line, nearest = 0, path
        while nearest and not line:
            line, nearest = self._lines.get(nearest, 0), nearest[:-1]
        said = path[1:] if path[0] == "Resources" else path
        # `Api.Auth` is how people speak of it; the word Properties says nothing.
        name = ".".join(str(part) for part in said if part != "Properties")
        self._found[line, f"{name}: {instead}"] = None

    def add_unknown(self, path: tuple[str, ...], keys: Iterable[object], known: Collection[object]) -> None:
        """List the keys of what is at `path` that nobody knows, and what each may have meant."""
        for key in keys:
            if key not in known:
                self.add((*path, str(key)), f"is not done here{meant(key, known)}")

    def same_line(self, path: tuple[str, ...], other: tuple[str, ...]) -> None:
        """What a loop makes stands where the loop does."""
        if path not in self._lines and other in self._lines:
            self._lines[path] = self._lines[other]

    def has(self, path: tuple[str, ...]) -> bool:
        """Whether the document is known to have this key."""
        return path in self._lines

    def place(self, path: tuple[str, ...]) -> str:
        """`line 12: Api.Auth`."""
        line, nearest = 0, path
        while nearest and not line:
            line, nearest = self._lines.get(nearest, 0), nearest[:-1]
        said = path[1:] if path[0] == "Resources" else path
        name = ".".join(str(part) for part in said if part != "Properties")
        return f"line {line}: {name}" if line else name

    def texts(self) -> tuple[str, ...]:
        """In the order of the document, each once: `line 12: Api.Auth: is not done here`."""
        return tuple(f"line {line}: {text}" if line else text for line, text in sorted(self._found))


class Properties:
    """A map of the template that remembers what was asked of it; `unread` lists the rest.

    `paths` are where its keys may stand in the document, the nearest first: what `Globals` says stands elsewhere.
    """

    def __init__(self, values: object, *paths: tuple[str, ...]) -> None:
        self.values: Mapping[str, Any] = values if isinstance(values, dict) else {}
        self.paths = paths
        self._read: set[str] = set()
        self._looked_for: set[str] = set()
        self._inner: dict[str, Properties] = {}

    def __contains__(self, key: str) -> bool:
        self._looked_for.add(key)
        return key in self.values

    def get(self, key: str, default: Any = None) -> Any:
        """The value, and that it is done."""
        self._read.add(key)
        return self.values.get(key, default)

    def get_as(self, kind: type, key: str) -> Any:
        """The value if it is a list or a map, as `kind` says; any other is None, and counts as not read."""
        return self.get(key) if isinstance(self.values.get(key), kind) else None

    def inner(self, key: str) -> Properties:
        """A map within; what is not asked of it is listed too. A value that is no map counts as not read."""
        if key not in self._inner:
            value = self.values.get(key)
            if isinstance(value, dict):
                self._read.add(key)
            self._inner[key] = Properties(value, *((*path, key) for path in self.paths))
        return self._inner[key]

    def asked(self) -> Collection[str]:
        """The keys that somebody asked for, whether they are there or not."""
        return self._read | self._looked_for | self._inner.keys()

    def unread(self) -> Iterator[str]:
        """The keys that nobody asked for."""
        yield from (key for key in self.values if key not in self._read and key not in NO_MATTER)

    def report(self, differences: Differences, known: Mapping[str, str]) -> None:
        """List what was not asked for; `known` says of some keys what is done instead."""
        for key in self.unread():
            meaning = meant(key, (*self.asked(), *NO_MATTER, *known))
            differences.add(self.where(differences, key), known.get(key, f"is not done here{meaning}"))
        for one in self._inner.values():
            one.report(differences, known)

    def where(self, differences: Differences, key: str) -> tuple[str, ...]:
        """The path of a key, in the first of the places where it stands."""
        for path in self.paths:
            if differences.has((*path, key)):
                return (*path, key)
        return (*self.paths[0], key)
