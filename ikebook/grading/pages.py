"""Grades as files: a table for a spreadsheet, and a page to read."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ikebook.base.files import atomic, write_csv
from ikebook.grading.course import mistakes, points_by_student

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; margin: 1rem 0; } th, td { border: 1px solid #bbb; padding: .25rem .6rem; text-align: left; vertical-align: top; }
td.number { text-align: right; } .no, .missing { background: #fbe3df; } .yes { background: #e2f1e2; }
"""

MARKS = {"yes": "right", "no": "wrong", "missing": "missing"}


def write_table(path: Path, table: Sequence[Mapping[str, Any]]) -> None:
    """Write grades as CSV. No cell of it is a formula, whatever a student is called."""
    write_csv(path, [{name: _harmless(value) for name, value in row.items()} for row in table])


def _harmless(value: Any) -> Any:
    """A text that spreadsheets take for one: an apostrophe goes before what they would compute."""
    if isinstance(value, str) and value.lstrip().startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return f"{value:g}" if isinstance(value, float) else value


def write_page(path: Path, table: Sequence[Mapping[str, Any]], notes: Sequence[str]) -> None:
    """Write grades as a page of HTML that needs nothing else: who has what, which mistakes were made, and every verdict."""
    exercises = sorted({row["exercise"] for row in table})
    verdicts = {(row["student"], row["exercise"]): row["right"] for row in table}
    overview = [
        [student, f"{had:g} of {of:g}", *(verdicts.get((student, exercise), "") for exercise in exercises)]
        for student, (had, of) in points_by_student(table).items()
    ]
    frequent = [[str(count), exercise, reason] for exercise, reason, count in mistakes(table)]
    each = [[str(_harmless(row[name])) for name in row] for row in table]
    text = "\n".join(
        [
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Grades</title><style>{STYLE}</style></head><body>',
            "<h1>Grades</h1>",
            *(f"<p>{html.escape(note)}</p>" for note in notes),
            _table(["student", "points", *exercises], overview),
            "<h2>Which mistake was made how often</h2>",
            _table(["times", "exercise", "in the check's words"], frequent),
            "<h2>Every exercise</h2>",
            _table(list(table[0]) if table else [], each),
            "</body></html>\n",
        ]
    )
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    columns = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in head)
    lines = ["<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in body]
    return "\n".join(["<table>", f"<thead><tr>{columns}</tr></thead>", "<tbody>", *lines, "</tbody></table>"])


def _cell(value: str) -> str:
    return f'<td class="{value}">{MARKS[value]}</td>' if value in MARKS else f"<td>{html.escape(value)}</td>"
