"""How many examples a law is tried on."""

from __future__ import annotations

from hypothesis import settings

ORDINARY = 100
"""What Hypothesis takes where nobody says another number; `--quick` takes less."""


def examples(most: int) -> settings:
    """So many examples, as a decorator; where few are wanted of all laws, no more than of the others."""
    few = settings.default.max_examples if settings.default is not None else ORDINARY
    return settings(max_examples=most if few >= ORDINARY else min(few, most))
