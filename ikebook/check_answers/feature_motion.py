"""Answers of notebook 04: the Feature-Motion matrix."""

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
from ikebook.flow.fields import noisy
from ikebook.graph.graph_module import build
from ikebook.graph.presets import preset
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.orders import node_order
from ikebook.solvers.exact import exact
from ikebook.solvers.pairs import SolverOptions
from ikebook.solvers.theory import Perturbation, perturbation

FACTOR = 1000.0

REAL = (0.26, 0.62)
"""lambda_2 / lambda_1 on DAVIS clips, at the default; docs/experiments.md, Fig. 6."""


@cache
def _matrix(noise: float = 0.0) -> FeatureMotion:
    """A of the notebook's toy, float64, with its exact flow or with noise of so many pixels."""
    made = toy("disc", (16, 16), 5)
    flow = noisy(made.flow, noise) if noise else made.flow
    return build(made.clip, flow, options=preset("saliency"), compute=Compute(dtype=torch.float64))


@cache
def _dense(noise: float = 0.0) -> Tensor:
    """A as a dense matrix, 13 MB; hand out copies."""
    return _matrix(noise).dense()


def product(answer: Any) -> str:
    """04.1: A from M and P."""
    matrix = _matrix()
    n = matrix.shape[0]
    given, known = read_array("A", answer, (n, n)), _dense().numpy()
    if is_close(given, known):
        return "Symmetric, as M is, and of no higher rank than P."
    m, p = matrix.motion.dense().numpy(), matrix.projection.dense().numpy()
    if is_close(given, p * m * p):
        raise WrongAnswer("you multiply entry by entry; matrices are multiplied with `@`.")
    if is_close(given, p @ m) or is_close(given, m @ p):
        raise WrongAnswer("that is a product of two; without P on both sides it is not symmetric.")
    if is_close(given, m @ p @ m):
        raise WrongAnswer("that is M P M; the projection stands on both sides, and the votes in the middle.")
    raise WrongAnswer(f"your A has the trace {np.trace(given):.3f}; that of P M P is {np.trace(known):.3f}.")


def reordered(answer: Any) -> str:
    """04.2: A with the object's nodes first."""
    masks, matrix = toy("disc", (16, 16), 5).clip.masks, _matrix()
    assert masks is not None
    n = matrix.shape[0]
    given, dense = read_array("your matrix", answer, (n, n)), _dense().numpy()
    order = node_order("object", masks=masks)
    if is_close(given, dense[np.ix_(order, order)]):
        return "The same matrix, the same eigenvalues: only the nodes have new numbers."
    if is_close(given, dense):
        raise WrongAnswer("your matrix is A as it was; index it by the order.")
    if is_close(given, dense[order]) or is_close(given, dense[:, order]):
        raise WrongAnswer(
            "only rows or only columns have moved; a node has one number, for its row and for its column."
        )
    count = int(np.count_nonzero(masks))
    other = np.concatenate([order[count:], order[:count]])
    if is_close(given, dense[np.ix_(other, other)]):
        raise WrongAnswer("the background comes first; sort by `~mask`, for False comes before True.")
    if is_close(np.sort(np.linalg.eigvalsh((given + given.T) / 2)), np.linalg.eigvalsh(dense), 1e-6):
        raise WrongAnswer(
            "the order is not the one asked for: the object's nodes as they are counted (a *stable* sort), then the rest."
        )
    raise WrongAnswer("that is not A in another order: its eigenvalues have changed.")


def iterations(answer: Any) -> str:
    """04.3: how many power iterations make the error a thousand times smaller."""
    given = read_whole("the number of iterations", answer)
    values = exact(_matrix(), SolverOptions(pairs=100, which="LM")).values.abs()
    rate = float(values[1] / values[0])
    known = math.ceil(math.log(1 / FACTOR) / math.log(rate))
    if given == known:
        low, high = (math.ceil(math.log(FACTOR) / -math.log(ratio)) for ratio in REAL)
        return f"On this toy. On twelve real videos the ratio is {REAL[0]} to {REAL[1]}: {low} to {high} iterations. With displacements it comes near 1."
    if given == math.ceil(FACTOR * rate) or given == round(FACTOR * rate):
        raise WrongAnswer(f"{given} is a thousand times the ratio; in each iteration the error is *multiplied* by it.")
    if 0 < given < 10**6:
        raise WrongAnswer(
            f"after {given} iterations the error is {rate**given:.2g} of what it was"
            + (
                f", but after {given - 1} it is already {rate ** (given - 1):.2g}."
                if given > known
                else "; 0.001 or less was asked for."
            )
        )
    raise WrongAnswer(f"{given} can't be: each iteration multiplies the error by {rate:.3f}.")


@cache
def _perturbation(noise: float) -> Perturbation:
    """How A changes with the flow's noise."""
    return perturbation(_matrix(), _matrix(noise), frobenius=True)


def bound(answer: Any) -> str:
    """04.4: the bound of Davis and Kahan, a function of A and A + E."""
    for noise in (0.05, 0.3):
        known = _perturbation(noise)
        case = f"bound(A, A + E), with noise of {noise:g} px,"
        given = read_number(case, call("bound", answer, _dense().clone(), _dense(noise).clone()))
        if abs(given - known.davis_kahan) < 2e-3 * known.davis_kahan:
            continue
        for wrong, why in (
            (2 * known.frobenius / known.gap, "uses the Frobenius norm; the largest |eigenvalue| of E was asked for"),
            (known.spectral / known.gap, "lacks the factor 2"),
            (2 * known.spectral / float(exact(_matrix()).values[0]), "divides by lambda_1 instead of the gap"),
            (known.printed, "is the paper's figure, which knows no gap"),
        ):
            if abs(given - wrong) < 2e-3 * wrong:
                raise WrongAnswer(f"{case} {why}.")
        raise WrongAnswer(f"{case} is {given:.3f}; 2 |E| / gap is {known.davis_kahan:.3f} there.")
    for a, e in (
        ((2.0, 1.0, -3.0), (0.1, -0.05, 0.0)),
        ((2.0, 1.0, -3.0), (0.0, 0.05, -0.9)),
        ((4.0, 1.5, -0.5), (0.2, 0.0, 0.1)),
    ):
        diagonal, change = torch.tensor(a, dtype=torch.float64), torch.tensor(e, dtype=torch.float64)
        right = 2 * float(change.abs().max()) / (a[0] - a[1])
        case = f"bound(A, A + E), with A = diag{a} and E = diag{e},"
        given = read_number(case, call("bound", answer, diagonal.diag(), (diagonal + change).diag()))
        if abs(given - right) > 1e-4 * right:
            raise WrongAnswer(
                f"{case} is {given:.3f}; 2 |E| / gap is {right:.3f} there: |E| is E's largest eigenvalue by size, the gap that between A's "
                "largest and the next below."
            )
    return "The sine can't exceed it. Where it is above 1 it says nothing, for no sine is."


CHECKS: dict[str, Callable[..., str]] = {"04.1": product, "04.2": reordered, "04.3": iterations, "04.4": bound}
