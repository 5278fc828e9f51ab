"""Keys of our own: the file, and who comes in."""

from __future__ import annotations

import hashlib
import os

import pytest
from twisted.internet.task import Clock

from lambdaproxy.authorizers.api_keys import ApiKeyAuthorizer, read_keys
from lambdaproxy.authorizers.sources import parse
from lambdaproxy.errors import Denied
from lambdaproxy.messages import NO_ROUTE
from tests.authorizers.asking import request

KEY, OTHER = "k" * 20, "another-key-of-a-partner"


def line(name, key):
    return f"{name} {hashlib.sha256(key.encode()).hexdigest()}\n"


@pytest.fixture
def file(tmp_path):
    found = tmp_path / "keys"
    found.write_text("\ufeff# partners\n\n" + line("partner", KEY))
    return found


def test_who_has_a_key_comes_in(file):
    keys = ApiKeyAuthorizer(str(file), parse("$request.header.x-api-key"), Clock().seconds)
    grant = keys.authorize(request(X_API_Key=KEY), NO_ROUTE, ())
    assert (grant.kind, grant.key, grant.key_id) == ("api-key", KEY, "partner")


@pytest.mark.parametrize("sent", [None, "", "k" * 19, "k" * 21, "K" * 20, "k" * 20 + ",x", "k" * 200, "\xff" * 20])
def test_who_has_none_does_not(file, sent):
    keys = ApiKeyAuthorizer(str(file), parse("$request.header.X-API-Key"), Clock().seconds)
    with pytest.raises(Denied) as caught:
        keys.authorize(request(**({} if sent is None else {"X_API_Key": sent})), NO_ROUTE, ())
    assert not sent or sent not in str(caught.value)


def test_a_key_in_the_query(file):
    keys = ApiKeyAuthorizer(str(file), parse("$request.querystring.key"), Clock().seconds)
    keys.authorize(request(target=f"/?a=1&key={KEY}"), NO_ROUTE, ())
    for target in (f"/?key={KEY}&key={KEY}", "/", "/?key", f"/?KEY={KEY}"):
        with pytest.raises(Denied):
            keys.authorize(request(target=target), NO_ROUTE, ())


def test_a_changed_file_is_noticed_and_a_broken_one_changes_nothing(file):
    clock = Clock()
    keys = ApiKeyAuthorizer(str(file), parse("$request.header.X-API-Key"), clock.seconds)

    def enters(key):
        clock.advance(1.5)
        try:
            keys.authorize(request(X_API_Key=key), NO_ROUTE, ())
        except Denied:
            return False
        return True

    assert not enters(OTHER)
    file.write_text(line("other", OTHER))
    assert enters(OTHER)
    assert not enters(KEY)
    file.write_text("broken")
    assert enters(OTHER)
    os.unlink(file)
    assert enters(OTHER)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("x", 1),
        (line("a", KEY) + "b " + KEY, 2),
        (line("a", KEY) + line("a", OTHER), 2),
        (line("a", KEY) + line("b", KEY), 2),
        ("a " + hashlib.sha256(b"x").hexdigest().upper(), 1),
    ],
)
def test_mistakes_in_the_file_are_named_without_a_key(tmp_path, text, number):
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(ValueError, match=f":{number}: ") as caught:
        read_keys(str(file))
    assert KEY not in str(caught.value)
