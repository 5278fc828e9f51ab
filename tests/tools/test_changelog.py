"""The list of changes is in the form of Keep a Changelog, and a release takes what is unreleased."""

import pytest

from tests.processes import ROOT
from tools import changelog

GOOD = """\
# Changelog

Words.

## [Unreleased]

### Added

* One
  thing.
* Another.

### Fixed

* A fault.

## [1.2.0] - 2026-01-31

More words.

### Security

* A hole.

## [1.1.0] - 2025-12-01
"""


def test_our_own():
    (unreleased, *_) = changelog.read((ROOT / "CHANGELOG.md").read_text())
    assert unreleased.name == "Unreleased"


def test_what_is_read():
    sections = changelog.read(GOOD)
    assert [(each.name, each.date) for each in sections] == [
        ("Unreleased", None),
        ("1.2.0", "2026-01-31"),
        ("1.1.0", "2025-12-01"),
    ]
    assert sections[0].groups == {"Added": ["One\n  thing.", "Another."], "Fixed": ["A fault."]}


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("# Changelog", "# Changes", "CHANGELOG.md:1: the title"),
        ("## [Unreleased]\n", "", "is no group|belongs to|an entry stands"),
        ("## [Unreleased]", "## Unreleased", "CHANGELOG.md:5: a section is"),
        ("## [1.2.0] - 2026-01-31", "## [1.2.0]", "CHANGELOG.md:17: a section is"),
        ("2026-01-31", "31.1.2026", "CHANGELOG.md:17: a section is"),
        ("2026-01-31", "2026-13-31", "CHANGELOG.md:17: a section is"),
        ("[1.2.0]", "[1.0.0]", "from the newest to the oldest"),
        ("[1.2.0]", "[1.1.0]", "each once"),
        ("[1.2.0]", "[next]", "CHANGELOG.md:17: a section is"),
        ("### Fixed", "### Improved", "CHANGELOG.md:13: 'Improved' is no group"),
        ("### Fixed", "### Added", "CHANGELOG.md:13: Unreleased has Added twice"),
        ("* A fault.", "A fault.", "CHANGELOG.md:15: an entry begins"),
        ("* A fault.", "  A fault.", "CHANGELOG.md:15: this belongs to no entry"),
        ("More words.", "* More.", "CHANGELOG.md:19: an entry stands below"),
    ],
)
def test_what_is_refused(old, new, said):
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    with pytest.raises(changelog.Malformed, match=said):
        changelog.read(text)


def test_a_release_takes_what_is_unreleased():
    text = changelog.released(GOOD, "1.3.0", "2026-11-26")
    assert changelog.read(text)[0].groups == {}
    assert changelog.read(text)[1].groups == changelog.read(GOOD)[0].groups
    assert changelog.read(text)[1].date == "2026-11-26"
    assert changelog.text_of(text, "1.3.0") == "### Added\n\n* One\n  thing.\n* Another.\n\n### Fixed\n\n* A fault.\n"


@pytest.mark.parametrize("version, said", [("1.2.0", "released already"), ("1.1.0", "released already")])
def test_a_version_is_released_once(version, said):
    with pytest.raises(changelog.Malformed, match=said):
        changelog.released(GOOD, version, "2026-11-26")


def test_nothing_is_no_release():
    with pytest.raises(changelog.Malformed, match="nothing is unreleased"):
        changelog.released(changelog.released(GOOD, "1.3.0", "2026-11-26"), "1.4.0", "2026-11-27")


@pytest.mark.parametrize("version", ["1.1.0", "9.9"])
def test_a_version_that_says_nothing(version):
    with pytest.raises(changelog.Malformed, match="no section"):
        changelog.text_of(GOOD, version)
