"""The maker of authorizers of the kind `signed-body`. Cheap to import: every start of lambdaproxy does."""

import os
import re

from zope.interface import implementer

from lambdaproxy.errors import ConfigError
from lambdaproxy.interfaces import IAuthorizerMaker, Option


def _name(text):
    if not re.fullmatch(r"[A-Za-z0-9-]+", text):
        raise ValueError(f"{text!r} is no name of a header field")
    return text


@implementer(IAuthorizerMaker)
class SignedBodyMaker:
    """`[authorizer.NAME] kind = "signed-body"`."""

    name = "signed-body"
    help = "Bodies signed with HMAC-SHA256 and a shared secret, as GitHub signs what it sends"
    options = (
        Option("secret-file", str, None, "The file with the secret; only its first line counts."),
        Option("header", _name, "X-Hub-Signature-256", "The field that has sha256= and the signature in hexadecimal."),
    )

    def check(self, options):
        """What would keep `make` from working; `lambdaproxy check` says it with the file and line of the table."""
        file = options["secret-file"]
        if not file:
            raise ConfigError('secret-file: name the file of the secret, as in secret-file = "/etc/webhook"')
        try:
            if os.stat(file).st_mode & 0o077:
                raise ConfigError(f"secret-file: {file} can be read by others; chmod 600 {file}")
            _secret(file)
        except OSError as error:
            raise ConfigError(f"secret-file: {file}: {error.strerror}") from None

    def make(self, name, options, context):
        from lambdaproxy_signed_body import SignedBodyAuthorizer

        return SignedBodyAuthorizer(_secret(options["secret-file"]), options["header"])


def _secret(file):
    with open(file, "rb") as lines:
        secret = lines.readline().strip()
    if len(secret) < 16:
        raise ConfigError(f"secret-file: {file}: a secret has 16 characters at least")
    return secret


signed_body = SignedBodyMaker()
