"""What a REST API does not know in a result, however much of it there is."""

from __future__ import annotations

from collections.abc import Iterator

from lambdaproxy.codecs.apigateway_v1 import _unknown_key


class Keys(dict[str, int]):
    """Counts the keys that somebody looks at."""

    looked = 0

    def __iter__(self) -> Iterator[str]:
        for key in super().__iter__():
            self.looked += 1
            yield key


def test_only_some_keys_of_a_wrong_result_are_looked_at() -> None:
    keys = Keys({f"not a word {at}": 1 for at in range(10_000)})
    assert "has a key that" in _unknown_key(keys)
    assert keys.looked < 100
    assert "a key statuscode that" in _unknown_key({"not a word": 1, "statuscode": 200})
