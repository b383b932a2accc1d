"""A handed-in notebook as it is run: the student's cells, with the course's own checks put back where they belong."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, field

from ikebook.grading.handed_in import Cell

LEFT_OUT = frozenset({"widget", "colab", "check"})
"""Tags of the course's cells that no answer depends on."""


@dataclass
class Exercise:
    """What a notebook has of an exercise.

    Parameters
    ----------
    names : of the answers, as the course's check asks for them
    answer : the student's cell that the course's empty answer has become; None if it is gone
    remarks : what a lecturer may want to know
    """

    names: list[str]
    answer: int | None = None
    remarks: list[str] = field(default_factory=list)


@dataclass
class Assembled:
    """The order of work: cells to be run, and after each the exercises to be checked.

    Parameters
    ----------
    steps : (index of a student's cell, its code, exercises to be checked after it); code None: nothing to run
    exercises : by their number
    remarks : on the notebook as a whole
    """

    steps: list[tuple[int, str | None, list[str]]]
    exercises: dict[str, Exercise]
    remarks: list[str]


def names_of_answers(check: str) -> list[str]:
    """The names in a check's call, but for the exercise's number.

    >>> names_of_answers('check_answers("08.1", d_evidence, d_paper)')
    ['d_evidence', 'd_paper']
    """
    call = ast.parse(check).body[0]
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    return [ast.unparse(each) for each in call.value.args[1:]]


def pair(student: Sequence[Cell], course: Sequence[Cell]) -> dict[int, int]:
    """The student's cell that each of the course's has become: by its text, else by its name."""
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for same in (_same_text, _same_name):
        for index, own in enumerate(course):
            if index not in pairs:
                found = next((i for i, cell in enumerate(student) if i not in taken and same(own, cell)), None)
                if found is not None:
                    pairs[index] = found
                    taken.add(found)
    return pairs


def _same_text(own: Cell, cell: Cell) -> bool:
    return own.kind == cell.kind and own.source.strip() == cell.source.strip()


def _same_name(own: Cell, cell: Cell) -> bool:
    return bool(own.name) and own.name == cell.name


def assemble(student: Sequence[Cell], course: Sequence[Cell]) -> Assembled:
    """Put the course's checks into a student's notebook: each after its answer, and not before where the student has it."""
    pairs = pair(student, course)
    exercises: dict[str, Exercise] = {}
    due: dict[int, list[str]] = {}
    skipped = {index for index, cell in enumerate(student) if cell.check}
    gone = changed = 0
    for index, own in enumerate(course):
        place = pairs.get(index)
        if own.check:
            exercise = Exercise(names_of_answers(own.source), pairs.get(index - 1))
            exercises[own.check] = exercise
            own_checks = [i for i, cell in enumerate(student) if cell.check == own.check]
            if exercise.answer is None:
                exercise.remarks.append("the cell for the answer is gone")
            elif own_checks and exercise.answer > own_checks[-1]:
                exercise.remarks.append("the answer stands after its check")
            if not own_checks:
                exercise.remarks.append("the check was gone, and is put back")
            elif all(student[i].source.strip() != own.source.strip() for i in own_checks):
                exercise.remarks.append("the check was changed, and is put back")
            places = [*own_checks[:1], *([] if exercise.answer is None else [exercise.answer])]
            due.setdefault(max(places, default=len(student) - 1), []).append(own.check)
        elif own.kind == "code" and "exercise" not in own.tags:
            if place is None:
                gone += 1
            elif student[place].source.strip() != own.source.strip():
                changed += 1
            elif LEFT_OUT & own.tags:
                skipped.add(place)
    steps = [
        (index, cell.source if cell.kind == "code" and index not in skipped else None, due.get(index, []))
        for index, cell in enumerate(student)
    ]
    counted = ((gone, "of the course's cells gone"), (changed, "of the course's cells changed"))
    remarks = [f"{count} {what}" for count, what in counted if count] + _suspicious(student)
    return Assembled([step for step in steps if step[1] is not None or step[2]], exercises, remarks)


def _suspicious(student: Sequence[Cell]) -> list[str]:
    """Words on cells that look for solutions or for the checks' own code."""
    code = "\n".join(cell.source for cell in student if cell.kind == "code")
    found = []
    if "solutions" in code:
        found.append("code mentions `solutions`")
    lines = [
        line for line in code.splitlines() if "check_answers" in line and not line.lstrip().startswith("check_answers(")
    ]
    usual = "from ikebook.check_answers import"
    if any(not line.startswith(usual) or set(line[len(usual) :].replace(",", " ").split()) - USUAL for line in lines):
        found.append("code takes hold of `check_answers`")
    return found


USUAL = frozenset({"WrongAnswer", "check_answers"})
"""What notebooks import of the checks."""
