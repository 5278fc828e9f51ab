"""The pages that lead somebody from nothing to done are followed to their end, command by command."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.pages import Reader
from tests.processes import ROOT, WAIT, Process, Server, reserved_port, until

DOCS = ROOT / "docs"
BIN = Path(sys.executable).parent
CONFIGURATION = """
function-header = "none"
[[route]]
path = "/{proxy+}"
function = "web:prod"
"""
AWS = """
def users(event, context):
    return "hello from users"


def web(event, context):
    return "hello from web"
"""


def needs(*programs):
    missing = [name for name in ("bash", "curl", *programs) if shutil.which(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} cannot be found")


def wants(*modules):
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


@pytest.fixture
def reader(tmp_path):
    """Somebody in a folder beside the clone, with an environment that is made and installed already."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (tmp_path / "lambdaproxy").symlink_to(ROOT)
    (folder / ".venv").symlink_to(sys.prefix)
    with ExitStack() as stack:
        changed = {port: str(stack.enter_context(reserved_port())) for port in ("8011", "8012", "8443", "9100")}
        yield Reader(folder, changed, ready=(r"-m venv ", r"/pip install "))


def test_the_quick_start(reader):
    needs()
    (reader.folder / "examples").symlink_to(ROOT / "examples")
    reader.changed["make run"] = "lambdaproxy serve --local hello=examples/hello.py:handler"
    reader.env = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "x"}
    reader.follow((DOCS / "quickstart.md").read_text())
    assert [each.split()[0] for each in reader.done if "8011" not in each][-1].endswith("twistd")
    assert not any("systemctl" in each for each in reader.done)


def test_a_developer_on_a_laptop(reader):
    needs()
    wants("yaml")
    reader.follow((DOCS / "tutorials/laptop.md").read_text())
    assert len(reader.done) > 12


def test_an_author_of_an_application(reader):
    needs("cmp")
    wants("flask")
    (reader.folder / "build").mkdir()
    reader.follow((DOCS / "tutorials/application.md").read_text())
    assert (reader.folder / "app.zip").stat().st_size > 200


def test_a_platform_on_kubernetes(reader):
    needs("kubectl")
    reader.follow((DOCS / "tutorials/kubernetes.md").read_text())
    made = (reader.folder / "all.yaml").read_text()
    assert "namespace: front" in made and "users.example.com" in made and "shop.example.com" in made


@pytest.fixture
def aws(tmp_path):
    """What stands for AWS: another lambdaproxy, with the functions of the page."""
    (tmp_path / "functions.py").write_text(AWS)
    local = [f"--local={name}={tmp_path}/functions.py:{name}" for name in ("users", "web")]
    with reserved_port() as port, Server(*local, "--invoke-api", str(port), "--invoke-api-unsigned"):
        yield {
            "AWS_ENDPOINT_URL_LAMBDA": f"http://127.0.0.1:{port}",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "x",
        }


def test_an_operator_on_a_server(reader, aws, tmp_path):
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    needs("openssl")
    if nginx is None:
        pytest.skip("nginx is not installed")
    with reserved_port() as tls:
        started = f"{nginx} -p {tmp_path} -e stderr -c {tmp_path}/nginx.conf"
        reader.env = aws
        reader.changed |= {
            "/opt/lambdaproxy/bin": str(BIN),
            "/etc/lambdaproxy": str(tmp_path / "etc"),
            "/etc/nginx": str(tmp_path / "nginx"),
            "/run/lambdaproxy": str(tmp_path / "run"),
            "nginx -t": f"{started} -t",
            "systemctl reload nginx": f"{started} >/dev/null 2>&1",
            "listen 443 ssl": f"listen 127.0.0.1:{tls} ssl",
            "api.example.com:443:": f"api.example.com:{tls}:",
            "https://api.example.com/users/7\n": f"https://api.example.com:{tls}/users/7\n",
            "https://api.example.com/users/7": f"https://api.example.com:{tls}/users/7",
        }
        temporary = "".join(
            f"{name}_temp_path {name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = f"user {os.environ.get('USER', 'root')};" if os.getuid() == 0 else ""
        (tmp_path / "nginx.conf").write_text(
            f"{user} pid nginx.pid; events {{}} http {{ access_log off; {temporary} include nginx/conf.d/*.conf; }}\n"
        )
        pid = tmp_path / "nginx.pid"
        try:
            reader.follow((DOCS / "tutorials/server.md").read_text())
        finally:
            if pid.exists() and pid.read_text().strip():
                os.kill(int(pid.read_text()), signal.SIGTERM)
                until(lambda: not pid.exists(), "nginx has ended")


def test_tls_and_certificates(reader, tmp_path):
    needs("openssl")
    reader.changed["/etc/letsencrypt"] = str(tmp_path / "letsencrypt")
    reader.follow((DOCS / "operations/tls.md").read_text())


def test_the_proxy_protocol(reader):
    needs()
    reader.follow((DOCS / "operations/proxy-protocol.md").read_text())


def test_an_upgrade(reader):
    needs()
    (reader.folder / "opt").mkdir()
    (reader.folder / "opt/lambdaproxy-new").symlink_to(sys.prefix)
    (reader.folder / "lambdaproxy.toml").write_text(CONFIGURATION)
    reader.follow((DOCS / "operations/upgrading.md").read_text())


def test_streams(reader):
    needs()
    page = (DOCS / "streaming.md").read_text()
    events, _, tools = page.partition("## An MCP server")
    tools, _, older = tools.partition("### The older transport")
    reader.follow(events)
    wants("mcp.server.mcpserver" if importlib.util.find_spec("mcp") else "mcp")
    reader.follow(tools)
    needs("node")
    reader.follow(older)
    assert reader.done[-1].endswith("sse.py")


def test_websockets(reader):
    needs()
    wants("wsproto", "websockets")
    (reader.folder / "examples").symlink_to(ROOT / "examples")
    reader.follow((DOCS / "websocket.md").read_text())
    assert [each.split()[0] for each in reader.done] == ["lambdaproxy", "python"]


def test_a_reader_notices_what_is_not_so(reader):
    """A page that says something else than the program fails."""
    for page in ("```console\n$ echo one\ntwo\n```\n", "```console\n$ false\n```\n"):
        with pytest.raises(AssertionError, match="ended with"):
            reader.follow(page)


def test_a_process_that_was_left_is_ended(reader):
    page = "Save this as `app.py`:\n\n```python\ndef handler(event, context): ...\n```\n\n"
    page += "```console\n$ lambdaproxy serve --local a=app.py:handler\n$ false\n```\n"
    seen: list[Process] = []
    stop = reader._stop

    def remember():
        seen.extend(reader.servers)
        stop()

    reader._stop = remember
    reader.patience = 0.0
    with pytest.raises(AssertionError):
        reader.follow(page)
    assert seen and all(each.process.wait(WAIT) is not None for each in seen)
