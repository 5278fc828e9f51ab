"""Function names, the header that names one, and what `--allow` permits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.errors import BadFunctionHeader, NotPermitted
from lambdaproxy.selection import FunctionHeader, FunctionName, parse_allow, parse_function, permitted_by

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:api"
PARTIAL = "123456789012:function:api"


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("api", FunctionName("api")),
        ("api_2-B:prod", FunctionName("api_2-B", "prod")),
        ("api:$LATEST", FunctionName("api", "$LATEST")),
        ("api:42", FunctionName("api", "42")),
        ("api:$LATEST.PUBLISHED", FunctionName("api", "$LATEST.PUBLISHED")),
        (f"{ARN}:$LATEST.PUBLISHED", FunctionName(ARN, "$LATEST.PUBLISHED")),
        (PARTIAL, FunctionName(PARTIAL)),
        (f"{PARTIAL}:prod", FunctionName(PARTIAL, "prod")),
        (f"{PARTIAL}:$LATEST.PUBLISHED", FunctionName(PARTIAL, "$LATEST.PUBLISHED")),
        (ARN, FunctionName(ARN)),
        (f"{ARN}:prod", FunctionName(ARN, "prod")),
        ("arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:f", None),
    ],
)
def test_names(text, function):
    parsed = parse_function(text)
    assert str(parsed) == text
    if function is not None:
        assert parsed == function
    assert parsed.is_arn == (":function:" in text)
    assert parsed.region == (text.split(":")[3] if text.startswith("arn:") else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":prod",
        "a" * 65,
        "api:",
        "api:prod:x",
        "api/x",
        "../api",
        "a b",
        "äpi",
        "api\n",
        "http://x",
        "arn:aws:lambda:eu-west-1:123456789012:function:",
        "arn:aws:lambda:evil.example/:123456789012:function:api",
        "arn:aws:s3:eu-west-1:123456789012:function:api",
        f"{ARN}:prod:x",
        "api:$OTHER",
        "api:$LATEST.OTHER",
        "api.x",
        f"{PARTIAL}:prod:x",
        "12345678901:function:api",
        "123456789012:functions:api",
        "123456789012:api:prod",
        "١٢٣٤٥٦٧٨٩٠١٢:function:api",
    ],
)
def test_no_names(text):
    with pytest.raises(ValueError):
        parse_function(text)


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_a_value_error(text):
    try:
        assert str(parse_function(text)) == text
    except ValueError:
        pass


@pytest.mark.parametrize(
    ("pattern", "permitted", "refused"),
    [
        ("api", ["api"], ["api:prod", "apis", "xapi", "API"]),
        ("api-*", ["api-", "api-x"], ["api-x:prod", "api", "xapi-"]),
        ("api-*:prod", ["api-x:prod"], ["api-x", "api-x:prod2"]),
        ("api-*:*", ["api-x:prod", "api-x:$LATEST"], ["api-x"]),
        ("api-?", ["api-x"], ["api-", "api-xy"]),
        ("*", ["api"], ["api:prod", ARN]),
        (f"{ARN[:-3]}*", [ARN], [f"{ARN}:prod", "api"]),
        ("a.c", [], ["abc"]),
        (PARTIAL, [PARTIAL], ["api", ARN, f"{PARTIAL}:prod", "123456789013:function:api"]),
        ("*:function:api-*:*", ["123456789012:function:api-x:prod"], ["123456789012:function:api-x", "api-x:prod"]),
        ("api:$LATEST.PUBLISHED", ["api:$LATEST.PUBLISHED"], ["api", "api:$LATEST"]),
    ],
)
def test_allow(pattern, permitted, refused):
    try:
        allows = permitted_by((parse_allow(pattern),))
    except ValueError:
        assert not permitted
        return
    assert [each for each in permitted if not allows(parse_function(each))] == []
    assert [each for each in refused if allows(parse_function(each))] == []


@pytest.mark.parametrize("pattern", ["", "a:b:c", "a b", "(x)"])
def test_no_patterns(pattern):
    with pytest.raises(ValueError):
        parse_allow(pattern)


def test_without_patterns_any_name_but_no_arn():
    allows = permitted_by(())
    assert allows(FunctionName("any", "prod"))
    assert not allows(FunctionName(ARN))


@pytest.mark.parametrize(
    ("pattern", "everything"),
    [
        ("*", True),
        ("*:prod", True),
        ("**", True),
        ("?*", True),
        ("a*", False),
        ("arn:*:*:*:*:*:*", True),
        ("arn:aws:lambda:eu-west-1:123456789012:function:*:prod", True),
        ("arn:aws:lambda:eu-west-1:123456789012:function:api-*", False),
    ],
)
def test_everything(pattern, everything):
    assert parse_allow(pattern).everything is everything


HEADER = FunctionHeader("X-Lambda-Function", permitted_by((parse_allow("api"),)))


def test_the_header_is_read_and_taken_out():
    headers = ((b"Host", b"h"), (b"x-lambda-FUNCTION", b"api"), (b"X-Lambda-Functions", b"y"))
    value, rest = HEADER.split(headers)
    assert value == b"api"
    assert rest == (headers[0], headers[2])
    assert HEADER.function(value) == FunctionName("api")


@pytest.mark.parametrize(
    "headers",
    [
        ((b"X-Lambda-Function", b"api"), (b"X-Lambda-Function", b"api")),
        ((b"X_Lambda_Function", b"api"),),
        ((b"X-Lambda_Function", b"api"), (b"X-Lambda-Function", b"api")),
    ],
)
def test_a_repeated_or_aliased_header_is_refused(headers):
    with pytest.raises(BadFunctionHeader, match="X-Lambda-Function"):
        HEADER.split(headers)


@pytest.mark.parametrize("value", [None, b"", b"a b", b"\xff", b"api,api", b"http://x"])
def test_a_missing_or_malformed_header_says_what_to_send(value):
    with pytest.raises(BadFunctionHeader) as caught:
        HEADER.function(value)
    assert "X-Lambda-Function" in caught.value.public


def test_a_refused_name_is_told_to_the_operator_only():
    with pytest.raises(NotPermitted) as caught:
        HEADER.function(b"other")
    assert "--allow 'other'" in caught.value.detail
    assert "other" not in caught.value.public


def test_no_header_at_all():
    header = FunctionHeader(None, permitted_by(()))
    headers = ((b"X-Lambda-Function", b"api"),)
    assert header.split(headers) == (None, headers)
    with pytest.raises(NotPermitted):
        header.function(None)
