"""Answers of notebook 05: power iteration."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ikebook.base.compute import Compute
from ikebook.check_answers.reading import WrongAnswer, call, is_close, read_array, read_number, read_whole
from ikebook.datasets.toys import toy
from ikebook.graph.graph_module import build
from ikebook.graph.presets import preset


@cache
def _matrices() -> tuple[Tensor, Tensor, Tensor]:
    """M, P and A = PMP of the notebook's toy."""
    made = toy("disc", (16, 16), 5)
    matrix = build(made.clip, made.flow, options=preset("saliency"), compute=Compute(dtype=torch.float64))
    m, p = matrix.motion.dense(), matrix.projection.dense()
    return m, p, p @ m @ p


def _noise(seed: int, length: int) -> Tensor:
    return torch.rand(length, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def one_iteration(answer: Any) -> str:
    """05.1: x(t) from M, P and x(t-1)."""
    m, p, _ = _matrices()
    x = _noise(1, len(m))
    projected = p @ (m @ x)
    length = float(projected.norm())
    known = (projected / length).numpy()
    name = "one_iteration(M, P, x)"
    given = read_array(name, call("one_iteration", answer, m, p, x.clone()), (len(m),))
    if is_close(given, known):
        return (
            "x(t) lies in the span of the features from here on, so from the second iteration on PM does what A does."
        )
    others = {
        "has not been projected: P comes after M": m @ x,
        "projects first and propagates then; Algorithm 2 has it the other way round": m @ (p @ x),
        "has not been propagated: M is missing": p @ x,
        "projects twice. That is A x, which Algorithm 2 need not compute: from the second iteration on P x = x": p
        @ (m @ (p @ x)),
    }
    direction = given / (np.linalg.norm(given) or 1.0)
    for wrong, vector in others.items():
        if is_close(direction, (vector / vector.norm()).numpy()):
            raise WrongAnswer(f"what {name} returns {wrong}.")
    if not is_close(direction, known):
        raise WrongAnswer(
            f"{name} is another vector than P M x / |P M x|; propagate, project, normalise, in this order."
        )
    size = float(np.linalg.norm(given))
    if math.isclose(size, length, rel_tol=1e-6):
        raise WrongAnswer(
            f"the direction is right, but {name} has length {size:.3g}: step 3, the normalisation, is missing."
        )
    if math.isclose(size, 1 / length, rel_tol=1e-6):
        raise WrongAnswer(f"the direction is right, but the length is {size:.3g}: divide by |x|, not by its square.")
    if math.isclose(float(np.abs(given).max()), 1, rel_tol=1e-6):
        raise WrongAnswer("the direction is right, but its largest label is 1; the Euclidean length should be.")
    raise WrongAnswer(
        f"the direction is right, but the length is {size:.3g}; divide by the Euclidean length, to make it 1."
    )


def iterations_needed(answer: Any) -> str:
    """05.2: iterations until the tangent has fallen by a factor."""
    for ratio, factor in ((0.5, 0.001), (0.9, 0.001), (0.25, 0.01), (0.776, 1e-6)):
        exactly = math.log(factor) / math.log(ratio)
        known, case = math.ceil(exactly), f"iterations_needed({ratio:g}, {factor:g})"
        came = call("iterations_needed", answer, ratio, factor)
        value = read_number(case, came)
        if value != known and math.isclose(value, exactly, rel_tol=1e-9):
            raise WrongAnswer(f"{case} is {value:.3f}; iterations are whole numbers, so take the next one up.")
        given = read_whole(case, came)
        if given == known:
            continue
        if given in (math.floor(exactly), round(exactly)):
            left = ratio**given
            raise WrongAnswer(
                f"{case} is {given}, after which a factor of {left:.2g} is left: that is still above {factor:g}."
            )
        if given == math.ceil(exactly / 2):
            raise WrongAnswer(
                f"{case} is {given}, half of it: that is when the Rayleigh quotient is so near, not the tangent."
            )
        if given in (-known, math.floor(-exactly), -math.floor(exactly)):
            raise WrongAnswer(
                f"{case} is {given}, below 0: both logarithms are negative, and so their quotient is not."
            )
        if given == math.ceil(1 / exactly):
            raise WrongAnswer(f"{case} is {given}: your quotient of logarithms is upside down.")
        raise WrongAnswer(f"{case} is {given}; ratio^t falls to factor at t = {exactly:.2f}.")
    return "At a ratio of 0.95, which real videos reach with displacements, three digits take 135 iterations; the paper's figures show 20."


def quality(answer: Any) -> str:
    """05.3: Rayleigh quotient and relative residual."""
    _, p, plus = _matrices()
    for scale, a in ((3.0, plus), (1.0, plus), (2.0, -plus)):  # of the last, theta is below 0
        x = p @ _noise(2, len(a))
        x = scale * x / x.norm()
        ax = a @ x
        theta = float(x @ ax / (x @ x))
        left = float((ax - theta * x).norm())
        residual = left / (abs(theta) * scale)
        came = call("quality", answer, a, x.clone())
        if (
            not isinstance(came, (tuple, list, np.ndarray, Tensor))
            or np.shape(came)[:1] not in ((2,), ())
            or np.ndim(came) == 0
        ):
            raise WrongAnswer("quality(A, x) should return two numbers, theta and r, in this order.")
        first, second = read_number("theta", came[0]), read_number("r", came[1])
        for_x = f"for an x of length {scale:g}"
        if not math.isclose(first, theta, rel_tol=1e-6):
            if math.isclose(first, residual, rel_tol=1e-6) and math.isclose(second, theta, rel_tol=1e-6):
                raise WrongAnswer("the two numbers are right, but in the wrong order: theta first, then r.")
            if math.isclose(first, theta * scale**2, rel_tol=1e-6):
                raise WrongAnswer(f"theta is {first:.4g} {for_x}, {scale**2:g} times too large: divide x'Ax by x'x.")
            if math.isclose(first, theta * scale, rel_tol=1e-6):
                raise WrongAnswer(
                    f"theta is {first:.4g} {for_x}, {scale:g} times too large: divide x'Ax by x'x, not by |x|."
                )
            if math.isclose(first, float(ax.norm()) / scale, rel_tol=1e-6):
                raise WrongAnswer(
                    f"theta is |Ax| / |x| = {first:.4g} {for_x}; that has no sign, and is x'Ax / x'x only at eigenvectors."
                )
            raise WrongAnswer(f"theta is {first:.4g} {for_x}; x'Ax / x'x is {theta:.4g}.")
        if math.isclose(second, residual, rel_tol=1e-5):
            continue
        if math.isclose(second, -residual, rel_tol=1e-5):
            raise WrongAnswer(f"r is {second:.4g}, below 0, where theta is: divide by |theta|.")
        if math.isclose(second, left, rel_tol=1e-5):
            raise WrongAnswer(
                f"r is {second:.4g} {for_x}, which is |Ax - theta x|: divide it by |theta| |x|, to make it relative."
            )
        if math.isclose(second, residual * scale, rel_tol=1e-5):
            raise WrongAnswer(
                f"r is {second:.4g} {for_x}, {scale:g} times too large: it should not change with x's length."
            )
        if math.isclose(second, residual**2, rel_tol=1e-5):
            raise WrongAnswer(f"r is {second:.4g} {for_x}, the square of what it should be.")
        raise WrongAnswer(f"r is {second:.4g} {for_x}; |Ax - theta x| / (|theta| |x|) is {residual:.4g}.")
    return "r bounds the error: some eigenvalue of A lies within r |theta| of theta."


def never(answer: Any) -> str:
    """05.4: a start that has nothing in common with the principal eigenvector."""
    m, p, a = _matrices()
    x = torch.from_numpy(read_array("x_never", answer, (len(a),)).copy())
    if not bool(x.any()):
        raise WrongAnswer("x_never is 0; labels of 0 stay 0, and there is nothing to normalise.")
    first = p @ (m @ x)
    if float(first.norm()) <= 1e-9 * float(x.norm()):
        raise WrongAnswer("after one iteration nothing is left of x_never; find one from which the iteration goes on.")
    leading = torch.linalg.eigh(a).eigenvectors[:, -1]
    cosine = abs(float(first @ leading) / float(first.norm()))
    part = abs(float(x @ leading) / float(x.norm()))
    if cosine < 1e-8 and part > 1e-8:
        return "Its part along v1 is lost in the first P M x, and lambda_1 times 0 is 0 for ever."
    if cosine < 1e-8:
        return "In exact numbers the part along v1 is 0 at the start, and lambda_1 times 0 is 0 for ever."
    if cosine > 1 - 1e-8:
        raise WrongAnswer(
            "x_never leads to v1 at once: the principal eigenvector is the last column, not one of the others."
        )
    if part < 1e-8:
        raise WrongAnswer(
            f"x_never is orthogonal to v1, but P M x_never is not (|cos| {cosine:.2g}), as x_never does not lie in the span of the features."
        )
    raise WrongAnswer(
        f"after one iteration |cos| to v1 is {cosine:.2g}, and it grows from there; x_never must have nothing of v1."
    )


CHECKS: dict[str, Callable[..., str]] = {
    "05.1": one_iteration,
    "05.2": iterations_needed,
    "05.3": quality,
    "05.4": never,
}
