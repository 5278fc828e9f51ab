"""No client can say what only we, or AWS's doors, may say: field by field, for each format and kind of authorizer."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from tests.doorway import Doorway

FORMATS = (
    "alb",
    "alb:multi_value=yes",
    "alb:tls_headers=yes:tls_kx=yes",
    "apigateway-v1",
    "apigateway-v2",
    "apigateway-v2:payload=1.0",
    "function-url",
    "vpc-lattice",
    "vpc-lattice:version=1",
)
KEY = "k" * 24
DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
AUTHORIZERS = {
    "none": "",
    "lambda": '[authorizer.who]\nkind = "lambda"\nfunction = "who"\npayload = "2.0"\nsimple = true\n'
    'identity-source = ["$request.header.Authorization"]\n',
    "api-key": f'[authorizer.who]\nkind = "api-key"\nkey = ["partner {DIGEST}"]\n',
    "all": f'[authorizer.keys]\nkind = "api-key"\nkey = ["partner {DIGEST}"]\n'
    '[authorizer.one]\nkind = "lambda"\nfunction = "who"\npayload = "token"\n'
    '[authorizer.who]\nkind = "all"\nof = ["one", "keys"]\n',
}
ANSWER = {"statusCode": 200, "headers": {}, "isBase64Encoded": False, "body": "ok"}
CREDENTIALS = (("Authorization", "t"), ("X-API-Key", KEY))

OF_BALANCERS = tuple(
    f"X-Amzn-{name}"
    for name in (
        *("Oidc-Identity", "Oidc-Data", "Oidc-Accesstoken", "Mtls-Clientcert", "Mtls-Clientcert-Subject"),
        *(
            "Mtls-Clientcert-Serial-Number",
            "Mtls-Clientcert-Issuer",
            "Mtls-Clientcert-Leaf",
            "mTLS-Clientcert-Validity",
        ),
    )
)
OF_TLS = ("X-Amzn-Tls-Version", "X-Amzn-Tls-Cipher-Suite", "x-amzn-tls-kx")
OF_LATTICE = ("X-Amzn-Lattice-Identity", "x-amzn-lattice-network", "X-Amzn-Lattice-Target", "X-Amzn-Source-Vpc")
OF_INVOCATIONS = {
    "X-Amz-Invocation-Type": "DryRun",
    "X-Amz-Log-Type": "Tail",
    "X-Amz-Client-Context": "e30=",
    "X-Amz-Tenant-Id": "other",
    "X-Amz-Durable-Execution-Name": "mine",
    "X-Amz-Source-Account": "999999999999",
    "X-Amz-Source-Arn": "arn:aws:s3:::x",
    "Lambda-Runtime-Aws-Request-Id": "mine",
    "Lambda-Runtime-Client-Context": "{}",
    "Lambda-Runtime-Cognito-Identity": "{}",
    "X-Lambda-Function": "other",
}
OF_ANSWERS = (
    *("X-Amzn-RequestId", "Apigw-Requestid", "X-Amz-Apigw-Id", "X-Amzn-Errortype", "X-Amz-Function-Error"),
    *("X-Amz-Executed-Version", "X-Amzn-Apigateway-Api-Id", "X-Amzn-Remapped-Authorization", "X-Amz-Cf-Id"),
    *("X-Lambdaproxy-Claims", "X-Lambdaproxy-Principal", "X-Lambdaproxy-Key", "X-Amzn-Authorizer-Principal-Id"),
)
OF_PROXIES = (
    *("X-Forwarded-User", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Client-Cert", "X-Original-Url"),
    *("Forwarded", "X-Real-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Remote-User", "X-Request-Id"),
)
LIKE = ("X_Amzn_Oidc_Identity", "X-Amzn_Lattice-Identity")
SENT = dict.fromkeys((*OF_BALANCERS, *OF_TLS, *OF_LATTICE, *LIKE, *OF_ANSWERS, *OF_PROXIES), "forged") | OF_INVOCATIONS


class Seen(Doorway):
    """Keeps the invocations, too."""

    def invoke(self, invocation: Any) -> Any:
        self.__dict__.setdefault("invocations", {}).setdefault(invocation.function.name, []).append(invocation)
        return super().invoke(invocation)


def made(folder: Any, format: str, kind: str) -> Seen:
    authorizer = 'authorizer = "who"\n' if AUTHORIZERS[kind] else ""
    route = f'[[route]]\npath = "$default"\nfunction = "fn"\n{authorizer}'

    def who(event: Any) -> Any:
        statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}
        policy = {"principalId": "me", "policyDocument": {"Statement": [statement]}, "context": {"who": "me"}}
        return policy if event.get("type") == "TOKEN" else {"isAuthorized": True, "context": {"who": "me"}}

    return Seen(folder, f'format = "{format}"\n{AUTHORIZERS[kind]}{route}', {"who": who, "fn": ANSWER})


def headers_of(event: Any) -> dict[str, Any]:
    """Those of an event by lower-case name; what was sent is taken out of the event."""
    found: dict[str, Any] = {}
    lower = {name.lower() for name in SENT}
    for member in ("headers", "multiValueHeaders"):
        for name in [name for name in event.get(member) or () if name.lower() in lower]:
            found[name.lower()] = event[member].pop(name)
    return found


def gone(format: str) -> set[str]:
    """What must not reach a function as the client sent it."""
    names = {
        "alb": (*OF_BALANCERS, LIKE[0]),
        "alb:multi_value=yes": (*OF_BALANCERS, LIKE[0]),
        "alb:tls_headers=yes:tls_kx=yes": (*OF_BALANCERS, *OF_TLS, LIKE[0]),
        # Where TLS ends here it is ours; elsewhere nobody says anything of it.
        "function-url": OF_TLS[:2],
        "vpc-lattice": (*OF_LATTICE, LIKE[1]),
        "vpc-lattice:version=1": (*OF_LATTICE, LIKE[1]),
    }.get(format, ())
    return {name.lower() for name in names}


@pytest.mark.parametrize("kind", AUTHORIZERS)
@pytest.mark.parametrize("format", FORMATS)
def test_what_a_client_says_of_itself_changes_nothing(tmp_path, format, kind):
    one = made(tmp_path, format, kind)
    assert one.ask("GET", "/x", *CREDENTIALS).status == 200
    assert one.ask("GET", "/x", *CREDENTIALS, *SENT.items()).status == 200
    plain, forged = (json.loads(each.payload) for each in one.__dict__["invocations"]["fn"])
    ours, found = headers_of(plain), headers_of(forged)
    # All but the fields themselves is as it was: who asks, from where, by which stage and with what.
    assert forged == plain
    for name in gone(format):
        assert found.get(name) == ours.get(name), name
    assert {name.lower() for name in SENT} - gone(format) == set(found) - gone(format), "all else reaches the function"
    first, second = one.__dict__["invocations"]["fn"]
    for what in ("function", "mode", "client_context", "tenant_id", "log_tail", "repeatable", "durable_name"):
        assert getattr(first, what) == getattr(second, what), what
    assert first.function.name == "fn" and first.tenant_id is None and first.durable_name is None


@pytest.mark.parametrize("format", ["alb:identity_headers=keep", "alb:identity_headers=keep:multi_value=yes"])
def test_a_load_balancer_in_front_may_say_who_signed_in(tmp_path, format):
    one = made(tmp_path, format, "none")
    one.ask("GET", "/x", ("X-Amzn-Oidc-Identity", "sub"))
    event = one.events["fn"][0]
    headers: Any = event.get("headers") or event.get("multiValueHeaders")
    assert headers["x-amzn-oidc-identity"] in ("sub", ["sub"])


@pytest.mark.parametrize("format", FORMATS)
def test_nobody_comes_in_by_saying_that_he_is(tmp_path, format):
    for kind in ("lambda", "api-key", "all"):
        one = made(tmp_path, format, kind)
        assert one.ask("GET", "/x", *SENT.items()).status in (401, 403)
        assert "fn" not in one.events
