import pytest

from lambdaproxy.base.addresses import is_loopback, without_user


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("127.0.0.1.example.com", False),
        ("localhost.example.com", False),
    ],
)
def test_loopback(host, loopback):
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://example.com/a@b", "https://example.com/a@b"),
        ("https://u:secret@example.com:8443/x?y", "https://...@example.com:8443/x?y"),
        ("http://u:se@cret@h/", "http://...@h/"),
        ("https://:secret@h", "https://...@h"),
        ("no URL", "no URL"),
    ],
)
def test_no_password_is_shown(url, shown):
    assert without_user(url) == shown
