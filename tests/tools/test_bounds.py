"""The lowest versions that setup.cfg permits, as constraints."""

import subprocess
import sys
from configparser import ConfigParser

from packaging.requirements import Requirement
from packaging.version import Version

from tests.processes import ROOT
from tools import bounds


def test_the_highest_of_several_lower_bounds():
    wanted = map(Requirement, ("One>=1.2", "one[more] >= 1.10, < 2", "two~=3.1", "three", "four==4", "five<6"))
    assert bounds.lowest(wanted) == {"one": Version("1.10"), "two": Version("3.1"), "four": Version("4")}


def test_what_is_for_other_systems_is_left_out():
    file = ConfigParser(interpolation=None)
    file.read_string(
        "[options]\ninstall_requires =\n    # a comment\n    a >= 1\n"
        '[options.extras_require]\nmore =\n    b >= 2; sys_platform == "win32"\n    c >= 3; python_version > "3"\n'
    )
    assert [each.name for each in bounds.requirements(file, ["more"])] == ["a", "c"]


def test_every_dependency_of_ours_has_a_lower_bound():
    file = ConfigParser(interpolation=None)
    file.read(ROOT / "setup.cfg")
    extras = [name for name in file["options.extras_require"] if name not in ("test", "ci")]
    wanted = list(bounds.requirements(file, extras))
    assert {each.name.lower() for each in wanted} == set(bounds.lowest(wanted))


def test_the_program():
    done = subprocess.run(
        [sys.executable, "-m", "tools.bounds", "test"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    lines = done.stdout.splitlines()
    assert "twisted==26.10" in lines
    assert all(Requirement(line).specifier for line in lines)
