"""What names say is worked out once, and what clients send cannot fill the memory."""

import pytest

from lambdaproxy.base.shapes import MOST, MOST_BYTES, MOST_NAMES, Shapes


def test_a_shape_is_studied_once():
    studied: list[tuple[bytes, ...]] = []

    def study(names):
        studied.append(names)
        return len(names)

    shapes = Shapes(study)
    assert [shapes[b"a", b"b"], shapes[b"a", b"b"], shapes[b"b", b"a"], shapes[()]] == [2, 2, 2, 0]
    assert studied == [(b"a", b"b"), (b"b", b"a"), ()]


def test_what_is_refused_is_not_remembered():
    def refuse(names):
        raise ValueError(names)

    shapes = Shapes(refuse)
    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            shapes[(b"a",)]
    assert not shapes


@pytest.mark.parametrize("names", [(b"n",) * (MOST_NAMES + 1), (b"n" * (MOST_BYTES + 1),)])
def test_what_is_large_is_not_remembered(names):
    shapes = Shapes(len)
    assert shapes[names] == len(names)
    assert not shapes


def test_the_number_is_bounded():
    shapes = Shapes(len)
    for number in range(3 * MOST + 1):
        assert shapes[(b"%d" % number,)] == 1
        assert len(shapes) <= MOST
    assert len(shapes) == 1
