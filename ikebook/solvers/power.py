"""Power iteration (Alg. 2), step by step: propagate, project, normalise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ikebook.base import check
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.solvers.lanczos import both_ends
from ikebook.solvers.pairs import Eigenpairs, SolverOptions, attainable, no_pairs, select, unit
from ikebook.solvers.volumes import stored_volumes

INDEPENDENT = 1e-4
"""Vectors that have less than a hundredth of their length (here its square) of their own count as combinations of the others."""


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
    shift: float = 0.0,
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
    shift : float, default 0.0
        Iterate A + shift on the span of F, as, without ridge, a self-loop of that weight does: it leads to the eigenvalue whose
        lambda + shift is largest in size. Needs `project_start`.

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
        projected = x
        if shift:  # what is known stays out of the start too, of which each iteration keeps a part
            x = _orthogonal_to(x + shift * before, found)
        if normalisation == "l2":
            value, left, alive = _known_of(before, projected, x)
            if inside:
                state["value"], state["residual"] = value, left / abs(value) if value else float("inf")
        inside = True
        yield PowerState(step="projection", labels=x, **state)
        x = unit(x) if normalisation == "l2" else _minmax_frames(x.clamp_min(0), grid.pixels)
        yield PowerState(step="normalisation", labels=x, **state)
        if state["residual"] <= tolerance or not (alive if normalisation == "l2" else bool(x.any())):
            return
        if shift and max(abs(state["value"]), left) <= tolerance * abs(
            shift
        ):  # one of A's zeros, which the shift alone keeps
            return


def _known_of(before: Tensor, after: Tensor, shifted: Tensor) -> tuple[float, float, bool]:
    """x'Ax, |Ax - (x'Ax) x|, and whether anything is left, of a unit vector x before and Ax after: a GPU is waited for once."""
    value = before @ after
    left = (after - value * before).double().norm()  # its squares can underflow in float32
    value, rest, alive = torch.stack([value.double(), left, shifted.any().double()]).tolist()
    return value, rest, bool(alive)


def power_iteration(matrix: FeatureMotion, start: Tensor, options: SolverOptions | None = None) -> Eigenpairs:
    """Eigenpairs by Algorithm 2; more than one by deflation.

    As printed, Algorithm 2 leads to the eigenvalue that is largest in size, of either sign: `which="LM"`. Where another is asked
    for, both ends of the spectrum are looked at first, by a few Lanczos iterations; where the other end lies farther from 0, or
    about as far, A is shifted by it.

    Where more than one is found, a Rayleigh-Ritz step in their span follows, with a product each: what deflation leaves
    of an earlier vector's error is put right, and the residuals are those of A and not of the deflated matrix.

    Parameters
    ----------
    matrix : FeatureMotion
        A.
    start : (n,)
        x(0).
    options : SolverOptions, optional
        Which pairs, how many, iterations, tolerance, and normalisation.

    Returns
    -------
    Eigenpairs
        Where the residual does not fall below the tolerance, `converged` is False.
    """
    o = options or SolverOptions(method="power")
    if o.normalisation == "minmax":
        return _minmax(matrix, start, o)
    begin = unit(matrix.projection.matvec(start.to(dtype=matrix.dtype, device=matrix.device)))
    if not bool(begin.any()):
        return no_pairs(matrix, "power", 0)
    ends, products = both_ends(matrix, begin)
    size, count = max(map(abs, ends)), o.pairs or 1
    least, greatest = ends
    if size == 0 or (o.which == "LA" and greatest <= 0) or (o.which == "SA" and least >= 0):
        return replace(no_pairs(matrix, "power", products), which=o.which, ends=ends)
    tolerance = attainable(o.tolerance, matrix.dtype)
    aim = tolerance / count**0.5  # a rotation of several vectors can gather their errors in one
    vectors: list[Tensor] = []
    values: list[float] = []
    residuals: list[float] = []
    zero = attainable(1e-6, matrix.dtype) * size
    noise = torch.Generator().manual_seed(o.seed)
    for k in range(count):
        found = torch.stack(vectors) if vectors else None
        if k:  # from x(0) itself no second vector would come where the first eigenvalue is a double one
            start = torch.randn(matrix.shape[0], generator=noise, dtype=matrix.dtype)
        state, spent = _settle(matrix, start, o.iterations, aim, found, _shift(o.which, ends, first=not vectors))
        products += spent
        if state is None:  # nothing is left of A, or of the start
            break
        if _beyond(o.which, state.value, zero):
            products += 1
            x = state.labels
            if float((matrix.matvec(x) - state.value * x).double().norm()) <= tolerance * size:
                break  # where A has its zeros, or on the side of them that was not asked for
        vectors.append(unit(state.labels))
        values.append(state.value)
        residuals.append(state.residual)
    if not vectors:
        return replace(no_pairs(matrix, "power", products), which=o.which, ends=ends)
    value, x = torch.tensor(values, dtype=torch.float64), torch.stack(vectors)
    residual = torch.tensor(residuals, dtype=torch.float64)
    if len(vectors) > 1:
        value, x, residual = _ritz(matrix, x)
        products += len(vectors)
    chosen = select(value, zero, o)
    if len(chosen) == 0:
        return replace(no_pairs(matrix, "power", products), which=o.which, ends=ends)
    value, residual = value[chosen], residual[chosen]
    errors = residual * value.abs()
    return Eigenpairs(
        values=value,
        volumes=stored_volumes(matrix, x[chosen.to(x.device)]),
        residuals=residual,
        products=products,
        converged=bool((errors <= tolerance * size).all()),
        method="power",
        which=o.which,
        ends=(min(least, *value.tolist()), max(greatest, *value.tolist())),
        accuracy=float(errors.max()),
        complete=len(value) < count,
    )


def _shift(which: str, ends: tuple[float, float], *, first: bool) -> float:
    """What is added to A's eigenvalues so that the one that is wanted becomes the largest in size: nothing, if it is by far."""
    other = {"LA": ends[0], "SA": ends[1], "LM": 0.0}[which]
    wanted = {"LA": ends[1], "SA": ends[0], "LM": 1.0}[which]
    return 0.0 if first and abs(other) <= 0.95 * abs(wanted) else -other


def _beyond(which: str, value: float, zero: float) -> bool:
    """Whether an eigenvalue is none of those that are asked for: 0, or of the other sign."""
    return {"LA": value <= zero, "SA": value >= -zero, "LM": abs(value) <= zero}[which]


def _settle(
    matrix: FeatureMotion, start: Tensor, iterations: int, tolerance: float, found: Tensor | None, shift: float
) -> tuple[PowerState | None, int]:
    """Where Algorithm 2 comes to, with the value and the residual of its labels, and the products that it took."""
    before = last = None
    steps = power_steps(matrix, start, iterations=iterations, tolerance=tolerance, found=found, shift=shift)
    for state in steps:
        if state.step in ("start", "normalisation"):
            before, last = last, state  # value and residual of `last` are those of the labels before
    assert last is not None
    if before is None or not bool(last.labels.any()):
        return None, last.iteration
    return replace(last, labels=before.labels), last.iteration


def _minmax(matrix: FeatureMotion, start: Tensor, o: SolverOptions) -> Eigenpairs:
    """Where the rule of the authors' program comes to: labels, but no eigenvector."""
    last = None
    for state in power_steps(matrix, start, iterations=o.iterations, tolerance=0.0, normalisation="minmax"):
        last = state
    assert last is not None
    if not bool(last.labels.any()):
        return no_pairs(matrix, "power", last.iteration)
    return Eigenpairs(
        values=torch.tensor([last.value], dtype=torch.float64),
        volumes=stored_volumes(matrix, unit(last.labels)[None]),
        residuals=torch.tensor([last.residual], dtype=torch.float64),
        products=last.iteration,
        converged=False,
        method="power",
        which=o.which,
    )


def _ritz(matrix: FeatureMotion, vectors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The best eigenpairs of A within the span of unit vectors X' (r, n), decreasing, and their residuals.

    The vectors are about orthogonal, or where an iteration was stopped early, they need not even be independent: a basis that is
    orthonormal comes from their Gram matrix, without which no quotient would be one of A's.
    """
    products = torch.stack([matrix.matvec(x) for x in vectors]).double()
    vectors = vectors.double()
    lengths, basis = torch.linalg.eigh(vectors @ vectors.T)  # X'X, (r, r)
    kept = lengths > INDEPENDENT * lengths.max()
    basis = basis[:, kept] / lengths[kept].sqrt()
    small = basis.T @ (vectors @ products.T) @ basis
    value, rotation = torch.linalg.eigh((small + small.T) / 2)
    value, rotation = value.flip(0), basis @ rotation.flip(1)
    x = rotation.T @ vectors
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
    """`x` without what it has in common with orthonormal vectors (r, n); 0 if nothing but rounding is left of it."""
    if found is None:
        return x
    rest = x - found.T @ (found @ x)
    rest = rest - found.T @ (found @ rest)
    left = rest.double().norm() > attainable(0.0, x.dtype) * x.double().norm()
    return torch.where(left, rest, torch.zeros_like(x))


def _minmax_frames(x: Tensor, pixels: int) -> Tensor:
    """Scale each frame's labels to [0, 1]; a frame without contrast becomes 0."""
    frames = x.view(-1, pixels)
    low, high = frames.amin(1, keepdim=True), frames.amax(1, keepdim=True)
    return ((frames - low) / torch.where(high > low, high - low, torch.ones_like(high))).flatten()
