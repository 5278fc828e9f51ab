"""What the environment says of traces, by the variables that OpenTelemetry has for it, before anything is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
EXPORTER = "OTEL_TRACES_EXPORTER"
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
FILES = ("OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE")
OTHERS = ("OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whether spans are to be sent, and what is to be said of the environment: one sentence each."""

    on: bool
    sentences: list[str] = field(default_factory=list)


def wanted(environment: Mapping[str, str]) -> Wanted:
    """Whether the environment asks for traces.

    An empty variable is one that is not set, and values know no case, as the specification of OpenTelemetry has it.
    """
    said = {name: value.strip() for name, value in environment.items() if name.startswith("OTEL_") and value.strip()}
    if said.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Wanted(False)
    asking = next((name for name in (*ENDPOINTS, EXPORTER) if name in said), None)
    exporters = [each.strip().lower() for each in said.get(EXPORTER, "otlp").split(",")]
    if asking is None or exporters == ["none"]:
        return Wanted(False)
    problems = list(_problems(said, exporters))
    if problems:
        return Wanted(False, problems)
    return Wanted(True, list(_left_out(said)))


def _problems(said: Mapping[str, str], exporters: list[str]) -> Iterator[str]:
    for name in FILES:
        if name in said:
            yield f"{name}: only variables are read, so there are no traces; set those of the file instead"
    if exporters != ["otlp"]:
        yield f"{EXPORTER}={said[EXPORTER]}: spans are sent by otlp alone, so there are no traces; write otlp"
    protocol = next((name for name in PROTOCOLS if name in said), None)
    if protocol is not None and said[protocol].lower() != "http/protobuf":
        yield (
            f"{protocol}={said[protocol]}: spans are sent by http/protobuf alone, so there are no traces; write that, "
            "and mostly port 4318 instead of 4317"
        )


def _left_out(said: Mapping[str, str]) -> Iterator[str]:
    for name in OTHERS:
        if said.get(name, "none").lower() != "none":
            yield f"{name}={said[name]}: traces alone are sent; our metrics are at /metrics"
