import pytest

from tests.http1.differential import run


@pytest.mark.slow
def test_h11_agrees():
    """A million of these were run by hand; here as many as a test may take time."""
    _, disagreements = run(3000, seed=20)
    assert disagreements == []
