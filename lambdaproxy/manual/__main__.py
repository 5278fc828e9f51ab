"""`python -m lambdaproxy.manual errors > docs/errors.md`, and so for each of `PAGES`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from lambdaproxy.config import reference
from lambdaproxy.manual import command_line, errors

PAGES: Mapping[str, Callable[[], str]] = {
    "command-line": command_line.page,
    "configuration": reference.page,
    "errors": errors.page,
}


def main() -> None:
    """Print the page that was named; ends with a sentence where there is none of that name."""
    if len(sys.argv) != 2 or sys.argv[1] not in PAGES:
        sys.exit(f"name one page: {', '.join(PAGES)}")
    print(PAGES[sys.argv[1]](), end="")


if __name__ == "__main__":
    main()
