"""Patterns with stars match what they say, in a time that does not explode."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.base.globs import MOST, Glob


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("", "", True),
        ("", "a", False),
        ("abc", "abc", True),
        ("abc", "abcd", False),
        ("*", "", True),
        ("a*b", "ab", True),
        ("a*b", "a\nb", True),
        ("ab*ba", "aba", False),
        ("*a*a*", "a", False),
        ("*a?c*", "zzabczz", True),
        ("a?", "a", False),
        ("a?", "ab", True),
        ("?", "", False),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        (r"\\*", r"\x", True),
        (r"a\b", r"a\b", True),
        ("*.example.com", "example.com", False),
        ("*.example.com", "a.b.example.com", True),
    ],
)
def test_a_pattern(pattern, text, matches):
    assert Glob(pattern).matches(text) is matches


LETTERS = st.text("ab*?", max_size=7)


@given(LETTERS, st.text("ab", max_size=9))
def test_it_matches_as_an_expression_does(pattern, text):
    expression = "".join({"*": ".*", "?": "."}.get(letter, letter) for letter in pattern)
    assert Glob(pattern).matches(text) == (re.fullmatch(expression, text) is not None)


@given(LETTERS, LETTERS, st.text("ab", max_size=6))
def test_what_is_apart_has_nothing_in_common(one, other, text):
    if Glob(one).apart(Glob(other)):
        assert not (Glob(one).matches(text) and Glob(other).matches(text))


@given(LETTERS, st.text("ab", max_size=9))
def test_prefix_suffix_and_exact_say_the_truth(pattern, text):
    glob = Glob(pattern)
    if glob.matches(text):
        assert text.startswith(glob.prefix)
        assert text.endswith(glob.suffix)
        assert glob.exact in (None, text)


def test_many_stars_look_at_each_place_once():
    # A regular expression would try 65,536 to the power of eight places.
    assert not Glob("*a*a*a*a*a*a*a*a*b").matches("a" * 65_536)
    assert not Glob("*a?a?a?b*").matches("a" * 65_536)


def test_a_pattern_has_an_end():
    Glob("a" * MOST)
    with pytest.raises(ValueError, match="at most"):
        Glob("a" * (MOST + 1))
