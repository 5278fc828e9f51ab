"""The examples run, and the documentation's configuration file is a valid one."""

# mypy: disable-error-code="override, arg-type"

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import orjson
from twisted.trial.unittest import SkipTest

from lambdaproxy.runtime.functions import FUNCTION_KEYS, function_settings, parse_local
from tests.runtime.real import RealProcesses, read
from tests.runtime.support import why_no

ROOT = Path(__file__).parents[2]
EVENT = b'{"rawPath":"/x","isBase64Encoded":false,"requestContext":{"http":{"method":"GET"}}}'


class Examples(RealProcesses):
    async def test_python(self) -> None:
        local = self.local(parse_local("f=examples/hello.py:handler", str(ROOT)))
        document = orjson.loads((await local.invoke("f", EVENT)).payload)
        self.assertEqual(orjson.loads(document["body"])["path"], "/x")

    async def test_node(self) -> None:
        if why_no("node"):
            raise SkipTest("node is not installed")
        local = self.local(
            parse_local("f=examples/node/index.mjs:handler", str(ROOT)),
            parse_local("s=examples/node/index.mjs:stream", str(ROOT)),
        )
        document = orjson.loads((await local.invoke("f", EVENT)).payload)
        self.assertEqual(orjson.loads(document["body"])["path"], "/x")
        body, error = await read(await local.invoke("s", EVENT, mode="stream"))
        self.assertIsNone(error)
        self.assertTrue(body.endswith(bytes(8) + b"line 1\nline 2\nline 3\nline 4\nline 5\n"))

    async def test_shell(self) -> None:
        if why_no("curl"):
            raise SkipTest("curl is not installed")
        local = self.local(parse_local("f=examples/shell", str(ROOT)))
        for _ in range(2):
            document = orjson.loads((await local.invoke("f", EVENT)).payload)
            self.assertTrue(document["body"].startswith("Hello from sh on "))


def test_the_documented_file(tmp_path):
    text = (ROOT / "docs" / "local-development.md").read_text()
    found = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert found is not None
    for name in ("services/users/.venv/bin", "layers/common", "web"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("services/users/.env", "services/users/.venv/bin/python", "web/index.mjs"):
        (tmp_path / name).write_text("")
    (tmp_path / "services/users/.venv/bin/python").chmod(0o755)
    functions = tomllib.loads(found[1])["function"]
    users = function_settings("users", functions["users"], str(tmp_path))
    assert (users.timeout, users.memory_limit) == (10.0, 256)
    assert users.python == os.path.join(tmp_path, "services/users/.venv/bin/python")
    web = function_settings("web", functions["web"], str(tmp_path))
    assert (web.runtime, web.streaming, web.concurrency, web.prewarm) == ("nodejs", True, 5, 1)


def test_every_key_is_documented():
    text = (ROOT / "docs" / "local-development.md").read_text()
    missing = [key for key in FUNCTION_KEYS if f"`{key}`" not in text and f"{key} = " not in text]
    assert missing == []
