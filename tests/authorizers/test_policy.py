"""What a policy says of a method."""

from __future__ import annotations

import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.authorizers.policy import MalformedPolicy, Verdict, judge, like

ARN = "arn:aws:execute-api:us-east-1:123456789012:api/prod/GET/users/7"
INVOKE = "execute-api:Invoke"
ALLOW, DENY, NOTHING = Verdict.ALLOW, Verdict.DENY, Verdict.NOTHING


def statement(effect="Allow", action=INVOKE, resource=ARN, **more):
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


def policy(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


@pytest.mark.parametrize(
    ("document", "verdict"),
    [
        (policy(statement()), ALLOW),
        ({"Statement": statement()}, ALLOW),
        (policy(statement("Deny")), DENY),
        (policy(statement(), statement("Deny")), DENY),
        (policy(statement("Deny"), statement()), DENY),
        (policy(statement(resource="*")), ALLOW),
        (policy(statement(resource="arn:aws:execute-api:*:*:*/*/GET/*")), ALLOW),
        (policy(statement(resource="arn:aws:execute-api:us-east-1:123456789012:api/*")), ALLOW),
        (policy(statement(resource="arn:aws:execute-api:*:*:*/*/POST/*")), NOTHING),
        (policy(statement(resource=[ARN + "x", ARN[:-1] + "?"])), ALLOW),
        (policy(statement(resource=ARN[:-1])), NOTHING),
        (policy(statement(action="execute-api:*")), ALLOW),
        (policy(statement(action="*")), ALLOW),
        (policy(statement(action="EXECUTE-API:INVOKE")), ALLOW),
        (policy(statement(action=["s3:*", "execute-api:ManageConnections"])), NOTHING),
        (policy({"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}), DENY),
        (policy({"Effect": "Allow", "Action": INVOKE, "NotResource": "*/POST/*"}), ALLOW),
        (policy({"Effect": "Allow", "Action": INVOKE, "NotResource": "*/GET/*"}), NOTHING),
        (policy(statement(Condition={"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.1"]}})), ALLOW),
        (policy(statement(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})), NOTHING),
        (policy(statement("Deny", Condition={"NotIpAddress": {"AWS:sourceIp": "10.0.0.0/8"}})), DENY),
        (policy(statement(Condition={"DateLessThan": {"aws:CurrentTime": "2030-01-01"}})), NOTHING),
        (policy(statement("Deny", Condition={"DateLessThan": {"aws:CurrentTime": "2030-01-01"}})), DENY),
        (policy(statement(Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})), NOTHING),
        (policy(statement(Condition={"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1"}})), ALLOW),
        (policy(statement(Condition={"StringLike": {"aws:SourceIp": "192.0.*"}})), ALLOW),
        (policy(statement(Condition={})), ALLOW),
    ],
)
def test_verdicts(document, verdict):
    assert judge(document, ARN, {"aws:sourceip": "192.0.2.1"}) is verdict


@pytest.mark.parametrize(
    "document",
    [
        None, "Allow", [], {}, {"Statement": []}, {"Statement": "x"}, {"Statement": ["x"]}, {"Statement": None},
        policy({**statement(), "Effect": "allow"}), policy({**statement(), "Effect": None}),
        policy({"Effect": "Allow", "Action": INVOKE}), policy({"Effect": "Allow", "Resource": ARN}),
        policy(statement(action=5)), policy(statement(resource=[5])), policy(statement(resource={})),
        policy(statement(Condition="x")), policy(statement(Condition={"IpAddress": "10.0.0.0/8"})),
        policy(statement(resource="x" * 5000)), policy(*[statement()] * 2000),
        policy(statement(Condition={"IpAddress": {"aws:SourceIp": "nonsense"}})),
        policy(statement(effect="Deny", Condition={"IpAddress": {"aws:SourceIp": ["10.0.0.0/33", "192.0.2.0/24"]}})),
    ],
)  # fmt: skip
def test_what_is_no_policy(document):
    with pytest.raises(MalformedPolicy):
        judge(document, ARN, {"aws:sourceip": "192.0.2.1"})


@given(st.text(alphabet="ab*?", max_size=12), st.text(alphabet="ab", max_size=12))
def test_patterns_are_those_of_shells_without_brackets(pattern, text):
    assert like(pattern, text) == bool(re.fullmatch(fnmatch.translate(pattern), text))


def test_a_hostile_pattern_takes_no_time():
    assert not like("*a?" * 300, "a" * 1600 + "b/" * 10)
    assert not any(like(f"*{'a' * 100}?b{each}", "a" * 10_000) for each in range(100))
