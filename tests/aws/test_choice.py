from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from lambdaproxy.aws.choice import BAD_SECONDS, LEAST_PATIENCE, Choice

THREE = ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_they_take_turns() -> None:
    choice = Choice(Clock().seconds, 0.25)
    assert [choice.next(THREE, ()) for _ in range(4)] == [*THREE, THREE[0]]


def test_slow_ones_come_after_those_that_failed_and_those_after_all_others() -> None:
    clock = Clock()
    choice = Choice(clock.seconds, 0.25)
    choice.failed(THREE[1])
    assert {choice.next(THREE, {THREE[0]}) for _ in range(6)} == {THREE[2]}
    assert {choice.next(THREE[:2], {THREE[0]}) for _ in range(6)} == {THREE[1]}
    assert {choice.next(THREE, THREE) for _ in range(6)} == set(THREE), "where all are slow, each has its turn"
    clock.advance(BAD_SECONDS)
    assert {choice.next(THREE, ()) for _ in range(6)} == set(THREE)
    choice.failed(THREE[1])
    choice.opened(THREE[1], 0.01)
    assert {choice.next(THREE, ()) for _ in range(6)} == set(THREE)


def test_patience_learns_from_what_is_quick() -> None:
    choice = Choice(Clock().seconds, 0.25)
    assert (choice.patience(1), choice.patience(2)) == (0.75, 0.25)
    for took, patience in ((0.001, LEAST_PATIENCE), (0.04, 0.16), (5.0, 0.25)):
        choice.opened(THREE[0], took)
        assert choice.patience(2) == patience


@given(
    st.lists(st.sampled_from("abcdef"), min_size=1, unique=True),
    st.sets(st.sampled_from("abcdef")),
    st.sets(st.sampled_from("abcdef")),
)
def test_an_address_is_always_found_and_a_good_one_where_there_is_one(
    addresses: list[str], slow: set[str], bad: set[str]
) -> None:
    choice = Choice(Clock().seconds, 0.25)
    for address in bad:
        choice.failed(address)
    found = choice.next(addresses, slow)
    assert found in addresses
    good = set(addresses) - slow - bad
    assert not good or found in good
