from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lambdaproxy.wire import sigv4
from lambdaproxy.wire.sigv4 import Keys, SignatureError

SUITE = Path(__file__).parents[3] / "shared" / "corpus" / "sigv4" / "aws4_testsuite"
CASES = sorted(path.parent for path in SUITE.rglob("*.req")) if SUITE.is_dir() else []
KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
NOW = 1_440_938_160.0
DATE = b"20150830T123600Z"
ARN = b"arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Ahello"


def _read(case: Path, kind: str) -> bytes:
    return (case / f"{case.name}.{kind}").read_bytes().replace(b"\r\n", b"\n")


def _request(case: Path) -> tuple[str, bytes, list[tuple[bytes, bytes]], bytes]:
    head, _, body = _read(case, "sreq").partition(b"\n\n")
    line, *fields = re.sub(rb"\n[ \t]+", b" ", head).strip(b"\n").split(b"\n")
    method, _, rest = line.partition(b" ")
    headers = [(name, value) for name, _, value in (field.partition(b":") for field in fields)]
    return method.decode(), rest.rpartition(b" ")[0], headers, body


@pytest.mark.skipif(not CASES, reason="the AWS signature suite is not next to this repository")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_aws_suite(case: Path) -> None:
    method, target, headers, body = _request(case)
    wanted = _read(case, "authz")
    names = re.search(rb"SignedHeaders=([^,]+)", wanted)
    assert names
    signed = tuple(field for field in headers if field[0].lower() in names[1].split(b";"))
    got = sigv4.authorization(KEYS, "us-east-1", "service", method, target, signed, body)
    assert got == wanted.strip()
    canonical, _ = sigv4.canonical_prefix(method, target, signed)
    creq = _read(case, "creq").strip(b"\n")
    assert canonical == creq[: creq.rindex(b"\n") + 1]


def _random_request(rng: random.Random) -> tuple[str, str, dict[str, str], bytes, Keys, str, str]:
    def text(most: int, alphabet: str = "abcXYZ019-_.~ /:$%+*=&é漢\"'()<>;,") -> str:
        return "".join(rng.choice(alphabet) for _ in range(rng.randint(1, most)))

    from urllib.parse import quote

    path = "/2015-03-31/functions/" + quote(text(30), safe="-_.~") + rng.choice(("/invocations", "/", "//x/../y", ""))
    pairs = [(quote(text(8), safe="-_.~"), quote(text(8), safe="-_.~")) for _ in range(rng.randint(0, 4))]
    query = "&".join(f"{name}={value}" for name, value in pairs)
    target = path + ("?" + query if query else "")
    headers = {"X-Amz-Date": DATE.decode(), "Host": "lambda.eu-west-1.amazonaws.com"}
    for number in range(rng.randint(0, 5)):
        headers[rng.choice(("X-Amz-", "x-custom-", "Content-")) + f"H{number}"] = " " + text(20, "ab 1;=,/ ") + " "
    body = rng.randbytes(rng.choice((0, 1, 10, 300)))
    token = text(60, "abc+/=") if rng.random() < 0.5 else None
    keys = Keys("AKID" + text(8, "ABC2"), text(40, "abc/+9"), token)
    return rng.choice(("POST", "GET", "PUT")), target, headers, body, keys, text(10, "a-1"), text(6, "lambd")


@pytest.mark.slow
def test_ten_thousand_random_requests_equal_botocore(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(20150830)
    monkeypatch.setattr(SigV4Auth, "_modify_request_before_signing", lambda self, request: None)
    for _ in range(10_000):
        method, target, headers, body, keys, region, service = _random_request(rng)
        if keys.token:
            headers["X-Amz-Security-Token"] = keys.token
        request = AWSRequest(method, "https://lambda.eu-west-1.amazonaws.com" + target, headers=headers, data=body)
        request.context["timestamp"] = DATE.decode()
        signer = SigV4Auth(Credentials(keys.access_key, keys.secret_key, keys.token), service, region)
        to_sign = signer.string_to_sign(request, signer.canonical_request(request))
        wanted = signer.signature(to_sign, request)
        fields = tuple((name.encode(), value.encode()) for name, value in headers.items())
        got = sigv4.authorization(keys, region, service, method, target.encode(), fields, body)
        assert got.rpartition(b"=")[2].decode() == wanted, (method, target, headers)


def test_template_gives_the_same_for_every_second_and_body() -> None:
    headers = ((b"host", b"h"), (b"x-amz-invocation-type", b"Event"))
    template = sigv4.Template(KEYS, "eu-west-1", "lambda", "POST", b"/x", headers)
    for epoch in (NOW, NOW + 1, NOW + 86_400, NOW):
        date = sigv4.amz_date(epoch)
        for body in (b"", b"{}", b"x" * 1000):
            whole = (*headers, (b"X-Amz-Date", date))
            assert template.prefix(date) + template.signature(body, date) == sigv4.authorization(
                KEYS, "eu-west-1", "lambda", "POST", b"/x", whole, body
            )


def test_path_of_an_arn_is_encoded_twice() -> None:
    assert sigv4.canonical_path(b"/2015-03-31/functions/" + ARN + b"/invocations") == (
        b"/2015-03-31/functions/arn%253Aaws%253Alambda%253Aeu-west-1%253A123456789012%253Afunction%253Ahello/invocations"
    )


def test_keys_do_not_show_their_secrets() -> None:
    assert repr(Keys("AKID", "hidden", "token")) == "Keys(access_key='AKID')"


def _signed(
    body: bytes = b"{}",
    target: bytes = b"/2015-03-31/functions/" + ARN + b"/invocations?Qualifier=%24LATEST",
    keys: Keys = KEYS,
    date: bytes = DATE,
    extra: tuple[tuple[bytes, bytes], ...] = (),
) -> tuple[tuple[bytes, bytes], ...]:
    headers = ((b"Host", b"localhost:9001"), (b"X-Amz-Date", date), (b"X-Amz-Log-Type", b"Tail"), *extra)
    if keys.token:
        headers += ((b"X-Amz-Security-Token", keys.token.encode()),)
    value = sigv4.authorization(keys, "eu-west-1", "lambda", "POST", target, headers, body)
    return (*headers, (b"Content-Length", b"2"), (b"Authorization", value))


TARGET = b"/2015-03-31/functions/" + ARN + b"/invocations?Qualifier=%24LATEST"


def _verify(headers: tuple[tuple[bytes, bytes], ...], body: bytes = b"{}", now: float = NOW, **more: object) -> str:
    known = {KEYS.access_key: KEYS, "SESSION": Keys("SESSION", "s", "token")}
    options: dict[str, object] = {"target": TARGET, "region": None, **more}
    return sigv4.verify(
        "POST",
        options["target"],  # type: ignore[arg-type]
        headers,
        body,
        secret=known.get,
        now=now,
        region=options["region"],  # type: ignore[arg-type]
    )


def test_verify_accepts_what_was_signed() -> None:
    assert _verify(_signed()) == "AKIDEXAMPLE"
    assert _verify(_signed(keys=Keys("SESSION", "s", "token"))) == "SESSION"
    assert _verify(_signed(), now=NOW + 299) == "AKIDEXAMPLE"
    assert _verify(_signed(), region="eu-west-1") == "AKIDEXAMPLE"
    from hashlib import sha256

    hashed = ((b"X-Amz-Content-Sha256", sha256(b"{}").hexdigest().encode()),)
    assert _verify(_signed(extra=hashed)) == "AKIDEXAMPLE"


def _without(headers: tuple[tuple[bytes, bytes], ...], name: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(field for field in headers if field[0].lower() != name)


def _edited(headers: tuple[tuple[bytes, bytes], ...], old: bytes, new: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name, value.replace(old, new)) for name, value in headers)


REFUSED = {
    "no signature": (_without(_signed(), b"authorization"), {}, "MissingAuthenticationTokenException"),
    "two signatures": ((*_signed(), _signed()[-1]), {}, "MissingAuthenticationTokenException"),
    "bearer": (_edited(_signed(), b"AWS4-HMAC-SHA256 ", b"Bearer "), {}, "IncompleteSignatureException"),
    "no names": (_edited(_signed(), b"SignedHeaders=", b"Foo="), {}, "IncompleteSignatureException"),
    "short scope": (_edited(_signed(), b"/aws4_request", b""), {}, "IncompleteSignatureException"),
    "no date": (_without(_signed(), b"x-amz-date"), {}, "IncompleteSignatureException"),
    "other key": (_edited(_signed(), b"AKIDEXAMPLE", b"AKIDOTHER"), {}, "UnrecognizedClientException"),
    "token missing": (
        _without(_signed(keys=Keys("SESSION", "s", "token")), b"x-amz-security-token"),
        {},
        "UnrecognizedClientException",
    ),
    "token where none is": (
        _signed(keys=Keys(KEYS.access_key, KEYS.secret_key, "extra")),
        {},
        "UnrecognizedClientException",
    ),
    "other body": (_signed(), {"body": b"{ }"}, "InvalidSignatureException"),
    "other target": (_signed(), {"target": TARGET + b"1"}, "InvalidSignatureException"),
    "other header": (_edited(_signed(), b"Tail", b"None"), {}, "InvalidSignatureException"),
    "unsigned x-amz": ((*_signed(), (b"X-Amz-Client-Context", b"e30=")), {}, "InvalidSignatureException"),
    "repeated": ((*_signed(), (b"X-Amz-Log-Type", b"Tail")), {}, "InvalidSignatureException"),
    "signed header missing": (_without(_signed(), b"x-amz-log-type"), {}, "InvalidSignatureException"),
    "host not signed": (_edited(_signed(), b"SignedHeaders=host;", b"SignedHeaders="), {}, "InvalidSignatureException"),
    "wrong region": (_signed(), {"region": "eu-west-2"}, "InvalidSignatureException"),
    "wrong service": (_edited(_signed(), b"/lambda/", b"/s3/"), {}, "InvalidSignatureException"),
    "late": (_signed(), {"now": NOW + 301}, "InvalidSignatureException"),
    "early": (_signed(), {"now": NOW - 301}, "InvalidSignatureException"),
    "other day": (_edited(_signed(), b"/20150830/", b"/20150829/"), {}, "InvalidSignatureException"),
    "unsigned payload": (
        _signed(extra=((b"X-Amz-Content-Sha256", b"UNSIGNED-PAYLOAD"),)),
        {},
        "InvalidSignatureException",
    ),
    "other secret": (_signed(keys=Keys(KEYS.access_key, "other")), {}, "InvalidSignatureException"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_verify_refuses(name: str) -> None:
    headers, more, code = REFUSED[name]
    with pytest.raises(SignatureError) as caught:
        _verify(headers, **more)  # type: ignore[arg-type]
    assert caught.value.code == code
    assert KEYS.secret_key not in str(caught.value)


def test_verify_says_how_late_a_request_is() -> None:
    with pytest.raises(
        SignatureError, match=r"Signature expired: 20150830T123600Z is now earlier than 20150830T124100Z"
    ):
        _verify(_signed(), now=NOW + 600)


def test_verify_accepts_botocore() -> None:
    request = AWSRequest(
        "POST", "http://localhost:9001" + TARGET.decode(), headers={"X-Amz-Log-Type": "Tail"}, data=b"{}"
    )
    SigV4Auth(Credentials(KEYS.access_key, KEYS.secret_key), "lambda", "eu-west-1").add_auth(request)
    headers = tuple((name.encode(), value.encode()) for name, value in request.headers.items())
    headers = (*headers, (b"Host", b"localhost:9001"))
    import time

    assert _verify(headers, now=time.time()) == "AKIDEXAMPLE"
