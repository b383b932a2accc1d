"""Answers of notebook 12: counterexamples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ikebook.check_answers.reading import WrongAnswer, read_array

PAIR = np.array([[0.0, 1.0], [1.0, 0.0]])
"""M of two pixels and one chain."""

FIRST = np.array([[1.0, 0.0], [0.0, 0.0]])
"""P of the feature (1, 0)."""


def _unit(name: str, answer: Any) -> np.ndarray:
    x = read_array(name, answer, (2,))
    length = float(np.linalg.norm(x))
    if abs(length - 1) > 1e-3:
        raise WrongAnswer(f"{name} has length {length:.4g}; it should be 1: divide it by its length.")
    return x


def indefinite(answer: Any) -> str:
    """12.1: x with the least x'Mx."""
    x = _unit("x_two", answer)
    value, least = float(x @ PAIR @ x), float(np.linalg.eigvalsh(PAIR)[0])
    if abs(value - least) < 1e-3:
        return f"x'Mx is {value:.0f}, the eigenvalue that a semi-definite matrix can't have."
    if value > 0:
        raise WrongAnswer(f"x'Mx is {value:.3g}, above 0: both entries have the same sign. Give them different ones.")
    raise WrongAnswer(f"x'Mx is {value:.3g}; it can be as small as {least:.3g}: let both entries be equally large.")


def negative(answer: Any) -> str:
    """12.2: F without a negative entry, whose P has one."""
    f = read_array("F_small", answer, (4, 2))
    if (f < 0).any():
        raise WrongAnswer(f"F_small has {int((f < 0).sum())} negative entries; the point is to do without.")
    if np.linalg.matrix_rank(f) < 2:
        raise WrongAnswer("the columns of F_small are multiples of each other: F'F has no inverse. Make them differ.")
    least = float((f @ np.linalg.solve(f.T @ f, f.T)).min())
    if least >= -1e-9:
        if ((f > 0).sum(axis=1) < 2).all():
            raise WrongAnswer(
                "P has no negative entry: the columns of F_small never share a row (P is then made of two blocks). Let them overlap."
            )
        raise WrongAnswer(
            "P has no negative entry: the rows of one column lie within those of the other. Let each have one of its own, beside "
            "the one that they share."
        )
    return f"P has an entry of {least:.3f}: to predict one pixel, another with overlapping features is subtracted."


def outside(answer: Any) -> str:
    """12.3: x with the largest x'PMx."""
    x = _unit("x_outside", answer)
    pm = FIRST @ PAIR
    value, largest = float(x @ pm @ x), float(np.linalg.eigvalsh((pm + pm.T) / 2)[-1])
    if abs(value - largest) < 1e-3:
        return f"R(PM, x) is {value:.1f}, where the largest eigenvalue of A is 0. And x is not Px: it lies outside of F's span."
    if abs(value) < 1e-9:
        raise WrongAnswer("x'PMx is 0: it is the product of both entries of x, and one of yours is 0.")
    if value < 0:
        raise WrongAnswer(f"x'PMx is {value:.3g}, below 0: give both entries the same sign.")
    raise WrongAnswer(f"x'PMx is {value:.3g}; it can be {largest:.3g}: let both entries be equally large.")


def bound(answer: Any, other: Any) -> str:
    """12.4: A and E that break the bound 8 |E| / |A|."""
    a, e = read_array("A_star", answer, (2, 2)), read_array("E_small", other, (2, 2))
    for name, matrix in (("A_star", a), ("E_small", e)):
        if not np.allclose(matrix, matrix.T):
            raise WrongAnswer(f"{name} is not symmetric.")
    values, before = np.linalg.eigh(a)
    changed, after = np.linalg.eigh(a + e)
    if min(values[1] - values[0], changed[1] - changed[0]) < 1e-9:
        raise WrongAnswer("of A_star or A_star + E_small both eigenvalues are equal: which vector is the first, then?")
    cosine = min(1.0, abs(float(before[:, 1] @ after[:, 1])))
    sine, printed = float(np.sqrt(1 - cosine**2)), 8 * float(np.linalg.norm(e) / np.linalg.norm(a))
    if sine > printed:
        return f"The vector turns by {sine:.2f}, where the paper's figure is {printed:.2f}. The gap was {values[1] - values[0]:.2g}."
    if sine < 1e-9:
        raise WrongAnswer("the first eigenvector does not turn at all: E has to make the other one the first.")
    why = (
        "at least 1, which no sine exceeds: make E smaller" if printed >= 1 else "larger: bring A's eigenvalues closer"
    )
    raise WrongAnswer(f"the vector turns by {sine:.3f}, and 8 |E| / |A| is {printed:.3f}, {why}.")


CHECKS: dict[str, Callable[..., str]] = {"12.1": indefinite, "12.2": negative, "12.3": outside, "12.4": bound}
