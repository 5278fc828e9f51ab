"""The cases that come with this package; their form is described in README.md."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("cases")

#: What the grade of a case says of its source.
GRADES = {
    "A": "recorded on live AWS",
    "B": "AWS's documentation",
    "C": "one report, or reasoning where nothing is known",
}

Case = dict[str, Any]


def load(path: Path) -> list[Case]:
    """The cases of a file, each with what the file says for all of them where it has none of its own."""
    document = json.loads(path.read_text(encoding="utf-8"))
    common = {key: document[key] for key in ("codec", "options", "source", "grade") if key in document}
    return [{**common, **case} for case in document["cases"]]


#: Fields that a door adds to every answer of a function. From outside they are a case of their own: a door that lacks
#: one would otherwise fail every case.
DOORS_OWN = frozenset({"apigw-requestid", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-trace-id", "server"})


def every() -> list[Case]:
    """All cases of the package, in the order of their files, and one for each format about what the door adds."""
    found = [case for path in sorted(FOLDER.glob("*.json")) for case in load(path)]
    added: set[str] = set()
    for case in list(found):
        format = format_of(case)
        fields = case.get("response", {}).get("headers", ())
        own = [field for field in fields if field[0].lower() in DOORS_OWN]
        plain = "result" in case and case.get("grade") != "C"
        if own and plain and format not in added and case["response"]["status"] == 200:
            added.add(format)
            asked: Case = {key: case[key] for key in ("codec", "options", "source", "grade", "result") if key in case}
            response = {"status": 200, "headers_include": own}
            found.append({**asked, "name": "the fields that the door adds", "response": response})
    return found


def format_of(case: Mapping[str, Any]) -> str:
    """The format whose event a case is about, as `--format` names it."""
    options = case.get("options", {})
    if case["codec"] == "apigateway-v2" and options.get("payload") == "1.0":
        return "apigateway-v2:payload=1.0"
    return str(case["codec"])


def body_of(part: Mapping[str, Any]) -> bytes:
    """`body` as UTF-8, or `body_base64`."""
    if "body_base64" in part:
        return base64.b64decode(part["body_base64"])
    return str(part.get("body") or "").encode("utf-8")
