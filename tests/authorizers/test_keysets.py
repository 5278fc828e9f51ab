"""The keys of an issuer: one look at a time, few looks whatever clients invent, and keys that outlive their issuer."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from lambdaproxy.authorizers.keysets import AT_ONCE, DISCOVERY, FRESH, MOST_WAITING, PAUSE, KeySet
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
        turns: list[tuple[Any, ...]] = []
        self.patch(self.keys, "_later", lambda seconds, *call: turns.append(call))
        waiting = [self.keys.changed() for _ in range(1000)]
        waiting[0].cancel()
        self.failureResultOf(waiting[0], CancelledError)
        self.discovered()
        self.found(RSA)
        # A few in a turn of the loop, so that nobody else waits for a thousand answers.
        self.assertEqual(sum(each.called for each in waiting[1:]), AT_ONCE)
        count = 1
        while turns:
            answer, left = turns.pop()
            before = sum(each.called for each in waiting)
            answer(left)
            self.assertLessEqual(sum(each.called for each in waiting) - before, AT_ONCE)
            count += 1
        for each in waiting[1:]:
            self.successResultOf(each)
        self.assertEqual(count, 125)
        self.assertEqual(len(self.asked), 2)

    def test_no_more_wait_than_there_is_room_for(self):
        self.ready()
        self.clock.advance(PAUSE)
        waiting = []
        for _ in range(MOST_WAITING + 500):
            if self.keys.may_change():
                waiting.append(self.keys.changed())
        self.assertEqual(len(waiting), MOST_WAITING)
        waiting[-1].cancel()
        self.failureResultOf(waiting[-1], CancelledError)
        self.assertTrue(self.keys.may_change())

    def test_who_comes_while_others_are_answered_waits_for_the_next_look(self):
        self.ready()
        self.clock.advance(PAUSE)
        early = [self.keys.changed() for _ in range(2 * AT_ONCE)]
        self.found(RSA)
        self.clock.pump([0])
        late: list[Deferred[None]] = []
        early[-1].addCallback(lambda _: late.append(self.keys.changed()))
        self.clock.advance(PAUSE)
        late.append(self.keys.changed())
        self.assertFalse(late[-1].called)
        self.found(RSA, EC)
        self.assertTrue(late[-1].called)

    def test_private_members_of_a_key_are_not_looked_at(self):
        self.keys.look()
        self.discovered()
        whole = {**RSA.as_dict(private=True), "p": "no number", "x5c": ["x" * 1000]}
        self.pending.pop().callback(json.dumps({"keys": [whole]}).encode())
        self.assertFalse(self.keys.get("rsa").is_private)

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
