"""Power iteration (Alg. 2), step by step: propagate, project, normalise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ikebook.base import check
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.solvers.pairs import Eigenpairs, SolverOptions, attainable, no_pairs, stored_volumes, unit


@dataclass(frozen=True, eq=False, kw_only=True)
class PowerState:
    """Where Algorithm 2 is after one of its steps.

    Parameters
    ----------
    iteration : int
        From 1; 0 at the start.
    step : str
        "start", "propagation" (M x), "projection" (P x) or "normalisation".
    labels : (n,)
        x after it.
    value, residual : float
        The Rayleigh quotient x'Ax and |Ax - value x| / |value| of the iteration's normalised start, known from its projection
        on; NaN before.
    """

    iteration: int
    step: str
    labels: Tensor
    value: float
    residual: float


def power_steps(
    matrix: FeatureMotion,
    start: Tensor,
    *,
    iterations: int = 1000,
    tolerance: float = 1e-6,
    normalisation: str = "l2",
    found: Tensor | None = None,
    project_start: bool = True,
) -> Iterator[PowerState]:
    """Algorithm 2, one step at a time.

    Without ridge x = P x after the first projection, so P M x = P M P x and the loop iterates A (Prop. 2). With ridge
    P^2 != P, and another projection comes first in each iteration, so that it is A all the same; the authors' program
    (`normalisation="minmax"`) does without.

    Parameters
    ----------
    matrix : FeatureMotion
        A.
    start : (n,)
        x(0).
    iterations : int, default 1000
        At most so many.
    tolerance : float, default 1e-6
        Stop when the relative residual is below it; with "minmax" nothing stops early.
    normalisation : str, default "l2"
        "l2", or "minmax".
    found : (r, n), optional
        Eigenvectors of unit length that are known already; labels are kept orthogonal to them, so that the iteration leads to
        the next one (deflation).
    project_start : bool, default True
        Begin with the unit vector of P x(0), so that A is what is iterated from the first step on. If not, with that of x(0),
        as printed: the first iteration is x(1) = P M x(0), whose quotient and residual are not those of A, and stay NaN. Of
        the linear rule only; "minmax" never does it.

    Yields
    ------
    PowerState
        After the start, and after each step of each iteration.
    """
    check.one_of("normalisation", normalisation, ["l2", "minmax"])
    grid = matrix.motion.chains.grid
    nan = float("nan")
    x = start.to(dtype=matrix.dtype, device=matrix.device)
    if normalisation == "l2":
        x = unit(_orthogonal_to(matrix.projection.matvec(x) if project_start else x, found))
    inside = project_start or not matrix.projection.is_projector  # with a ridge every iteration projects first
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
            x = _orthogonal_to(x, found)
        if normalisation == "l2" and inside:
            state["value"] = value = float(before @ x)
            left = float((x - value * before).double().norm())  # its squares can underflow in float32
            state["residual"] = left / abs(value) if value else float("inf")
        inside = True
        yield PowerState(step="projection", labels=x, **state)
        x = unit(x) if normalisation == "l2" else _minmax_frames(x.clamp_min(0), grid.pixels)
        yield PowerState(step="normalisation", labels=x, **state)
        if state["residual"] <= tolerance or not bool(x.any()):
            return


def power_iteration(matrix: FeatureMotion, start: Tensor, options: SolverOptions | None = None) -> Eigenpairs:
    """The eigenpair that Algorithm 2 converges to: that of largest absolute eigenvalue. More of them by deflation.

    Where more than one is found, a Rayleigh-Ritz step in their span follows, with a product each: what deflation leaves
    of an earlier vector's error is put right, and the residuals are those of A and not of the deflated matrix.

    If the residual does not fall below the tolerance (as with p = 1 and no self-loop, where M is bipartite and -lambda
    is an eigenvalue too), the result says so in `converged`.

    Parameters
    ----------
    matrix : FeatureMotion
        A.
    start : (n,)
        x(0).
    options : SolverOptions, optional
        Iterations, tolerance, normalisation, and how many pairs.

    Returns
    -------
    Eigenpairs
    """
    o = options or SolverOptions(method="power")
    linear = o.normalisation == "l2"
    tolerance = attainable(o.tolerance, matrix.dtype)
    vectors: list[Tensor] = []
    values: list[float] = []
    residuals: list[float] = []
    products = 0
    count = o.pairs or 1 if linear else 1
    aim = tolerance / count**0.5  # a rotation of several vectors can gather their errors in one
    for _ in range(count):
        found = torch.stack(vectors) if vectors else None
        measured = last = PowerState(iteration=0, step="start", labels=start, value=0.0, residual=float("inf"))
        for state in power_steps(
            matrix, start, iterations=o.iterations, tolerance=aim, normalisation=o.normalisation, found=found
        ):
            if state.step in ("start", "normalisation"):
                measured, last = last, state  # value and residual of `last` are those of the labels before
        products += last.iteration
        if not bool(last.labels.any()):  # nothing is left of A, or of the start
            break
        vectors.append(unit(measured.labels if linear else last.labels))
        values.append(last.value)
        residuals.append(last.residual)
    if not vectors:
        return no_pairs(matrix, "power", products)
    value, x = torch.tensor(values, dtype=torch.float64), torch.stack(vectors)
    residual = torch.tensor(residuals, dtype=torch.float64)
    if len(vectors) > 1:
        value, x, residual = _ritz(matrix, x)
        products += len(vectors)
    return Eigenpairs(
        values=value,
        volumes=stored_volumes(matrix, x),
        residuals=residual,
        products=products,
        converged=linear and bool((residual <= tolerance).all()),
        method="power",
    )


def _ritz(matrix: FeatureMotion, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best eigenpairs of A within the span of orthonormal vectors (r, n), decreasing, and their residuals."""
    products = torch.stack([matrix.matvec(x) for x in vectors]).double()
    small = vectors.double() @ products.T  # X'AX, (r, r)
    value, rotation = torch.linalg.eigh((small + small.T) / 2)
    value, rotation = value.flip(0), rotation.flip(1)
    x = rotation.T @ vectors.double()
    residual = (rotation.T @ products - value[:, None] * x).norm(dim=1) / value.abs().clamp_min(
        torch.finfo(torch.float64).tiny
    )
    return value.cpu(), x.to(matrix.dtype), residual.cpu()


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


def _orthogonal_to(x: Tensor, found: Tensor | None) -> Tensor:
    """`x` without what it has in common with orthonormal vectors (r, n)."""
    return x if found is None else x - found.T @ (found @ x)


def _minmax_frames(x: Tensor, pixels: int) -> Tensor:
    """Scale each frame's labels to [0, 1]; a frame without contrast becomes 0."""
    frames = x.view(-1, pixels)
    low, high = frames.amin(1, keepdim=True), frames.amax(1, keepdim=True)
    return ((frames - low) / torch.where(high > low, high - low, torch.ones_like(high))).flatten()
