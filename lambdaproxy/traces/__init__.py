"""Traces: spans of OpenTelemetry for requests, waits and attempts; imported only where they are asked for."""
