"""How what an option needs besides is installed; nothing but the standard library."""

from __future__ import annotations

import shlex
import sys


def install(extra: str) -> str:
    """The command that brings an extra into the environment that runs us, as a shell takes it.

    Another `pip` may come first on the path: the one of a system whose packages nobody may change, or of another
    environment, where it would change nothing for us.
    """
    return f"{shlex.quote(sys.executable or 'python3')} -m pip install 'lambdaproxy[{extra}]'"
