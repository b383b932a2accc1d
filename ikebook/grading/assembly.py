"""A handed-in notebook as it is run: the student's cells, with the course's own checks put back where they belong."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ikebook.grading.handed_in import Cell
from ikebook.grading.student_code import has_call, holds_more, suspicions

LEFT_OUT = frozenset({"widget", "colab"})
"""Tags of the course's cells that no answer depends on."""


@dataclass
class Exercise:
    """What a notebook has of an exercise.

    Parameters
    ----------
    names : of the answers, as the course's check asks for them
    answer : the student's cell that the course's empty answer has become; None if it is gone
    beside : cells of the exercise's check that hold more than it, such as the answer
    remarks : what a lecturer may want to know
    """

    names: list[str]
    answer: int | None = None
    beside: list[int] = field(default_factory=list)
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
    """Put the course's checks into a student's notebook: each after its answer, and not before where the student has it.

    All that a student has written is run, calls of checks among it: in the notebook's process they say nothing, and earn nothing.
    """
    pairs = pair(student, course)
    called = [cell.checks for cell in student]
    exercises: dict[str, Exercise] = {}
    due: dict[int, list[str]] = {}
    skipped: set[int] = set()
    gone = changed = 0
    for index, own in enumerate(course):
        place = pairs.get(index)
        if own.check:
            own_checks = [i for i, checks in enumerate(called) if own.check in checks]
            answer = _answer(student, pairs, index)
            exercise = _exercise(student, own, own_checks, answer)
            exercises[own.check] = exercise
            kept = place if place in own_checks else next(iter(own_checks), None)
            places = [each for each in (kept, answer) if each is not None]
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
    remarks = [f"{count} {what}" for count, what in counted if count]
    remarks += suspicions(cell.source for cell in student if cell.kind == "code")
    return Assembled([step for step in steps if step[1] is not None or step[2]], exercises, remarks)


def _answer(student: Sequence[Cell], pairs: Mapping[int, int], check: int) -> int | None:
    """The student's cell with the answer that one of the course's checks is about.

    A platform may have taken the names of all cells: then it is the one before the check, as it is in the course.
    """
    found, place = pairs.get(check - 1), pairs.get(check, 0)
    if found is None and place and student[place - 1].kind == "code" and place - 1 not in pairs.values():
        return place - 1
    return found


def _exercise(student: Sequence[Cell], own: Cell, own_checks: Sequence[int], answer: int | None) -> Exercise:
    """What a notebook has of an exercise, whose check is one of the course's cells."""
    exercise = Exercise(names_of_answers(own.source), answer)
    exercise.beside = [index for index in own_checks if index != answer and holds_more(student[index].source)]
    if own_checks and answer is not None and answer > own_checks[-1]:
        exercise.remarks.append("the answer stands after its check")
    if not own_checks:
        exercise.remarks.append("the check was gone, and is put back")
    elif not any(has_call(student[index].source, own.source) for index in own_checks):
        exercise.remarks.append("the check was changed, and is put back")
    return exercise
