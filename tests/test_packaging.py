"""The package, built and installed as a user would, is found by twistd."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*arguments, cwd=ROOT, timeout=180):
    result = subprocess.run(
        [str(argument) for argument in arguments], cwd=cwd, capture_output=True, text=True, timeout=timeout
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    # A copy of what is tracked: build leftovers in the working tree must not reach the wheel.
    run("git", "checkout-index", "--all", f"--prefix={source}/")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source)
    (built,) = folder.glob("*.whl")
    return built


def environment(folder):
    """A clean virtual environment that sees the dependencies of this one, but nothing of our own tree."""
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    here = next(Path(path) for path in sys.path if path.endswith("site-packages"))
    there = next((folder / "lib").glob("python3*/site-packages"))
    ours = {path.name for path in here.iterdir() if "lambdaproxy" in path.name}
    for path in here.iterdir():
        if path.name == "twisted":
            # What is installed writes into this one: a link would let it write into ours.
            shutil.copytree(
                path, there / "twisted", ignore=shutil.ignore_patterns("lambdaproxy*", "dropin.cache", "test")
            )
        elif path.name not in ours and path.suffix != ".pth":
            (there / path.name).symlink_to(path)
    return folder / "bin" / "python"


def install(python, *what):
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", *what)


@pytest.mark.parametrize("how", ["wheel", "editable"])
def test_twistd_finds_the_plugin(wheel, how, tmp_path):
    python = environment(tmp_path / "venv")
    if how == "wheel":
        install(python, wheel)
    else:
        copy = tmp_path / "source"
        run("git", "checkout-index", "--all", f"--prefix={copy}/")
        run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--editable", copy)
    twistd = (python, "-c", "from twisted.scripts.twistd import run; run()")
    assert "lambdaproxy" in run(*twistd, "--help", cwd="/")
    assert "--aws-region" in run(*twistd, "lambdaproxy", "--help", cwd="/")


def test_a_distribution_of_somebody_else_adds_a_codec(wheel, tmp_path):
    python = environment(tmp_path / "venv")
    install(python, wheel)
    shutil.copytree(ROOT / "tests" / "toys" / "codec", tmp_path / "toy")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", tmp_path / "toy")
    twistd = (python, "-c", "from twisted.scripts.twistd import run; run()", "-n", "lambdaproxy")
    assert "toy: Shouts the body." in run(*twistd, "--help-formats", cwd="/")
    assert "as toy:times=2" in run(*twistd, "--format", "toy:times=2", "--check", cwd="/")


def test_what_the_wheel_holds(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "twisted/plugins/lambdaproxy_plugin.py" in names
    assert "lambdaproxy/py.typed" in names
    assert "lambdaproxy/runtime/bootstrap.mjs" in names
    assert not [name for name in names if name.startswith(("tests/", "twisted/__init__", "twisted/plugins/__init__"))]


def test_twisted_stays_a_namespace():
    # An __init__.py here would hide Twisted itself from everybody who runs from a checkout.
    assert list((ROOT / "twisted").rglob("__init__.py")) == []


def test_listing_the_plugins_imports_nothing_heavy():
    code = (
        "import sys; from twisted.plugin import getPlugins; from twisted.application.service import IServiceMaker;"
        "list(getPlugins(IServiceMaker));"
        "print(sorted(m for m in sys.modules if m.startswith(('lambdaproxy', 'botocore', 'twisted.internet.reactor'))))"
    )
    assert run(sys.executable, "-c", code).strip() == "[]"
