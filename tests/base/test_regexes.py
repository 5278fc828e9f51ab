"""Regular expressions that cannot hold the loop."""

from __future__ import annotations

import sys

import pytest

from lambdaproxy.base.regexes import MOST, STEPS, WORK, Regex, split
from lambdaproxy.errors import BadRequest


def test_without_the_engine_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "re2", None)
    with pytest.raises(ValueError, match=r"pip install 'lambdaproxy\[regex\]'"):
        Regex("a")


@pytest.mark.parametrize(
    ("template", "parts"),
    [
        ("/b/$1", ["/b/", "1", ""]),
        ("$1$2", ["", "1", "", "2", ""]),
        ("$$1", ["$1"]),
        ("a$", ["a$"]),
        ("", [""]),
        ("$x", ["$x"]),
    ],
)
def test_a_template_is_text_and_groups_by_turns(template, parts):
    assert split(template) == parts


class TestWithTheEngine:
    @pytest.fixture(autouse=True)
    def engine(self):
        pytest.importorskip("re2", reason="google-re2 is not installed")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("(", "missing"),
            ("(?=a)", "invalid perl operator"),
            (r"(a)\1", "invalid escape"),
            ("(?>a)", "invalid"),
            ("a" * (MOST + 1), "at most"),
            ("(a{1,30}){1,30}", "steps"),
            ("a{1001}", "invalid repetition"),
        ],
    )
    def test_what_cannot_be_done_is_refused(self, text, reason):
        with pytest.raises(ValueError, match=reason):
            Regex(text)

    @pytest.mark.parametrize("text", ["(a+)+$", "(a|a)*b", "(.*)*x", "([a-z]+)*[0-9]", "(x+x+)+y"])
    def test_what_ruins_others_is_looked_at_once(self, text):
        expression = Regex(text)
        for value in ("a" * 16_384, "x" * 16_384):
            expression.matches(value[: expression.longest])

    def test_steps_times_characters_are_bounded(self):
        expression = Regex("[ab]*a[ab]{200}x")
        assert expression.longest < 16_384
        assert expression.longest * STEPS > WORK // 2
        assert not expression.matches("a" * expression.longest)
        with pytest.raises(BadRequest):
            expression.matches("a" * (expression.longest + 1))

    @pytest.mark.parametrize(
        ("text", "template", "value", "made"),
        [
            ("^/a/(.*)$", "/b/$1", "/a/x?y=z", "/b/x?y=z"),
            ("^/a/(.*)$", "/b/$1", "/c", None),
            ("a", "b", "aaa", "baa"),
            ("(x)|(y)", "$2-$1", "y", "y-"),
            ("/", "$$1", "/", "$1"),
            ("^/", r"/\1\g<0>", "/x", r"/\1\g<0>x"),
        ],
    )
    def test_the_first_place_is_replaced(self, text, template, value, made):
        assert Regex(text).replace(template, value) == made

    def test_case_is_regarded_or_not(self):
        assert not Regex("abc").matches("ABC")
        assert Regex("abc", ignore_case=True).matches("xABCx")
