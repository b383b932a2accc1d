"""Automatic checks of the notebooks' exercises: what is wrong with an answer, and not only that it is.

>>> from ikebook.check_answers import check_answers
>>> check_answers("02.1", 808)  # doctest: +SKIP

Known answers are computed by the library when asked for, and stored nowhere. Each notebook's checks are a module of their
own, with a table `CHECKS` from the exercise's number to a function of the answers that raises `WrongAnswer`, or returns
a sentence on why the answer matters.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from ikebook.base.check import InputError
from ikebook.check_answers.reading import WrongAnswer, require_answers

__all__ = ["WrongAnswer", "check_answers", "exercises"]

_HOMES = {
    "00": "start",
    "01": "chains",
    "02": "motion",
    "03": "projection",
    "04": "feature_motion",
    "05": "power",
    "06": "implicit",
    "07": "learning",
    "08": "cycles",
    "09": "borrowing",
    "10": "scoring",
    "11": "own_video",
    "12": "claims",
}
"""The module that holds a notebook's checks."""


def exercises(notebook: str) -> dict[str, Callable[..., str]]:
    """The checks of a notebook such as "02", by the exercises' numbers.

    >>> list(exercises("02"))
    ['02.1', '02.2', '02.3', '02.4']
    """
    if notebook not in _HOMES:
        raise InputError(f"there are no exercises of notebook {notebook!r}; there are those of {', '.join(_HOMES)}.")
    return importlib.import_module(f"{__name__}.{_HOMES[notebook]}").CHECKS


def check_answers(exercise: str, *answers: Any) -> None:
    """Check the answers to an exercise of the course, and print why they are right.

    Parameters
    ----------
    exercise : str
        Its number, such as "02.1".
    *answers
        What the exercise asks for, in its order: numbers, arrays, tensors or functions.

    Raises
    ------
    WrongAnswer
        Says what is wrong, in one readable line. An answer that is still `...` is wrong too.
    InputError
        If there is no exercise of this number.

    Examples
    --------
    >>> check_answers("01.4", 13)  # doctest: +ELLIPSIS
    01.4 is right. ...
    >>> check_answers("01.4", ...)
    Traceback (most recent call last):
    ikebook.check_answers.reading.WrongAnswer: 01.4: there is no answer yet. Put yours in the place of `...` and run both cells again.
    """
    checks = exercises(exercise.partition(".")[0])
    if exercise not in checks:
        raise InputError(f"there is no exercise {exercise!r}; there are {', '.join(checks)}.")
    try:
        praise = checks[exercise](*require_answers(answers))
    except WrongAnswer as wrong:
        raise WrongAnswer(f"{exercise}: {wrong}") from None
    print(f"{exercise} is right. {praise}")
