"""Ports that cannot be had, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from twisted.internet import reactor
from twisted.internet.protocol import Factory

from lambdaproxy.errors import ConfigError
from lambdaproxy.start.listening import Listener

BROKEN = b"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(("content", "reason"), [(BROKEN, ""), (b"", ""), (None, "No such file or directory")])
@pytest.mark.parametrize("before", ["", "haproxy:"])
def test_a_broken_certificate_is_told_as_one_and_not_as_a_bad_endpoint(
    tmp_path: Path, content: bytes | None, reason: str, before: str
) -> None:
    pem = tmp_path / "door.pem"
    if content is not None:
        pem.write_bytes(content)
    listener = Listener(reactor, f"{before}ssl:0:privateKey={pem}:certKey={pem}", Factory(), "--port", None)
    with pytest.raises(ConfigError) as refused:
        listener.privilegedStartService()
    told = str(refused.value)
    assert "the certificate or its key cannot be used" in told
    assert reason in told
    assert "[(" not in told and "understands" not in told
