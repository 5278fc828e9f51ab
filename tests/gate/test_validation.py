"""What a request must have, in the words of a REST API."""

from __future__ import annotations

import json
import sys

import pytest

from lambdaproxy.config import validation
from lambdaproxy.errors import LambdaProxyError
from tests.gate.test_cors import Door
from tests.memory import head

ROUTE = """
format = "{format}"
function-header = "none"
[[route]]
path = "/orders/{{id}}"
function = "f"
{more}
"""
SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "pattern": "^(a+)+$"}, "n": {"$ref": "#/definitions/n"}},
    "definitions": {"n": {"type": "integer"}},
}
FORMATS = ["alb", "apigateway-v1", "apigateway-v2", "apigateway-v2:payload=1.0", "function-url"]


def door(tmp_path, more, format="apigateway-v1"):
    return Door(tmp_path, ROUTE.format(format=format, more=more))


def sent(asked, body=b"", target="/orders/7", **headers):
    """Status and body of the answer to a request with a body."""
    fields = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    request = head(method="PUT", target=target.encode(), headers=fields, content_length=len(body), host="example.com")
    admission = None
    try:
        admission = asked.proxy.admit(request)
        asked.proxy.handle(admission, body).send(None)
    except StopIteration as stop:
        response = stop.value
    except LambdaProxyError as error:
        response = asked.proxy.answer(request, error, admission)
    return response.status, response.body


@pytest.mark.parametrize("format", FORMATS)
def test_parameters(tmp_path, format):
    more = 'request-parameters = ["querystring.qs1", "header.x-header-param", "method.request.path.id"]'
    asked = door(tmp_path, more, format)
    status, body = sent(asked)
    assert status == 400
    if format == "apigateway-v1":
        assert body == b'{"message":"Missing required request parameters: [x-header-param, qs1]"}'
    assert b"[x-header-param, qs1]" in body
    assert not asked.invoker.invocations
    assert b"[qs1]" in sent(asked, X_Header_Param="1")[1]
    assert b"[qs1]" in sent(asked, target="/orders/7?qs1=", X_Header_Param="1")[1]
    assert sent(asked, target="/orders/7?%71s1=x", X_Header_Param="1")[0] == 200


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('request-parameters = "path.other"', "has no {other}"),
        ('request-parameters = "body.x"', "none of header.NAME"),
        ('request-models = "absent.json"', "No such file|pip install"),
        ('request-models = {"json" = "x"}', "no content type"),
    ],
)
def test_mistakes(tmp_path, more, said):
    with pytest.raises(Exception, match=said):
        door(tmp_path, more)


def test_without_the_library_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    with pytest.raises(ValueError, match=r"pip install 'lambdaproxy\[schema\]'"):
        validation.compiled(b"{}", "x.json")


class TestSchemas:
    @pytest.fixture(autouse=True)
    def library(self):
        pytest.importorskip("jsonschema_rs", reason="jsonschema-rs is not installed")

    @pytest.fixture
    def schema(self, tmp_path):
        file = tmp_path / "order.json"
        file.write_text(json.dumps(SCHEMA))
        return file

    @pytest.mark.parametrize("format", FORMATS)
    @pytest.mark.parametrize(
        ("body", "type", "good"),
        [
            (b'{"name":"aaa","n":1}', "application/json", True),
            (b'{"name":"aaa","n":1}', "application/json; charset=utf-8", True),
            (b'{"name":"aaa"}', None, True),
            (b'{"name":"b"}', "application/json", False),
            (b'{"name":"a","n":"1"}', "application/json", False),
            (b'{"name":1}', None, False),
            (b"[]", "application/json", False),
            (b"", "application/json", False),
            (b"{", "application/json", False),
            (b"\xff", "application/json", False),
            (b'{"name":NaN}', "application/json", False),
            (b"[" * 100_000, "application/json", False),
            (b"[" * 5000 + b"]" * 5000, "application/json", False),
            (b'{"name":"' + b"a" * 100_000 + b'b"}', "application/json", False),
            (b"what you like", "text/plain", True),
        ],
    )
    def test_a_body(self, tmp_path, schema, format, body, type, good):
        asked = door(tmp_path, f'request-models = "{schema}"', format)
        status, answer = sent(asked, body, **({} if type is None else {"Content-Type": type}))
        assert status in ((200,) if good else (400, 413))
        assert bool(asked.invoker.invocations) is good
        if not good and format == "apigateway-v1" and status == 400:
            assert answer == b'{"message":"Invalid request body"}'

    def test_a_model_for_all_other_types(self, tmp_path, schema):
        asked = door(tmp_path, f'request-models = {{"$default" = "{schema}"}}')
        assert sent(asked, b"what you like", Content_Type="text/plain")[0] == 400

    def test_what_would_take_long_is_too_large(self, tmp_path, schema):
        asked = door(tmp_path, f'request-models = "{schema}"')
        assert sent(asked, b"[" + b"{}," * 200_000 + b"{}]")[0] == 413
        assert sent(asked, b'"' + b"x" * 2_000_000 + b'"')[0] == 413

    @pytest.mark.parametrize(
        ("schema", "said"),
        [
            ({"$ref": "https://example.com/schema"}, "example.com/schema"),
            ({"$ref": "file:///etc/passwd"}, "passwd"),
            ({"pattern": "(?=a)"}, "regex"),
            ({"pattern": "(a)\\1"}, "regex|1"),
            ({"type": "bogus"}, "bogus"),
            ([], "an object"),
        ],
    )
    def test_what_cannot_be_used_is_refused_at_start(self, schema, said):
        with pytest.raises(ValueError, match=said):
            validation.compiled(json.dumps(schema).encode(), "x.json")

    def test_drafts(self):
        old = {"maximum": 5, "exclusiveMaximum": True}
        assert not validation.compiled(json.dumps(old).encode(), "x").is_valid(5)
        new = {"$schema": "https://json-schema.org/draft/2020-12/schema", "exclusiveMaximum": 5}
        assert not validation.compiled(json.dumps(new).encode(), "x").is_valid(5)
