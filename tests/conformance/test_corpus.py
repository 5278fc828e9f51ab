"""Recordings of live AWS, replayed."""

from __future__ import annotations

import pytest

from lambdaproxy.config.values import Spec
from lambdaproxy.registry import make_codec
from tests.conformance import corpus, runner

pytestmark = pytest.mark.skipif(
    not corpus.ROOT.is_dir(), reason="the recordings are not there (../shared/corpus beside the repository)"
)

CASES = corpus.cases() if corpus.ROOT.is_dir() else []


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_recording(case):
    runner.run(case, lambda name, options: make_codec(Spec(name, tuple(options))))


def test_every_recording_is_replayed_or_named():
    replayed = {case["file"] for case in CASES}
    assert {file for file in corpus.truth() if file not in replayed} == set(corpus.LEFT_OUT)
    assert not replayed & set(corpus.LEFT_OUT)


def test_what_is_left_out_of_a_recording_belongs_to_a_recording():
    for pattern in corpus.PARTLY:
        assert list(corpus.ROOT.glob(pattern)), pattern
