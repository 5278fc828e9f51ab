"""A release: what its checklist refuses, and that what it builds is the same wherever it is built."""

import gzip
import io
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import PackageNotFoundError, version

import pytest
from packaging.version import Version

from tests.processes import ROOT
from tools import builds, release

LOG = """\
# Changelog

## [Unreleased]

### Added

* Something.
"""


def git(folder, *words):
    subprocess.run(
        ["git", "-c", "user.name=n", "-c", "user.email=e@example.com", *words],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=60,
    )


@pytest.fixture
def little(tmp_path):
    """A repository with what the checklist looks at."""
    root = tmp_path / "tree"
    (root / "lambdaproxy").mkdir(parents=True)
    (root / "docs" / "operations").mkdir(parents=True)
    (root / "lambdaproxy" / "__init__.py").write_text('"""Words."""\n\n__version__ = "0.2.0"\n')
    (root / "CHANGELOG.md").write_text(LOG)
    (root / "docs" / "operations" / "installing.md").write_text(
        "python3 -m venv /opt/lambdaproxy-0.2.0\nthen lambdaproxy-0.2.1, and another-0.2.0\n"
    )
    (root / "examples").mkdir()
    (root / "examples" / "image.yaml").write_text("image: example.com/lambdaproxy:0.2.0\n    newTag: 0.2.0\n")
    (root / "examples" / "picture").write_bytes(b"\xff lambdaproxy-0.1.0")
    git(root, "init", "--quiet", "--initial-branch", "main")
    return commit(root)


def commit(root):
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "all")
    return release.Release(root, root / "dist")


def test_prepared_and_checked(little, capsys):
    release.prepare(little.root, "0.3.0", "2026-11-26")
    assert little.version == "0.3.0"
    assert "## [Unreleased]\n\n## [0.3.0] - 2026-11-26\n" in (little.root / "CHANGELOG.md").read_text()
    release.check(commit(little.root), ["tree", "version", "changelog"])
    assert "0.3.0 (0 s)" in capsys.readouterr().out
    page = (little.root / "docs" / "operations" / "installing.md").read_text()
    assert page == "python3 -m venv /opt/lambdaproxy-0.3.0\nthen lambdaproxy-0.3.1, and another-0.2.0\n"
    image = little.root / "examples" / "image.yaml"
    assert image.read_text() == "image: example.com/lambdaproxy:0.3.0\n    newTag: 0.3.0\n"
    image.write_text("image: example.com/lambdaproxy:0.2.0\n")
    with pytest.raises(
        release.Stop, match=r"examples/image\.yaml names 0\.2\.0, which is neither 0.3.0 nor the next one"
    ):
        release.check(little, ["version"])


def test_our_pages_name_this_version_or_the_next():
    own = release.version(ROOT)
    for page, versions in release.named(ROOT).items():
        assert versions <= {own, release.following(own)}, page


@pytest.mark.parametrize(
    "version, said", [("0.1.0", "older"), ("0.3.0.0-1", "PEP"), ("0.3", "PEP"), ("one", "Invalid"), ("v1.0.0", "PEP")]
)
def test_no_such_version(little, version, said):
    before = (little.root / "CHANGELOG.md").read_text()
    with pytest.raises(release.Stop, match=said):
        release.prepare(little.root, version, "2026-11-26")
    assert little.version == "0.2.0"
    assert (little.root / "CHANGELOG.md").read_text() == before


def test_what_is_not_committed(little):
    (little.root / "more").write_text("")
    with pytest.raises(release.Stop, match="commit or remove what is not committed: more"):
        release.check(little, ["tree"])


def test_what_is_not_named(little):
    with pytest.raises(release.Stop, match="names what is unreleased"):
        release.check(little, ["changelog"])
    (little.root / "docs" / "operations" / "installing.md").write_text("pip install .\n")
    with pytest.raises(release.Stop, match=r"installing\.md installs another version than 0\.2\.0"):
        release.check(little, ["version"])


@pytest.mark.parametrize("tag", ["v0.3.0", "v0.10.0"])
def test_a_version_that_is_tagged(little, tag):
    release.prepare(little.root, "0.3.0", "2026-11-26")
    git(little.root, "tag", tag)
    with pytest.raises(release.Stop, match="is not newer than"):
        release.check(little, ["version"])


def test_no_final_version(little):
    release.prepare(little.root, "0.3.0rc1", "2026-11-26")
    with pytest.raises(release.Stop, match="no final version"):
        release.check(little, ["version"])


def test_a_build_that_differs(little):
    def build(source, folder, epoch):
        made = folder / "made"
        made.write_text(str(folder))
        return made

    with pytest.raises(release.Stop, match="made is another file each time"):
        release._twice(little, build)


def test_the_conformance_suite_is_released_with_it(little, monkeypatch):
    def build(kind):
        def made(source, folder, epoch):
            (folder / kind).write_text((source / "pyproject.toml").read_text())
            return folder / kind

        return made

    (little.root / "conformance").mkdir()
    (little.root / "conformance" / "pyproject.toml").write_text("the suite's")
    commit(little.root)
    monkeypatch.setattr(builds, "sdist", build("a.tar.gz"))
    monkeypatch.setattr(builds, "wheel", build("a.whl"))
    release.check(little, ["conformance"])
    assert {each.name: each.read_text() for each in little.dist.iterdir()} == dict.fromkeys(
        ("a.tar.gz", "a.whl"), "the suite's"
    )


def test_what_is_published_and_what_only_lies_beside(little):
    files = ("SHA256SUMS", "a-1.tar.gz", "a-1-py3-none-any.whl", "a-1.cdx.json", "compiled/a-1-cp311-linux_x86_64.whl")
    (little.dist / release.COMPILED).mkdir(parents=True)
    for name in files:
        (little.dist / name).write_text(name)
    lines = release.farewell(little).splitlines()
    # Indexes refuse whatever else there is, and then publish nothing.
    assert "  twine upload dist/a-1-py3-none-any.whl dist/a-1.tar.gz" in lines
    release.check(little, ["sums"])
    listed = [line.split()[1] for line in (little.dist / "SHA256SUMS").read_text().splitlines()]
    assert listed == sorted(set(files) - {"SHA256SUMS"})
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=little.dist, capture_output=True)
    assert done.returncode == 0


def test_archives_are_written_anew():
    def archive(order, mtime, mode):
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w:gz") as file:
            for name in order:
                member = tarfile.TarInfo(name)
                member.size, member.mtime, member.mode, member.uid, member.uname = 2, mtime, mode, 1000, "me"
                file.addfile(member, io.BytesIO(b"hi"))
        return raw.getvalue()

    one, other = archive("ab", 1, 0o640), archive("ba", 2.5, 0o664)
    assert one != other
    made = builds.normalised(one, 1_700_000_000)
    assert made == builds.normalised(other, 1_700_000_000)
    assert gzip.decompress(made)
    with tarfile.open(fileobj=io.BytesIO(made)) as file:
        assert [(each.name, each.mtime, each.mode, each.uid, each.uname) for each in file] == [
            ("a", 1_700_000_000, 0o644, 0, ""),
            ("b", 1_700_000_000, 0o644, 0, ""),
        ]


def test_an_archive_of_ours_is_unpacked_by_every_python(tmp_path):
    with tarfile.open(tmp_path / "one.tar.gz", "w:gz") as file:
        member = tarfile.TarInfo("lambdaproxy-1/README.md")
        member.size = 2
        file.addfile(member, io.BytesIO(b"hi"))
    (tmp_path / "into").mkdir()
    made = builds.unpacked(tmp_path / "one.tar.gz", tmp_path / "into")
    assert made == tmp_path / "into" / "lambdaproxy-1"
    assert (made / "README.md").read_text() == "hi"


def test_a_program_that_fails(tmp_path):
    with pytest.raises(builds.Failed, match="ended with 3: no"):
        builds.run(sys.executable, "-c", "import sys; print('no'); sys.exit(3)", cwd=tmp_path)


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """What is tracked here, committed in a repository of its own."""
    root = tmp_path_factory.mktemp("ours") / "tree"
    git(ROOT, "checkout-index", "--all", f"--prefix={root}/")
    git(root, "init", "--quiet", "--initial-branch", "main")
    return commit(root)


def test_sdist_and_wheel_are_the_same_wherever_they_are_built(ours, monkeypatch):
    """Built in two places, of other times and modes; and the sdist has all that the wheel is made of."""
    try:
        version("build")
        fit = Version(version("setuptools")) >= Version("77")
    except PackageNotFoundError:
        fit = False
    if not fit:
        pytest.skip("PyPI's build and a newer setuptools are not installed; the extra release has them")
    monkeypatch.setattr(builds, "HOW", ["--no-isolation"])
    release.check(ours, ["sdist", "wheel", "sums"])
    names = sorted(path.name for path in ours.dist.iterdir())
    stem = f"lambdaproxy-{ours.version}"
    assert names == ["SHA256SUMS", f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"]
    with tarfile.open(ours.dist / names[2]) as file:
        inside = {name.partition("/")[2] for name in file.getnames()}
    # Whoever has the sdist can run the tests, read the pages and build everything anew.
    tracked = subprocess.run(["git", "ls-files"], cwd=ours.root, capture_output=True, text=True, check=True).stdout
    left_out = {path for path in tracked.split() if path not in inside}
    assert left_out <= {".pre-commit-config.yaml", ".gitignore"} | {
        path for path in tracked.split() if path.startswith((".github/", ".devcontainer/"))
    }
    wheel = zipfile.ZipFile(ours.dist / names[1])
    assert not [name for name in wheel.namelist() if name.startswith(("tests/", "tools/", "docs/", "conformance/"))]
