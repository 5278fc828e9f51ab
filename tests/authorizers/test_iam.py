"""Requests that are signed with keys of ours: by AWS's own signer, and by whoever has no key."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from dataclasses import replace

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from twisted.internet.task import Clock

from lambdaproxy.authorizers.iam import IamAuthorizer, read_users
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_v2 import HttpApiCodec
from lambdaproxy.codecs.function_url import FunctionUrlCodec
from lambdaproxy.errors import NoRoute, NotSigned
from lambdaproxy.messages import NO_ROUTE, Match, Request
from tests.authorizers.asking import request as plain
from tests.processes import ROOT, Server

ACCESS, SECRET = "AKIATESTTESTTESTTEST", "s" * 40
FILE = f"""# who may
[partner]
aws_access_key_id = {ACCESS}
aws_secret_access_key = {SECRET}
account = 210987654321
org = o-abc
[reader]
aws_access_key_id = AKIAREADREADREADREAD
aws_secret_access_key = {"r" * 40}
aws_session_token = the-session
allow = GET /orders/*,
    GET /orders
"""
HOST = "api.example.com"


@pytest.fixture
def file(tmp_path):
    found = tmp_path / "keys"
    found.write_text(FILE)
    found.chmod(0o600)
    return found


def signed(
    method="GET", target="/orders", body=b"", *, access=ACCESS, secret=SECRET, token=None, service="execute-api",
    region="eu-west-1", query=False, headers=(), expires=300,
):  # fmt: skip
    """What botocore makes of a request, as it arrives."""
    asked = AWSRequest(method, f"https://{HOST}{target}", data=body, headers=dict(headers))
    keys = Credentials(access, secret, token)
    signer = SigV4QueryAuth(keys, service, region, expires=expires) if query else SigV4Auth(keys, service, region)
    signer.add_auth(asked)
    prepared = asked.prepare()
    fields = [
        (name.encode(), value if isinstance(value, bytes) else value.encode())
        for name, value in prepared.headers.items()
    ]
    fields = [(name, value) for name, value in fields if name.lower() != b"content-length"]
    return arrived(method, prepared.url.partition(HOST)[2], [(b"Host", HOST.encode()), *fields], body)


def arrived(method, target, headers, body=b""):
    h = plain()
    return Request(
        method, target.encode(), h.version, tuple(headers), body, h.scheme, HOST, h.port, h.client, "", None, h.id,
        h.trace_id, h.received,
    )  # fmt: skip


def changed(request, **changes):
    known = {name: getattr(request, name) for name in ("method", "target", "headers", "body")} | changes
    return arrived(known["method"], known["target"].decode(), known["headers"], known["body"])


def authorizer(file, now=None, service="execute-api", unsigned=False):
    wall = (lambda: now) if now is not None else time.time
    return IamAuthorizer(
        str(file), Clock().seconds, wall, service=service, region="eu-west-1",
        place="arn:aws:execute-api:eu-west-1:********9012:api/prod", unsigned_payload=unsigned,
    )  # fmt: skip


def refused(file, request, match=NO_ROUTE, **more):
    with pytest.raises(NotSigned) as caught:
        authorizer(file, **more).authorize(request, match, ())
    for secret in (SECRET, "r" * 40, "the-session"):
        assert secret not in str(caught.value) + caught.value.text
    return caught.value


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("GET", "/", b""),
        ("GET", "/orders?b=2&a=1&a=0&empty=", b""),
        ("GET", "/orders/%20%C3%A4/x:y?q=%C3%A4%20z&t=~", b""),
        ("GET", "/a//b/./c/../d", b""),
        ("POST", "/orders", b'{"a": 1}'),
        ("PUT", "/orders/1", bytes(range(256)) * 40),
        ("DELETE", "/orders/1?really=yes", b""),
    ],
)
@pytest.mark.parametrize("query", [False, True])
def test_what_an_sdk_signs_comes_in(file, method, target, body, query):
    if query and body:
        pytest.skip("botocore signs no body in a query")
    grant = authorizer(file).authorize(signed(method, target, body, query=query), NO_ROUTE, ())
    assert (grant.kind, grant.key_id) == ("iam", "partner")
    assert grant.principal == "arn:aws:iam::210987654321:user/partner"


def test_a_session_and_what_it_may(file):
    asked = {"access": "AKIAREADREADREADREAD", "secret": "r" * 40, "token": "the-session"}
    for query in (False, True):
        request = signed("GET", "/orders/7", query=query, **asked)
        assert authorizer(file).authorize(request, Match("/orders/{id}", ("GET",), ()), ()).key_id == "reader"
    assert refused(file, signed(**{**asked, "token": None})).code == "UnrecognizedClientException"
    assert refused(file, signed(**{**asked, "token": "the-sessiom"})).code == "UnrecognizedClientException"
    error = refused(file, signed("POST", "/orders/7", **asked), Match("/orders/{id}", (), ()))
    assert (error.code, error.capital) == ("AccessDeniedException", True)
    assert error.text == (
        "User: arn:aws:iam::123456789012:user/reader is not authorized to perform: execute-api:Invoke on resource: "
        "arn:aws:execute-api:eu-west-1:********9012:api/prod/POST/orders/7 because no identity-based policy allows the "
        "execute-api:Invoke action"
    )
    # The route decides, however the path is spelled.
    refused(file, signed("GET", "/orders/../admin", **asked), Match("/admin", (), ()))


MISMATCH = "The request signature we calculated does not match the signature you provided. "


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"target": b"/orders/"},
        {"target": b"/orders?x=1"},
        {"target": b"/Orders"},
        {"body": b"x"},
    ],
)
def test_what_was_changed_on_the_way(file, change):
    for query in (False, True):
        request = signed(query=query)
        if query and "target" in change:
            change = {"target": request.target.replace(b"/orders?", b"/orders?x=1&")}
        error = refused(file, changed(request, **change))
        assert error.code == "InvalidSignatureException" and error.text.startswith(MISMATCH)


def with_header(request, name, value):
    return changed(request, headers=(*request.headers, (name, value)))


def test_headers_that_were_changed_or_added(file):
    good = signed(headers={"X-Amz-Meta": "a", "X-Other": "b"})
    authorizer(file).authorize(good, NO_ROUTE, ())
    # What is not signed may be added, but nothing of AWS's.
    authorizer(file).authorize(with_header(good, b"X-More", b"1"), NO_ROUTE, ())
    for request in (
        with_header(good, b"X-Amz-Target", b"1"),
        with_header(good, b"X-Other", b"b"),
        with_header(good, b"Host", b"other.example"),
        with_header(good, b"X-Amz-Date", b"20200101T000000Z"),
        changed(good, headers=tuple(p for p in good.headers if p[0].lower() != b"x-other")),
        changed(good, headers=tuple(p if p[0] != b"Host" else (p[0], b"other.example") for p in good.headers)),
        changed(good, headers=tuple(p for p in good.headers if p[0] != b"Host")),
    ):
        assert refused(file, request).code in ("InvalidSignatureException", "IncompleteSignatureException")


def test_keys_that_are_not_ours(file):
    assert refused(file, signed(secret="t" * 40)).text.startswith(MISMATCH)
    error = refused(file, signed(access="AKIAUNKNOWNUNKNOWN12"))
    assert error.text == "The security token included in the request is invalid."
    assert refused(file, signed(region="us-east-1")).text == "Credential should be scoped to a valid region. "
    both = refused(file, signed(region="us-east-1", service="lambda")).text
    assert both == (
        "Credential should be scoped to a valid region. Credential should be scoped to correct service: 'execute-api'. "
    )
    url = refused(file, signed(), service="lambda").text
    assert url == "Credential should be scoped to correct service: 'lambda'. "


def test_five_minutes(file):
    request, now = signed(), time.time()
    for off in (-290, 290):
        authorizer(file, now + off).authorize(request, NO_ROUTE, ())
    assert refused(file, request, now=now + 310).text.startswith("Signature expired: ")
    assert refused(file, request, now=now - 310).text.startswith("Signature not yet current: ")
    link = signed(query=True, expires=3600)
    authorizer(file, now + 3500).authorize(link, NO_ROUTE, ())
    assert refused(file, link, now=now + 3610).text.startswith("Signature expired: ")
    assert refused(file, link, now=now - 310).text.startswith("Signature not yet current: ")


def test_what_is_said_of_the_payload(file):
    body = b"x" * 100
    hashed = hashlib.sha256(body).hexdigest()
    request = signed("POST", "/orders", body, headers={"X-Amz-Content-SHA256": hashed})
    authorizer(file).authorize(request, NO_ROUTE, ())
    refused(file, changed(request, body=b"y" * 100))
    for said in ("UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", ""):
        request = signed("POST", "/orders", body, headers={"X-Amz-Content-SHA256": said})
        assert refused(file, request).text.startswith(MISMATCH)
        if said == "UNSIGNED-PAYLOAD":
            for sent in (request, changed(request, body=b"other")):
                authorizer(file, unsigned=True).authorize(sent, NO_ROUTE, ())
        else:
            refused(file, request, unsigned=True)


def authorization(value):
    return arrived("GET", "/orders", [(b"Host", HOST.encode()), (b"Authorization", value)])


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (arrived("GET", "/", [(b"Host", b"h")]), "MissingAuthenticationTokenException"),
        (authorization(b""), "MissingAuthenticationTokenException"),
        (authorization(b"Bearer x"), "IncompleteSignatureException"),
        (authorization(b"Basic eDp5"), "IncompleteSignatureException"),
        (authorization(b"AWS4-HMAC-SHA256"), "IncompleteSignatureException"),
        (authorization(b"AWS4-HMAC-SHA256 Credential=x"), "IncompleteSignatureException"),
        (authorization(b"AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=0"),
         "IncompleteSignatureException"),
        (authorization(b"AWS4-HMAC-SHA256 " + b"a=b," * 10_000), "IncompleteSignatureException"),
        (authorization(b"\xff\xfe"), "IncompleteSignatureException"),
        (arrived("GET", "/?X-Amz-Signature=0", [(b"Host", b"h")]), "IncompleteSignatureException"),
        (arrived("GET", "/?X-Amz-Signature=0&X-Amz-Signature=1", [(b"Host", b"h")]), "IncompleteSignatureException"),
    ],
)  # fmt: skip
def test_what_is_no_signature(file, request_, code):
    assert refused(file, request_).code == code


def test_odd_dates_and_lifetimes(file):
    link = signed(query=True)
    for old, new in (
        (b"X-Amz-Expires=300", b"X-Amz-Expires=0"),
        (b"X-Amz-Expires=300", b"X-Amz-Expires=999999999999"),
        (b"X-Amz-Expires=300", b"X-Amz-Expires=-1"),
        (b"X-Amz-Date=2", b"X-Amz-Date=x2"),
        (b"AWS4-HMAC-SHA256", b"AWS4-HMAC-SHA1"),
        (b"aws4_request", b"aws5_request"),
    ):
        assert old in link.target
        refused(file, changed(link, target=link.target.replace(old, new, 1)))


def said_by(codec, error, request=None):
    body = codec.error_response(error, request or plain()).body
    assert isinstance(body, bytes)
    return body


def test_each_front_door_has_its_words(file):
    asked = plain()
    bearer = refused(file, authorization(b"Bearer x"))
    rest = RestApiCodec().error_response(bearer, asked)
    hashed = base64.b64encode(hashlib.sha256(b"Bearer x").digest()).decode()
    assert rest.status == 403 and dict(rest.headers)[b"x-amzn-ErrorType"] == b"IncompleteSignatureException"
    assert json.loads(said_by(RestApiCodec(), bearer))["message"] == (
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with "
        f"Base64): '{hashed}'."
    )
    missing = refused(file, arrived("GET", "/", [(b"Host", b"h")]))
    assert said_by(RestApiCodec(), missing) == b'{"message":"Missing Authentication Token"}'
    denied = NotSigned("AccessDeniedException", "User: x", capital=True)
    assert said_by(RestApiCodec(), denied) == b'{"Message":"User: x"}'
    for error in (bearer, missing, denied):
        assert said_by(HttpApiCodec(), error) == b'{"message":"Forbidden"}'
        assert HttpApiCodec().error_response(error, asked).status == 403
    for error in (missing, denied):
        assert said_by(FunctionUrlCodec(), error).startswith(b'{"Message":"Forbidden. For trouble')
    scope = refused(file, signed(service="execute-api"), service="lambda")
    assert (
        said_by(FunctionUrlCodec(), scope)
        == b'{"message":"Credential should be scoped to correct service: \'lambda\'. "}'
    )


def test_a_rest_api_says_so_of_paths_that_it_has_not():
    def said(value):
        sent = plain(**({"Authorization": value} if value is not None else {}))
        return json.loads(said_by(RestApiCodec(), NoRoute(""), sent))["message"]

    assert said(None) == "Missing Authentication Token"
    assert said("Bearer x").startswith("Invalid key=value pair")
    assert said("AWS4-HMAC-SHA256 Credential=x") == "Missing Authentication Token"


def test_what_functions_see(file):
    request = signed("POST", "/orders", b"{}")
    grant = authorizer(file).authorize(request, NO_ROUTE, ())
    seen = replace(request, grant=grant)
    rest = json.loads(RestApiCodec().encode_request(seen, NO_ROUTE))
    identity = rest["requestContext"]["identity"]
    assert "authorizer" not in rest["requestContext"]
    shown = ("accessKey", "accountId", "caller", "user", "userArn", "principalOrgId")
    arn = "arn:aws:iam::210987654321:user/partner"
    assert [identity[name] for name in shown] == [ACCESS, "210987654321", ACCESS, ACCESS, arn, "o-abc"]
    assert "Authorization" not in rest["headers"] and "Authorization" not in rest["multiValueHeaders"]
    assert "X-Amz-Date" in rest["headers"]
    wanted = {
        "accessKey": ACCESS, "accountId": "210987654321", "callerId": ACCESS, "cognitoIdentity": None,
        "principalOrgId": "o-abc", "userArn": "arn:aws:iam::210987654321:user/partner", "userId": ACCESS,
    }  # fmt: skip
    http = json.loads(HttpApiCodec().encode_request(seen, NO_ROUTE))["requestContext"]
    assert http["authorizer"] == {"iam": wanted} and http["accountId"] == "123456789012"
    url = json.loads(FunctionUrlCodec().encode_request(seen, NO_ROUTE))
    assert url["requestContext"]["authorizer"] == {"iam": wanted}
    assert url["requestContext"]["accountId"] == "210987654321"
    assert "authorization" not in url["headers"] and "x-amz-date" in url["headers"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x", "no file of"),
        ("[a b]\n", "a name has"),
        ("[a]\naws_access_key_id = AKIATESTTESTTESTTEST\n", "aws_secret_access_key must have"),
        (f"[a]\naws_secret_access_key = {SECRET}\n", "aws_access_key_id must have"),
        (f"[a]\naws_access_key_id = x\naws_secret_access_key = {SECRET}\n", "aws_access_key_id must have"),
        (FILE + f"[b]\naws_access_key_id = {ACCESS}\naws_secret_access_key = {SECRET}\n", "stands in the file already"),
        (FILE + "secret = x\n", "there is no key 'secret'"),
        (FILE + "account = 7\n", "account must have"),
        (FILE + f"{SECRET}\n", "account must have|no file of|no key"),
    ],
)
def test_mistakes_in_the_file(file, text, words):
    file.write_text(text)
    with pytest.raises(ValueError, match=words) as caught:
        read_users(str(file))
    assert SECRET not in str(caught.value)


def test_a_file_that_others_can_read_is_refused(file):
    for mode in (0o640, 0o604, 0o660, 0o620):
        os.chmod(file, mode)
        with pytest.raises(ValueError, match="chmod 600"):
            read_users(str(file))


CONFIG = """
local = ["show=tests/functions/show.py:handler"]
format = "apigateway-v1"
error-detail = false
[authorizer.signers]
kind = "iam"
keys = "{file}"
region = "eu-west-1"
[[route]]
path = "/orders"
function = "show"
authorizer = "signers"
[[route]]
path = "/old/{{any+}}"
function = "show"
authorizer = "signers"
strip-prefix = "/old"
rewrite-host = "www.example.org"
""".replace("=tests/", f"={ROOT}/tests/")


def test_with_a_real_client(tmp_path, file):
    config = tmp_path / "p.toml"
    config.write_text(CONFIG.format(file=file))
    with Server("--config", str(config), "--allow-host", HOST, "--function-header", "none") as server:
        for body in (b"", b"x" * 300_000):
            request = signed("POST", "/orders", body, headers={"Content-Type": "text/plain"})
            headers = {name.decode(): value.decode() for name, value in request.headers}
            status, _, answer = server.request("POST", "/orders", body, headers)
            assert status == 200
            assert json.loads(answer)["requestContext"]["identity"]["accessKey"] == ACCESS
            status, _, answer = server.request("POST", "/orders", body + b"y", headers)
            assert status == 403 and MISMATCH.encode() in answer
        # Signed is what was sent: another host, another path.
        request = signed("GET", "/old/items")
        headers = {name.decode(): value.decode() for name, value in request.headers}
        status, _, answer = server.request("GET", "/old/items", b"", headers)
        assert status == 200, answer
        shown = json.loads(answer)
        assert (shown["path"], shown["headers"]["Host"]) == ("/items", "www.example.org")
        assert server.request("GET", "/orders")[2] == b'{"message":"Missing Authentication Token"}'
        status, found, answer = server.request("GET", "/nowhere", headers={"Authorization": "Bearer x"})
        assert (status, found["x-amzn-errortype"]) == (403, "IncompleteSignatureException")
        assert SECRET not in server.process.output and "Signature=" not in server.process.output
