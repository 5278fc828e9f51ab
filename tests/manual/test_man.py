"""Manual pages name every option and setting, and are what `man` can show."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from lambdaproxy.command.main import COMMANDS
from lambdaproxy.config.settings import SETTINGS
from lambdaproxy.manual import man, options


def shown(name):
    """The page as text without its requests."""
    return man.PAGES[name]().replace("\\-", "-").replace("\\(aq", "'")


@pytest.mark.parametrize(
    "words, made",
    [
        (".a request", "\\&.a request"),
        ("one\n'two", "one\n\\(aqtwo"),
        ("C:\\x -y", "C:\\ex \\-y"),
        ("^a~`", "\\(haa\\(ti\\(ga"),
    ],
)
def test_words_are_no_requests(words, made):
    assert man.text(words) == made


def test_all_commands_and_options():
    page = shown("lambdaproxy.1")
    for name in COMMANDS:
        assert f".SS {name}\n" in page
        for each in options.of_command(name):
            assert each.names == ("--help",) or ", ".join(each.names) in page, each
    for kind in options.kinds():
        assert f"lambdaproxy event {kind}\n" in page


def test_all_settings():
    page = shown("lambdaproxy.toml.5")
    assert [name for name in SETTINGS if f"\\fB{name}\\fR" not in page] == []


@pytest.mark.parametrize("name", man.PAGES)
def test_every_entry_says_something(name):
    """A tag without a paragraph would take the next tag for its own."""
    assert re.findall(r"^\.TP\n.*\n(?:\.|$)", man.PAGES[name](), re.M) == []


@pytest.mark.parametrize("name", man.PAGES)
@pytest.mark.parametrize("program", [("man", "--warnings=w", "-l"), ("mandoc", "-T", "lint", "-W", "error")])
def test_pages_can_be_shown(name, program, tmp_path):
    if shutil.which(program[0]) is None:
        pytest.skip(f"{program[0]} is not installed")
    (tmp_path / name).write_text(man.PAGES[name]())
    done = subprocess.run(
        [*program, str(tmp_path / name)],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "MANWIDTH": "100", "LC_ALL": "C.UTF-8"},
    )
    if "minimized" in done.stdout or "man-db" in done.stderr:
        pytest.skip("man shows nothing on a system that is kept small")
    assert (done.returncode, done.stderr) == (0, "")
    assert program[0] == "mandoc" or "SEE ALSO" in done.stdout
