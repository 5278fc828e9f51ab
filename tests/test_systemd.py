"""The unit file says what systemd understands, and keeps its hardening."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNIT = Path(__file__).parent.parent / "systemd" / "lambdaproxy.service"

pytestmark = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


@pytest.fixture
def unit(tmp_path):
    """The unit with a program that exists here: a missing one is an error, an unknown key only a warning."""
    text = UNIT.read_text()
    assert "ExecStart=/opt/lambdaproxy/bin/twistd " in text
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"ExecStart=\S+", f"ExecStart={shutil.which('true')}", text))
    return copy


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, timeout=60)


def test_systemd_understands_every_line(unit):
    result = analyze("verify", "--man=no", str(unit))
    assert (result.returncode, result.stderr) == (0, "")


def test_a_misspelt_key_would_be_noticed(unit):
    unit.write_text(unit.read_text().replace("ProtectHome=", "ProtectHoem="))
    assert "ProtectHoem" in analyze("verify", "--man=no", str(unit)).stderr


def test_the_exposure_stays_low(unit):
    result = analyze("security", "--offline=true", "--threshold=15", str(unit))
    assert result.returncode == 0, result.stdout[-400:]
