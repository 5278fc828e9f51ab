"""What was found, as text, JSON or a page."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from lambdaproxy_conformance.cases import GRADES, format_of
from lambdaproxy_conformance.probe import Outcome


def counts(outcomes: Sequence[Outcome]) -> dict[str, int]:
    """How many cases passed, failed and were skipped."""
    found = Counter(outcome.verdict for outcome in outcomes)
    return {verdict: found[verdict] for verdict in ("passed", "failed", "skipped")}


def total(outcomes: Sequence[Outcome]) -> str:
    """One line."""
    return ", ".join(f"{number} {verdict}" for verdict, number in counts(outcomes).items())


def as_text(outcomes: Sequence[Outcome], verbose: bool = False) -> str:
    """The failures with their sources; with `verbose` all cases."""
    lines = []
    for outcome in outcomes:
        case = outcome.case
        if outcome.verdict == "failed":
            lines.append(f"FAILED  {format_of(case)}: {case['name']}")
            lines += [f"        {difference}" for difference in outcome.differences]
            lines.append(f"        source ({case.get('grade', '?')}): {case['source']}")
        elif verbose:
            why = f" ({outcome.reason})" if outcome.reason else ""
            lines.append(f"{outcome.verdict:8}{format_of(case)}: {case['name']}{why}")
    return "\n".join([*lines, total(outcomes)])


def as_values(outcomes: Sequence[Outcome], door: str) -> dict[str, Any]:
    """The whole as JSON values."""
    return {
        "door": door,
        "counts": counts(outcomes),
        "grades": GRADES,
        "cases": [
            {
                "format": format_of(outcome.case),
                "name": outcome.case["name"],
                "verdict": outcome.verdict,
                "differences": outcome.differences,
                "reason": outcome.reason,
                "grade": outcome.case.get("grade"),
                "source": outcome.case["source"],
            }
            for outcome in outcomes
        ],
    }


def as_json(outcomes: Sequence[Outcome], door: str) -> str:
    """The same as text."""
    return json.dumps(as_values(outcomes, door), indent=2)


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #8886;padding:.4rem;text-align:left;"
    "vertical-align:top}.passed{color:#178a3a}.failed{color:#c62828}.skipped{opacity:.6}code{font-size:.9em}"
    ":root{color-scheme:light dark}"
)


def as_html(outcomes: Sequence[Outcome], door: str) -> str:
    """One page that loads nothing."""
    rows = []
    for outcome in outcomes:
        case = outcome.case
        found = "<br>".join(f"<code>{escape(line)}</code>" for line in outcome.differences) or escape(outcome.reason)
        rows.append(
            f'<tr class="{outcome.verdict}"><td>{outcome.verdict}</td><td>{escape(format_of(case))}</td>'
            f"<td>{escape(case['name'])}</td><td>{found}</td>"
            f"<td>{escape(str(case.get('grade', '?')))}: {escape(case['source'])}</td></tr>"
        )
    grades = "; ".join(f"{grade}: {escape(words)}" for grade, words in GRADES.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Conformance of {escape(door)}</title>'
        f"<style>{_STYLE}</style><h1>Conformance of {escape(door)}</h1><p>{total(outcomes)}. Grades: {grades}.</p>"
        "<table><tr><th>verdict<th>format<th>case<th>what differs, or why it was skipped<th>source</tr>"
        f"{''.join(rows)}</table></html>\n"
    )
