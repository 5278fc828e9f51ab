"""`lambdaproxy invoke` and `lambdaproxy logs`: a function by itself, and those of a lambdaproxy that runs."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambdaproxy.command import invoke
from lambdaproxy.command.words import Refused
from tests.command.test_main import run
from tests.processes import Process, Server, run_program

PROGRAM = str(Path(sys.executable).parent / "lambdaproxy")
APP = """\
import os, time
def handler(event, context):
    print("hello from", context.function_name)
    if event.get("fail"):
        raise ValueError("no good")
    return {"event": event, "stage": os.environ.get("STAGE")}
"""
TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Parameters: {Stage: {Type: String, Default: none}}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: hello-dev
      Handler: app.handler
      Runtime: python3.11
      CodeUri: .
      Environment: {Variables: {STAGE: !Ref Stage}}
  Other:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler, Runtime: python3.11, CodeUri: ., VpcConfig: {SubnetIds: [a]}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path


def typed(folder: Path, *words: str, stdin: str = "") -> tuple[int, str, str]:
    done = run_program(PROGRAM, *words, cwd=folder, stdin=stdin)
    return done.returncode, done.stdout, done.stderr


def test_the_result_is_all_of_standard_output(folder):
    code, out, err = typed(folder, "invoke", "--local", "hello=app.py:handler", "--event", "-", stdin='{"a": [1]}')
    assert (code, json.loads(out)) == (0, {"event": {"a": [1]}, "stage": None})
    lines = err.splitlines()
    assert lines[0].startswith("START RequestId: ") and lines[1] == "hello from hello"
    assert lines[2].startswith("END ") and lines[3].startswith("REPORT ") and len(lines) == 4


def test_a_template_that_is_here_is_taken(folder):
    pytest.importorskip("yaml")
    (folder / "template.yaml").write_text(TEMPLATE)
    (folder / "event.json").write_text('{"b": 2}')
    code, out, err = typed(folder, "invoke", "Hello", "-e", "event.json", "--template-parameters", "Stage=dev")
    assert (code, json.loads(out)) == (0, {"event": {"b": 2}, "stage": "dev"})
    assert "lambdaproxy: functions of template.yaml\n" in err
    code, out, err = typed(folder, "invoke", "-t", "template.yaml")
    assert (code, out) == (1, "") and "say which function: Other, hello-dev" in err
    code, out, err = typed(folder, "invoke", "Helo", "-t", "template.yaml")
    assert code == 1 and "unknown function 'Helo'; did you mean 'Hello'?" in err


def test_a_function_that_fails_ends_with_2(folder):
    words = ("invoke", "hello", "--local", "hello=app.py:handler", "-e", '{"fail": 1}')
    code, out, err = typed(folder, *words)
    assert code == invoke.FAILED and json.loads(out)["errorType"] == "ValueError" and "Traceback (most" in err
    code, out, err = typed(folder, *words, "--no-log")
    assert code == invoke.FAILED and json.loads(out)["errorMessage"] == "no good" and err == ""
    code, out, _ = typed(folder, *words, "--stream")
    assert code == invoke.FAILED and json.loads(out)["errorType"] == "ValueError"


def test_an_event_is_waited_for_until_its_fate(folder):
    once = APP.replace("if event", "if os.path.exists('failed'): return\n    open('failed', 'w').close()\n    if event")
    (folder / "app.py").write_text(once)
    words = ("invoke", "--local", "hello=app.py:handler", "--event-type", "event", "-e", '{"fail": 1}')
    code, out, err = typed(folder, *words)
    assert (code, out) == (0, "") and err.count("START RequestId: ") == 2
    code, out, err = typed(folder, *words[:-4], "--event-type", "DryRun")
    assert (code, out, err) == (0, "", "")


def test_a_function_that_cannot_start(folder):
    (folder / "lambdaproxy.toml").write_text('[function.slow]\nhandler = "slow.handler"\ntimeout = 1\n')
    (folder / "slow.py").write_text("import time\ndef handler(event, context):\n    time.sleep(60)\n")
    code, out, err = typed(folder, "invoke")
    assert code == invoke.FAILED and "Task timed out after 1.00 seconds" in out and "Status: timeout" in err


def test_ctrl_c_ends_the_function_too(folder):
    (folder / "slow.py").write_text(
        "import os, time\ndef handler(event, context):\n    print('pid', os.getpid())\n    time.sleep(600)\n"
    )
    process = Process(PROGRAM, "invoke", "--local", "slow=slow.py:handler", cwd=folder)
    try:
        pid = int(process.wait_for(r"pid (\d+)\n")[1])
        assert process.stop(signal.SIGINT) == 130
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    finally:
        process.kill()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, Server]]:
    folder = tmp_path_factory.mktemp("served")
    (folder / "app.py").write_text(APP)
    with Server("--local", "hello=app.py:handler", "--invoke-api", "0", cwd=folder) as server:
        url = server.process.wait_for(r"Lambda Invoke API for SDKs on (http://\S+),")[1]
        yield folder, url, server


def test_of_one_that_runs(served):
    folder, url, _ = served
    code, out, err = typed(folder, "invoke", "--url", url, "-e", '{"c": 3}')
    assert (code, json.loads(out)["event"]) == (0, {"c": 3}) and "hello from hello" in err
    code, out, err = typed(folder, "invoke", "hello", "--url", url, "-e", '{"fail": 3}', "--no-log")
    assert (code, json.loads(out)["errorType"], err) == (invoke.FAILED, "ValueError", "")
    code, out, err = typed(folder, "invoke", "hello:live", "--url", url, "--stream")
    assert (code, json.loads(out)["event"], err) == (0, {}, "")
    code, out, err = typed(folder, "invoke", "--url", url, "--stream", "-e", '{"fail": 1}')
    assert code == invoke.FAILED and "ValueError" in err
    code, out, err = typed(folder, "invoke", "--url", url, "--event-type", "Event")
    assert (code, out) == (0, "")
    code, out, err = typed(folder, "invoke", "helo", "--url", url)
    assert (code, out) == (1, "") and "unknown function 'helo'; did you mean 'hello'?" in err


def test_keys_that_are_not_here(served, tmp_path):
    folder, url, _ = served
    code, _, err = typed(tmp_path, "invoke", "--url", url)
    assert code == 1 and "it takes signed calls only; name its file of keys with --keys" in err
    code, out, _ = typed(tmp_path, "invoke", "--url", url, "--keys", str(folder / "invoke-api-keys"))
    assert code == 0 and out
    wrong = tmp_path / "wrong"
    wrong.write_text("[default]\naws_access_key_id = AKIAX\naws_secret_access_key = not\n")
    wrong.chmod(0o600)
    code, _, err = typed(tmp_path, "logs", "--url", url, "--keys", str(wrong))
    assert code == 1 and "403" in err and "not" not in err.partition("403")[0]


def test_logs_and_those_that_follow(served):
    folder, url, server = served
    mark = '{"mark": "first"}'
    assert typed(folder, "invoke", "--url", url, "-e", mark)[0] == 0
    code, out, err = typed(folder, "logs", "hello", "--url", url)
    assert (code, err) == (0, "") and " hello hello from hello\n" in out and out.count(" hello REPORT RequestId") >= 1
    follower = Process(PROGRAM, "logs", "--follow", "--url", url, cwd=folder)
    try:
        follower.wait_for("REPORT RequestId")
        before = follower.output.count("hello from hello")
        assert typed(folder, "invoke", "--url", url)[0] == 0
        follower.wait_for("(?s)" + ".*hello from hello" * (before + 1))
        server.process.stop()
        assert follower.wait() == 0
    finally:
        follower.kill()
    code, _, err = typed(folder, "logs", "--url", url)
    assert code == 1 and "Connection refused; is it the Invoke API of lambdaproxy serve --invoke-api PORT?" in err


MISTAKES = [
    ("invoke a b", "b: name one function, and give its event with --event"),
    ("invoke --evnt x", "there is no option --evnt; did you mean --event?"),
    ("invoke --sam-templat x", "there is no option --sam-templat; did you mean --sam-template?"),
    ("invoke -x", "there is no option -x"),
    ("invoke --event", "--event needs a value: --event FILE"),
    ("invoke --event nowhere.json", "--event: nowhere.json: No such file or directory"),
    ("invoke --event {]", "--event: this is no JSON"),
    ("invoke --event a --event b", "--event is given 2 times; give it once"),
    ("invoke -e {} --event {}", "--event is given 2 times"),
    ("invoke --event-type Evnt", "--event-type: 'Evnt' is none of RequestResponse, Event, DryRun"),
    ("invoke --stream=yes", "--stream takes no value"),
    ("invoke --stream --event-type Event", "--stream: only an invocation of type RequestResponse has a result"),
    ("invoke --url 1 --config x", "--config: with --url the functions are those of the lambdaproxy that runs there"),
    ("invoke --url nowhere", "--url: 'nowhere' is no address such as http://127.0.0.1:8013"),
    ("invoke --url http://[::1", "is no address such as"),
    ("invoke --url 1 --keys nowhere", "--keys: nowhere cannot be read: No such file or directory"),
    ("invoke --client-context {", "--client-context: this is no JSON"),
    ("invoke x", "say where the function is, as in --sam-template template.yaml or --local"),
    ("invoke x --config nowhere.toml", "--config: nowhere.toml: No such file or directory"),
    ("logs", "say where it runs, as in --url http://127.0.0.1:8013"),
    ("logs --folow", "there is no option --folow; did you mean --follow?"),
    ("logs a b", "one word too many: b"),
    ("call", "write lambdaproxy invoke"),
]


@pytest.mark.parametrize(("line", "told"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_mistakes_are_sentences(capsys, tmp_path, monkeypatch, line, told):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AWS_ENDPOINT_URL_LAMBDA", raising=False)
    code, out, err = run(capsys, *line.split())
    assert code == 1 and out == "" and told in err and err.count("\n") == 1, err


def test_help_fits_a_screen(capsys):
    for command in ("invoke", "logs"):
        code, out, err = run(capsys, command, "--help")
        assert (code, err) == (0, "") and len(out.splitlines()) < 40 and max(map(len, out.splitlines())) <= 120


def test_options_of_serve_keep_their_values():
    found = invoke.parse(["--local", "a=b.py:c", "NAME", "--no-reload", "--config=x", "--env-vars", "f", "-t", "t"])
    assert found.name == "NAME"
    assert found.rest == ("--local", "a=b.py:c", "--no-reload", "--config=x", "--env-vars", "f", "--sam-template", "t")
    with pytest.raises(Refused, match="see --help"):
        invoke.parse(["--zzzzzz"])
