"""Where no secret of those who ask, nor of those who keep them out, may stand: logs, metrics, pages, process lists."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.authorizers.test_iam import ACCESS, FILE, SECRET, signed
from tests.inspector.test_serving import Inspected
from tests.processes import ROOT, WAIT, Server

pytest.importorskip("joserfc", reason="pip install 'lambdaproxy[jwt]'")

from tests.authorizers.issuing import Issuer
from tests.authorizers.test_serving import good

KEY = "key-of-a-partner-1234"
CONFIG = """
local = ["show=tests/functions/show.py:handler"]
format = "apigateway-v1"
error-detail = false
aws-region = "eu-west-1"
[authorizer.login]
kind = "jwt"
issuer = "{issuer}"
audience = ["web"]
[authorizer.partners]
kind = "api-key"
file = "{folder}/keys"
quota = "100/day"
quota-file = "{folder}/counts"
[authorizer.signers]
kind = "iam"
keys = "{folder}/iam"
[[route]]
path = "/jwt"
function = "show"
authorizer = "login"
[[route]]
path = "/key"
function = "show"
authorizer = "partners"
[[route]]
path = "/orders"
function = "show"
authorizer = "signers"
""".replace("=tests/", f"={ROOT}/tests/")


def configured(folder: Path, issuer: str) -> str:
    (folder / "keys").write_text(f"partner {hashlib.sha256(KEY.encode()).hexdigest()}\n")
    (folder / "iam").write_text(FILE)
    (folder / "iam").chmod(0o600)
    config = folder / "p.toml"
    config.write_text(CONFIG.format(issuer=issuer, folder=folder))
    return str(config)


def test_no_secret_stands_where_it_may_be_read(tmp_path):
    with Issuer() as issuer:
        config = configured(tmp_path, issuer.url)
        secrets = [SECRET, "r" * 40, "the-session"]
        for command in (("check", "--config", config), ("config", "--config", config)):
            code = "import sys; from lambdaproxy.command.main import main; sys.exit(main())"
            done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, timeout=WAIT)
            assert "/orders" in done.stdout, done.stderr
            for secret in (*secrets, KEY):
                assert secret not in done.stdout + done.stderr, command
        with Inspected("--config", config, "--allow-host", "*", "--access-log", "-") as server:
            token = good(issuer.url)
            iam = signed(headers={"X-Amz-Meta": "1"})
            shown = {name.decode(): value.decode() for name, value in iam.headers}
            [signature] = re.findall("Signature=([0-9a-f]{64})", shown["Authorization"])
            link = signed(query=True)
            [in_link] = re.findall("X-Amz-Signature=([0-9a-f]{64})", link.target.decode())
            bad = "wrong-key-of-nobody-99"
            for target, headers, status in (
                ("/jwt", {"Authorization": f"Bearer {token}"}, 200),
                ("/jwt", {"Authorization": f"Bearer {token[:-8]}AAAAAAAA"}, 401),
                ("/key", {"X-Api-Key": KEY}, 200),
                ("/key", {"X-Api-Key": bad}, 403),
                ("/orders", shown, 200),
                ("/orders", {**shown, "X-Amz-Meta": "2"}, 403),
                (link.target.decode(), {"Host": "api.example.com"}, 200),
                (link.target.decode() + "0", {"Host": "api.example.com"}, 403),
            ):
                assert server.request("GET", target, headers=headers)[0] == status, target
            secrets += [KEY, bad, token, token.rpartition(".")[2], signature, in_link]
            metrics = server.request("GET", "/metrics")[2].decode()
            page = server.look("/api/requests")
            told = json.dumps(page) + "".join(
                json.dumps(server.look(f"/api/requests/{one['number']}")) for one in page["requests"]
            )
            listed = Path(f"/proc/{server.process.process.pid}/cmdline")
            processes = listed.read_bytes() if listed.exists() else b""
            counts = (tmp_path / "counts").read_bytes()
        for secret in secrets:
            assert secret not in server.process.output, "the log"
            assert secret not in metrics, "metrics"
            assert secret not in told, "the inspector"
            assert secret.encode() not in processes + counts
        assert ACCESS in told  # which is none


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("", True),
        ('metrics-listen = "0"\n', False),
        ("disable-metrics = true\n", True),
    ],
)
def test_pages_of_operators_on_a_guarded_port_are_named_at_start(tmp_path, more, said):
    config = configured(tmp_path, "http://127.0.0.1:1")
    text = Path(config).read_text()
    Path(config).write_text(more + text)
    with Server("--config", config) as server:
        server.process.wait_for("Embedded function show|No request reaches")
        found = "--metrics-listen gives them a port of their own" in server.process.output
        assert found is said
        assert ("/metrics, /healthz" in server.process.output) is (said and "disable" not in more)
