"""The makers of the built-in authorizers: the `kind` of an `[authorizer.NAME]` table. Cheap to import."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from zope.interface import implementer

from lambdaproxy.authorizers.sources import parse
from lambdaproxy.base.addresses import is_loopback
from lambdaproxy.config import values
from lambdaproxy.errors import ConfigError
from lambdaproxy.interfaces import IAuthorizer, IAuthorizerMaker, Option

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512")


def _issuer(text: str) -> str:
    parts = urlsplit(text)
    plain = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if not (parts.scheme == "https" or plain) or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError(f"{text!r} is no issuer such as https://login.example.com (http on this machine only)")
    return text


@implementer(IAuthorizerMaker)
class JwtMaker:
    """Makes authorizers for JSON Web Tokens."""

    name = "jwt"
    help = "JSON Web Tokens of an issuer, as an HTTP API's JWT authorizer takes them"
    options = (
        Option("issuer", _issuer, None, "The issuer, exactly as tokens name it (iss); its keys are found from there."),
        Option("audience", values.text, (), "Who tokens must be for (aud, or client_id), repeatable.", multiple=True),
        Option("identity-source", parse, parse("$request.header.Authorization"), "Where the token stands."),
        Option("jwks-url", _issuer, None, "Where the issuer's keys are, if it has no discovery document."),
        Option(
            "algorithms",
            values.one_of(*ALGORITHMS),
            (),
            "Signatures that are good, repeatable; default: RS256, RS384, RS512, as AWS.",
            multiple=True,
        ),
        Option("leeway", values.seconds, 0.0, "How far the issuer's clock may be off."),
        Option("client-id", values.yes_no, True, "Whether client_id stands in for an absent aud."),
        Option("unavailable", values.one_of("401", "500", "503"), "401", "The status while no keys could be fetched."),
        Option("ca-bundle", values.file, None, "PEM file of the authorities to trust at the issuer."),
    )

    def check(self, options: Mapping[str, Any]) -> None:
        """Issuer and audience must be there, and the library for signatures."""
        if options["issuer"] is None:
            raise ConfigError('it needs an issuer, such as issuer = "https://login.example.com"')
        if not options["audience"]:
            raise ConfigError('it needs an audience, such as audience = ["my-client"]')
        try:
            import joserfc
        except ImportError:
            raise ConfigError("it needs joserfc; install lambdaproxy[jwt]") from None
        del joserfc
        if options["ca-bundle"]:
            from lambdaproxy.authorizers.fetching import certificates

            try:
                certificates(Path(options["ca-bundle"]).read_bytes())
            except OSError as error:
                raise ConfigError(f"ca-bundle: {options['ca-bundle']}: {error.strerror}") from None
            except Exception:
                raise ConfigError(f"ca-bundle: {options['ca-bundle']} has no certificate in PEM") from None

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> IAuthorizer:
        """A `JwtAuthorizer`."""
        from lambdaproxy.authorizers.fetching import Fetcher
        from lambdaproxy.authorizers.jwt import JwtAuthorizer
        from lambdaproxy.authorizers.keysets import KeySet
        from lambdaproxy.authorizers.tokens import Rules

        bundle = Path(options["ca-bundle"]).read_bytes() if options["ca-bundle"] else None
        rules = Rules(
            options["issuer"],
            options["audience"],
            frozenset(options["algorithms"] or ALGORITHMS[:3]),
            options["leeway"],
            options["client-id"],
        )
        keys = KeySet(context.reactor, Fetcher(context.reactor, bundle), options["issuer"], options["jwks-url"])
        return JwtAuthorizer(rules, options["identity-source"], keys, time.time, options["unavailable"])


@implementer(IAuthorizerMaker)
class ApiKeyMaker:
    """Makes authorizers for API keys of our own."""

    name = "api-key"
    help = "API keys from a file of their hashes, as a REST API takes them in X-API-Key"
    options = (
        Option("file", values.file, None, "The file: on each line a name and the SHA-256 of its key, in hexadecimal."),
        Option("identity-source", parse, parse("$request.header.X-API-Key"), "Where the key stands."),
    )

    def check(self, options: Mapping[str, Any]) -> None:
        """The file must be there and well formed."""
        from lambdaproxy.authorizers.api_keys import read_keys

        if options["file"] is None:
            raise ConfigError('it needs a file, such as file = "/etc/lambdaproxy/api-keys"')
        try:
            keys = read_keys(options["file"])
        except OSError as error:
            raise ConfigError(f"file: {options['file']}: {error.strerror}") from None
        except ValueError as error:
            raise ConfigError(str(error)) from None
        if not keys:
            raise ConfigError(f"file: {options['file']} has no key, so nobody could come in")

    def make(self, name: str, options: Mapping[str, Any], context: Any) -> IAuthorizer:
        """An `ApiKeyAuthorizer`."""
        from lambdaproxy.authorizers.api_keys import ApiKeyAuthorizer

        return ApiKeyAuthorizer(options["file"], options["identity-source"], context.reactor.seconds)


jwt = JwtMaker()
api_key = ApiKeyMaker()
