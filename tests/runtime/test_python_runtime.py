"""The JSON of Python functions is that of awslambdaric, byte for byte."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
import time
from collections import OrderedDict, namedtuple
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.runtime import python_runtime
from tests.examples import examples

Pair = namedtuple("Pair", "first second")


class Record:
    """No tuple, but with the method by which named tuples are known."""

    def __init__(self, fields: Any) -> None:
        self.fields = fields

    def __repr__(self) -> str:
        return f"Record({self.fields})"

    def _asdict(self) -> Any:
        return self.fields


class Fields(dict):  # type: ignore[type-arg]
    def _asdict(self) -> dict[str, int]:
        return {"own": 1}


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.decimals(allow_nan=True, allow_infinity=False)
    | st.text().map(str.encode)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.text().map(str.encode) | st.integers() | st.booleans(), inner, max_size=4)
        | st.tuples(inner, inner)
        | st.builds(Pair, inner, inner)
        | st.dictionaries(st.text(), inner, max_size=3).map(OrderedDict)
    ),
    max_leaves=12,
)

needs_ric = pytest.mark.skipif(importlib.util.find_spec("awslambdaric") is None, reason="awslambdaric is not installed")


def theirs(value: Any) -> Any:
    from awslambdaric.lambda_runtime_exception import FaultException
    from awslambdaric.lambda_runtime_marshaller import LambdaMarshaller

    try:
        text, content_type = LambdaMarshaller().marshal_response(value)
    except FaultException as fault:
        return "fault", fault.exception_type
    return (text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")), content_type


def ours(value: Any) -> Any:
    try:
        body, content_type = python_runtime.encode(value)
    except python_runtime.Fault as fault:
        return "fault", fault.type
    return body, content_type.decode()


@needs_ric
@examples(300)
@given(VALUES)
@pytest.mark.slow
def test_results_are_written_as_aws_writes_them(value):
    unicode = os.environ.get("AWS_EXECUTION_ENV", "")
    assert unicode == "", "the test wants the escapes of runtimes before python3.12"
    python_runtime._UNICODE = False
    assert ours(value) == theirs(value)


@pytest.mark.parametrize(
    "value",
    [
        {1, 2},
        object(),
        {"a": [Decimal("1.10"), {"b": Pair(1, Pair(b"x", None))}]},
        {b"key": 1},
        [[[Pair(1, 2)]]],
        float("inf"),
        "\ud800",
        {"a": {(1, 2): 3}},
        b"\xff",
        {"bad": b"\xff"},
        {"": None, b"": None},
        Record({"a": (1, Record({}))}),
        [Record([1])],
        Fields(b=2),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],  # the same in every process
)
@needs_ric
def test_special_values(value):
    python_runtime._UNICODE = False
    assert ours(value) == theirs(value)


def test_circular():
    value: list[Any] = []
    value.append(value)
    with pytest.raises(python_runtime.Fault) as caught:
        python_runtime.encode(value)
    assert caught.value.message == "Unable to marshal response: Circular reference detected"


def test_what_needs_no_change_is_not_copied():
    value = {"a": [1, "x", None, {"b": [True]}]}
    assert python_runtime._plain(value) is value


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_events_are_read(value):
    assert python_runtime.decode(json.dumps(value).encode()) == value


def test_what_is_left_of_the_time_does_not_follow_the_clock(monkeypatch):
    now = time.time
    context = python_runtime.LambdaContext({"lambda-runtime-deadline-ms": str(int(now() * 1000) + 60_000)})
    for ahead in (3600, -3600):
        monkeypatch.setattr(time, "time", lambda ahead=ahead: now() + ahead)
        assert 0 < context.get_remaining_time_in_millis() <= 60_000


def test_context_repr_and_time():
    context = python_runtime.LambdaContext({"lambda-runtime-aws-request-id": "id", "lambda-runtime-deadline-ms": "5"})
    assert repr(context).startswith("LambdaContext([aws_request_id=id,")
    assert context.get_remaining_time_in_millis() == 0
    assert context.w3c() == {}


def test_client_context_that_is_no_json():
    with pytest.raises(python_runtime.Fault) as caught:
        python_runtime.LambdaContext({"lambda-runtime-client-context": "{"})
    assert caught.value.type == "Runtime.LambdaContextUnmarshalError"


@given(st.text())
def test_the_name_of_a_class_ends_no_header(name):
    line = python_runtime.type_header({"errorType": name})
    assert re.fullmatch(rb"Lambda-Runtime-Function-Error-Type: [!-~]{0,128}\r\n", line)


def test_a_missing_package_says_which_python_has_it_not(tmp_path, monkeypatch, capsys):
    """Who installed it into another environment would look for it there."""
    (tmp_path / "wants_it.py").write_text("import nobody_has_this.part\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(python_runtime.Fault):
        python_runtime.find_handler("wants_it.handler")
    assert f"{sys.executable} runs this function, and has no nobody_has_this: " in capsys.readouterr().err
    with pytest.raises(python_runtime.Fault):
        python_runtime.find_handler("is_not_there.handler")
    assert capsys.readouterr().err == ""
