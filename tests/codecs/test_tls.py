"""What a load balancer's event says of the client's TLS, by its attributes; and never what the client says of it."""

import json

import pytest

from lambdaproxy.codecs.alb import AlbCodec
from lambdaproxy.messages import Match, Tls
from tests.codecs.dialects import request

NONE = Match(None, ())
SENT = ((b"x-amzn-tls-kx", b"forged"), (b"X-Amzn-TLS-Version", b"forged"), (b"host", b"h"))
AGREED = Tls("TLSv1.3", "TLS_AES_128_GCM_SHA256", "X25519MLKEM768")
VERSION = {"x-amzn-tls-version": "TLSv1.3", "x-amzn-tls-cipher-suite": "TLS_AES_128_GCM_SHA256"}
KX = {"x-amzn-tls-kx": "X25519MLKEM768"}


@pytest.mark.parametrize("multi_value", [False, True])
@pytest.mark.parametrize(
    ("options", "tls", "said"),
    [
        ({"tls_headers": True}, AGREED, {**VERSION, "x-amzn-tls-kx": "forged"}),
        ({"tls_kx": True}, AGREED, {**KX, "x-amzn-tls-version": "forged"}),
        ({"tls_headers": True, "tls_kx": True}, AGREED, {**VERSION, **KX}),
        # An OpenSSL that does not say: the field is not there, and the client does not write it.
        ({"tls_kx": True}, Tls("TLSv1.2", "x"), {"x-amzn-tls-version": "forged"}),
        ({}, AGREED, {"x-amzn-tls-kx": "forged", "x-amzn-tls-version": "forged"}),
    ],
)
def test_tls_headers(multi_value, options, tls, said):
    codec = AlbCodec(multi_value=multi_value, **options)
    event = json.loads(codec.encode_request(request(headers=SENT, tls=tls, scheme="https"), NONE))
    found = event["multiValueHeaders" if multi_value else "headers"]
    tls_fields = {name: value for name, value in found.items() if "tls" in name.lower()}
    assert tls_fields == ({name: [value] for name, value in said.items()} if multi_value else said)
