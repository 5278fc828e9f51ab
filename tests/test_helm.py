"""The Helm chart: it says what the manifests for Kustomize say, takes what its schema names, and refuses the rest."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
import yaml

import lambdaproxy
from tests.charts import CHART, WITH_ALL, everything, loaded, rendered
from tests.pages import steps
from tests.processes import ROOT

CLUSTER = ROOT / "examples" / "kubernetes"
TEMPLATES = {path.name: path.read_text() for path in sorted((CHART / "templates").iterdir())}
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
# The chart's own, or what Kubernetes takes for granted where a manifest does not say it.
OWN_LABELS = (
    "app.kubernetes.io/instance",
    "app.kubernetes.io/version",
    "app.kubernetes.io/managed-by",
    "helm.sh/chart",
)


@pytest.fixture(scope="module")
def chart():
    with loaded() as found:
        yield found


def plain(document: Any) -> Any:
    """Without what only the chart has: labels of releases, the sum of the configuration."""
    if isinstance(document, list):
        return [plain(each) for each in document]
    if not isinstance(document, dict):
        return document
    kept = {key: plain(each) for key, each in document.items() if key not in (*OWN_LABELS, "checksum/config")}
    return {key: each for key, each in kept.items() if each != {} or document[key] == {}}


def without_labels(document: dict[str, Any]) -> dict[str, Any]:
    """Labels of the document itself are on some manifests and not on others; what selects by them is compared."""
    document["metadata"].pop("labels", None)
    return document


def test_both_ways_make_the_same(chart):
    made = rendered(chart, WITH_ALL)
    assert made["Service"]["spec"].pop("type") == "ClusterIP"
    [container] = made["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container.pop("imagePullPolicy") == "IfNotPresent"
    files = {path.name for path in CLUSTER.glob("*.yaml")} - {"kustomization.yaml"}
    written = {
        document["kind"]: document for name in files for document in [yaml.safe_load((CLUSTER / name).read_text())]
    }
    assert set(made) == set(written)
    own = {
        kind: document["data"]["lambdaproxy.toml"]
        for kind, document in (("chart", made.pop("ConfigMap")), ("file", written.pop("ConfigMap")))
    }
    assert tomllib.loads(own["chart"]) == tomllib.loads(own["file"])
    for kind, document in written.items():
        assert without_labels(plain(made[kind])) == without_labels(document), kind


def test_nothing_that_depends_on_the_cluster_is_made_unasked(chart):
    kustomized = {yaml.safe_load((CLUSTER / name).read_text())["kind"] for name in kustomization()}
    assert set(rendered(chart, {})) == kustomized


def kustomization() -> list[str]:
    names: list[str] = yaml.safe_load((CLUSTER / "kustomization.yaml").read_text())["resources"]
    return names


def test_two_releases_in_one_namespace_stay_apart(chart):
    one, other = rendered(chart, {}, "lambdaproxy"), rendered(chart, {}, "second")
    for kind, document in one.items():
        assert document["metadata"]["name"] != other[kind]["metadata"]["name"]
    selectors = [each["Service"]["spec"]["selector"] for each in (one, other)]
    labels = [each["Deployment"]["spec"]["template"]["metadata"]["labels"] for each in (one, other)]
    assert [[selector.items() <= label.items() for label in labels] for selector in selectors] == [
        [True, False],
        [False, True],
    ]
    long = "a-release-whose-name-is-as-long-as-helm-lets-it-be-53"
    assert all(len(document["metadata"]["name"]) <= 63 for document in rendered(chart, {}, long).values())


def test_a_pod_has_the_time_that_its_drain_takes(chart):
    made = rendered(chart, {"drainTimeout": 900, "preStopSeconds": 30})
    pod = made["Deployment"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 945
    assert pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"] == ["sleep", "30"]
    assert tomllib.loads(made["ConfigMap"]["data"]["lambdaproxy.toml"])["drain-timeout"] == 900


def test_another_configuration_is_another_pod(chart):
    sums = set()
    for config in ('function-header = "none"\n', 'function-header = "none"'):
        made = rendered(chart, {"config": config + '\n[[route]]\npath = "/"\nfunction = "a"\n'})
        sums.add(made["Deployment"]["spec"]["template"]["metadata"]["annotations"]["checksum/config"])
    assert len(sums) == 2


def test_every_value_arrives(chart):
    made = rendered(chart, everything())
    pod = made["Deployment"]["spec"]["template"]
    [container] = pod["spec"]["containers"]
    assert made["Deployment"]["spec"]["replicas"] == 5 and "HorizontalPodAutoscaler" not in made
    assert container["image"] == "registry.example.com/lambdaproxy:1" and container["imagePullPolicy"] == "Always"
    assert pod["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    for key in ("nodeSelector", "tolerations", "affinity", "priorityClassName"):
        assert pod["spec"][key] == everything()[key]
    assert container["env"] == everything()["env"] and container["envFrom"] == everything()["envFrom"]
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/etc/lambdaproxy", "/run/keys"]
    assert [volume["name"] for volume in pod["spec"]["volumes"]] == ["config", "keys"]
    assert pod["metadata"]["labels"]["team"] == "front" and pod["metadata"]["annotations"]["a"] == "b"
    assert "tls" not in made["Ingress"]["spec"]
    assert [rule["host"] for rule in made["Ingress"]["spec"]["rules"]] == ["a.example.com", "*.example.org"]
    annotations = made["Ingress"]["metadata"]["annotations"]
    assert annotations["a"] == "b" and annotations["nginx.ingress.kubernetes.io/proxy-next-upstream"] == "off"
    assert made["HTTPRoute"]["spec"]["rules"][0]["backendRefs"] == [{"name": "lambdaproxy", "port": 8080}]
    assert made["NetworkPolicy"]["spec"]["egress"][-1] == everything()["networkPolicy"]["egress"][0]
    assert made["ServiceMonitor"]["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_an_empty_list_of_peers_lets_nobody_in(chart):
    made = rendered(chart, {"networkPolicy": {"from": [], "metricsFrom": []}})
    assert not made["NetworkPolicy"]["spec"]["ingress"] and "Ingress" in made["NetworkPolicy"]["spec"]["policyTypes"]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a name that is none": ({"drainTimout": 60}, "drainTimout"),
    "a name below that is none": ({"image": {"name": "x"}}, "name"),
    "no number": ({"drainTimeout": "60s"}, "drainTimeout"),
    "no role": ({"serviceAccount": {"roleArn": "lambdaproxy"}}, "roleArn"),
    "no host": ({"ingress": {"enabled": True, "hosts": ["https://a.example.com"]}}, "hosts"),
    "a host twice": ({"config": 'host = "::"\n[[route]]\n'}, "config: `host` is written by the chart"),
    "a drain twice": ({"config": "a = 1\n  drain-timeout=5\n"}, "set drainTimeout"),
    "fewer at most than at least": ({"autoscaling": {"maxReplicas": 1}}, "maxReplicas is less than minReplicas"),
    "nobody's account": ({"serviceAccount": {"create": False}}, "serviceAccount.name"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused(chart, name):
    values, told = REFUSED[name]
    with pytest.raises(ValueError, match=re.escape(told)):
        rendered(chart, values)


def test_what_a_route_has_is_its_own(chart):
    """`host` of a route is not the listener's."""
    rendered(chart, {"config": 'format = "alb"\n[[route]]\nhost = "a.example.com"\nfunction = "a"\n'})


def test_the_notes_say_what_is_missing(chart):
    def notes(values):
        made = chart.asked("render", values=values, name="lambdaproxy", namespace="front")
        return made["lambdaproxy/templates/NOTES.txt"]

    assert "create-pod-identity-association" in notes({}) and "networkPolicy.from" not in notes({})
    assert "create-pod-identity-association" not in notes(WITH_ALL) and "networkPolicy.from" in notes(WITH_ALL)
    assert "custom.metrics" not in notes({"autoscaling": {"requestsInProgress": 0}})


def test_the_values_of_the_tutorial_make_what_its_kustomization_makes(chart):
    written = {
        step.name: step.text for step in steps((ROOT / "docs" / "tutorials" / "kubernetes.md").read_text()) if step.name
    }
    made = rendered(chart, yaml.safe_load(written["values.yaml"]))
    patches = yaml.safe_load(written["kustomization.yaml"])["patches"]
    assert (
        made["ServiceAccount"]["metadata"]["annotations"]
        == yaml.safe_load(patches[0]["patch"])["metadata"]["annotations"]
    )
    [change] = yaml.safe_load(patches[1]["patch"])
    assert made["NetworkPolicy"]["spec"]["ingress"][0]["from"][0]["namespaceSelector"]["matchLabels"] == change["value"]
    assert made["HTTPRoute"]["spec"]["parentRefs"] == [{"name": "public", "namespace": "gateways"}]
    assert made["HTTPRoute"]["spec"]["hostnames"] == ["users.example.com", "shop.example.com"]


def test_helm_finds_nothing_wrong(chart):
    found = chart.asked("lint")
    assert found["errors"] == []
    assert [message["error"] for message in found["messages"]] == ["icon is recommended"]


# -- what needs no Helm ------------------------------------------------------------------------------------------------


def test_the_version_is_the_programs():
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert about["version"] == about["appVersion"] == lambdaproxy.__version__


def names(schema: dict[str, Any], path: str = "") -> set[str]:
    """The paths of all values that have a meaning of ours."""
    found = set()
    for key, each in schema["properties"].items():
        below = f"{path}{key}"
        found |= names(each, f"{below}.") if each.get("properties") and key != "resources" else {below}
    return found - {"global"}


def leaves(values: dict[str, Any], known: set[str], path: str = "") -> set[str]:
    found = set()
    for key, each in values.items():
        below = f"{path}{key}"
        found |= {below} if below in known or not isinstance(each, dict) else leaves(each, known, f"{below}.")
    return found


def test_every_value_has_a_default_a_schema_and_a_use():
    known = names(SCHEMA)
    assert len(known) > 40 and leaves(VALUES, known) == known
    used = {name for text in TEMPLATES.values() for name in re.findall(r"\.Values\.([\w.]+)", text)}
    assert used == known


def test_the_defaults_are_what_the_schema_allows():
    judge = pytest.importorskip("jsonschema_rs", reason="needs jsonschema-rs")
    judge.Draft7Validator(SCHEMA).validate(VALUES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_closes_what_it_opens(name):
    words = re.findall(r"\{\{-?\s*(if|with|range|define|end)\b", TEMPLATES[name])
    assert words.count("end") == len(words) - words.count("end")
