"""The decoders that the page shows, for Python and for Node, behind a real lambdaproxy and moto's S3."""

from __future__ import annotations

import hashlib
import json
import random
import shutil

import pytest

from tests.processes import ROOT, Server
from tests.s3.moto import ENV, running

EXAMPLE = ROOT / "examples" / "claim_check"
NODE = shutil.which("node")
BODIES = [b"", "text \xfc".encode(), random.Random(4).randbytes(70_000), random.Random(5).randbytes(6_000_000)]

MORE = """
[function.node]
handler = "app.mjs:upload"
timeout = 60

[[route]]
path = "/node"
function = "node"
claim-check = {bucket = "uploads", prefix = "in/", above = "100k", endpoint-url = "<url>"}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(EXAMPLE, folder, dirs_exist_ok=True)
    text = (folder / "proxy.toml").read_text().replace("my-uploads", "uploads")
    short, table = '"uploads/in/"', '{bucket = "uploads", prefix = "in/", endpoint-url = "<url>"}'
    long = 'bucket = "uploads"\nprefix = "in/"\n'
    assert short in text and long in text
    text = text.replace(long, f'{long}above = "100k"\nendpoint-url = "<url>"\n').replace(short, table)
    code = (folder / "app.py").read_text()
    (folder / "app.py").write_text(code.replace("my-uploads", "uploads"))
    with running() as moto:
        (folder / "proxy.toml").write_text((text + (MORE if NODE else "")).replace("<url>", moto.url))
        with Server("--config", str(folder / "proxy.toml"), "--function-header", "none", env=ENV, cwd=folder) as server:
            yield server


@pytest.mark.parametrize("path", ["/upload", "/node"])
@pytest.mark.parametrize("body", BODIES, ids=len)
def test_a_body_of_any_size(server, path, body):
    if path == "/node" and NODE is None:
        pytest.skip("node is not installed")
    status, _, answer = server.request("POST", path, body, {"Content-Type": "application/octet-stream"})
    found = json.loads(answer)
    assert (status, found["size"], found["sha256"]) == (201, len(body), hashlib.sha256(body).hexdigest())
    assert (found["key"] is not None) == (len(body) > 100 * 1024)


def test_there_and_back(server):
    body = BODIES[-1]
    key = json.loads(server.request("POST", "/upload", body)[2])["key"]
    assert server.request("GET", f"/download?key={key}")[2] == body
    assert server.request("GET", f"/download?key={key}", headers={"Range": "bytes=5-9"})[2] == body[5:10]


@pytest.mark.parametrize("name", ["claim.py", "claim.mjs"])
def test_a_decoder_is_short(name):
    lines = (EXAMPLE / name).read_text().splitlines()
    assert len([line for line in lines if line.strip() and not line.strip().startswith(("//", '"""', "#"))]) <= 35
