"""The command `lambdaproxy`: what it answers, and what it says of mistakes."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lambdaproxy import __version__
from lambdaproxy.base.native import form
from lambdaproxy.command.main import COMMANDS, main
from tests.pages import steps
from tests.processes import CLEAN, ROOT, Process, request, run_program

PROGRAM = str(Path(sys.executable).parent / "lambdaproxy")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """The exit code, what was printed, and what was said on standard error."""
    code: object = 0
    try:
        main(words)
    except SystemExit as error:
        code = error.code or 0
    out, err = capsys.readouterr()
    assert isinstance(code, int)
    return code, out, err


MISTAKES = [
    # what is typed, what it is told
    ("", "say what to do, as in lambdaproxy serve --port 8011"),
    ("--port 8011", "--port: say what to do first, as in lambdaproxy serve --port 8011"),
    ("-port 8011", "-port: say what to do first, as in lambdaproxy serve --port 8011"),
    ("-host=0.0.0.0 -port=80", "as in lambdaproxy serve --host=0.0.0.0 --port=80"),
    ("\u2013port 8011", "as in lambdaproxy serve --port 8011"),
    ("-n --port 80", "-n: say what to do first"),
    ("--local 'a=b c.py:h'", "as in lambdaproxy serve --local 'a=b c.py:h'"),
    ("--config x.toml check", "the command comes first: lambdaproxy check --config x.toml"),
    ("serv --port 1", "there is no command 'serv'; write lambdaproxy serve --port 1"),
    ("run --port 1", "there is no command 'run'; write lambdaproxy serve --port 1"),
    ("start", "there is no command 'start'; write lambdaproxy serve"),
    ("twistd lambdaproxy --port 1", "write lambdaproxy serve --port 1"),
    ("validate", "write lambdaproxy check"),
    ("chekc", "write lambdaproxy check"),
    ("route", "write lambdaproxy routes"),
    ("reload", "there is no command 'reload'; write lambdaproxy ctl reload"),
    ("wibble", f"the commands are {', '.join(COMMANDS)}"),
    ("check lambdaproxy.toml", "'lambdaproxy.toml' is no option; write --config lambdaproxy.toml"),
    ("check --prot 1", "there is no option --prot; did you mean --port PORT?"),
    ("check -port 1", "-port: options begin with two hyphens; write --port 1"),
    ("check --port", "--port needs a value: --port PORT"),
    ("check --insecure=yes", "--insecure takes no value; write --insecure alone"),
    ("check --config nowhere.toml", "--config: nowhere.toml: No such file or directory"),
    ("check --max-body 0", "--max-body: a size must be more than 0; there is no word for no limit"),
    ("check --max-bodies 0k", "--max-bodies: a size must be more than 0"),
    ("check --timeout 0", "--timeout: a time must be more than 0"),
    ("check --host 0.0.0.0", "say which functions the X-Lambda-Function header may name"),
    ("check --format alp", "did you mean 'alb'?"),
    ("routes --max-requests 0", "--max-requests: 0 is out of range: 1 or more"),
    ("routes extra", "'extra' is no option; options begin with two hyphens"),
    ("config --aws", "--aws goes with --check"),
    ("config --logfile x", "--logfile is twistd's: write it before lambdaproxy"),
    ("explain", "say which request; write lambdaproxy explain 'GET https://api.example.com/users/7'"),
    ("explain GET", "'GET' is no request; write lambdaproxy explain 'GET https://api.example.com/users/7'"),
    ("explain api.example.com/users", "is no request; write lambdaproxy explain 'GET https://"),
    ("explain 'GET /' -H X-Lambda-Function", "-H 'X-Lambda-Function': a header is written 'NAME: VALUE'"),
    ("explain 'GET /' -H", "-H needs a value"),
    ("explain 'GET /' --confg x", "there is no option --confg; did you mean --config FILE?"),
    ("plugins --format alb", "--format: lambdaproxy plugins takes nothing"),
]


@pytest.mark.parametrize(("typed", "says"), MISTAKES, ids=[typed or "nothing" for typed, _ in MISTAKES])
def test_a_mistake_is_one_sentence_on_standard_error(capsys, monkeypatch, typed, says):
    monkeypatch.chdir(ROOT)
    code, out, err = run(capsys, *shlex.split(typed))
    assert (code, out) == (1, "")
    assert err.startswith("lambdaproxy: ") and err.count("\n") == 1
    assert says in err


def test_what_a_message_says_to_write_is_no_mistake(capsys, monkeypatch):
    """One step, not a way from one refusal to the next."""
    monkeypatch.chdir(ROOT)
    _, _, err = run(capsys, "--port", "0", "chekc")
    assert "lambdaproxy serve" in err
    for typed in ("--config examples/none.toml -port=80 check", "validate -port=80"):
        _, _, err = run(capsys, *shlex.split(typed))
        _, _, written = err.strip().partition("lambdaproxy check ")
        code, _, err = run(capsys, "check", *(word for word in shlex.split(written) if "none.toml" not in word))
        assert (code, err) == (0, "") or "--config" in err


@pytest.mark.parametrize("option", ["-t {}", "-t{}", "--template {}", "--template={}", "--sam-template {}"])
@pytest.mark.parametrize("command", ["explain 'GET /x'", "explain", "check", "routes", "config"])
def test_a_template_is_named_as_for_invoke(capsys, tmp_path, command, option):
    pytest.importorskip("yaml", reason="PyYAML is not installed")
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    template = tmp_path / "template.yaml"
    template.write_text(
        "Resources:\n  Hello:\n    Type: AWS::Serverless::Function\n    Properties:\n"
        "      {Runtime: python3.12, Handler: app.handler, CodeUri: ., Events: "
        "{Get: {Type: HttpApi, Properties: {Path: /x, Method: GET}}}}\n"
    )
    behind = ["GET /x"] if command == "explain" else []
    code, out, err = run(capsys, *shlex.split(command), *shlex.split(option.format(template)), *behind)
    assert (code, err) == (0, "") and "Hello" in out


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("help",)])
def test_the_help_names_every_command(capsys, words):
    code, out, _ = run(capsys, *words)
    assert code == 0
    for name in COMMANDS:
        assert f"lambdaproxy {name}" in out


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "serve"])
def test_every_command_has_help(capsys, name):
    code, out, err = run(capsys, name, "--help")
    assert (code, err) == (0, "")
    assert COMMANDS[name].help in out


def test_the_version(capsys):
    assert run(capsys, "--version") == (0, f"lambdaproxy {__version__} ({form()})\n", "")


def test_check_and_routes_print_the_same_routes(capsys, tmp_path):
    file = tmp_path / "p.toml"
    file.write_text('[[route]]\npath = "/users/{id}"\nfunction = "users:prod"\n')
    _, checked, _ = run(capsys, "check", "--config", str(file))
    _, routes, _ = run(capsys, "routes", "--config", str(file))
    assert "users:prod on aws" in routes
    assert [line.strip() for line in routes.splitlines()] == [line.strip() for line in checked.splitlines()[1:]]


def test_no_command_chooses_a_reactor_before_it_must():
    """`serve` is the same program as twistd's, with the same reactor."""
    code = "import sys, lambdaproxy.command.main; sys.exit('twisted.internet.reactor' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=CLEAN, cwd=ROOT, timeout=60).returncode == 0


def test_serve_is_the_program_of_twistd(tmp_path):
    process = Process(
        PROGRAM, "serve", "--port", "0", "--local", f"hello={ROOT}/examples/hello.py:handler", cwd=tmp_path
    )
    try:
        port = int(process.wait_for(r"serves on http://\S+:(\d+)")[1])
        assert "reactor class: lambdaproxy." in process.output
        assert request(port, "GET", "/", headers={"X-Lambda-Function": "hello"})[0] == 200
        assert list(tmp_path.iterdir()) == []
        assert process.stop() in (0, -signal.SIGTERM)
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["serve", "--prot", "1"], "lambdaproxy: there is no option --prot; did you mean --port PORT?\n"),
        (["serve", "-port", "8011"], "lambdaproxy: -port: options begin with two hyphens; write --port 8011\n"),
        (["serve", "--max-body", "0"], "lambdaproxy: --max-body: a size must be more than 0; "),
        (["serve", "-n"], "lambdaproxy: -n is twistd's: write it before lambdaproxy, as in twistd -n ... lambdaproxy"),
        (["check", "--config", "x.toml"], "lambdaproxy: --config: x.toml: No such file or directory\n"),
    ],
)
def test_the_installed_program_says_it_too(arguments, says, tmp_path):
    done = run_program(PROGRAM, *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(says) and done.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_no_traceback():
    done = subprocess.run(
        f"{shlex.quote(PROGRAM)} config | head -1", shell=True, capture_output=True, text=True, env=CLEAN, timeout=60
    )
    assert done.stdout.startswith("# lambdaproxy ")
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--port", "tpc:80"], "--port: tpc:80: unknown kind of endpoint 'tpc'"),
        (["--inspect", "unix:/nonexist/x.sock"], "--inspect: there is no folder /nonexist"),
        (["--aws-profile", "nosuch"], "--aws-profile: the profile 'nosuch' is not in the AWS files"),
    ],
)
def test_check_looks_at_what_a_start_would_need(typed, said, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["check", *typed])
    assert ended.value.code == 1
    told = capsys.readouterr()
    assert told.err.startswith(f"lambdaproxy: {said}")
    assert told.err.count("\n") == 1 and told.out == ""


def test_who_only_reads_a_configuration_needs_no_places(capsys):
    main(["routes", "--port", "unix:/nonexist/x.sock"])
    assert "$default" in capsys.readouterr().out


def test_help_of_serve_is_ours_alone(capsys):
    """twistd's would begin with `twistd [options]`, which do not go there."""
    code, out, _ = run(capsys, "serve", "--help")
    assert code == 0 and out.startswith("lambdaproxy serve [options]\n") and "--local NAME=HANDLER" in out


def test_check_names_the_runtimes_that_are_not_here(capsys, tmp_path):
    (tmp_path / "app.py").write_text("def handler(event, context): ...\n")
    (tmp_path / "x.toml").write_text('[function.a]\nhandler = "app.handler"\nruntime = "python3.99"\n')
    code, out, err = run(capsys, "check", "--config", str(tmp_path / "x.toml"))
    assert (code, err) == (0, "")
    assert "On this machine:\n  There is no python3.99 on this machine for a: Python 3." in out


def test_the_events_that_pages_print(capsys, monkeypatch):
    """Each command of a page that prints an event and needs nothing else, in this process."""
    monkeypatch.chdir(ROOT)
    ran = 0
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for step in steps(page.read_text()):
            found = re.fullmatch(r"(?:\.venv/bin/)?lambdaproxy event (.*)", step.text)
            if step.name or found is None or re.search(r"[|>]", step.text) or "event envoy" in step.text:
                continue
            code, out, err = run(capsys, "event", *shlex.split(found[1]))
            assert (code, err) == (0, ""), (page.name, step.text)
            assert isinstance(json.loads(out), dict)
            ran += 1
    assert ran >= 9


def test_a_file_that_nobody_named_is_not_read_in_silence(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "not read" not in run(capsys, "check")[1]
    (tmp_path / "lambdaproxy.toml").write_text('function-header = "none"\n')
    said = "lambdaproxy.toml: it is in this folder and not read; write --config lambdaproxy.toml"
    assert said in run(capsys, "check")[1]
    assert "not read" not in run(capsys, "check", "--config", "lambdaproxy.toml")[1]
    assert "not read" not in run(capsys, "check", "--function", "a")[1]
