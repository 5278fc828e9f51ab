"""Plugins by name."""

import pytest
from zope.interface.verify import verifyObject

from lambdaproxy import registry
from lambdaproxy.config.values import spec
from lambdaproxy.interfaces import IEventCodec, IEventCodecMaker, IInvokerMaker, Option


def test_the_built_in_makers():
    assert {"alb", "apigateway-v1", "apigateway-v2", "function-url"} <= set(registry.codec_makers())
    assert {"aws", "local"} <= set(registry.invoker_makers())
    for maker in registry.codec_makers().values():
        verifyObject(IEventCodecMaker, maker)
        verifyObject(IEventCodec, registry.make_codec(spec(maker.name)))
    for invoker_maker in registry.invoker_makers().values():
        verifyObject(IInvokerMaker, invoker_maker)


OPTIONS = (Option("size", int, 3, ""), Option("tag", str, (), "", multiple=True))


def test_options():
    assert registry.parse_options("x", OPTIONS, []) == {"size": 3, "tag": ()}
    given = [("tag", "a"), ("size", "4"), ("tag", "b")]
    assert registry.parse_options("x", OPTIONS, given) == {"size": 4, "tag": ("a", "b")}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([("siz", "1")], "did you mean 'size'"),
        ([("size", "x")], "x: size: "),
        ([("size", "1"), ("size", "2")], "given twice"),
    ],
)
def test_wrong_options(given, says):
    with pytest.raises(ValueError, match=says):
        registry.parse_options("x", OPTIONS, given)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"There are: .*alb.*function-url"):
        registry.make_codec(spec("nothing"))


@pytest.mark.parametrize(
    ("word", "meant"),
    [("http-api", "apigateway-v2"), ("rest", "apigateway-v1"), ("lambda-url", "function-url"), ("elb", "alb")],
)
def test_a_format_by_another_name(word, meant):
    with pytest.raises(ValueError, match=f"unknown format '{word}'; here that is '{meant}'"):
        registry.make_codec(spec(word))


def test_no_two_formats_are_called_the_same():
    words = [word for maker in registry.codec_makers().values() for word in getattr(maker, "also_called", ())]
    assert len(set(words)) == len(words) and not set(words) & set(registry.codec_makers())
