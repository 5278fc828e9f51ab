"""The inspector in a browser: what a person does there."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lambdaproxy import registry
from tests.browser import PROGRAM, Browser
from tests.inspector.test_serving import BROKEN, HELLO, Inspected, broken

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs chromium")

ROWS = "document.querySelectorAll('#list tbody tr').length"
PICTURES = os.environ.get("LAMBDAPROXY_PICTURES")
"""A folder for pictures of the page, which the docs show."""


def choose(browser, tab):
    browser.run(f"[...document.querySelectorAll('[role=tab]')].find((t) => t.textContent === '{tab}').click()")


def panel(browser):
    return browser.run("document.querySelector('#panel').textContent")


def test_a_person_looks_compares_edits_and_sends_again():
    with Inspected(*HELLO) as server, Browser() as browser:
        browser.open(f"http://127.0.0.1:{server.inspector}/")
        browser.until(
            "!!document.querySelector('#state') && document.querySelector('#state').textContent === 'watching'"
        )
        assert browser.run("!document.querySelector('#empty').hidden")
        sent = {"Authorization": "Bearer s3cret-token", "Content-Type": "application/json"}
        server.request("POST", "/orders?page=2&token=abcdefgh", b'{"item":"tea"}', sent)
        browser.until(f"{ROWS} === 1 && document.querySelector('#list tbody td:nth-child(2)').textContent === '200'")
        browser.run("document.querySelector('#list tbody tr').click()")
        browser.until("!document.querySelector('#detail').hidden")
        assert browser.run("document.querySelector('#title').textContent") == "POST /orders?page=2&token=(hidden)"
        assert "s3cret" not in browser.run("document.body.textContent")
        assert "ms" in browser.run("document.querySelector('#times').textContent")
        choose(browser, "Event")
        assert '"rawPath": "/orders"' in panel(browser)
        if PICTURES:
            browser.picture(Path(PICTURES) / "inspector-event.png")
        choose(browser, "Log")
        assert "START RequestId" in panel(browser)
        choose(browser, "Formats")
        browser.until(f"document.querySelectorAll('.formats h3').length === {len(registry.formats())}")
        assert browser.run("document.querySelectorAll('.formats mark').length") > 10
        if PICTURES:
            browser.picture(Path(PICTURES) / "inspector-formats.png")
        browser.key("r")
        browser.until("!!document.querySelector('#send')")
        browser.run(
            "(() => { const set = (name, value) => { document.querySelector(`[aria-label=${name}]`).value = value; };"
            "set('method', 'PUT'); set('target', '/edited'); set('body', 'changed');"
            "document.querySelector('#send').click(); })()"
        )
        browser.until(f"{ROWS} === 2")
        browser.until("document.querySelector('#title').textContent === 'PUT /edited'")
        browser.until("document.querySelector('#panel').textContent.includes('changed')")
        browser.run("document.querySelector('#reveal').click()")
        choose(browser, "Request")
        browser.until("document.querySelector('#panel').textContent.includes('s3cret-token')")
        browser.run("navigator.clipboard.writeText = async (text) => { window.copied = text; }")
        browser.run(
            "[...document.querySelectorAll('#panel button')].find((b) => b.textContent === 'Copy as curl').click()"
        )
        assert browser.until("window.copied").startswith("curl -i -X PUT")
        assert browser.complaints() == []


def test_by_keyboard_on_a_narrow_window_in_the_dark():
    with Inspected(*HELLO) as server, Browser(width=420, height=800) as browser:
        browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
        browser.open(f"http://127.0.0.1:{server.inspector}/")
        browser.until(
            "!!document.querySelector('#state') && document.querySelector('#state').textContent === 'watching'"
        )
        for path in ("/one", "/two", "/three"):
            server.request("GET", path)
        browser.until(f"{ROWS} === 3")
        browser.key("j")
        browser.until("document.querySelector('#title').textContent === 'GET /three'")
        browser.key("j")
        browser.until("document.querySelector('#title').textContent === 'GET /two'")
        browser.key("2")
        assert browser.until("document.querySelector('#panel').textContent.includes('rawPath')")
        browser.key("/")
        browser.run(
            "(() => { const f = document.activeElement; f.value = 'one 200'; f.dispatchEvent(new Event('input')); })()"
        )
        assert browser.run("[...document.querySelectorAll('#list tbody tr')].filter((r) => !r.hidden).length") == 1
        assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(13, 17, 23)"
        browser.key("Escape")
        browser.key("p")
        browser.until("document.querySelector('#pause').textContent === 'Paused'")
        server.request("GET", "/unseen")
        browser.run("document.querySelector('#clear').click()")
        browser.until(f"{ROWS} === 0")
        assert browser.complaints() == []


def test_markup_of_strangers_stays_text():
    with Inspected(*HELLO) as server, Browser() as browser:
        browser.open(f"http://127.0.0.1:{server.inspector}/")
        browser.until(
            "!!document.querySelector('#state') && document.querySelector('#state').textContent === 'watching'"
        )
        hostile = "<img src=x onerror=document.title='taken'><script>document.title='taken'</script>"
        server.request("POST", "/%3Cscript%3E", hostile.encode(), {"X-Evil": hostile, "Content-Type": "text/html"})
        browser.until(f"{ROWS} === 1 && document.querySelector('#list tbody td:nth-child(2)').textContent === '200'")
        browser.run("document.querySelector('#list tbody tr').click()")
        browser.until("!document.querySelector('#detail').hidden")
        for tab in ("Request", "Event", "Log", "Result", "Answer", "Formats", "Send again"):
            choose(browser, tab)
            browser.until("document.querySelector('#panel').textContent !== '\\u2026'")
            assert browser.run("document.querySelectorAll('#panel img, #panel script').length") == 0
        assert browser.run("document.title") == "lambdaproxy inspector"
        assert browser.complaints() == []


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    with broken(tmp_path_factory.mktemp("broken")) as server, Browser() as browser:
        yield server, browser


@pytest.mark.parametrize("number", range(len(BROKEN)))
def test_what_is_wrong_stands_above_all(faulty, number):
    server, browser = faulty
    _, label, word = BROKEN[number]
    server.look("/api/clear", {})
    browser.open("about:blank")
    browser.until("location.href === 'about:blank'")
    browser.open(f"http://127.0.0.1:{server.inspector}/")
    browser.until("!!document.querySelector('#state') && document.querySelector('#state').textContent === 'watching'")
    server.request("GET", f"/{number}")
    browser.until(f"{ROWS} === 1 && !!document.querySelector('#list .bad')")
    browser.run("document.querySelector('#list tbody tr').click()")
    said = browser.until("!document.querySelector('#problem').hidden && document.querySelector('#problem').textContent")
    assert label in said
    assert word in said


def test_the_bill():
    with Inspected(*HELLO) as server, Browser() as browser:
        for number in range(3):
            server.request("GET", f"/paid/{number}")
        browser.open(f"http://127.0.0.1:{server.inspector}/")
        browser.until(f"{ROWS} === 3")
        browser.key("b")
        browser.until("document.querySelector('#costs').textContent.includes('3 requests in')")
        text = browser.run("document.querySelector('#costs').textContent")
        for words in ("Load balancer", "REST API", "HTTP API", "Function URL", "us-east-1", "None of them."):
            assert words in text
        assert browser.run("document.querySelector('#costs tbody td:last-child').textContent[0]") == "$"
        if PICTURES:
            browser.picture(Path(PICTURES) / "inspector-bill.png")
        browser.run("document.querySelector('#list tbody tr').click()")
        browser.until("document.querySelector('#costs').hidden && !document.querySelector('#detail').hidden")
        assert browser.complaints() == []


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ("", "12345"), ("5xx", "4"), ("status:5xx", "4"), ("status:2", "12"), ("status:404", "3"),
        ("function:show", "124"), ("function:live", "2"),
        ("path:/show", "2"), ("show", "124"), ("-show", "35"), ("method:post", "2"), ("host:b.example", "3"),
        ("path:/ -status:2xx", "345"), ("5xx show", "4"), ("error:no", "3"), ("status:", "12345"), ("-", "4"),
        ("path:s -path:show", "5"), ("xx", ""), ("9xx", ""),
    ],
)  # fmt: skip
def test_the_filter(page, typed, numbers):
    assert (
        page.run(
            f"all.filter((each) => (filter.value = {json.dumps(typed)}, matches(each))).map((e) => e.number).join('')"
        )
        == numbers
    )


@pytest.fixture(scope="module")
def page():
    with Inspected(*HELLO) as server, Browser() as browser:
        browser.open(f"http://127.0.0.1:{server.inspector}/")
        browser.until("document.querySelector('#state')?.textContent === 'watching'")
        entries = [
            [1, "GET", "/a", "a.example", "show", 200, None], [2, "POST", "/show", "a.example", "show:live", 201, None],
            [3, "GET", "/b", "b.example", None, 404, "not_found"], [4, "GET", "/x-y", "c", "shower", 502, "error"],
            [5, "GET", "/s", "c", "other", None, None],
        ]  # fmt: skip
        names = ["number", "method", "path", "host", "function", "status", "error"]
        made = [dict(zip(names, each, strict=True)) for each in entries]
        browser.run(f"window.all = {json.dumps(made)}; window.filter = document.querySelector('#filter')")
        yield browser
