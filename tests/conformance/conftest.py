"""The front doors that the cases of them ask."""

from __future__ import annotations

from typing import Any

import pytest

from tests.doorway import Doorway


@pytest.fixture
def door(tmp_path, monkeypatch):
    """A door of a configuration, with an issuer that everybody knows, at a time that stands still."""
    from tests.conformance.test_doors import DOCUMENTS, NOW

    def made(config: str, **functions: Any) -> Doorway:
        return Doorway(tmp_path, config, functions, DOCUMENTS, monkeypatch, NOW)

    return made
