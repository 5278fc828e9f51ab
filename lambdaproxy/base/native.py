"""Which form of the program runs, compiled or not, and what classes are told where they are compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambdaproxy import messages

if TYPE_CHECKING:
    from mypy_extensions import mypyc_attr as mypyc_attr
else:

    def mypyc_attr(**_: Any) -> Any:
        """The compiler reads it; to Python the class is what it is. (`mypy_extensions` is no dependency of ours.)"""
        return lambda made: made


def form() -> str:
    """`compiled`, or `python` where the modules on the way of a request are run as they are written."""
    return "python" if str(messages.__file__).endswith(".py") else "compiled"
