"""All that was handed in, graded: what is done already stays done, and what comes of it is a table with a row for each exercise."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from datetime import datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import ikebook
from ikebook.base.check import InputError, require
from ikebook.base.files import write_json
from ikebook.grading.handed_in import Cell, HandedIn, printable
from ikebook.grading.notebook import Graded, grade_notebook
from ikebook.grading.session import Limits

MISSING = "nothing handed in"
"""The reason of exercises whose notebook is not there."""


@dataclass(frozen=True)
class Rules:
    """What points are given for.

    Parameters
    ----------
    points : of exercises that count other than 1
    due : when notebooks had to be there; None: whenever
    roster : students who should have handed in, beside those who have
    notebooks : that should have been handed in; none: those that anybody has
    """

    points: Mapping[str, float] = field(default_factory=dict)
    due: datetime | None = None
    roster: Sequence[str] = ()
    notebooks: Sequence[str] = ()


class Kept:
    """Verdicts that are written down as they come, and found again by what was graded, and how.

    Parameters
    ----------
    path : of the file
    again : forget what it holds
    """

    def __init__(self, path: Path, *, again: bool = False) -> None:
        self.path, self._known = path, {}
        if os.path.lexists(path):  # also where it is to be forgotten: it will be written over
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
                self._known = dict(content["ikebook grade"])
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                raise InputError(f"{path} is not of 'ikebook grade'; move it away, or choose another --csv.") from None
        if again:
            self._known = {}

    def get(self, key: str) -> Graded | None:
        """What was found before."""
        return self._known.get(key)

    def put(self, key: str, graded: Graded) -> None:
        """Write a verdict down, at once."""
        self._known[key] = graded
        write_json(self.path, {"ikebook grade": self._known})


def key_of(handed_in: HandedIn, course: Sequence[Cell], limits: Limits, *, jailed: bool) -> str:
    """A text that changes when the file, the course, the checks, how they are put in or the limits do."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(handed_in.path.read_bytes())
    digest.update(repr([(cell.name, cell.source) for cell in course]).encode())
    digest.update(repr((ikebook.__version__, asdict(limits), jailed, handed_in.student, handed_in.path.name)).encode())
    for room in ("check_answers", "grading"):
        for path in sorted((Path(ikebook.__file__).parent / room).glob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def grade_all(
    found: Sequence[HandedIn],
    course: Mapping[str, Sequence[Cell]],
    kept: Kept,
    limits: Limits,
    *,
    jailed: bool,
    jobs: int = 1,
    tell: Callable[[HandedIn, Graded, bool], None] = lambda *_: None,
) -> list[Graded]:
    """Grade notebooks, but for those that `kept` knows; in the order of `found`.

    Parameters
    ----------
    found, course : what was handed in, and the course's cells by notebook
    kept : where verdicts are written down
    limits, jailed : see `Session`
    jobs : how many at a time
    tell : is called with each notebook, what came of it, and whether it was known before
    """
    keys = [key_of(one, course[one.number], limits, jailed=jailed) for one in found]
    results: dict[int, Graded] = {}
    for index, key in enumerate(keys):
        known = kept.get(key)
        if known is not None:
            results[index] = known
            tell(found[index], known, True)
    todo = [index for index in range(len(found)) if index not in results]
    for index, graded in _graded(todo, found, course, limits, jailed, jobs):
        results[index] = graded
        kept.put(keys[index], graded)
        tell(found[index], graded, False)
    return [results[index] for index in range(len(found))]


def _graded(
    todo: Sequence[int],
    found: Sequence[HandedIn],
    course: Mapping[str, Sequence[Cell]],
    limits: Limits,
    jailed: bool,
    jobs: int,
) -> Iterable[tuple[int, Graded]]:
    """Notebooks one by one, or by several processes, as they are done."""
    if jobs == 1 or len(todo) < 2:
        for index in todo:
            yield index, grade_notebook(found[index], course[found[index].number], limits, jailed=jailed)
        return
    with ProcessPoolExecutor(min(jobs, len(todo)), mp_context=get_context("spawn")) as pool:
        running = {
            pool.submit(grade_notebook, found[index], course[found[index].number], limits, jailed=jailed): index
            for index in todo
        }
        try:
            for done in as_completed(running):
                yield running[done], done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def rows(
    found: Sequence[HandedIn], graded: Sequence[Graded], course: Mapping[str, Sequence[Cell]], rules: Rules
) -> list[dict[str, Any]]:
    """A row for each student and exercise, those that were not handed in among them."""
    known = {cell.check for own in course.values() for cell in own if cell.check}
    unknown = sorted({*rules.points} - known | {*rules.notebooks} - {*course})
    require(not unknown, f"there is no exercise or notebook {', '.join(unknown)} in the course.")
    expected = sorted({*rules.notebooks} or {one.number for one in found})
    by_place = {(one.student, one.number): (one, result) for one, result in zip(found, graded, strict=True)}
    table = []
    for student in sorted({*rules.roster, *(one.student for one in found)}):
        for number in sorted({*expected, *(n for s, n in by_place if s == student)}):
            handed_in, result = by_place.get((student, number), (None, None))
            for exercise in (cell.check for cell in course[number] if cell.check):
                verdict = result["exercises"][exercise] if result else None
                worth = rules.points.get(exercise, 1.0)
                late = bool(handed_in and rules.due and handed_in.written > rules.due)
                remarks = [*(result["remarks"] if result else ()), *(verdict["remarks"] if verdict else ())]
                table.append(
                    {
                        "student": student,
                        "exercise": exercise,
                        "right": "missing" if verdict is None else "yes" if verdict["right"] else "no",
                        "points": worth if verdict and verdict["right"] else 0.0,
                        "of": worth,
                        "late": "late" if late else "",
                        "reason": verdict["reason"] if verdict else MISSING,
                        "remarks": "; ".join(remarks),
                        "file": printable(handed_in.path.name) if handed_in else "",
                    }
                )
    return table


def mistakes(table: Iterable[Mapping[str, Any]]) -> list[tuple[str, str, int]]:
    """Which mistake was made how often: exercise, the check's words, count; the most frequent first.

    Words that differ by their numbers alone are one mistake.
    """
    wrong = [row for row in table if row["right"] == "no"]
    counts = Counter((row["exercise"], _without_numbers(row["reason"])) for row in wrong)
    first = {(row["exercise"], _without_numbers(row["reason"])): row["reason"] for row in reversed(wrong)}
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [(exercise, first[exercise, reason], count) for (exercise, reason), count in ordered]


def _without_numbers(reason: str) -> str:
    return re.sub(r"-?\d+(\.\d+)?(e[-+]?\d+)?", "#", reason)


def points_by_student(table: Iterable[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Each student's points, and how many there were to have."""
    sums: dict[str, tuple[float, float]] = {}
    for row in table:
        had, of = sums.get(row["student"], (0.0, 0.0))
        sums[row["student"]] = (had + row["points"], of + row["of"])
    return sums
