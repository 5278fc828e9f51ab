"""The Helm chart, rendered by Helm's own library."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.processes import ROOT, WAIT

CHART = ROOT / "examples" / "helm" / "lambdaproxy"
ROLE = "arn:aws:iam::123456789012:role/lambdaproxy"
WITH_ALL = {
    "serviceAccount": {"roleArn": ROLE},
    **{name: {"enabled": True} for name in ("gateway", "ingress", "serviceMonitor")},
}


class Chart:
    """The chart in a process of its own, which does what it is told line by line; a context manager.

    Helm is a library of Go, whose threads and signal handlers have no place beside other tests.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _HELM, str(CHART)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Chart:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=WAIT)  # the end of its input ends it

    def asked(self, do: str, **words: Any) -> Any:
        """What Helm says; what it refuses is a `ValueError` with its words."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(json.dumps([do, words]), file=self._process.stdin, flush=True)
        refused, answer = json.loads(self._process.stdout.readline())
        if refused:
            raise ValueError(refused)
        return answer


_HELM = """
import json, sys
import helm_python
with helm_python.Chart.load(sys.argv[1]) as chart:
    tasks = {"render": chart.render, "validate": chart.validate_schema, "lint": lambda: helm_python.lint(sys.argv[1])}
    for line in sys.stdin:
        do, words = json.loads(line)
        try:
            told = ["", tasks[do](**words)]
        except helm_python.HelmError as error:
            told = [str(error), None]
        print(json.dumps(told), flush=True)
"""


def loaded() -> Chart:
    """The chart; the test is skipped where there is no Helm."""
    if importlib.util.find_spec("helm_python") is None:
        pytest.skip("needs helm-python-sdk (extra `ci`)")
    return Chart()


def rendered(chart: Chart, values: dict[str, Any], name: str = "lambdaproxy") -> dict[str, Any]:
    """The documents by their kinds."""
    chart.asked("validate", values=values)
    made = chart.asked("render", values=values, name=name, namespace="front")
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
