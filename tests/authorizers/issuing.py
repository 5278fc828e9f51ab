"""An issuer of tokens for tests: keys, tokens, and a server of its documents."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

RSA = RSAKey.generate_key(2048, parameters={"kid": "rsa", "use": "sig"})
EC = ECKey.generate_key("P-256", parameters={"kid": "ec", "use": "sig"})
OTHER = RSAKey.generate_key(2048, parameters={"kid": "rsa"})


def key_set(*keys):
    return {"keys": [key.as_dict(private=False) for key in keys]}


def token(claims, key=RSA, alg="RS256", **head):
    found = {"alg": alg, "kid": key.kid, **head}
    found = {name: value for name, value in found.items() if value is not None}
    algorithms = [alg]
    return jws.serialize_compact(found, json.dumps(claims).encode(), key, algorithms=algorithms)


def part(document):
    """A segment of a token."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def signed_with_the_public_key(claims):
    """A token with HS256, whose secret is what everybody knows: the issuer's public key."""
    text = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part(claims)}"
    return f"{text}.{part(hmac.digest(RSA.as_pem(private=False), text.encode(), 'sha256'))}"


class Issuer:
    """Serves a discovery document and keys on loopback; a context manager."""

    def __init__(self, *keys):
        self.keys = key_set(*(keys or (RSA, EC)))
        self.asked: list[str] = []
        self.status = 200
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked.append(self.path)
                document = issuer.keys
                if self.path.endswith("openid-configuration"):
                    document = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
                body = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(issuer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                try:
                    self.wfile.write(body)
                except OSError:
                    pass  # it was more than anybody reads

            def log_message(self, format, *arguments):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._server.shutdown()
        self._server.server_close()
