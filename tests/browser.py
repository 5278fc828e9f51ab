"""A real browser, spoken to over its own pipe (Chrome DevTools Protocol): no driver, no port."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.processes import WAIT

PROGRAM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


class Browser:
    """One page of a headless browser; a context manager."""

    def __init__(self, width: int = 1200, height: int = 800) -> None:
        assert PROGRAM is not None
        self._folder = tempfile.mkdtemp(prefix="browser-")
        hear, theirs = os.pipe()
        ours, say = os.pipe()

        def place() -> None:
            # Its ends are descriptors 3 and 4.
            os.dup2(ours, 103)
            os.dup2(theirs, 104)
            os.dup2(103, 3)
            os.dup2(104, 4)

        self._process = subprocess.Popen(
            [
                PROGRAM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", f"--user-data-dir={self._folder}",
                f"--window-size={width},{height}", "--remote-debugging-pipe", "about:blank",
            ],
            pass_fds=(3, 4), preexec_fn=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True, close_fds=True,
        )  # fmt: skip
        os.close(ours)
        os.close(theirs)
        self._hear, self._say = hear, say
        self._data, self._last = b"", 0
        self._session: str | None = None
        self.heard: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        self.ask("Emulation.setFocusEmulationEnabled", enabled=True)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(WAIT)
        os.close(self._hear)
        os.close(self._say)
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, method: str, **parameters: Any) -> Any:
        """Call a method and wait for what it gives."""
        self._last += 1
        message: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._say, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + WAIT
        while True:
            while b"\0" not in self._data:
                assert time.monotonic() < end, f"the browser does not answer to {method}"
                self._data += os.read(self._hear, 65536)
            one, _, self._data = self._data.partition(b"\0")
            said = json.loads(one)
            if said.get("id") == self._last:
                assert "error" not in said, said
                return said["result"]
            self.heard.append(said)

    def open(self, url: str) -> None:
        self.ask("Page.navigate", url=url)

    def run(self, code: str) -> Any:
        """The value of an expression in the page; a promise is waited for."""
        done = self.ask("Runtime.evaluate", expression=code, returnByValue=True, awaitPromise=True, userGesture=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def until(self, code: str) -> Any:
        """Wait until an expression is true; a node is none, `!!` makes it so."""
        end = time.monotonic() + WAIT
        while True:
            value = self.run(code)
            if value:
                return value
            assert time.monotonic() < end, f"never true: {code}"
            time.sleep(0.01)

    def key(self, key: str) -> None:
        """Press a key."""
        text = key if len(key) == 1 else "\r" if key == "Enter" else ""
        self.ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=text)
        self.ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def picture(self, file: Path) -> None:
        """Keep what is seen."""
        file.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[str]:
        """What the page's console says is wrong: scripts, and what its policy forbids."""
        self.run("1")
        return [
            json.dumps(each["params"])
            for each in self.heard
            if each["method"] in ("Runtime.exceptionThrown",)
            or (each["method"] == "Log.entryAdded" and each["params"]["entry"]["level"] == "error")
        ]
