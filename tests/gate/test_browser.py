"""CORS as a browser has it: a page of another origin asks, and reads what it may."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading

import pytest

from tests.browser import PROGRAM, Browser
from tests.processes import ROOT, Server

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="there is no Chromium")

KEY = "key-of-a-partner-1234"
FORMATS = ["apigateway-v2", "apigateway-v1", "alb", "function-url"]
CONFIG = """
local = ["show=tests/functions/show.py:handler", "who=tests/functions/who.py:handler"]
error-detail = false
format = "{format}"
[cors]
allow-origins = ["{origin}"]
allow-methods = ["GET", "POST"]
allow-headers = ["content-type", "x-api-key", "authorization"]
expose-headers = ["x-shown", "retry-after"]
allow-credentials = true
[authorizer.partners]
kind = "api-key"
file = "{keys}"
[[route]]
path = "/open"
methods = ["GET", "POST"]
function = "show"
max-body = 1000
[[route]]
path = "/key"
methods = ["GET"]
function = "show"
authorizer = "partners"
[[route]]
path = "/often"
methods = ["GET"]
function = "show"
rate = "0/s"
[[route]]
path = "/broken"
methods = ["GET"]
function = "who"
""".replace("=tests/", f"={ROOT}/tests/")

ASK = """
(async () => {{
  try {{
    const answer = await fetch({url}, {how});
    return [answer.status, (await answer.text()).slice(0, 5000)];
  }} catch (error) {{ return ["refused", String(error)]; }}
}})()
"""


class Pages(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<title>a page</title>")

    def log_message(self, format, *arguments):
        pass


@pytest.fixture(scope="module")
def browser():
    with Browser() as one:
        yield one


@pytest.fixture
def pages():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("format", FORMATS)
def test_a_page_of_another_origin(tmp_path, browser, pages, format):
    keys = tmp_path / "keys"
    keys.write_text(f"partner {hashlib.sha256(KEY.encode()).hexdigest()}\n")
    config = tmp_path / "p.toml"
    config.write_text(CONFIG.format(format=format, origin=pages, keys=keys))
    with Server("--config", str(config)) as server:

        def ask(path, **how):
            said = browser.run(ASK.format(url=json.dumps(f"{server.url}{path}"), how=json.dumps(how)))
            return said[0], said[1]

        browser.open(f"{pages}/")
        browser.until("document.title === 'a page'")
        status, body = ask("/open")
        assert status == 200 and json.loads(body)["headers"]
        # With a preflight: another type, and a header that is no usual one.
        headers = {"Content-Type": "application/json", "X-Api-Key": "x"}
        assert ask("/open", method="POST", body="{}", headers=headers)[0] == 200
        assert ask("/open", credentials="include")[0] == 200
        # What is not permitted never gets there, or is never read.
        assert ask("/open", method="POST", body="{}", headers={"X-Other": "x"})[0] == "refused"
        assert ask("/open", method="PUT", body="{}")[0] == "refused"
        # Errors of ours are read like answers.
        refused = ask("/key", credentials="include")
        assert refused[0] in (401, 403)
        assert ask("/key", headers={"X-Api-Key": KEY})[0] == 200
        assert ask("/open", method="POST", body="x" * 2000)[0] == 413
        assert ask("/often")[0] == 429
        assert ask("/broken", headers={"Authorization": "fail"})[0] in (500, 502)
        # A page of an origin that is not permitted: localhost is another one than 127.0.0.1.
        browser.open(pages.replace("127.0.0.1", "localhost") + "/")
        browser.until("location.hostname === 'localhost' && document.title === 'a page'")
        assert ask("/open")[0] == "refused"
        assert ask("/key", credentials="include")[0] == "refused"
