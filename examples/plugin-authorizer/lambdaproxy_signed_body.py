"""Lets in requests whose body was signed with a secret that both sides know."""

import hashlib
import hmac
import re

from twisted.internet.defer import succeed
from zope.interface import implementer

from lambdaproxy.errors import Denied, Unauthorized
from lambdaproxy.interfaces import IAuthorizer
from lambdaproxy.messages import Grant

_FORM = re.compile(rb"sha256=([0-9a-f]{64})\Z")


@implementer(IAuthorizer)
class SignedBodyAuthorizer:
    """`header` is the field that has the signature. It answers at once, so `authorize` gives no Deferred."""

    #: Without it the request would come without its body, which is then not even waited for.
    reads_body = True

    def __init__(self, secret, header):
        self._secret, self._header = secret, header.lower().encode()

    def start(self):
        """Nothing to fetch."""

    def authorize(self, request, match, scopes):
        """Who signed it may ask. Details of errors go into our log: never a signature, never the secret."""
        sent = [value for name, value in request.headers if name.lower() == self._header]
        if len(sent) != 1:
            raise Unauthorized("the signature is missing" if not sent else "there is more than one signature")
        found = _FORM.match(sent[0])
        if found is None:
            raise Unauthorized("the signature is not sha256= and 64 hexadecimal digits")
        right = hmac.new(self._secret, request.body, hashlib.sha256).hexdigest().encode()
        if not hmac.compare_digest(found[1], right):  # in the same time, wherever they differ
            raise Denied("the signature is not that of this body")
        if scopes:
            raise Denied("the route wants scopes, and a signature has none")
        return Grant("signed-body")

    def stop(self):
        return succeed(None)
