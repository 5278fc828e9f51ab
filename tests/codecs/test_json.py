"""JSON without the libraries that are quicker: what is refused, and what is written, is the same."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import orjson
import pytest

from lambdaproxy.codecs import _body, _json


def without(monkeypatch: pytest.MonkeyPatch, library: str, module: ModuleType) -> ModuleType:
    """Another copy of a module, as it is where a library is not installed."""
    source = Path(str(module.__file__)).parent / f"{module.__name__.rpartition('.')[2]}.py"
    if not source.is_file():
        pytest.skip("the sources are not here")
    monkeypatch.setitem(sys.modules, library, None)
    spec = importlib.util.spec_from_file_location(f"{module.__name__}_alone", source)
    assert spec is not None and spec.loader is not None
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


DOCUMENTS = [
    b'{"a":[1,2.5,-0.0,1e5,true,false,null,"\xc3\xa9\\u00e9\\ud83d\\ude00\\n"]}',
    b'{"a":1,"a":2}',
    b" \t\r\n1 ",
    b'"\x7f"',
    b"1.7976931348623157e308",
]
NO_DOCUMENTS = [
    *(b"", b" ", b"tru", b"1 2", b"'a'", b'["a",]', b"[1,,2]", b"{1:2}", b"01", b"1.", b".5", b"-", b'"\\x"'),
    *(b"NaN", b"[Infinity]", b"-Infinity", b"1e999", b"[-1e999]", b"1" * 5000),
    *(b'"\xff"', b"\xef\xbb\xbf1", b"\xa01", b"\x0c1", b'"\t"', b'"\x01"'),
    *(b"[" * 100_000, b'{"a":' * 50_000),
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_both_ways_read_and_write_the_same(monkeypatch, document):
    alone = without(monkeypatch, "orjson", _json)
    value = alone.loads(document)
    assert value == _json.loads(document) == orjson.loads(document)
    assert alone.dumps(value) == _json.dumps(value)
    assert alone.dumps([alone.fragment(b'"x"')]) == _json.dumps([_json.fragment(b'"x"')]) == b'["x"]'


@pytest.mark.parametrize("document", NO_DOCUMENTS, ids=lambda document: repr(document[:16]))
def test_both_ways_refuse_the_same(monkeypatch, document):
    alone = without(monkeypatch, "orjson", _json)
    for loads in (alone.loads, _json.loads):
        with pytest.raises(ValueError):
            loads(document)


def test_both_ways_of_base64_are_the_same(monkeypatch):
    alone = without(monkeypatch, "pybase64", _body)
    for size in (0, 1, 2, 3, 511, 512, 2000):
        body = bytes(range(256)) * 8
        text = _body.to_base64(body[:size])
        assert alone.to_base64(body[:size]) == text
        assert alone.from_base64(text) == _body.from_base64(text) == body[:size]
    for text in ("A", "AA=", "A" * 600 + "\n", "=" * 600, "A" * 601, "é" * 600):
        for module in (alone, _body):
            with pytest.raises(ValueError):
                module.from_base64(text)
