"""What a Python worker process is started with: loads the runtime beside it from byte code, and runs it.

To compile `python_runtime.py` takes longer than all else that a cold start does, and a file that is run as a program is
compiled each time.
"""
# mypy: ignore-errors

import os
import sys
from _frozen_importlib_external import SourceFileLoader

FOLDER = os.path.dirname(os.path.abspath(__file__))


def load(name):
    """Run a file of this folder; its names, which no function can import, as a dict."""
    path = os.path.join(FOLDER, name + ".py")
    # Functions that are watched write no byte code, because theirs may be younger than a second; ours is not.
    before, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        code = SourceFileLoader(name, path).get_code(name)
    finally:
        sys.dont_write_bytecode = before
    names = {"__name__": name, "__file__": path}
    exec(code, names)  # noqa: S102
    return names


if __name__ == "__main__":
    # The interpreter put this folder first; functions must not see it.
    sys.path[:] = [path for path in sys.path if path != FOLDER]
    load("python_runtime")["main"](load)
