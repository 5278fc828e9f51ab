"""Base64 of large bodies is as strict as that of small ones, with pybase64 and without."""

from binascii import a2b_base64, b2a_base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.codecs import _body
from lambdaproxy.codecs._body import from_base64, to_base64

SIZES = (0, 1, 2, 3, 382, 383, 384, 385, 511, 512, 513, 100_000)


def strict(text):
    try:
        return a2b_base64(text, strict_mode=True)
    except ValueError:
        return None


def ours(text):
    try:
        return from_base64(text)
    except ValueError:
        return None


@pytest.fixture(params=["pybase64", "standard library"], autouse=True)
def made_with(request, monkeypatch):
    if request.param == "pybase64":
        pytest.importorskip("pybase64", reason="an environment from before it was a dependency")
        assert _body.pybase64 is not None
    else:
        monkeypatch.setattr(_body, "pybase64", None)


@pytest.mark.parametrize("size", SIZES)
def test_both_ways(size):
    body = bytes(at * 7 % 256 for at in range(size))
    text = b2a_base64(body, newline=False).decode()
    assert to_base64(body) == text
    assert from_base64(text) == body


@pytest.mark.parametrize("size", (30, 3000))
@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1],
        lambda text: text + "=",
        lambda text: text + "==",
        lambda text: text + "A",
        lambda text: text + "\n",
        lambda text: "=" + text,
        lambda text: text[:20] + "\n" + text[20:],
        lambda text: text[:20] + "==" + text[22:],
        lambda text: text[:20] + "-_" + text[22:],
        lambda text: text[:20] + "é" + text[21:],
        lambda text: text[:20] + "\ud800" + text[21:],
        lambda text: text[:-4] + "AB==",
        lambda text: text[:-4] + "ABC=",
        lambda text: text[:-4] + "A===",
        lambda text: text[:-4] + "====",
    ],
)
def test_the_standard_library_has_the_last_word(spoil, size):
    text = spoil(b2a_base64(b"\xfb\xff" * size + b"x" * (-2 * size % 3), newline=False).decode())
    assert ours(text) == strict(text)


@given(st.text("AB=\n-é", max_size=8))
def test_whatever_the_end_is(end):
    text = "QUJD" * 200 + end
    assert _body.pybase64 is None or len(text) >= 512
    assert ours(text) == strict(text)


@pytest.mark.parametrize(
    "end", ["=", "==", "===", "====", "=" * 50, "A", "=A", "==A", "AB==", "AB=", "AB===", "é", "=" * 4000]
)
@pytest.mark.parametrize("whole", [0, 4, 600])
def test_surplus_is_judged_as_by_the_standard_library(end, whole):
    text = "QUJD" * (whole // 4) + end
    assert ours(text) == strict(text)
    assert ours("=" * 600 + text) == strict("=" * 600 + text) is None
