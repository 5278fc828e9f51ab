"""`lambdaproxy logs [NAME]`: what embedded functions of a lambdaproxy that runs have written, and what they write."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from lambdaproxy.command.remote import remote
from lambdaproxy.command.words import Refused, Words
from lambdaproxy.tap import refuse


def command(typed: Sequence[str], usage: str) -> None:
    """The command; ends with a sentence where it cannot be."""
    try:
        run(typed, usage)
    except Refused as error:
        refuse(error)


def words(usage: str = "lambdaproxy logs") -> Words:
    """The options."""
    line, _, help = usage.partition("\n\n")
    found = Words(
        line,
        f"{help}\nLines begin with the time (UTC) and the function. The last megabyte is kept.",
        "It asks the Invoke API: start with serve --invoke-api 8013, and ask with lambdaproxy logs --url 8013.\n"
        "Functions on AWS have their logs in CloudWatch: aws logs tail /aws/lambda/NAME --follow.",
    )
    found.add_argument("name", nargs="?", metavar="NAME", help="one function; all, if it is left out")
    found.add_argument("-f", "--follow", action="store_true", help="go on until the other ends, or Ctrl+C")
    found.add_argument("--url", metavar="URL", help="its Invoke API, a port will do; $AWS_ENDPOINT_URL_LAMBDA")
    found.add_argument("--keys", metavar="FILE", help="the keys for it; invoke-api-keys, if it is there")
    return found


def run(typed: Sequence[str], usage: str, environ: Mapping[str, str] = os.environ) -> None:
    """Write the lines to standard output; raises `Refused`."""
    given = words(usage).read(typed)
    url = given.url or environ.get("AWS_ENDPOINT_URL_LAMBDA")
    if not url:
        raise Refused(
            "say where it runs, as in --url http://127.0.0.1:8013: the port that serve --invoke-api was given, which "
            "its log names at start"
        )
    there = remote(url, given.keys)
    name = there.name(given.name) if given.name is not None else None
    try:
        for data in there.logs(name, given.follow):
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    except KeyboardInterrupt:
        raise SystemExit(130) from None
