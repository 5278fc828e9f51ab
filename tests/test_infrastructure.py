"""The examples of Terraform and the CDK: they parse, lead nowhere wrong, and their lambdaproxy would start."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import CLEAN, ROOT, WAIT

EXAMPLES = ROOT / "examples"
TERRAFORM = sorted(EXAMPLES.glob("terraform-*"))
SCRIPT = (EXAMPLES / "terraform-nlb/install.sh.tftpl").read_text()


def code(folder: Path) -> str:
    """The text of `main.tf` without comments and, but for what they refer to, without strings."""
    text = re.sub(r"(?m)^\s*#.*$", "", (folder / "main.tf").read_text())
    return re.sub(
        r'"((?:[^"\\$]|\$\{[^}]*\}|\$(?!\{)|\\.)*)"',
        lambda found: " ".join(re.findall(r"\$\{([^}]*)\}", found[1])),
        text,
    )


@pytest.mark.parametrize("folder", TERRAFORM, ids=lambda folder: folder.name)
def test_it_parses(folder):
    hcl2 = pytest.importorskip("hcl2", reason="needs python-hcl2")
    with (folder / "main.tf").open() as file:
        assert hcl2.load(file)["resource"]


@pytest.mark.parametrize("folder", TERRAFORM, ids=lambda folder: folder.name)
def test_every_reference_leads_somewhere(folder):
    source = (folder / "main.tf").read_text()
    there = {".".join(pair) for pair in re.findall(r'(?m)^resource "(\w+)" "(\w+)"', source)}
    there |= {f"data.{kind}.{name}" for kind, name in re.findall(r'(?m)^data "(\w+)" "(\w+)"', source)}
    there |= {f"var.{name}" for name in re.findall(r'(?m)^variable "(\w+)"', source)}
    block = source.partition("\nlocals {")[2].partition("\n}")[0]
    there |= {f"local.{name}" for name in re.findall(r"(?m)^  (\w+)\s*=", block)}
    named = set(re.findall(r"(?<![\w.])((?:data\.)?aws_\w+\.\w+|var\.\w+|local\.\w+)", code(folder)))
    assert len(named) > 8 and named - there == set()
    unused = {name for name in there if name.startswith(("var.", "local.", "data."))} - named
    assert unused == set()


@pytest.mark.parametrize("folder", TERRAFORM, ids=lambda folder: folder.name)
def test_it_is_written_as_terraform_writes_it(folder):
    terraform = shutil.which("terraform")
    if terraform is None:
        pytest.skip("terraform is not installed")
    done = subprocess.run([terraform, "fmt", "-check", "-diff", folder], capture_output=True, text=True, timeout=WAIT)
    assert done.returncode == 0, done.stdout


def rendered(template: str) -> str:
    """The configuration of the Terraform example, as `templatefile` makes it for two hosts."""
    loop = re.compile(r"%\{ for host, function in functions ~\}\n(.*?)%\{ endfor ~\}\n", re.DOTALL)
    one = loop.search(template)
    assert one is not None
    routes = "".join(
        one[1].replace("${host}", host).replace("${function.name}:${function.alias}", function)
        for host, function in (("api.example.com", "web:prod"), ("shop.example.com", "shop:prod"))
    )
    text = loop.sub(lambda _: routes, template)
    return text.replace("${region}", "eu-west-1").replace("${format}", "apigateway-v2")


def of_the_cdk() -> str:
    tree = ast.parse((EXAMPLES / "cdk/app.py").read_text())
    [text] = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "CONFIGURATION"
        if isinstance(node.value, ast.Constant)
    ]
    assert isinstance(text, str)
    return text.format(region="eu-west-1", host="api.example.com", function="web:prod")


CONFIGURATIONS = {
    "terraform": rendered((EXAMPLES / "terraform-nlb/lambdaproxy.toml.tftpl").read_text()),
    "cdk": of_the_cdk(),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_instances_would_start(name, tmp_path):
    (tmp_path / "lambdaproxy.toml").write_text(CONFIGURATIONS[name])
    program = (sys.executable, "-c", "from lambdaproxy.command.main import main; main()")
    done = subprocess.run(
        [*program, "check", "--config", tmp_path / "lambdaproxy.toml"],
        env=CLEAN,
        capture_output=True,
        text=True,
        timeout=WAIT,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "web:prod on aws, as apigateway-v2" in done.stdout


def test_what_takes_everything_takes_the_first_page_too():
    """`/{proxy+}` is not `/`, as in an HTTP API: who opens the site would get 404."""
    pages = [*(ROOT / "docs").rglob("*.md"), *EXAMPLES.rglob("*.toml*"), *EXAMPLES.rglob("*.yaml")]
    read = {path: path.read_text() for path in [*pages, EXAMPLES / "cdk/app.py"] if path.is_file()}
    assert sum('path = "$default"' in text for text in read.values()) > 5
    assert [path.name for path, text in read.items() if re.search(r'path = "/\{+proxy\+\}+"', text)] == []


def test_times_and_ports_agree():
    source = (EXAMPLES / "terraform-nlb/main.tf").read_text()
    stops = re.search(r"TimeoutStopSec=(\d+)", SCRIPT)
    assert stops
    for text in CONFIGURATIONS.values():
        drain = re.search(r"drain-timeout = (\d+)", text)
        assert drain and int(drain[1]) + 10 <= int(stops[1])
        # Balancer and endpoint have to agree on the header that says who the client is.
        assert 'port = "haproxy:tcp:8011:' in text and 'metrics-listen = "haproxy:tcp:9100:' in text
    assert re.search(r"proxy_protocol_v2\s*= true", source) and re.search(r"port\s*= 9100", source)
    assert '"/readyz"' in source


def test_what_a_core_carries_follows_from_what_a_request_costs():
    """The table for planning is made of the measured one, and nobody has to remember it when that changes."""
    cost = (ROOT / "docs/cost.md").read_text()
    table = (ROOT / "docs/operations/sizing.md").read_text().partition("## One core")[2].partition("\n## ")[0]
    rows = [[float(cell.replace(",", "")) for cell in row] for row in re.findall(_ROW, table)]
    assert len(rows) == 5
    for microseconds, carried, at_most in rows:
        assert any(abs(microseconds - int(one)) <= 100 for one in re.findall(r"(?m)^\|[^|]*\| (\d+) \|", cost))
        assert carried == pytest.approx(1e6 / microseconds, rel=0.04)
        assert at_most == pytest.approx(0.7 * carried, rel=0.04)
    small = f"{int(rows[0][2]):,} small"
    for page in ("tutorials/kubernetes.md", "operations/containers.md"):
        assert small in (ROOT / "docs" / page).read_text(), page


_ROW = r"(?m)^\|[^|]*\| ([\d,]+) \| about ([\d,]+) \| ([\d,]+) \|$"


def test_the_script_has_no_mistakes(tmp_path):
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    script = tmp_path / "install.sh"
    script.write_text(
        SCRIPT.replace("${wheel}", "s3://bucket/x.whl").replace("${configuration}", CONFIGURATIONS["cdk"])
    )
    assert subprocess.run([bash, "-n", script], capture_output=True, timeout=WAIT).returncode == 0
    # What Terraform would take for its own is written nowhere but where it is meant.
    assert set(re.findall(r"[$%]\{[^}]*\}", SCRIPT)) == {"${wheel}", "${configuration}"}


def test_the_unit_says_what_ours_says():
    """The script has a short one; where both speak of the same, they say the same."""
    ours = dict(re.findall(r"(?m)^(\w+)=(.*)$", (ROOT / "systemd/lambdaproxy.service").read_text()))
    own = dict(re.findall(r"(?m)^(\w+)=(.*)$", SCRIPT.partition("UNIT'\n")[2]))
    for key in ("Type", "ExecReload", "WatchdogSec", "KillMode", "SuccessExitStatus", "User", "LimitNOFILE", "Restart"):
        assert own[key] == ours[key], key


def test_wheels_are_named_as_pip_wants_them():
    """A wheel of another name is copied to the instances, and refused there by pip."""
    named = [name for path in (*EXAMPLES.glob("terraform-*/main.tf"), EXAMPLES / "cdk/app.py") for name in wheels(path)]
    assert len(named) > 1
    for name in named:
        assert re.fullmatch(r"lambdaproxy(-[\w.]+){4}\.whl", name), name


def wheels(path: Path) -> list[str]:
    return re.findall(r"s3://my-bucket/(\S+\.whl)", path.read_text())


def test_the_cdk_knows_what_to_run():
    app = json.loads((EXAMPLES / "cdk/cdk.json").read_text())["app"].split()
    assert app[0] == "python3" and (EXAMPLES / "cdk" / app[1]).is_file()


def synthesized(tmp_path: Path, context: dict[str, str]) -> subprocess.CompletedProcess[str]:
    env = {**CLEAN, "CDK_CONTEXT_JSON": json.dumps(context), "CDK_OUTDIR": str(tmp_path)}
    done = [sys.executable, "-W", "ignore", str(EXAMPLES / "cdk/app.py")]
    return subprocess.run(done, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=4 * WAIT)


def test_the_cdk_makes_a_template(tmp_path):
    pytest.importorskip("aws_cdk", reason="needs aws-cdk-lib, which is 200 MB with Node's part")
    context = {"certificate": "arn:aws:acm:eu-west-1:123456789012:certificate/1", "function": "web:prod", "host": "a.b"}
    done = synthesized(tmp_path, context)
    assert done.returncode == 1 and "cdk: -c wheel=... is missing" in done.stderr and "Traceback" not in done.stderr
    done = synthesized(tmp_path, {**context, "wheel": "s3://bucket/lambdaproxy.whl"})
    assert done.returncode == 1 and "no s3://BUCKET/KEY that ends in the name" in done.stderr
    done = synthesized(tmp_path, {**context, "wheel": "s3://bucket/lambdaproxy-0.2.0-py3-none-any.whl"})
    assert done.returncode == 0, done.stderr
    made = json.loads((tmp_path / "lambdaproxy.template.json").read_text())["Resources"].values()
    kinds = {each["Type"] for each in made}
    assert "AWS::EC2::LaunchTemplate" in kinds and "AWS::AutoScaling::LaunchConfiguration" not in kinds
    [group] = [each for each in made if each["Type"] == "AWS::AutoScaling::AutoScalingGroup"]
    assert group["UpdatePolicy"]["AutoScalingRollingUpdate"]["PauseTime"] == "PT5M"  # until the new one is healthy
    assert group["Properties"]["HealthCheckType"] == "ELB"


def test_the_cdk_is_python():
    tree = ast.parse((EXAMPLES / "cdk/app.py").read_text())
    groups = [
        {word.arg for word in node.keywords}
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "autoscaling.AutoScalingGroup"
    ]
    # Anything else makes a launch configuration, which new accounts cannot have.
    assert [("launch_template" in words, "machine_image" in words) for words in groups] == [(True, False)]
