"""What options of authorizers may not say, in words that name the option."""

from __future__ import annotations

import os
from typing import Any

import pytest

from lambdaproxy.authorizers import makers
from lambdaproxy.config.doors import rate
from lambdaproxy.errors import ConfigError


def options(maker: Any, **said: Any) -> dict[str, Any]:
    return {option.name: option.default for option in maker.options} | {
        name.replace("_", "-"): value for name, value in said.items()
    }


def refused(maker: Any, **said: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        maker.check(options(maker, **said))
    return str(caught.value)


def test_api_keys(tmp_path):
    maker, good, empty = makers.ApiKeyMaker(), tmp_path / "keys", tmp_path / "empty"
    good.write_text("one " + "a" * 64 + "\n")
    empty.write_text("# nobody\n")
    for path in (good, empty):
        os.chmod(path, 0o600)
    file = str(good)
    maker.check(options(maker, file=file))
    assert "it needs a file" in refused(maker)
    assert "file: /nowhere/keys: No such file" in refused(maker, file="/nowhere/keys")
    assert "has no key, so nobody could come in" in refused(maker, file=str(empty))
    assert "burst: it goes with a rate" in refused(maker, file=file, burst=3)
    maker.check(options(maker, file=file, burst=3, rate=rate("1/s")))
    assert "quota-file: it goes with a quota" in refused(maker, file=file, quota_file=str(tmp_path / "q"))
    assert "quota-file: it goes with a quota" in refused(maker, file=file, quota_window="rolling")


def test_signatures(tmp_path):
    maker, empty = makers.IamMaker(), tmp_path / "empty"
    empty.write_text("# nobody\n")
    os.chmod(empty, 0o600)
    assert "it needs a file of keys" in refused(maker)
    assert "keys: /nowhere/keys: No such file" in refused(maker, keys="/nowhere/keys")
    assert "has no key, so nobody could come in" in refused(maker, keys=str(empty))
    os.chmod(empty, 0o644)
    assert refused(maker, keys=str(empty)).startswith("keys: ")


@pytest.mark.parametrize("of", [(), ("a",), ("a", "a")])
def test_all_of_several(of):
    assert "of: it needs the names of two others or more" in refused(makers.AllMaker(), of=of)


def test_a_function_that_decides():
    assert "it needs a function" in refused(makers.lambda_)


def test_nobody():
    maker = makers.ClosedMaker()
    maker.check(options(maker))
    assert maker.make("x", options(maker), None) is not None
