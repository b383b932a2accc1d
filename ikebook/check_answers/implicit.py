"""Answers of notebook 06: products without matrices, and the d x d problem."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

from ikebook.base.compute import Compute
from ikebook.base.crashes import call_and_measure
from ikebook.check_answers.reading import WrongAnswer, call, is_close, read_array, read_number, read_whole
from ikebook.datasets.toys import toy
from ikebook.graph.graph_module import build
from ikebook.graph.presets import preset
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.solvers.reduced import reduce


@cache
def _graph() -> FeatureMotion:
    """A of the notebook's toy, float64; with 8 frames F has full rank."""
    made = toy("disc", (16, 16), 8)
    return build(made.clip, made.flow, options=preset("saliency"), compute=Compute(dtype=torch.float64))


@cache
def _links() -> tuple[Tensor, Tensor, Tensor, int]:
    """C of that toy as lists: rows, columns, entries; and n."""
    outgoing = _graph().motion.outgoing()
    a, b = outgoing.nonzero(as_tuple=True)
    return a, b, outgoing[a, b], len(outgoing)


def _frugal(name: str, answer: Any, n: int, *arguments: Any) -> Any:
    """What a function returns that must not build anything of n x n entries, with torch or with NumPy."""
    if not callable(answer):
        return call(name, answer)
    sizes: list[int] = []

    def measured(*given: Any) -> Any:
        there = getattr(answer, "call_and_measure", None)  # of a function in another process, see `ikebook.grading`
        value, size = there(*given) if there else call_and_measure(answer, *given)
        sizes.append(size)
        return value

    measured.__wrapped__ = answer  # type: ignore[attr-defined]  # whose lines a crash is looked for in
    value = call(name, measured, *arguments)
    if sizes[0] >= n * n:
        raise WrongAnswer(
            f"{name} builds something of n x n = {n * n} entries on its way. For {n} nodes that goes well, for a video it does not."
        )
    return value


def dense_bytes(answer: Any) -> str:
    """06.1: bytes of a dense A in float32."""
    for m, h, w in ((5, 16, 16), (50, 224, 416), (3, 20, 30)):
        n = m * h * w
        case = f"dense_bytes({m}, {h}, {w})"
        given = read_whole(case, call("dense_bytes", answer, m, h, w))
        known = 4 * n * n
        if given == known:
            continue
        mistakes = {
            4 * n: "the bytes of one vector: the matrix has n = mhw rows *and* n columns",
            n * n: "the number of entries; each takes 4 bytes",
            8 * n * n: "right for float64, with 8 bytes an entry; float32 has 4",
            4 * m * (h * w) ** 2: "enough for m matrices of one frame each; A joins all frames with each other",
            2 * n * (n + 1): "half of it, for a symmetric matrix; that can be done, but all entries were asked for",
        }
        if given in mistakes:
            raise WrongAnswer(f"{case} is {given}: that is {mistakes[given]}.")
        raise WrongAnswer(f"{case} is {given}; {n} rows of {n} entries of 4 bytes are {known}.")
    return "For 50 frames of 416x224 that is 87 terabytes. F, with d = 7, takes 0.13 gigabytes."


def propagate(answer: Any) -> str:
    """06.2: M x from the links of C."""
    a, b, k, n = _links()
    x = torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    name = "propagate(a, b, k, x)"
    given = read_array(name, _frugal("propagate", answer, n, a, b, k, x.clone()), (n,))
    gathered = torch.zeros_like(x).index_add_(0, a, k * x[b])
    cast = torch.zeros_like(x).index_add_(0, b, k * x[a])
    if is_close(given, (gathered + cast).numpy(), 1e-9):
        return "That is all that power iteration needs of M: two gathers with additions, and no entry."

    def overwritten(base: Tensor, index: Tensor, values: Tensor) -> np.ndarray:
        base = base.clone()
        base[index] += values
        return base.numpy()

    zero = torch.zeros_like(x)
    lost = "`y[b] += ...` keeps one vote of several for the same pixel; use index_add_"
    mistakes = [
        (gathered.numpy(), "is C x; the votes that go the other way, C' x, are missing"),
        (cast.numpy(), "is C' x; what each pixel gathers itself, C x, is missing"),
        ((gathered - cast).numpy(), "is C x - C' x; M is their sum"),
        (2 * (gathered + cast).numpy(), "is twice M x"),
        (overwritten(gathered, b, k * x[a]), f"loses votes: {lost}"),
        (overwritten(cast, a, k * x[b]), f"loses what is gathered: {lost}"),
        (
            overwritten(torch.from_numpy(overwritten(zero, a, k * x[b])), b, k * x[a]),
            f"loses most of it: {lost}",
        ),
        (
            (zero.index_add(0, a, x[b]).index_add(0, b, x[a])).numpy(),
            "leaves out the weights k, as if all links counted the same",
        ),
        (
            (zero.index_add(0, a, k * x[a]).index_add(0, b, k * x[b])).numpy(),
            "gives each pixel its own label back: y at a takes x at b",
        ),
    ]
    for wrong, says in mistakes:
        if is_close(given, wrong, 1e-9):
            raise WrongAnswer(f"{name} {says}.")
    part = int((np.abs(given - (gathered + cast).numpy()) > 1e-9).sum())
    raise WrongAnswer(f"{name} differs from M x in {part} of {n} nodes.")


def project(answer: Any) -> str:
    """06.3: P x from F, with the brackets in the right place."""
    n, d = 600, 7
    chance = torch.Generator().manual_seed(4)
    features = torch.randn(n, d, dtype=torch.float64, generator=chance)
    x = torch.rand(n, dtype=torch.float64, generator=chance)
    name = "project(F, x)"
    came = _frugal("project", answer, n, features.clone(), x.clone())
    gram = features.T @ features
    weights = torch.linalg.solve(gram, features.T @ x)
    if np.asarray(came).shape == (d,):
        raise WrongAnswer(f"{name} has d = {d} entries, the weights; F times the weights is what was asked for.")
    given = read_array(name, came, (n,))
    if is_close(given, (features @ weights).numpy(), 1e-8):
        return "Three thin products. P, with its n x n entries, was there for you without ever having been there."
    if is_close(given, (features @ (features.T @ x)).numpy(), 1e-8):
        raise WrongAnswer(f"{name} is F F' x: between them, (F'F)^-1 is missing.")
    if is_close(given, (features @ (gram @ (features.T @ x))).numpy(), 1e-8):
        raise WrongAnswer(f"{name} multiplies by F'F where it should multiply by its inverse: solve a system.")
    if is_close(given, (x - features @ weights).numpy(), 1e-8):
        raise WrongAnswer(f"{name} is x - P x, what the features can't say; P x is what they can.")
    if is_close(given, x.numpy(), 1e-8):
        raise WrongAnswer(f"{name} is x as it came; P x is the part of it that the features can say.")
    inside = features @ torch.linalg.solve(gram, features.T @ torch.from_numpy(given))
    if not is_close(inside.numpy(), given, 1e-6):
        raise WrongAnswer(f"{name} is no combination of F's columns; P x is F times some weights.")
    left = float(np.abs(features.T.numpy() @ (x.numpy() - given)).max())
    raise WrongAnswer(
        f"{name} is not P x: what is left, x - P x, should be orthogonal to all columns of F (off by {left:.2g})."
    )


def principal(answer: Any) -> str:
    """06.4: the leading pair of B w = lambda G w."""
    matrix = _graph()
    reduced = reduce(matrix.motion, matrix.features)
    gram, motion = reduced.gram.numpy(), reduced.motion.numpy()
    values, weights = scipy.linalg.eigh(motion, gram)
    try:
        came = call("principal", answer, reduced.gram.clone(), reduced.motion.clone())
    except WrongAnswer as wrong:
        if "leading minor" not in str(wrong) and "positive" not in str(wrong):
            raise
        raise WrongAnswer(
            "principal stops, as the matrix that eigh gets second has to be positive definite, and B is not: B first, then G."
        ) from None
    if not isinstance(came, (tuple, list)) or len(came) != 2:
        raise WrongAnswer("principal(G, B) should return a pair: the largest lambda, and its w.")
    if np.size(came[0]) == len(gram) and np.size(came[1]) == 1:
        raise WrongAnswer("principal(G, B) returns w first; lambda was asked for first, then w.")
    value = read_number("lambda", came[0])
    if not math.isclose(value, values[-1], rel_tol=1e-6):
        if math.isclose(value, values[0], rel_tol=1e-6):
            raise WrongAnswer(f"lambda is {value:.4f}, the smallest: eigh gives eigenvalues in increasing order.")
        if np.isclose(values, value, rtol=1e-6).any():
            raise WrongAnswer(
                f"lambda is {value:.4f}, which is an eigenvalue, but not the largest; that is {values[-1]:.4f}."
            )
        if math.isclose(value, float(scipy.linalg.eigvalsh(motion)[-1]), rel_tol=1e-6):
            raise WrongAnswer(
                f"lambda is {value:.4f}, of B w = lambda w: G is missing. F's columns are not orthonormal."
            )
        if math.isclose(value, float(scipy.linalg.eigvalsh(gram)[-1]), rel_tol=1e-6):
            raise WrongAnswer(f"lambda is {value:.4f}, the largest eigenvalue of G; B has to come in.")
        raise WrongAnswer(f"lambda is {value:.4f}; the largest one of B w = lambda G w is {values[-1]:.4f}.")
    w = read_array("w", came[1], (len(gram),))
    if not w.any():
        raise WrongAnswer("w is 0; eigenvectors are not.")
    left = np.linalg.norm(motion @ w - value * gram @ w) / np.linalg.norm(value * gram @ w)
    if left < 1e-6:
        return "d numbers say which mixture of the features is the object, in all frames at once."
    if is_close(w, weights[-1], 1e-8):
        raise WrongAnswer("lambda is right, but w is a *row* of the eigenvectors; eigenvector k is column k.")
    quotient = float(w @ motion @ w / (w @ gram @ w))
    raise WrongAnswer(
        f"lambda is right, but w is not its vector: w'Bw / w'Gw is {quotient:.4f} instead of {value:.4f}."
    )


CHECKS: dict[str, Callable[..., str]] = {
    "06.1": dense_bytes,
    "06.2": propagate,
    "06.3": project,
    "06.4": principal,
}
