"""What was found, as text, JSON, a page, or reports of issues."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from lambdaproxy_conformance import __version__
from lambdaproxy_conformance.cases import GRADES, Case, format_of
from lambdaproxy_conformance.probe import Outcome
from lambdaproxy_conformance.wire import Step


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


def about(case: Case) -> dict[str, Any]:
    """What a case is, as JSON values."""
    return {
        "format": format_of(case),
        "name": case["name"],
        "grade": case.get("grade"),
        "source": case["source"],
    }


def as_values(outcomes: Sequence[Outcome], door: str) -> dict[str, Any]:
    """The whole as JSON values; what was sent and came stands with what failed."""
    return {
        "suite": __version__,
        "door": door,
        "counts": counts(outcomes),
        "grades": GRADES,
        "cases": [
            {
                **about(outcome.case),
                "verdict": outcome.verdict,
                "differences": outcome.differences,
                "reason": outcome.reason,
                "steps": [{step.who: step.text} for step in _told(outcome)],
            }
            for outcome in outcomes
        ],
    }


def _told(outcome: Outcome) -> list[Step]:
    return outcome.steps if outcome.verdict == "failed" else []


def as_json(outcomes: Sequence[Outcome], door: str) -> str:
    """The same as text."""
    return json.dumps(as_values(outcomes, door), indent=2)


def as_issues(outcomes: Sequence[Outcome], door: str) -> str:
    """Markdown for the door's authors, a heading for each difference; cases that differ in the same are one."""
    same: dict[tuple[str, ...], list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.verdict == "failed":
            same.setdefault(tuple(outcome.differences), []).append(outcome)
    parts = [_issue(found, door) for found in same.values()]
    return "\n".join([*parts, f"lambdaproxy-conformance {__version__} of {door}: {total(outcomes)}."])


def _issue(found: Sequence[Outcome], door: str) -> str:
    first, case = found[0], found[0].case
    lines = [f"## {format_of(case)}: {case['name']}", "", f"Asked of {door}."]
    if "error" in case:
        lines += ["", "The function fails."]
    elif "result" in case or "result_text" in case:
        result = case["result_text"] if "result_text" in case else json.dumps(case["result"], ensure_ascii=False)
        lines += ["", "The function returns:", "", *_indented(result)]
    else:
        lines += ["", 'The function returns the event that it gets, as `{"event": ...}` in its body.']
    for step in first.steps:
        lines += ["", "Sent:" if step.who == "sent" else "Came:", "", *_indented(_plain(step.text))]
    lines += ["", "How that differs from AWS:", "", *(line for words in first.differences for line in _indented(words))]
    grade = case.get("grade", "?")
    lines += ["", f"Source (grade {grade}, {GRADES.get(grade, 'unknown')}): {case['source']}."]
    if found[1:]:
        lines += ["", "The same in:", "", *(f"* {outcome.case['name']}" for outcome in found[1:])]
    return "\n".join([*lines, ""])


def _plain(text: str) -> str:
    """What went over the wire, without the field that tells the echo function what to return; long ones are cut."""
    lines = text.split("\n")
    shown = "\n".join(line for line in lines if not line.startswith("X-Conformance-Result: "))
    return shown if len(shown) <= 4000 else f"{shown[:4000]}\n... ({len(shown)} characters)"


def _indented(text: str) -> list[str]:
    """A block of code that nothing in the text can end: each line is indented, and nothing in it moves a terminal."""
    lines = text.rstrip("\n").split("\n")
    return ["    " + "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line.rstrip("\r")) for line in lines]


_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}td,th{border:1px solid #8886;padding:.4rem;text-align:left;"
    "vertical-align:top}.passed{color:#178a3a}.failed{color:#c62828}.skipped{opacity:.6}code{font-size:.9em}"
    "code,pre{overflow-wrap:anywhere;white-space:pre-wrap}"
    ":root{color-scheme:light dark}"
)


def as_html(outcomes: Sequence[Outcome], door: str) -> str:
    """One page that loads nothing."""
    rows = []
    for outcome in outcomes:
        case = outcome.case
        found = "<br>".join(f"<code>{escape(line)}</code>" for line in outcome.differences) or escape(outcome.reason)
        if outcome.verdict == "failed" and outcome.steps:
            said = "\n\n".join("\n".join([step.who, *_indented(_plain(step.text))]) for step in outcome.steps)
            found += f"<details><summary>what was sent, and came</summary><pre>{escape(said)}</pre></details>"
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
