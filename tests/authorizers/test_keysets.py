"""The keys of an issuer: one look at a time, few looks whatever clients invent, and keys that outlive their issuer."""

from __future__ import annotations

import json

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lambdaproxy.authorizers.keysets import DISCOVERY, FRESH, PAUSE, KeySet
from tests.authorizers.issuing import EC, RSA, key_set

ISSUER = "https://issuer.example"


class KeySetTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.asked: list[str] = []
        self.pending: list[Deferred[bytes]] = []
        self.keys = KeySet(self.clock, self.fetch, ISSUER)

    def fetch(self, url):
        self.asked.append(url)
        waiting: Deferred[bytes] = Deferred()
        self.pending.append(waiting)
        return waiting

    def discovered(self, issuer=ISSUER):
        self.pending.pop().callback(json.dumps({"issuer": issuer, "jwks_uri": f"{ISSUER}/keys"}).encode())

    def found(self, *keys):
        self.pending.pop().callback(json.dumps(key_set(*keys)).encode())

    def ready(self):
        self.keys.look()
        self.discovered()
        self.found(RSA)

    def test_found_by_discovery(self):
        self.assertTrue(self.keys.may_change())
        waiting = self.keys.changed()
        self.assertNoResult(waiting)
        self.discovered()
        self.found(RSA, EC)
        self.successResultOf(waiting)
        self.assertEqual(self.asked, [ISSUER + DISCOVERY, f"{ISSUER}/keys"])
        self.assertEqual(self.keys.get("rsa").kid, "rsa")
        self.assertIs(self.keys.get("rsa"), self.keys.get("rsa"))
        self.assertIsNone(self.keys.get("other"))

    def test_many_wait_for_one_look(self):
        waiting = [self.keys.changed() for _ in range(1000)]
        waiting[0].cancel()
        self.failureResultOf(waiting[0], CancelledError)
        self.discovered()
        self.found(RSA)
        for each in waiting[1:]:
            self.successResultOf(each)
        self.assertEqual(len(self.asked), 2)

    def test_who_leaves_because_another_was_answered_keeps_nobody_waiting(self):
        first, second, third = [self.keys.changed() for _ in range(3)]
        first.addCallback(lambda _: second.cancel())
        self.discovered()
        self.found(RSA)
        self.successResultOf(first)
        self.failureResultOf(second, CancelledError)
        self.successResultOf(third)

    def test_invented_keys_make_one_look_in_a_while(self):
        self.ready()
        self.clock.advance(PAUSE)
        for number in range(10_000):
            self.assertIsNone(self.keys.get(f"invented-{number}"))
            if self.keys.may_change():
                self.keys.changed()
        self.assertEqual(len(self.asked), 3)
        self.found(RSA, EC)
        self.assertFalse(self.keys.may_change())
        self.assertIsNotNone(self.keys.get("ec"))
        self.clock.advance(PAUSE - 1)
        self.assertFalse(self.keys.may_change())
        self.clock.advance(1)
        self.assertTrue(self.keys.may_change())

    def test_stale_keys_serve_while_fresh_ones_are_fetched(self):
        self.ready()
        self.clock.advance(FRESH + 1)
        self.assertIsNotNone(self.keys.get("rsa"))
        self.assertEqual(len(self.asked), 3)
        self.found(EC)
        self.assertIsNone(self.keys.get("rsa"), "a key that was withdrawn is no key any more")

    def test_keys_outlive_their_issuer(self):
        self.ready()
        for _ in range(120):
            self.clock.advance(FRESH)
            self.assertIsNotNone(self.keys.get("rsa"))
            for waiting in self.pending:
                waiting.errback(OSError("refused"))
            self.pending.clear()
        self.assertIsNotNone(self.keys.get("rsa"))

    def test_an_issuer_that_is_away_at_first_is_asked_again_soon(self):
        for pause in (0, 1, 2, 4, 8, 16, 30, 30):
            self.clock.advance(pause - 0.5)
            self.assertEqual(self.keys.may_change(), pause == 0)
            self.clock.advance(0.5)
            waiting = self.keys.changed()
            self.pending.pop().errback(OSError("refused"))
            self.successResultOf(waiting)
            self.assertFalse(self.keys.any)

    def test_answers_that_are_no_keys(self):
        for body in (b"", b"\xff", b"[]", b"{}", b'{"keys": 5}', b'{"keys": null}', b"[" * 100_000, b"null"):
            self.clock.advance(PAUSE)
            waiting = self.keys.changed()
            self.discovered()
            self.pending.pop().callback(body)
            self.successResultOf(waiting)
            self.assertFalse(self.keys.any)

    def test_another_issuers_document_is_not_believed(self):
        waiting = self.keys.changed()
        self.discovered("https://evil.example")
        self.successResultOf(waiting)
        self.assertFalse(self.keys.any)

    def test_what_is_no_key_for_signatures_is_left_out(self):
        self.keys.look()
        self.discovered()
        keys = [
            {"kid": "enc", "use": "enc", **RSA.as_dict(private=False, kid="enc", use="enc")},
            {"kid": "oct", "kty": "oct", "k": "AAAA"},
            {"kid": "broken", "kty": "RSA", "n": "!", "e": "AQAB"},
            {"kid": 7, "kty": "RSA"},
            "text",
        ]
        self.pending.pop().callback(json.dumps({"keys": keys}).encode())
        for name in ("enc", "oct", "broken"):
            self.assertFalse(self.keys.get(name), name)

    def test_a_known_place_needs_no_discovery(self):
        keys = KeySet(self.clock, self.fetch, ISSUER, f"{ISSUER}/k.json")
        keys.look()
        self.assertEqual(self.asked, [f"{ISSUER}/k.json"])

    def test_stopping_ends_the_look(self):
        waiting = self.keys.changed()
        self.keys.stop()
        self.successResultOf(waiting)
        self.clock.advance(PAUSE)
        self.assertFalse(self.keys.may_change())
