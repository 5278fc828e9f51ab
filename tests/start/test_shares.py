"""Parts of the whole: never more than it, and none of nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambdaproxy.config.settings import Settings
from lambdaproxy.errors import ConfigError
from lambdaproxy.start.shares import OPTIONS_OF_THE_WHOLE, Share, check_parts


@given(st.integers(0, 10**9), st.integers(1, 512))
def test_the_parts_are_the_whole(total, of):
    parts = [Share(number, of).part(total) for number in range(of)]
    assert sum(parts) == total
    assert max(parts) - min(parts) <= 1


def test_settings_and_options_of_a_worker():
    settings = Share(1, 3).settings(Settings(max_requests=10, max_connections=11, max_bodies=7, max_unwritten=3))
    assert (settings.max_requests, settings.max_connections) == (3, 4)
    assert (settings.max_bodies, settings.max_unwritten) == (2, 1)
    assert settings.max_body == Settings().max_body, "what one request may have is not divided"
    options = Share(0, 2).options({"max-in-flight": 5, "queue": 0, "queue-wait": 1.0, "retry": "safe", "role": None})
    assert options == {"max-in-flight": 3, "queue": 0, "queue-wait": 1.0, "retry": "safe", "role": None}


def test_what_cannot_be_divided_is_named():
    check_parts(4, Settings(), {"aws": dict.fromkeys(OPTIONS_OF_THE_WHOLE, 4) | {"queue": 0}})
    with pytest.raises(ConfigError, match=r"--max-requests is 3, which 4 workers cannot share; raise it"):
        check_parts(4, Settings(max_requests=3), {})
    with pytest.raises(ConfigError, match=r"max-in-flight-per-function of the invoker eu is 1, which 2 workers"):
        check_parts(2, Settings(), {"eu": {"max-in-flight": 2, "max-in-flight-per-function": 1}})
