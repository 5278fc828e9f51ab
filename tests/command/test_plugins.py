"""`lambdaproxy plugins`: what is there, what does not load, and the caches that it writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import twisted.plugins

import lambdaproxy.plugins
from tests.processes import CLEAN, ROOT, run_program

PROGRAM = str(Path(sys.executable).parent / "lambdaproxy")


def plugins(path: Path | str) -> subprocess.CompletedProcess[str]:
    env = {**CLEAN, "PYTHONPATH": str(path)}
    return run_program(PROGRAM, "plugins", env=env)


def test_what_is_installed():
    done = plugins("")
    assert (done.returncode, done.stderr) == (0, "")
    for line in ("format     apigateway-v2 ", "invoker    local ", "twistd     lambdaproxy "):
        assert f"\n{line}" in f"\n{done.stdout}"


def test_a_plugin_of_somebody_else():
    done = plugins(ROOT / "tests" / "toys" / "codec")
    assert done.returncode == 0 and "format     toy " in done.stdout


def test_a_plugin_that_does_not_load_is_named(tmp_path):
    folder = tmp_path / "lambdaproxy" / "plugins"
    folder.mkdir(parents=True)
    (folder / "broken.py").write_text("import nothing_of_this_name\n")
    done = plugins(tmp_path)
    assert done.returncode == 1
    expected = (
        "BAD        lambdaproxy/plugins/broken.py does not load: ModuleNotFoundError: No module named 'nothing_of"
    )
    assert expected in done.stdout
    assert "format     alb " in done.stdout and done.stderr == ""


def test_the_caches_are_written_once():
    """A service that may not write there finds them good, and does not complain of it."""
    assert plugins("").returncode == 0
    caches = [Path(path) / "dropin.cache" for each in (twisted.plugins, lambdaproxy.plugins) for path in each.__path__]
    before = {cache: cache.stat().st_mtime_ns for cache in caches if cache.exists()}
    assert any("lambdaproxy" in str(cache.parent.parent.name) for cache in before) and len(before) >= 2
    assert plugins("").returncode == 0
    assert {cache: cache.stat().st_mtime_ns for cache in before} == before


def test_whose_a_plugin_is(tmp_path):
    """A distribution that has a plugin in our folder has a part of the package `lambdaproxy`, as Python counts."""
    (tmp_path / "lambdaproxy/plugins").mkdir(parents=True)
    (tmp_path / "lambdaproxy/plugins/mine.py").write_text(
        (ROOT / "tests/toys/codec/lambdaproxy/plugins/toy.py").read_text().replace('"toy"', '"mine"')
    )
    about = tmp_path / "a_format-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: a-format\nVersion: 1.0\n")
    (about / "RECORD").write_text("lambdaproxy/plugins/mine.py,,\na_format-1.0.dist-info/METADATA,,\n")
    done = plugins(tmp_path)
    assert done.returncode == 0
    assert [line.split()[1] for line in done.stdout.splitlines() if "a-format 1.0" in line] == ["mine"]
