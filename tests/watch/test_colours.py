"""Colours on a terminal."""

from __future__ import annotations

from lambdaproxy.watch import colours


def test_whether_they_are_wanted():
    assert colours.wanted({"TERM": "xterm"})
    assert not colours.wanted({"TERM": "xterm", "NO_COLOR": "1"})
    assert not colours.wanted({"TERM": "dumb"}) and not colours.wanted({})


def test_lines_of_functions():
    text = "2026 [lambdaproxy.function#info] f: START RequestId: x\n\tf: hello: you\n\tf: [ERROR] E: no\n"
    assert colours.printed(text) == (
        "2026 [lambdaproxy.function#info] \x1b[36mf:\x1b[0m \x1b[2mSTART RequestId: x\x1b[0m\n"
        "\t\x1b[36mf:\x1b[0m hello: you\n\t\x1b[36mf:\x1b[0m \x1b[31m[ERROR] E: no\x1b[0m\n"
    )


def test_levels_and_statuses():
    assert colours.event("a\n", "info") == "a\n"
    assert colours.event("a\n", "warn") == "\x1b[33ma\x1b[0m\n"
    assert colours.access("T [request] 502 GET /200 f\nT [request] 200 GET / f\n") == (
        "T [request] \x1b[31m502\x1b[0m GET /200 f\nT [request] \x1b[32m200\x1b[0m GET / f\n"
    )
