"""The pages become a site without a warning, and the site loads nothing from anywhere else."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.processes import ROOT

pytest.importorskip("sphinx", reason="needs Sphinx, Furo and MyST (extra `test`)")
pytest.importorskip("furo", reason="needs Sphinx, Furo and MyST (extra `test`)")
pytest.importorskip("myst_parser", reason="needs Sphinx, Furo and MyST (extra `test`)")

_LOADED = re.compile(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="([^"]*)"|<link\b[^>]*\bhref="([^"]*)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make site` builds it: what leads nowhere, and a page that stands in no list, is an error."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-d", folder / "trees", "docs", folder / "html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "html"


def test_every_page_is_there(site):
    for page in (ROOT / "docs").rglob("*.md"):
        assert (site / page.relative_to(ROOT / "docs")).with_suffix(".html").is_file(), page


def test_nothing_is_loaded_from_elsewhere(site):
    for page in site.rglob("*.html"):
        for found in _LOADED.findall(page.read_text()):
            assert not any(target.startswith(("http:", "https:", "//")) for target in found), (page.name, found)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"@import|url\(['\"]?(?:https?:)?//", sheet.read_text()), sheet.name


def test_pages_can_be_searched_and_are_dark_at_night(site):
    assert (site / "searchindex.js").is_file() and (site / "search.html").is_file()
    assert "theme-toggle" in (site / "index.html").read_text()
