"""Eigenpairs of the Feature-Motion matrix: the principal one is the object (Eq. 1).

Three ways, one answer: `power_iteration` is the paper's Algorithm 2, step by step; `lanczos` is scipy's on the implicit
matrix; `exact` solves the d x d problem that A comes down to on the span of F, and has all pairs at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse.linalg
import torch
from torch import Tensor

from ikebook import check
from ikebook.check import require
from ikebook.feature_motion import FeatureMotion
from ikebook.reduced import reduce, reduce_frames, reduced_residuals, solve_frames, solve_reduced


@dataclass(frozen=True, kw_only=True)
class SolverOptions:
    method: str = "exact"  # "exact", "power" (Alg. 2) or "lanczos"
    pairs: int = 6  # eigenpairs to return, fewer if the rank is lower; power iteration has one
    normalisation: str = "l2"  # after each power iteration: "l2" (Alg. 2), or per frame to [0, 1] ("minmax": no
    # linear map, so no eigenvector comes of it; the authors' program does so, twice, and sets negative labels to 0 between)
    iterations: int = 1000  # of power iteration at most; with "minmax", just so many
    tolerance: float = (
        1e-6  # power iteration and Lanczos stop at this relative residual (or at what the dtype can reach)
    )
    start: str = "uniform"  # x(0): "uniform" noise, the "same" noise in each frame, "constant", or "gaussian"
    start_width: float = 0.25  # sigma of the "gaussian" start, fraction of the frame's sides
    seed: int = 0  # of the noise

    def __post_init__(self) -> None:
        check.one_of("SolverOptions.method", self.method, ["exact", "power", "lanczos"])
        check.whole("SolverOptions.pairs", self.pairs, at_least=1)
        check.one_of("SolverOptions.normalisation", self.normalisation, ["l2", "minmax"])
        check.whole("SolverOptions.iterations", self.iterations, at_least=1)
        check.number("SolverOptions.tolerance", self.tolerance, above=0)
        check.one_of("SolverOptions.start", self.start, ["uniform", "same", "constant", "gaussian"])
        check.number("SolverOptions.start_width", self.start_width, above=0)
        check.whole("SolverOptions.seed", self.seed, at_most=2**63 - 1)
        require(
            self.normalisation == "l2" or self.method == "power",
            'normalisation="minmax" is a rule of power iteration; set method="power" too.',
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Eigenpairs:
    """Leading eigenpairs of A, by decreasing eigenvalue.

    Parameters
    ----------
    values : (r,) float64
    vectors : (r, n), unit length; their signs are arbitrary
    residuals : (r,) float64
        |A x - lambda x| / |lambda|
    products : int
        Products with M that it took.
    converged : bool
        Whether every residual is below the method's tolerance.
    method : str

    A's rank is far below n; the exact solver leaves its zero eigenvalues out, so that a negative one may follow a
    positive one. Where A = 0, because nothing moves against the scene or no edge has weight, there is no pair (r = 0).
    """

    values: Tensor
    vectors: Tensor
    residuals: Tensor
    products: int
    converged: bool
    method: str


@dataclass(frozen=True, eq=False, kw_only=True)
class PowerState:
    """Labels x (n,) after one step of Algorithm 2: "start", "propagation" M x, "projection" P x, "normalisation".

    `value` and `residual`, the Rayleigh quotient x'Ax and |Ax - value x| / |value| of the iteration's normalised start,
    are known from its projection on; NaN before.
    """

    iteration: int
    step: str
    labels: Tensor
    value: float
    residual: float


def power_steps(
    matrix: FeatureMotion, start: Tensor, *, iterations: int = 1000, tolerance: float = 1e-6, normalisation: str = "l2"
) -> Iterator[PowerState]:
    """Algorithm 2, one step at a time.

    Without ridge x = P x after the first projection, so P M x = P M P x and the loop iterates A (Prop. 2). With ridge
    P^2 != P, and another projection comes first in each iteration, so that it is A all the same; the authors' program
    (`normalisation="minmax"`) does without.

    Parameters
    ----------
    matrix : A
    start : x(0), (n,)
    iterations : at most so many
    tolerance : stop when the relative residual is below it; with "minmax" nothing stops early
    normalisation : "l2", or "minmax"
    """
    check.one_of("normalisation", normalisation, ["l2", "minmax"])
    grid = matrix.motion.chains.grid
    nan = float("nan")
    x = start.to(dtype=matrix.dtype, device=matrix.device)
    if normalisation == "l2":
        x = _unit(matrix.projection.matvec(x))
    yield PowerState(iteration=0, step="start", labels=x, value=nan, residual=nan)
    for iteration in range(1, iterations + 1):
        state: dict[str, Any] = {"iteration": iteration, "value": nan, "residual": nan}
        before = x
        if normalisation == "l2" and not matrix.projection.is_projector:
            x = matrix.projection.matvec(x)
            yield PowerState(step="projection", labels=x, **state)
        x = matrix.motion.matvec(x)
        yield PowerState(step="propagation", labels=x, **state)
        if normalisation == "minmax":
            x = _minmax_frames(x, grid.pixels)
        x = matrix.projection.matvec(x)
        if normalisation == "l2":
            state["value"] = value = float(before @ x)
            state["residual"] = float((x - value * before).norm()) / abs(value) if value else float("inf")
        yield PowerState(step="projection", labels=x, **state)
        x = _unit(x) if normalisation == "l2" else _minmax_frames(x.clamp_min(0), grid.pixels)
        yield PowerState(step="normalisation", labels=x, **state)
        if state["residual"] <= tolerance or not bool(x.any()):
            return


def power_iteration(matrix: FeatureMotion, start: Tensor, options: SolverOptions | None = None) -> Eigenpairs:
    """The eigenpair that Algorithm 2 converges to: that of largest absolute eigenvalue.

    If the residual does not fall below the tolerance (as with p = 1 and no self-loop, where M is bipartite and -lambda
    is an eigenvalue too), the result says so in `converged`.
    """
    o = options or SolverOptions(method="power")
    linear = o.normalisation == "l2"
    tolerance = reachable(o.tolerance, matrix.dtype)
    measured = last = PowerState(iteration=0, step="start", labels=start, value=0.0, residual=float("inf"))
    for state in power_steps(
        matrix, start, iterations=o.iterations, tolerance=tolerance, normalisation=o.normalisation
    ):
        if state.step in ("start", "normalisation"):
            measured, last = last, state  # value and residual of `last` are those of the labels before, in `measured`
    if not bool(last.labels.any()):
        return no_pairs(matrix, "power", last.iteration)
    return Eigenpairs(
        values=torch.tensor([last.value], dtype=torch.float64),
        vectors=_unit(measured.labels if linear else last.labels)[None],
        residuals=torch.tensor([last.residual], dtype=torch.float64),
        products=last.iteration,
        converged=linear and last.residual <= tolerance,
        method="power",
    )


def lanczos(matrix: FeatureMotion, start: Tensor, options: SolverOptions | None = None) -> Eigenpairs:
    """The largest eigenpairs, by the implicitly restarted Lanczos method (`scipy.sparse.linalg.eigsh`), on the CPU."""
    o = options or SolverOptions(method="lanczos")
    n = matrix.shape[0]
    products = 0

    def product(x: np.ndarray) -> np.ndarray:
        nonlocal products
        products += 1
        return matrix.matvec(torch.from_numpy(x.reshape(-1))).cpu().numpy()

    dtype = torch.empty((), dtype=matrix.dtype).numpy().dtype
    operator = scipy.sparse.linalg.LinearOperator((n, n), matvec=product, dtype=dtype)
    count = min(o.pairs, n - 1)
    tolerance = reachable(o.tolerance, matrix.dtype)
    begin = _unit(matrix.projection.matvec(start)).cpu().numpy()
    if not np.any(begin):
        return no_pairs(matrix, "lanczos", 0)
    try:
        values, vectors = scipy.sparse.linalg.eigsh(operator, k=count, which="LA", v0=begin, tol=tolerance / 10)
    except scipy.sparse.linalg.ArpackNoConvergence as stopped:
        values, vectors = stopped.eigenvalues, stopped.eigenvectors
        require(len(values) > 0, "Lanczos found no eigenpair; use method='exact'.")
    order = np.argsort(values)[::-1]
    x = torch.from_numpy(np.ascontiguousarray(vectors[:, order].T)).to(matrix.device)
    value = torch.from_numpy(values[order].astype(np.float64))
    residuals = residual_norms(matrix, value, x)
    return Eigenpairs(
        values=value,
        vectors=x,
        residuals=residuals,
        products=products,
        converged=len(values) == count and bool((residuals[value > value[0] * 1e-6] <= tolerance).all()),
        method="lanczos",
    )


def exact(matrix: FeatureMotion, options: SolverOptions | None = None) -> Eigenpairs:
    """The leading part of A's spectrum, or all of it but its zeros, from one pass over the clip.

    Every eigenvector of A with a non-zero eigenvalue is F w. With F = Q D^(1/2) U^-1 in the notation of
    `features.span`, Q orthonormal, A = Q K Q' where

        K = E U' (F'MF) U E,    E = D^(1/2) (D + rho)^-1,

    is d x d at most. With one P for each frame, Q, D and U are block-diagonal, and K is m d x m d at most, with blocks
    for frames no more than p apart. Nearest relatives: locality preserving projections (He & Niyogi, NIPS 2003), and
    eigenproblems under linear constraints (Golub, SIAM Review 1973, doi:10.1137/1015032).
    """
    o = options or SolverOptions()
    ridge, frames = matrix.projection.options.ridge, matrix.motion.chains.frames
    if matrix.projection.options.scope == "video":
        reduced = reduce(matrix.motion, matrix.features)
        values, weights = solve_reduced(reduced, ridge, matrix.dtype)
        values, weights = values[: o.pairs], weights[:, : o.pairs]
        residuals = reduced_residuals(reduced, ridge, values, weights, matrix.dtype)
        weights = weights.expand(frames, -1, -1)
    else:
        per_frame = reduce_frames(matrix.motion, matrix.features)
        values, weights, residuals = solve_frames(per_frame, ridge, matrix.dtype, o.pairs)
    if not bool(values.any()):
        return no_pairs(matrix, "exact", 1)
    grid = matrix.motion.chains.grid
    vectors = torch.empty(len(values), frames, grid.pixels, dtype=matrix.dtype, device=matrix.device)
    for frame, (block, w) in enumerate(zip(matrix.features.blocks(), weights, strict=True)):
        vectors[:, frame] = grid.crop((block @ w.to(matrix.dtype)).T).flatten(1)
    return Eigenpairs(
        values=values.cpu(),
        vectors=vectors.flatten(1),
        residuals=residuals.cpu(),
        products=1,
        converged=True,
        method="exact",
    )


def reachable(tolerance: float, dtype: torch.dtype) -> float:
    """The relative residual that a solver can be asked for: no less than 100 units of the dtype's rounding."""
    return max(tolerance, 100 * torch.finfo(dtype).eps)


def no_pairs(matrix: FeatureMotion, method: str, products: int) -> Eigenpairs:
    """What is found where A = 0."""
    return Eigenpairs(
        values=torch.zeros(0, dtype=torch.float64),
        vectors=torch.zeros(0, matrix.shape[0], dtype=matrix.dtype, device=matrix.device),
        residuals=torch.zeros(0, dtype=torch.float64),
        products=products,
        converged=True,
        method=method,
    )


def residual_norms(matrix: FeatureMotion, values: Tensor, vectors: Tensor) -> Tensor:
    """|A x - lambda x| / |lambda| of each pair, (r,) float64, by a product with A each."""
    norms = [
        (matrix.matvec(x) - value.to(x) * x).double().norm().cpu() / abs(value) if value else torch.tensor(torch.inf)
        for value, x in zip(values, vectors, strict=True)
    ]
    return torch.stack(norms).double() if norms else torch.zeros(0, dtype=torch.float64)


def start_labels(
    kind: str,
    frames: int,
    size: tuple[int, int],
    *,
    seed: int = 0,
    width: float = 0.25,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """x(0), (m * h * w,), all in [0, 1] (Sec. 7.1, Fig. 6).

    Parameters
    ----------
    kind : "uniform" noise U(0, 1), the "same" noise in each frame, "constant", or "gaussian", centred
    frames, size : m and (width, height)
    seed : of the noise
    width : sigma of the Gaussian, as a fraction of the frame's sides
    """
    w, h = size
    noise = torch.Generator().manual_seed(seed)
    if kind == "uniform":
        return torch.rand(frames * h * w, generator=noise, dtype=dtype)
    if kind == "same":
        return torch.rand(h * w, generator=noise, dtype=dtype).repeat(frames)
    if kind == "constant":
        return torch.ones(frames * h * w, dtype=dtype)
    check.one_of("start", kind, ["uniform", "same", "constant", "gaussian"])
    y, x = torch.meshgrid(
        (torch.arange(h, dtype=dtype) + 0.5) / h - 0.5, (torch.arange(w, dtype=dtype) + 0.5) / w - 0.5, indexing="ij"
    )
    return torch.exp(-(x**2 + y**2) / (2 * width**2)).flatten().repeat(frames)


def _unit(x: Tensor) -> Tensor:
    length = x.norm()
    return x / length if length > 0 else x


def _minmax_frames(x: Tensor, pixels: int) -> Tensor:
    """Scale each frame's labels to [0, 1]; a frame without contrast becomes 0."""
    frames = x.view(-1, pixels)
    low, high = frames.amin(1, keepdim=True), frames.amax(1, keepdim=True)
    return ((frames - low) / torch.where(high > low, high - low, torch.ones_like(high))).flatten()
