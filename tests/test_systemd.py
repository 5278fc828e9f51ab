"""The unit file says what systemd understands, and keeps its hardening."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import run_program

FOLDER = Path(__file__).parent.parent / "systemd"
UNIT = FOLDER / "lambdaproxy.service"

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def unit(tmp_path):
    """The units with a program that exists here: a missing one is an error, an unknown key only a warning."""
    text = UNIT.read_text()
    assert len(re.findall(r"(?m)^Exec\w+=/opt/lambdaproxy/bin/lambdaproxy ", text)) == 3
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"(?m)^(Exec\w+)=\S+", rf"\1={shutil.which('true')}", text))
    shutil.copy(FOLDER / "lambdaproxy.socket", tmp_path)
    return copy


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", ["lambdaproxy.service", "lambdaproxy.socket"])
def test_systemd_understands_every_line(unit, name):
    result = analyze("verify", "--man=no", str(unit.parent / name))
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("written", "mistake", "says"),
    [
        ("ProtectHome=", "ProtectHoem=", "ProtectHoem"),
        ("Type=notify", "Type=notifies", "Failed to parse service type"),
        ("WatchdogSec=30", "WatchdogSec=thirty", "thirty"),
        ("KillMode=mixed", "KillMode=mix", "Failed to parse kill mode"),
        ("@system-service", "@system-services", "@system-services"),
        ("RestrictAddressFamilies=AF_INET ", "RestrictAddressFamilies=AF_INTE ", "AF_INTE"),
        ("[Service]", "[Servcie]", "Servcie"),
    ],
)
def test_a_mistake_would_be_noticed(unit, written, mistake, says):
    text = unit.read_text()
    assert written in text
    unit.write_text(text.replace(written, mistake))
    assert says in analyze("verify", "--man=no", str(unit)).stderr


def test_the_exposure_stays_low(unit):
    result = analyze("security", "--offline=true", "--threshold=14", str(unit))
    assert result.returncode == 0, result.stdout[-400:]


def test_the_commands_of_the_unit_take_its_options(tmp_path):
    """What the unit runs, with the file that we ship, and with the socket that it names."""
    text = UNIT.read_text()
    default = re.search(r'(?m)^Environment="LAMBDAPROXY_OPTIONS=(.*)"$', text)
    assert default is not None and default[1] == "--config /etc/lambdaproxy/lambdaproxy.toml"
    options = default[1].replace("/etc/lambdaproxy", str(FOLDER)).split()
    program = str(Path(sys.executable).parent / "lambdaproxy")
    for more in ([], ["--port", re.findall(r'port = "(systemd:.*)"', (FOLDER / "lambdaproxy.socket").read_text())[0]]):
        done = run_program(program, "check", *options, *more)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "FileDescriptorName=http\n" in (FOLDER / "lambdaproxy.socket").read_text()


def test_who_gives_a_capability_is_told_of_the_users_of_its_own():
    """A capability within a user namespace is none for the machine's ports: bind says EACCES all the same."""
    page = (FOLDER.parent / "docs/operations/tls.md").read_text()
    assert "PrivateUsers=yes" in UNIT.read_text()
    [line] = [line for line in page.splitlines() if "CAP_NET_BIND_SERVICE" in line]
    assert "`PrivateUsers=no`" in line
