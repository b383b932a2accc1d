"""What stopped a student's code, and where: the line is theirs, not the library's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ikebook.base.crashes import call_and_measure, describe_crash
from ikebook.check_answers.reading import WrongAnswer, call


def divide(x):
    y = x - x
    return np.linalg.inv(np.full((2, 2), y))


def deep(x):
    return divide(x) + 1


def described(function, *arguments) -> str:
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001  # whatever it is
        return describe_crash(error, function)
    raise AssertionError


def test_the_last_line_of_the_students_own_is_named() -> None:
    line = divide.__code__.co_firstlineno + 2
    says = f"LinAlgError: Singular matrix, in line {line}: `return np.linalg.inv(np.full((2, 2), y))`"
    assert described(divide, 1.0) == says
    assert described(deep, 1.0) == says


def test_without_a_line_the_error_alone_is_told() -> None:
    assert described(len, 3) == "TypeError: object of type 'int' has no len()"
    assert describe_crash(KeyError()) == "KeyError"
    assert describe_crash(ValueError("a\n  b" + "c" * 400)) == "ValueError: a b" + "c" * 297


def test_what_can_t_be_read_is_named_by_its_line() -> None:
    with pytest.raises(SyntaxError) as caught:
        compile("x = 1\ny = (2", "<cell>", "exec")
    assert describe_crash(caught.value) == "SyntaxError: '(' was never closed, in line 2: `y = (2`"


def test_a_check_passes_the_line_on() -> None:
    with pytest.raises(WrongAnswer, match=r"divide stops with LinAlgError: Singular matrix, in line \d+: `return np\."):
        call("divide", divide, 1.0)


@pytest.mark.parametrize(
    ("function", "least", "most"),
    [
        (lambda n: torch.zeros(n, n).sum(), 250_000, 300_000),
        (lambda n: np.zeros((n, n)).sum(), 2_000_000, 2_100_000),
        (lambda n: torch.zeros(n).sum(), 500, 20_000),
    ],
    ids=["torch", "numpy", "frugal"],
)
def test_the_largest_thing_built_is_measured(function, least, most) -> None:
    value, size = call_and_measure(function, 500)
    assert float(value) == 0
    assert least <= size <= most
