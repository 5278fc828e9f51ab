"""The makers: names, options, and that asking for help costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from zope.interface.verify import verifyObject

from lambdaproxy.codecs import makers
from lambdaproxy.config.values import Spec, spec
from lambdaproxy.errors import Statuses
from lambdaproxy.interfaces import IEventCodec, IEventCodecMaker
from lambdaproxy.registry import make_codec
from tests.codecs.dialects import event

SPECS = [
    "alb",
    "alb:multi_value=yes:xff=preserve:tls_headers=yes:server=no",
    "alb:tls_kx=yes",
    r"alb:target_group_arn=arn\:aws\:elasticloadbalancing\:eu-west-1\:123456789012\:targetgroup/a/b",
    "apigateway-v1",
    "apigateway-v1:account=111111111111:api_id=abc:stage=dev:stage_in_path=yes:domain=example.com",
    "apigateway-v1:binary_media_types=image/*:binary_media_types=application/pdf:deployment_id=abc:resource_id=def",
    "apigateway-v1:stage_variables=a=b:stage_variables=c=d",
    "apigateway-v2",
    "apigateway-v2:payload=1.0",
    "apigateway-v2:stage=dev:stage_in_path=yes",
    "vpc-lattice",
    r"vpc-lattice:version=1:service_arn=arn\:aws\:vpc-lattice\:eu-west-1\:1\:service/svc-1:incomplete=accept:xff=remove",
    "function-url",
    "function-url:account=123456789012:url_id=abc:domain=abc.lambda-url.eu-west-1.on.aws:xff=append",
    "alb:errors=plain:limits=aws",
]


@pytest.mark.parametrize("text", SPECS)
def test_a_maker_makes_a_codec(text):
    codec = make_codec(spec(text))
    verifyObject(IEventCodec, codec)
    assert codec.name == text.partition(":")[0]
    assert getattr(codec, "column", None) in Statuses.__slots__


def test_makers_are_makers():
    for maker in makers.MAKERS:
        verifyObject(IEventCodecMaker, maker)
        names = [option.name for option in maker.options]
        assert len(names) == len(set(names))
        for option in maker.options:
            assert option.help
            # The default needs no parsing, but what an operator writes to mean it must parse to it.
            if isinstance(option.default, str):
                assert option.parse(option.default) == option.default
            elif isinstance(option.default, bool):
                assert option.parse("yes" if option.default else "no") is option.default


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("alb:multi_value=maybe", "yes or no"),
        ("alb:xff=forward", "append, preserve"),
        ("alb:target_group_arn=web", "no ARN"),
        ("alb:errors=mine", "aws, plain"),
        ("apigateway-v1:account=12", "12 digits"),
        ("apigateway-v1:stage=a b", "stage name"),
        ("apigateway-v1:stage=$default", "stage name"),
        ("apigateway-v1:binary_media_types=png", "media type"),
        ("apigateway-v1:stage_variables=a", "NAME=VALUE"),
        ("apigateway-v2:payload=3.0", "2.0, 1.0"),
        ("apigateway-v2:stage_in_path=yes", "needs a stage"),
        ("vpc-lattice:version=3", "2, 1"),
        ("vpc-lattice:service_arn=svc-1", "no ARN"),
        ("vpc-lattice:incomplete=maybe", "refuse, accept"),
        ("function-url:domain=a/b", "domain name"),
        ("function-url:stage=dev", "stage"),
    ],
)
def test_a_wrong_option_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_codec(spec(text))


def test_options_reach_the_event():
    given = event(make_codec(Spec("apigateway-v1", (("account", "111111111111"), ("stage_variables", "a=b")))))
    assert given["requestContext"]["accountId"] == "111111111111"
    assert given["stageVariables"] == {"a": "b"}
    url = event(make_codec(Spec("function-url", (("domain", "abc.lambda-url.eu-west-1.on.aws"),))))
    assert url["requestContext"]["apiId"] == url["requestContext"]["domainPrefix"] == "abc"


def test_importing_the_makers_imports_no_codec():
    program = (
        "import sys; import lambdaproxy.codecs.makers; "
        "print([m for m in sys.modules if m.startswith('lambdaproxy.codecs.') and not m.endswith('makers')"
        " or m == 'orjson'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == "[]"
