"""The values are frozen, whatever their quick way of being made."""

from dataclasses import FrozenInstanceError, fields, replace

import pytest

from lambdaproxy import messages
from lambdaproxy.messages import Function, InvocationResult, Match, Response
from tests.memory import HEAD


def test_as_a_dataclass_would_make_them():
    assert Response(200) == Response(status=200, headers=(), body=b"", outcome="ok")
    assert repr(Function("aws", "f")) == "Function(invoker='aws', name='f', qualifier=None)"
    assert replace(HEAD, method="GET").method == "GET"
    assert {Function("aws", "f"), Function("aws", "f", None)} == {Function("aws", "f")}
    assert InvocationResult(b"").executed_version == "$LATEST"
    assert Match().methods == ()
    assert [getattr(HEAD, each.name) for each in fields(HEAD)][:2] == ["POST", b"/add?test=true"]


def test_frozen():
    for value, name in ((HEAD, "method"), (Response(200), "status"), (Function("a", "b"), "name")):
        with pytest.raises(FrozenInstanceError):
            setattr(value, name, "x")


@pytest.mark.parametrize("arguments", [(), (1, 2, 3, 4, 5)])
def test_wrong_numbers_of_arguments(arguments):
    with pytest.raises(TypeError, match=r"Response\.__init__"):
        messages.Response(*arguments)


def test_functions_of_one_name_have_hashes_of_their_own():
    assert len({hash(Function("aws", "f", f"v{number}")) for number in range(1000)}) > 990
    assert hash(Function("aws", "f")) == hash(Function("aws", "f", None))


def test_subclasses_stay_what_they_are():
    class Plain(Response):
        pass

    class Slotted(Response):
        __slots__ = ()

    class More(Response):
        __slots__ = ("more",)

    for made in (Plain, Slotted, More):
        value = made(404, body=b"gone")
        assert (type(value), value.status, value.headers, value.body, value.outcome) == (made, 404, (), b"gone", "ok")
