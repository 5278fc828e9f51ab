"""`serverless.yml` of the Serverless Framework, as the template of SAM that means the same.

So functions, APIs, authorizers and load balancers are read by the same code, and the same list says what is not done.
After the framework's reference of `serverless.yml` for AWS. Plugins are not run.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lambdaproxy.runtime.variables import read_env_file
from lambdaproxy.templates.differences import Differences
from lambdaproxy.templates.document import Lines
from lambdaproxy.templates.serverless_events import Apis
from lambdaproxy.templates.serverless_names import capital, logical_name
from lambdaproxy.templates.serverless_variables import Variables

_FUNCTION = {
    "handler": "Handler", "timeout": "Timeout", "memorySize": "MemorySize", "vpc": "VpcConfig",
    "reservedConcurrency": "ReservedConcurrentExecutions", "snapStart": "SnapStart",
    "fileSystemConfig": "FileSystemConfigs", "tracing": "Tracing",
}  # fmt: skip
_NO_MATTER = frozenset(
    {
        "name", "description", "role", "tags", "iamRoleStatements", "iamRoleStatementsName", "dependsOn",
        "versionFunction", "awsKmsKeyArn", "kmsKeyArn", "logRetentionInDays", "logDataProtectionPolicy",
        "condition", "disableLogs", "runtime", "environment", "events", "layers", "package", "url", "image",
        "ephemeralStorageSize", "destinations", "architecture", "inlineCode", "maximumRetryAttempts",
        "maximumEventAge", "iamRoleStatementsInherit", "build",
    }
)  # fmt: skip
_PROVIDER = frozenset(
    {
        "name", "runtime", "stage", "region", "timeout", "memorySize", "environment", "httpApi", "apiGateway",
        "layers", "iam", "iamRoleStatements", "role", "profile", "deploymentBucket", "deploymentPrefix", "tags",
        "stackTags", "stackName", "versionFunctions", "lambdaHashingVersion", "logRetentionInDays", "logs",
        "tracing", "endpointType", "apiName", "websocketsApiName", "cfnRole", "deploymentMethod",
        "rolePermissionsBoundary", "kmsKeyArn", "vpc", "architecture", "vpcEndpointIds", "stackPolicy",
        "rollbackConfiguration", "disableRollback", "runtimeManagement", "notificationArns", "resolver",
        "eventBridge", "s3", "usagePlan", "websocketsDescription", "alb", "build",
        "websocketsApiRouteSelectionExpression",
    }
)  # fmt: skip
_TOP = frozenset(
    {
        "service", "provider", "functions", "resources", "custom", "frameworkVersion", "useDotenv",
        "configValidationMode", "variablesResolutionMode", "app", "org", "tenant", "params", "stages", "package",
        "layers", "plugins", "outputs", "disabledDeprecations", "deprecationNotificationMode", "projectDir",
        "console", "build", "dashboard", "unresolvedVariablesNotificationMode",
    }
)  # fmt: skip
_DEFAULT_RUNTIME = "nodejs20.x"


def is_serverless(document: Mapping[str, Any]) -> bool:
    """Whether a document is one of the framework's."""
    return "Resources" not in document and "provider" in document and ("functions" in document or "service" in document)


def as_template(
    document: dict[str, Any], lines: Lines, folder: str, options: Mapping[str, Any], region: str
) -> tuple[dict[str, Any], Differences]:
    """The template, and the list of what is not done, with the lines of `serverless.yml`."""
    made = _Made(document, lines, folder, options, region)
    made.read()
    return made.template, made.differences


class _Made:
    def __init__(
        self, document: dict[str, Any], lines: Lines, folder: str, options: Mapping[str, Any], region: str
    ) -> None:
        self.resources: dict[str, Any] = {}
        #: What stands beside the project's own resources, and they may refer to.
        self.sections: dict[str, dict[str, Any]] = {}
        self.lines: dict[tuple[str, ...], int] = dict(lines)
        self.differences = Differences(self.lines)
        environ = dict(os.environ)
        if document.get("useDotenv"):
            for name in (f".env.{options.get('stage', 'dev')}", ".env"):
                try:
                    environ = {**read_env_file(os.path.join(folder, name)), **environ}
                except ValueError:
                    continue
        self._folder, self._options = folder, options
        self._variables = Variables(document, folder, options, region, environ, self._unknown)
        self.document: dict[str, Any] = self._variables.resolve(document, ())
        self.stage = self._variables.stage()
        self.provider = _map(self.document.get("provider"))
        self.template: dict[str, Any] = {}

    def _unknown(self, where: tuple[str, ...], instead: str) -> None:
        # What permissions and tags say changes nothing here.
        if not set(where) & {"iam", "iamRoleStatements", "tags", "stackTags", "deploymentBucket", "Outputs"}:
            self.differences.add(where, instead)

    def read(self) -> None:
        document = self.document
        self.differences.add_unknown((), document, _TOP)
        if self.provider.get("name", "aws") != "aws":
            self.differences.add(("provider", "name"), "the project is for another cloud; it is read as one for AWS")
        self.differences.add_unknown(("provider",), self.provider, _PROVIDER)
        plugins = document.get("plugins") or []
        plugins = plugins.get("modules") or [] if isinstance(plugins, dict) else plugins
        for at, plugin in enumerate(plugins if isinstance(plugins, list) else []):
            if plugin != "serverless-offline":
                self.differences.add(("plugins", str(at)), f"{plugin}: plugins are not run here")
        if {"patterns", "include", "exclude"} & _map(document.get("package")).keys():
            self.differences.add(("package",), "leaves nothing out here; the folder is used whole")
        self._layers(_map(document.get("layers")))
        self._own_resources(document.get("resources"))
        apis = Apis(self.provider, self.stage, self.resources, self.lines, self.differences)
        for name, function in _joined(document.get("functions")).items():
            if isinstance(function, dict):
                self._function(str(name), function, apis)
            else:
                self.differences.add(("functions", str(name)), "is no function, and is left out")
        apis.finish()
        used = self._variables.used & self._options.keys()
        declared = {name: {"Type": "String", "Default": str(self._options[name])} for name in sorted(used)}
        self.template = {
            "Transform": "AWS::Serverless-2016-10-31",
            "Parameters": {**self.sections.pop("Parameters", {}), **declared},
            "Resources": self.resources,
            **self.sections,
        }

    def _own_resources(self, given: Any) -> None:
        for each in given if isinstance(given, list) else [given]:
            for name, resource in _map(_map(each).get("Resources")).items():
                if isinstance(resource, dict):
                    self.resources[str(name)] = resource
                    line = self.lines.get(("resources", "Resources", str(name)))
                    if line is not None:
                        self.lines["Resources", str(name)] = line
            for key in _map(each):
                if key in ("Conditions", "Mappings", "Parameters"):
                    self.sections[str(key)] = {**self.sections.get(str(key), {}), **_map(_map(each)[key])}
                elif key not in ("Resources", "Outputs", "Description", "Metadata"):
                    self.differences.add(("resources", str(key)), "is not done here")

    def _layers(self, layers: dict[str, Any]) -> None:
        for name, about in layers.items():
            if isinstance(about, dict):
                logical = f"{capital(str(name))}LambdaLayer"
                content = _map(about.get("package")).get("artifact") or about.get("path")
                self.resources[logical] = {
                    "Type": "AWS::Serverless::LayerVersion",
                    "Properties": {"ContentUri": content},
                }
                self.lines["Resources", logical] = self.lines.get(("layers", str(name)), 0)

    def _function(self, name: str, function: dict[str, Any], apis: Apis) -> None:
        logical = logical_name(name)
        where = ("Resources", logical)
        self._note(where, ("functions", name))
        service = self.document.get("service")
        service = service.get("name") if isinstance(service, dict) else service
        properties: dict[str, Any] = {
            "FunctionName": function.get("name") or f"{service}-{self.stage}-{name}",
            "Runtime": function.get("runtime") or self.provider.get("runtime") or _DEFAULT_RUNTIME,
            "Timeout": self.provider.get("timeout", 6),
            "MemorySize": self.provider.get("memorySize", 1024),
            "CodeUri": self._code(function),
        }
        for key, value in function.items():
            if key in _FUNCTION:
                properties[_FUNCTION[key]] = value
                self._note((*where, "Properties", _FUNCTION[key]), ("functions", name, key))
        self.differences.add_unknown(("functions", name), function, (*_FUNCTION, *_NO_MATTER))
        variables = {**_map(self.provider.get("environment")), **_map(function.get("environment"))}
        # Code asks for this to know that it is not on AWS: serverless-offline sets it.
        properties["Environment"] = {
            "Variables": {"IS_OFFLINE": "true", **{k: v for k, v in variables.items() if v is not None}}
        }
        layers = function.get("layers", self.provider.get("layers"))
        if layers:
            properties["Layers"] = layers
            self._note((*where, "Properties", "Layers"), ("functions", name, "layers"))
        if function.get("image"):
            properties["PackageType"] = "Image"
        if function.get("ephemeralStorageSize"):
            properties["EphemeralStorage"] = {"Size": function["ephemeralStorageSize"]}
        destinations = {f"On{key[2:]}": {"Destination": value if isinstance(value, str) else _map(value).get("arn")}
                        for key, value in _map(function.get("destinations")).items()}  # fmt: skip
        if destinations:
            properties["EventInvokeConfig"] = {"DestinationConfig": destinations}
        package = _map(function.get("package"))
        if package.get("patterns") or package.get("include") or package.get("exclude"):
            self.differences.add(("functions", name, "package"), "leaves nothing out here; the folder is used whole")
        self._typescript(name, properties)
        properties["Events"] = apis.events(name, logical, function)
        url = apis.url(function)
        if url is not None:
            properties["FunctionUrlConfig"] = url
            self._note((*where, "Properties", "FunctionUrlConfig"), ("functions", name, "url"))
        if logical in self.resources:
            self.differences.add((*where, "Properties"), "the function of this name is read; this is not laid over it")
        if function.get("condition"):
            self.differences.add(("functions", name, "condition"), "is not asked; the function is there")
        self.resources[logical] = {
            "Type": "AWS::Serverless::Function",
            "Properties": properties,
            "Metadata": {"lambdaproxy:name": name},
        }

    def _code(self, function: dict[str, Any]) -> str:
        own = _map(function.get("package")).get("artifact")
        return str(own or _map(self.document.get("package")).get("artifact") or ".")

    def _typescript(self, name: str, properties: Mapping[str, Any]) -> None:
        stem = os.path.join(self._folder, str(properties.get("Handler", "")).rpartition(".")[0])
        built = any(os.path.isfile(f"{stem}{suffix}") for suffix in (".js", ".mjs", ".cjs"))
        if properties["CodeUri"] == "." and os.path.isfile(f"{stem}.ts") and not built:
            self.differences.add(
                ("functions", name, "handler"),
                f"{os.path.relpath(stem, self._folder)}.ts is not compiled here; name what was built in "
                "package.artifact, or as directory in a [function.NAME] table",
            )

    def _note(self, path: tuple[str, ...], written: tuple[str, ...]) -> None:
        """What stands at `path` of the template was written there."""
        while written:
            if written in self.lines:
                self.lines[path] = self.lines[written]
                return
            written = written[:-1]


def _map(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _joined(given: Any) -> dict[str, Any]:
    """Functions, where they may be a list of maps."""
    if isinstance(given, list):
        return {name: one for each in given for name, one in _map(each).items()}
    return _map(given)
