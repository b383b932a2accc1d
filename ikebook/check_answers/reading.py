"""Reading answers: numbers, arrays and functions, in whatever form they come, with words for what is no answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ikebook.base.crashes import describe_crash


class WrongAnswer(Exception):  # noqa: N818  # it is no error of the program's
    """An answer is wrong; the message says how. Notebooks show it as one line, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython prints."""
        return [f"Not yet. {self}"]


class Crashed(Exception):  # noqa: N818
    """A function that is called in another process has stopped there; the message says how, and in which line."""


def is_empty(answer: Any) -> bool:
    """Whether an answer is a placeholder, or holds one."""
    if answer is None or answer is Ellipsis or answer is NotImplemented:
        return True
    if isinstance(answer, dict):
        return any(is_empty(value) for value in answer.values())
    return isinstance(answer, (tuple, list)) and any(is_empty(value) for value in answer)


def require_answers(answers: tuple[Any, ...]) -> tuple[Any, ...]:
    """The answers, all of which have to be there."""
    if not answers or any(is_empty(answer) for answer in answers):
        raise WrongAnswer("there is no answer yet. Put yours in the place of `...` and run both cells again.")
    return answers


def read_number(name: str, answer: Any) -> float:
    """An answer as one real number; truth values are none."""
    try:
        array = np.asarray(answer, dtype=float)
    except (TypeError, ValueError, RuntimeError):
        raise WrongAnswer(f"{name} is a {type(answer).__name__}; it should be one number.") from None
    if isinstance(answer, (bool, np.bool_)) or array.size != 1:
        came = repr(answer) if array.size == 1 else f"{array.size} numbers"
        raise WrongAnswer(f"{name} is {came}; it should be one number.")
    value = float(array.reshape(()))
    if not np.isfinite(value):
        raise WrongAnswer(f"{name} is {value}; it should be finite.")
    return value


def read_whole(name: str, answer: Any) -> int:
    """An answer as one whole number."""
    value = read_number(name, answer)
    if value != round(value):
        raise WrongAnswer(f"{name} is {value:g}; it should be a whole number.")
    return round(value)


def read_array(name: str, answer: Any, shape: Sequence[int]) -> np.ndarray:
    """An answer as real numbers of a shape, float64."""
    try:
        for unpack in ("to_dense", "toarray"):  # sparse ones, of torch and of scipy
            answer = getattr(answer, unpack)() if hasattr(answer, unpack) else answer
        values = np.asarray(answer).astype(float)
    except (TypeError, ValueError, RuntimeError):
        raise WrongAnswer(
            f"{name} is a {type(answer).__name__}; it should be an array or tensor of shape {tuple(shape)}."
        ) from None
    if values.shape != tuple(shape):
        raise WrongAnswer(f"{name} has shape {values.shape}; it should be {tuple(shape)}.")
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        raise WrongAnswer(f"{name} has {bad} entries that are NaN or infinite.")
    return values


def is_close(value: Any, known: Any, tolerance: float = 2e-5) -> bool:
    """Whether all of `value` is `known` to a share `tolerance` of the largest of it."""
    value, known = np.asarray(value, float), np.asarray(known, float)
    return bool(np.abs(value - known).max(initial=0.0) <= tolerance * max(float(np.abs(known).max(initial=0.0)), 1e-12))


def count_different(value: np.ndarray, known: np.ndarray, tolerance: float = 2e-5) -> int:
    """How many entries differ, by more than a share `tolerance` of the largest."""
    return int((np.abs(value - known) > tolerance * max(float(np.abs(known).max(initial=0.0)), 1e-12)).sum())


def call(name: str, function: Any, *arguments: Any) -> Any:
    """What a function that is an answer returns; what it raises is said in words."""
    if not isinstance(function, Callable):  # type: ignore[arg-type]
        raise WrongAnswer(f"{name} is a {type(function).__name__}; it should be a function.")
    try:
        value = function(*arguments)
    except Crashed as crash:
        raise WrongAnswer(f"{name} stops with {crash}") from None
    except Exception as error:  # noqa: BLE001  # whatever a student's function does wrong
        raise WrongAnswer(f"{name} stops with {describe_crash(error, function)}") from None
    if is_empty(value):
        raise WrongAnswer(f"there is no answer yet: {name} returns {value!r}. Put yours in the place of `...`.")
    return value
