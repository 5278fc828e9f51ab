"""What AWS does, as cases; they lie in `conformance/`, a distribution of its own that needs nothing of ours."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "conformance"))
