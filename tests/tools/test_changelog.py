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


MERGED = """\
# Changelog

Words.

## [Unreleased]

### Fixed

* A fault.
* **Streams** end.

### Added

- One
  thing.
* Another.
* Long known.

### Fixed

* One thing.
* **Streams** begin.
* A fault.

## [1.0.0] - 2026-01-31

### Fixed

* Long
  known.
"""


def test_what_merges_leave_is_put_in_order():
    text, said = changelog.tidied(MERGED)
    assert text.startswith(
        "# Changelog\n\nWords.\n\n## [Unreleased]\n\n### Added\n\n* One\n  thing.\n* Another.\n\n### Fixed\n"
    )
    assert changelog.read(text)[0].groups == {
        "Added": ["One\n  thing.", "Another."],
        "Fixed": ["A fault.", "**Streams** end.", "**Streams** begin."],
    }
    assert text.endswith(MERGED[MERGED.index("## [1.0.0]") :])
    alike = "CHANGELOG.md: 'Streams' begins two entries, in Fixed and Fixed: look at them"
    assert said == [
        "CHANGELOG.md:14: a dash is an asterisk now",
        "CHANGELOG.md:19: Fixed stands once now",
        "CHANGELOG.md: the groups stand as Added, Fixed now",
        "CHANGELOG.md: 'Long known.' stands in 1.0.0, and no more a second time in Added",
        "CHANGELOG.md: 'One thing.' stands in Added, and no more a second time in Fixed",
        alike,
        "CHANGELOG.md: 'A fault.' stands in Fixed, and no more a second time in Fixed",
    ]
    assert changelog.tidied(text) == (text, [alike])


def test_what_is_in_order_stays_as_it_is():
    assert changelog.tidied(GOOD) == (GOOD, [])


@pytest.mark.parametrize(
    "old, new, said",
    [
        ("* A fault.", "A fault.", "an entry begins with"),
        ("### Fixed", "### Mended", "is no group"),
        ("## [1.2.0] - 2026-01-31", "## 1.2.0", "a section is"),
    ],
)
def test_what_nobody_can_put_in_order_is_named(old, new, said):
    with pytest.raises(changelog.Malformed, match=said):
        changelog.tidied(GOOD.replace(old, new, 1))


def test_the_command_writes_the_file(tmp_path, capsys):
    path = tmp_path / "CHANGELOG.md"
    path.write_text(MERGED)
    assert changelog.main(path) == 0
    assert path.read_text() == changelog.tidied(MERGED)[0]
    assert "a dash is an asterisk now" in capsys.readouterr().out
    path.write_text("# Changes\n")
    assert changelog.main(path) == 1
    assert capsys.readouterr().err == "CHANGELOG.md: the first section is '## [Unreleased]'\n"
