"""Completion is of all that there is, and works in the shells that are here."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from lambdaproxy import completion, registry
from lambdaproxy.command import ctl
from lambdaproxy.command.main import COMMANDS
from lambdaproxy.config.settings import SETTINGS
from lambdaproxy.manual import options


@pytest.mark.parametrize(
    "name, offered",
    [
        ("invoke-mode", {"buffered", "response-stream", "event", "dry-run"}),
        ("log-format", {"text", "json"}),
        ("on-disconnect", {"finish", "abort"}),
        ("format", set(registry.formats())),
        ("timeout", set()),
        ("forwarded-host", set()),
        ("port", set()),
    ],
)
def test_words_that_a_setting_takes(name, offered):
    assert set(options.choices(SETTINGS[name])) == offered


def test_help_texts_are_read():
    assert {"--event", "--event-type", "--stream", "--client-context", "--url", "--keys", "--no-log", "--template"} <= {
        each.names[-1] for each in options.of_command("invoke")
    }
    assert [each.names[-1] for each in options.of_command("report")] == ["--prices", "--json", "--help"]


def bash(tmp_path, *words):
    """What bash offers for the last of the words."""
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    (tmp_path / "completion").write_text(completion.script("bash"))
    code = """
    source ./completion
    complete -p lambdaproxy >/dev/null || exit 7
    COMP_WORDS=("$@") COMP_CWORD=$(( $# - 1 ))
    _lambdaproxy
    printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", code, "bash", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    "words, offered",
    [
        (("",), [*COMMANDS, "--help", "--version"]),
        (("ch",), ["check"]),
        (("serve", "--form"), ["--format"]),
        (("serve", "--format", ""), list(registry.formats())),
        (("serve", "--format", "=", "fun"), ["function-url"]),
        (("serve", "--format", "="), list(registry.formats())),
        (("serve", "--timeout", ""), []),
        (("serve", "--forwarded-host", "--max-req"), ["--max-requests"]),
        (("check", "--config", "tem"), ["template.yaml"]),
        (("import", "tem"), ["template.yaml"]),
        (("explain", "-"), [*(f"--{name}" for name in SETTINGS)]),
        (("event", "s"), ["s3", "sqs", "sns", "schedule"]),
        (("event", "sqs", "--q"), ["--queue"]),
        (("event", "alb:multi_value=yes", "--meth"), ["--method"]),
        (("invoke", "--event-type", ""), ["RequestResponse", "Event", "DryRun"]),
        (("ctl", ""), list(ctl.ACTIONS)),
        (("ctl", "--control", "tem"), ["template.yaml"]),
        (("logs", "--fo"), ["--follow"]),
        (("plugins", "--"), ["--help"]),
    ],
)
def test_in_bash(tmp_path, words, offered):
    (tmp_path / "template.yaml").write_text("")
    found = bash(tmp_path, "lambdaproxy", *words)
    if words == ("explain", "-"):
        assert {"-H", "--header", "--config", *offered} <= set(found)
    elif words[0] == "ctl" and len(words) == 2:
        assert set(offered) <= set(found)
    else:
        assert set(found) == set(offered)


@pytest.mark.parametrize("shell, check", [("zsh", ("zsh", "-n")), ("fish", ("fish", "--no-execute"))])
def test_other_shells_can_read_it(tmp_path, shell, check):
    script = completion.script(shell)
    for name in COMMANDS:
        assert name in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(script)
    assert subprocess.run([*check, str(tmp_path / "script")], timeout=60).returncode == 0


def test_fish_is_told_each_option_once():
    lines = completion.script("fish").splitlines()
    assert len(lines) == len(set(lines))
    for name in SETTINGS:
        assert sum(f" -l {name} " in line and "seen_subcommand_from check " in line for line in lines) == 1, name


def test_help_is_quoted():
    assert completion._text("It's a \\ thing. More.") == "'It\\'s a \\\\ thing'"


@pytest.mark.parametrize("words", [(), ("ksh",), ("bash", "zsh")])
def test_a_shell_has_to_be_named(words):
    done = subprocess.run(
        [sys.executable, "-m", "lambdaproxy.completion", *words], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "name one shell: bash, zsh, fish\n")
