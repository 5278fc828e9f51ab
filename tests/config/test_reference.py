"""The reference page says what the code does."""

from lambdaproxy.config.reference import page
from lambdaproxy.config.settings import SETTINGS
from tests.processes import ROOT


def test_the_page_is_up_to_date():
    # If this fails: python -m lambdaproxy.config.reference > docs/configuration.md
    assert (ROOT / "docs" / "configuration.md").read_text() == page()


def test_the_page_holds_every_setting():
    text = page()
    assert [name for name in SETTINGS if f"| `{name}" not in text] == []
