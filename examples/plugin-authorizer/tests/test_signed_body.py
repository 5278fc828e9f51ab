"""The authorizer keeps what lambdaproxy expects of every authorizer: nobody else is let in, and no secret is told."""

import hashlib
import hmac
import os
import tempfile
from dataclasses import replace

from lambdaproxy_signed_body import SignedBodyAuthorizer
from twisted.trial.unittest import SynchronousTestCase

from lambdaproxy.errors import ConfigError
from lambdaproxy.registry import authorizer_makers
from lambdaproxy.testing import REQUEST, AuthorizerContract

SECRET = b"it-is-a-secret-of-both"


def signed(body, signature=None, name=b"X-Hub-Signature-256"):
    right = hmac.new(SECRET, body, hashlib.sha256).hexdigest().encode()
    return replace(REQUEST, body=body, headers=((b"Host", b"h"), (name, b"sha256=" + (signature or right))))


class SignedBodyTests(AuthorizerContract, SynchronousTestCase):
    def make(self):
        return SignedBodyAuthorizer(SECRET, "X-Hub-Signature-256")

    def good(self):
        return [signed(b"{}"), signed(b""), signed(b"\xff" * 1000), signed(b"{}", name=b"x-hub-signature-256")]

    def bad(self):
        twice = signed(b"{}")
        return [
            signed(b"{}", b"0" * 64),
            replace(signed(b"{}"), body=b"{ }"),
            signed(b"{}", name=b"X-Other"),
            replace(twice, headers=twice.headers * 2),
        ]

    def secrets(self):
        return [SECRET.decode(), hmac.new(SECRET, b"{}", hashlib.sha256).hexdigest()]


class MakerTests(SynchronousTestCase):
    def file(self, text, mode=0o600):
        descriptor, path = tempfile.mkstemp()
        self.addCleanup(os.unlink, path)
        os.write(descriptor, text)
        os.close(descriptor)
        os.chmod(path, mode)
        return path

    def test_it_is_installed_and_looks_at_its_file(self):
        maker = authorizer_makers()["signed-body"]
        maker.check({"secret-file": self.file(SECRET + b"\n"), "header": "X-Hub-Signature-256"})
        for file in (None, "/there/is/none", self.file(b"short\n"), self.file(SECRET, 0o644)):
            with self.assertRaises(ConfigError):
                maker.check({"secret-file": file, "header": "X-Hub-Signature-256"})
