"""The generated pages say what the program does."""

from __future__ import annotations

import pytest

from lambdaproxy.manual.__main__ import PAGES
from tests.processes import ROOT


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name):
    # If this fails: python -m lambdaproxy.manual NAME > docs/NAME.md
    assert (ROOT / "docs" / f"{name}.md").read_text() == PAGES[name]()
