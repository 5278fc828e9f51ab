"""The pages become a site without a warning, and the site loads nothing from anywhere else."""

from __future__ import annotations

import json
import re
import runpy
import subprocess
import sys

import pytest

from tests.processes import ROOT

for _each in ("sphinx", "furo", "myst_parser", "sphinx_copybutton"):
    pytest.importorskip(_each, reason="needs Sphinx, Furo, MyST and sphinx-copybutton (extra `test`)")

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


def test_what_operators_type_into_the_search_leads_to_a_section(site):
    """Sphinx leaves numbers out of its words, so that `413` would find nothing."""
    sought = runpy.run_path(str(ROOT / "docs" / "conf.py"))["SOUGHT"]
    text = (site / "searchindex.js").read_text()
    index = json.loads(text[text.index("(") + 1 : text.rindex(")")])
    entries = index["indexentries"]
    assert {"timeout", "413", "502", "cors", "tls"} <= set(entries)
    for word, places in sought.items():
        found = {f"{index['docnames'][page]}#{anchor}".rstrip("#") for page, anchor, _ in entries[word]}
        assert found == set(places), word
        for place in places:
            page, _, anchor = place.partition("#")
            assert not anchor or f'id="{anchor}"' in (site / f"{page}.html").read_text(), place


def test_commands_can_be_copied_without_their_prompt(site):
    script = (site / "_static" / "copybutton.js").read_text()
    assert r"[$#] " in script and "copybutton.js" in (site / "quickstart.html").read_text()


def test_the_navigation_is_by_kind(site):
    kinds = re.findall(r'class="caption-text">([^<]*)<', (site / "index.html").read_text())
    firsts = [kind.partition(":")[0] for kind in kinds]
    assert firsts == ["Begin", "How to", "How to", "How to", "Reference", "Explanations"]
