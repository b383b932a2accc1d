"""One handed-in notebook, graded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TypedDict

from ikebook.base.check import InputError
from ikebook.check_answers import WrongAnswer, exercises
from ikebook.check_answers.reading import require_answers
from ikebook.grading.assembly import Assembled, Exercise, assemble
from ikebook.grading.handed_in import Cell, HandedIn, printable, read_cells
from ikebook.grading.session import Ended, Limits, Session
from ikebook.grading.wire import Missing

MOST_LETTERS = 600
"""Of a reason, which may quote a student."""


class Verdict(TypedDict):
    """On one exercise: whether it is right, why in the check's words, and what else a lecturer may want to know."""

    right: bool
    reason: str
    remarks: list[str]


class Graded(TypedDict):
    """A notebook's verdicts by exercise, remarks on the whole of it, and the seconds that it took."""

    exercises: dict[str, Verdict]
    remarks: list[str]
    seconds: float


def grade_notebook(handed_in: HandedIn, course: Sequence[Cell], limits: Limits, *, jailed: bool) -> Graded:
    """Run a notebook in a process of its own, and check its answers in this one.

    Parameters
    ----------
    handed_in : the file
    course : cells of the course's own version
    limits, jailed : see `Session`

    Returns
    -------
    Graded
        With a verdict on each exercise of the notebook, whatever the file holds.
    """
    began = time.monotonic()
    remarks = [f"the file is called {printable(handed_in.path.name)}"] if handed_in.renamed else []
    try:
        assembled = assemble(read_cells(handed_in.path), course)
    except InputError as error:
        verdicts = {cell.check: _wrong(str(error)) for cell in course if cell.check}
        return {"exercises": verdicts, "remarks": remarks, "seconds": 0.0}
    try:
        with Session(limits, jailed=jailed) as session:
            verdicts = _run(session, assembled)
    except Ended as ended:  # before its first cell
        verdicts = {number: _wrong(f"not reached: {ended}.") for number in assembled.exercises}
    for number, exercise in assembled.exercises.items():
        verdicts[number]["remarks"] += exercise.remarks
    in_order = {number: verdicts[number] for number in assembled.exercises}
    return {
        "exercises": in_order,
        "remarks": remarks + assembled.remarks,
        "seconds": round(time.monotonic() - began, 1),
    }


def _wrong(reason: str, *remarks: str) -> Verdict:
    return {"right": False, "reason": printable(reason), "remarks": [*remarks]}


def _run(session: Session, assembled: Assembled) -> dict[str, Verdict]:
    """The verdicts on all exercises of a notebook, in the order in which they are due."""
    verdicts: dict[str, Verdict] = {}
    crashes: dict[int, str] = {}
    ended = ""
    for index, code, due in assembled.steps:
        if code is not None and not ended:
            try:
                crash = session.run(code)
            except Ended as error:
                ended = f"the notebook was ended in cell {index + 1}: {error}"
            else:
                if crash:
                    crashes[index] = f"the cell stops with {crash}"
        for number in due:
            exercise = assembled.exercises[number]
            own = [index for index in (exercise.answer, *exercise.beside) if index in crashes]
            crash = crashes[own[0]] if own else None
            if ended:
                verdicts[number] = _wrong(f"{ended}.")
                continue
            try:
                verdicts[number] = check(session, number, exercise, crash)
            except Ended as error:
                ended = f"the notebook was ended while {number} was checked: {error}"
                verdicts[number] = _wrong(f"{ended}.")
    return verdicts


def check(session: Session, number: str, exercise: Exercise, crash: str | None) -> Verdict:
    """The verdict of the course's check, reached here, on answers that are over there."""
    try:
        answers = session.answers(exercise.names)
        absent = [name for name, value in zip(exercise.names, answers, strict=True) if value is Missing]
        if absent:
            gone = ["the cell for the answer is gone"] if exercise.answer is None else []
            return _wrong(crash or f"there is no `{absent[0]}`.", *gone)
        reason = exercises(number[:2])[number](*require_answers(tuple(answers)))
    except WrongAnswer as wrong:
        return _wrong(crash or str(wrong)[:MOST_LETTERS])
    except Ended:
        raise
    except Exception as error:  # noqa: BLE001  # one odd answer must not stop sixty notebooks
        return _wrong(f"the check can't read it ({type(error).__name__}: {' '.join(str(error).split())[:200]})")
    return {"right": True, "reason": printable(reason), "remarks": []}
