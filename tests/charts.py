"""The Helm chart, rendered by Helm's own library."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.processes import ROOT

CHART = ROOT / "examples" / "helm" / "lambdaproxy"
ROLE = "arn:aws:iam::123456789012:role/lambdaproxy"
WITH_ALL = {
    "serviceAccount": {"roleArn": ROLE},
    **{name: {"enabled": True} for name in ("gateway", "ingress", "serviceMonitor")},
}


def loaded() -> Any:
    """The chart, as a context manager."""
    helm = pytest.importorskip("helm_python", reason="needs helm-python-sdk (extra `ci`)")
    return helm.Chart.load(str(CHART))


def rendered(chart, values, name="lambdaproxy") -> dict[str, Any]:
    """The documents by their kinds."""
    chart.validate_schema(values)
    made = chart.render(values, name=name, namespace="front")
    documents = [yaml.safe_load(text) for path, text in made.items() if path.endswith(".yaml")]
    return {document["kind"]: document for document in documents if document}


def everything() -> dict[str, Any]:
    """Values that put something into every place."""
    peers, word = [{"ipBlock": {"cidr": "10.0.0.0/8"}}], {"a": "b"}
    return {
        **WITH_ALL,
        "image": {"tag": "1", "pullPolicy": "Always", "pullSecrets": ["registry"]},
        "autoscaling": {"enabled": False},
        "replicas": 5,
        "service": {"type": "LoadBalancer", "port": 8080, "annotations": word},
        "networkPolicy": {"from": peers, "metricsFrom": peers, "egress": [{"to": peers, "ports": [{"port": 4318}]}]},
        "serviceMonitor": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}},
        "ingress": {"enabled": True, "tlsSecret": "", "hosts": ["a.example.com", "*.example.org"], "annotations": word},
        "env": [{"name": "OTEL_SERVICE_NAME", "value": "front"}],
        "envFrom": [{"secretRef": {"name": "keys"}}],
        "volumes": [{"name": "keys", "secret": {"secretName": "keys"}}],
        "volumeMounts": [{"name": "keys", "mountPath": "/run/keys", "readOnly": True}],
        "podAnnotations": word,
        "podLabels": {"team": "front"},
        "nodeSelector": {"kubernetes.io/arch": "arm64"},
        "tolerations": [{"key": "front", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "high",
    }
