"""What compiled classes are told, for Python where nothing is compiled: `mypy_extensions` is no dependency of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**_: Any) -> Any:
        """The compiler reads it; to Python the class is what it is."""
        return lambda made: made
