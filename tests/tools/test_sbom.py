"""The bill of materials is as CycloneDX's schema has it, and every part has a licence."""

import copy
import json
import sys
from importlib.metadata import version
from typing import Any

import pytest

from tools import sbom

pytest.importorskip("cyclonedx_py", reason="PyPI's cyclonedx-bom is not installed; the extra release has it")

DOCUMENT = {
    "bomFormat": "CycloneDX",
    "specVersion": "1.6",
    "version": 1,
    "metadata": {},
    "components": [
        {"type": "library", "name": "b", "version": "2", "licenses": [{"license": {"id": "MIT"}}]},
        {
            "type": "library",
            "bom-ref": "own",
            "name": "lambdaproxy",
            "version": "1",
            "externalReferences": [{"type": "distribution", "url": "file:///tmp/of/somebody"}],
        },
        {"type": "library", "name": "A", "version": "10", "licenses": [{"expression": "MIT OR Apache-2.0"}]},
    ],
}


def test_lambdaproxy_is_what_it_is_about():
    made = sbom.ours_first(copy.deepcopy(DOCUMENT))
    assert made["metadata"]["component"]["name"] == "lambdaproxy"
    assert [each["name"] for each in made["components"]] == ["b", "A"]
    assert "/tmp/of/somebody" not in json.dumps(made)


@pytest.mark.slow
def test_held_against_the_schema():
    made = sbom.ours_first(copy.deepcopy(DOCUMENT))
    sbom.validate(made)
    made["components"][0]["type"] = "thing"
    with pytest.raises(sbom.Incomplete, match="not as its schema has it"):
        sbom.validate(made)


def test_licences_of_all_parts():
    document: dict[str, Any] = copy.deepcopy(DOCUMENT)
    document["components"].append({"type": "library", "name": "protobuf", "version": "7"})
    assert "protobuf  7   BSD-3-Clause\n" in sbom.licences(sbom.ours_first(document))
    classified = {"license": {"name": "License :: OSI Approved :: Apache Software License"}}
    document["components"][-1]["licenses"] = [classified]
    assert "protobuf  7   Apache Software License\n" in sbom.licences(document)
    made = sbom.ours_first(copy.deepcopy(DOCUMENT))
    assert sbom.licences(made) == "A  10  MIT OR Apache-2.0\nb  2   MIT\n"
    del made["components"][0]["licenses"]
    with pytest.raises(sbom.Incomplete, match="b 2 does not say under which licence it is"):
        sbom.licences(made)


def test_the_extras_are_those_for_running():
    assert {"sam", "otel", "jwt"} <= set(sbom.extras())
    assert not {"test", "ci", "release"} & set(sbom.extras())


@pytest.mark.slow
def test_of_an_environment():
    """This one, which has more than what is published."""
    made = sbom.ours_first(json.loads(sbom.inventory(sys.executable)))
    found = {each["name"].lower(): each["version"] for each in made["components"]}
    assert found["twisted"] == version("twisted")
    assert made["metadata"]["component"]["name"] == "lambdaproxy"
    assert "timestamp" not in made["metadata"]  # so that it is the same each time
