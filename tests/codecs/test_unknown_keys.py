"""What a REST API and a WebSocket API do not know in a result, however much of it there is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambdaproxy.codecs._codec import Codec
from lambdaproxy.codecs._result import unknown_key
from lambdaproxy.codecs.apigateway_v1 import RestApiCodec
from lambdaproxy.codecs.apigateway_websocket import WebSocketCodec
from lambdaproxy.errors import MalformedResult
from tests.codecs.dialects import answer


class Keys(dict[str, int]):
    """Counts the keys that somebody looks at."""

    looked = 0

    def __iter__(self) -> Iterator[str]:
        for key in super().__iter__():
            self.looked += 1
            yield key


def test_only_some_keys_of_a_wrong_result_are_looked_at() -> None:
    keys = Keys({f"not a word {at}": 1 for at in range(10_000)})
    assert "has a key that a REST API" in unknown_key(keys, "REST")
    assert keys.looked < 100
    assert "a key statuscode that a REST API" in unknown_key({"body": "", "not a word": 1, "statuscode": 200}, "REST")


@pytest.mark.parametrize(("codec", "kind"), [(RestApiCodec(), "REST"), (WebSocketCodec(), "WebSocket")])
def test_a_result_with_other_keys_is_refused_in_a_sentence_that_names_a_word_only(codec: Codec, kind: str) -> None:
    for key, named in (("cookies", " cookies"), ("</script>", ""), ("x" * 65, "")):
        with pytest.raises(MalformedResult, match=f"a key{named} that a {kind} API refuses; it takes statusCode"):
            answer(codec, {"statusCode": 200, key: []})
