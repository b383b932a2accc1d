"""Eigenpairs of the Feature-Motion matrix: the principal one is the object (Eq. 1). What solvers can be told, and what they give.

A's rank is d at most, so that n - d of its eigenvalues or more are 0 (with one P for each frame n - m d). So of the largest ones,
`which="LA"`, none is negative, and zeros are never listed: any vector without a part in the span of F belongs to them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.check import require
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.operator import full_precision
from ikebook.solvers.volumes import StoredVolumes, Volumes, stored_volumes

PAIRS = 6
"""Eigenpairs that solvers return unless told otherwise, as many as the paper shows (Fig. 8)."""

SAME = 1e-9
"""Share of an eigenvalue by which another may differ and count as the same, however accurately both are known."""

UNKNOWN = (math.nan, math.nan)
"""Ends of a spectrum that nobody has looked at."""


@dataclass(frozen=True, kw_only=True)
class SolverOptions:
    """How eigenpairs are found (Sec. 4.3).

    Parameters
    ----------
    method : str, default "exact"
        "exact" (on the span of F), "power" (Alg. 2), "lanczos" or "lobpcg" (scipy's).
    which : str, default "LA"
        "LA": the largest eigenvalues of A, which are the positive ones (Eq. 1); "LM": the largest in size, of either sign, to
        which Algorithm 2 as printed leads; "SA": the least, which are the negative ones. As in `scipy.sparse.linalg.eigsh`.
    pairs : int or None, default None
        Eigenpairs to return, fewer if there are fewer; None: six, by power iteration one.
    normalisation : str, default "l2"
        What follows each power iteration: "l2" (Alg. 2), or "minmax", which scales each frame to [0, 1]: no linear map, so no
        eigenvector comes of it. The authors' program does so, twice, and sets negative labels to 0 between.
    iterations : int, default 1000
        Power iterations at most; with "minmax", just so many.
    tolerance : float, default 1e-6
        |A x - lambda x| over the largest |lambda| that counts as converged, and that iterations stop at; or what the dtype can
        reach, if that is more.
    measure : bool or None, default None
        Whether the exact solver's residuals are measured, by a product with A each; else they are what rounding lets expect.
        None: measured on toys, up to 16384 nodes. Other methods always measure.
    start : str, default "uniform"
        x(0): "uniform" noise U(0, 1), the "same" noise in each frame, "constant", or "gaussian".
    start_width : float, default 0.25
        Standard deviation of the "gaussian" start, fraction of the frame's sides.
    seed : int, default 0
        Seed of the noise.
    """

    method: str = "exact"
    which: str = "LA"
    pairs: int | None = None
    normalisation: str = "l2"
    iterations: int = 1000
    tolerance: float = 1e-6
    measure: bool | None = None
    start: str = "uniform"
    start_width: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        check.one_of("SolverOptions.method", self.method, ["exact", "power", "lanczos", "lobpcg"])
        check.one_of("SolverOptions.which", self.which, ["LA", "LM", "SA"])
        if self.pairs is not None:
            check.whole("SolverOptions.pairs", self.pairs, at_least=1)
        check.one_of("SolverOptions.normalisation", self.normalisation, ["l2", "minmax"])
        check.whole("SolverOptions.iterations", self.iterations, at_least=1)
        check.number("SolverOptions.tolerance", self.tolerance, above=0)
        if self.measure is not None:
            check.flag("SolverOptions.measure", self.measure)
        check.one_of("SolverOptions.start", self.start, ["uniform", "same", "constant", "gaussian"])
        check.number("SolverOptions.start_width", self.start_width, above=0)
        check.whole("SolverOptions.seed", self.seed, at_most=2**63 - 1)
        require(
            self.normalisation == "l2" or self.method == "power",
            'normalisation="minmax" is a rule of power iteration; set method="power" too.',
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Eigenpairs:
    """Eigenpairs of A, none of its zeros among them, and what the solver knows about the rest of the spectrum.

    Where A = 0, because nothing moves against the scene or no edge has weight, or no eigenvalue has the sign that was asked for,
    there is no pair (r = 0); `ends` tells which it is.

    Parameters
    ----------
    values : (r,) float64
        lambda: decreasing; with which="LM" decreasing in size, with "SA" increasing.
    volumes : Volumes
        Their eigenvectors as label volumes, unit length as vectors; their signs are arbitrary.
    residuals : (r,) float64
        |A x - lambda x| / |lambda|.
    products : int
        Vectors that M was applied to.
    converged : bool
        Whether |A x - lambda x| of every pair is below the tolerance times the largest |lambda|.
    method : str
        Which solver found them.
    which : str, default "LA"
        Which were asked for.
    measured : bool, default True
        Whether residuals come from a product with A each; else they are what rounding lets expect.
    ends : (float, float)
        The least and the greatest eigenvalue of A, its zeros included; NaN where nobody has looked.
    accuracy : float, default 0
        Two eigenvalues that differ by less can't be told apart.
    spectrum : (s,) float64, optional
        All eigenvalues of A but its zeros, decreasing, where they are known.
    complete : bool, default False
        Whether there are no more pairs of the kind that was asked for.
    condition : float, optional
        F's condition number, columns at unit length, where it is known.
    dropped : tuple of str, default ()
        Directions of F that are nothing but rounding, or 0, and were left out, in words.
    """

    values: Tensor
    volumes: Volumes
    residuals: Tensor
    products: int
    converged: bool
    method: str
    which: str = "LA"
    measured: bool = True
    ends: tuple[float, float] = UNKNOWN
    accuracy: float = 0.0
    spectrum: Tensor | None = None
    complete: bool = False
    condition: float | None = None
    dropped: tuple[str, ...] = ()

    def __repr__(self) -> str:
        values = "  ".join(f"{value:.4g}" for value in self.values.tolist())
        least, greatest = self.ends
        ends = "" if math.isnan(least) else f", all of A's between {least:.4g} and {greatest:.4g}"
        more = f", {len(self.dropped)} directions of F dropped" if self.dropped else ""
        state = "converged" if self.converged else "not converged"
        return f"Eigenpairs({self.method}, {self.which}: {values or 'none'}{ends}, {state}{more})"

    @cached_property
    def vectors(self) -> Tensor:
        """All eigenvectors, (r, n), computed when first asked for, and kept."""
        if isinstance(self.volumes, StoredVolumes):
            return self.volumes.vectors
        return torch.cat(list(self.volumes.frames()), dim=1).flatten(1)

    def gap(self, k: int = 0) -> float | None:
        """The eigengap of the k-th pair: how far the nearest other eigenvalue of A is, its zeros included.

        0 if another pair has the same eigenvalue. None where it is not known: of the last pair that was looked for, unless the
        whole spectrum is.
        """
        nearest = self.nearest(k)
        return None if nearest is None else abs(float(self.values[k]) - nearest)

    def nearest(self, k: int = 0) -> float | None:
        """The eigenvalue of A that is nearest to the k-th pair's, without that one itself; see `gap`."""
        if not 0 <= k < len(self.values):
            return None
        value = float(self.values[k])
        known = self.values if self.spectrum is None else self.spectrum
        others = known.tolist()
        others.pop(int((known - value).abs().argmin()))
        if k == len(self.values) - 1 and self.spectrum is None and not self.complete:
            return None
        return min([*others, 0.0], key=lambda other: abs(value - other))

    def complaints(self) -> list[str]:
        """What is to be said against taking the first pair for the answer, one sentence each."""
        found = spectrum_complaints(self.values, self.ends, self.accuracy)
        if not self.converged and bool(self.values.isfinite().any()):  # labels of the authors' rule are no eigenvector
            worst = float((self.residuals * self.values.abs()).max() / self.values.abs().max())
            mend = "Use float64." if self.method == "exact" else "Use the exact solver, more iterations, or float64."
            found.append(f"The {self.method} solver stopped at a residual of {worst:.1e}, above its tolerance. {mend}")
        return found


def spectrum_complaints(values: Tensor, ends: tuple[float, float], accuracy: float) -> list[str]:
    """What a spectrum says against taking the first pair for the answer, one sentence each; see `Eigenpairs`."""
    least, greatest = ends
    found = []
    if len(values) and greatest > 0 and -least >= greatest * (1 - 1e-3):
        found.append(
            f"A's least eigenvalue, {least:.4g}, is as large as its greatest, {greatest:.4g}: power iteration (Alg. 2) does not "
            "lead to the greatest one."
        )
    if len(values) > 1:
        first, second = values[:2].tolist()
        if abs(first - second) <= max(accuracy, SAME * abs(first)):
            found.append(
                f"Eigenvalues 1 and 2, {first:.6g} and {second:.6g}, agree to the accuracy reached: only the plane of their "
                "vectors is known, and the mask shows one of many in it."
            )
    return found


def select(values: Tensor, zero: float, options: SolverOptions) -> Tensor:
    """Which of some eigenvalues (s,), in what order, are those that the options ask for: indices (r,).

    `zero` is the size up to which a value counts as one of A's zeros.
    """
    kept = {"LA": values > zero, "SA": values < -zero, "LM": values.abs() > zero}[options.which]
    key = {"LA": values, "SA": -values, "LM": values.abs()}[options.which]
    order = torch.argsort(torch.where(kept, key, -torch.inf), descending=True, stable=True)
    return order[: min(int(kept.sum()), options.pairs or PAIRS)]


def with_residuals(matrix: FeatureMotion, pairs: Eigenpairs, tolerance: float, *, measured: bool) -> Eigenpairs:
    """Pairs with their residuals, by a product with A each if they are to be measured, and whether they have converged."""
    if measured and len(pairs.values):
        residuals = volume_residuals(matrix, pairs.values, pairs.volumes)
        pairs = replace(pairs, residuals=residuals, products=pairs.products + len(residuals))
    size = max(map(abs, (*pairs.ends, *pairs.values.tolist())), default=0.0)
    errors = pairs.residuals * pairs.values.abs()
    reached = attainable(tolerance, matrix.dtype) * (size if math.isfinite(size) else float(pairs.values.abs().max()))
    accuracy = max(pairs.accuracy, float(errors.max())) if len(errors) else pairs.accuracy
    return replace(pairs, measured=measured, converged=bool((errors <= reached).all()), accuracy=accuracy)


def attainable(tolerance: float, dtype: torch.dtype) -> float:
    """The relative residual that a solver can be asked for: no less than 100 units of the dtype's rounding."""
    return max(tolerance, 100 * torch.finfo(dtype).eps)


def no_pairs(matrix: FeatureMotion, method: str, products: int) -> Eigenpairs:
    """What is found where A = 0, or has no eigenvalue of the sign that was asked for."""
    return Eigenpairs(
        values=torch.zeros(0, dtype=torch.float64),
        volumes=stored_volumes(matrix, torch.zeros(0, matrix.shape[0], dtype=matrix.dtype, device=matrix.device)),
        residuals=torch.zeros(0, dtype=torch.float64),
        products=products,
        converged=True,
        method=method,
        ends=(0.0, 0.0),
        complete=True,
    )


def residual_norms(matrix: FeatureMotion, values: Tensor, vectors: Tensor) -> Tensor:
    """|A x - lambda x| / |lambda| of each pair, (r,) float64, by a product with A each."""
    return volume_residuals(matrix, values, stored_volumes(matrix, vectors))


def volume_residuals(matrix: FeatureMotion, values: Tensor, volumes: Volumes, chosen: int | None = None) -> Tensor:
    """|A x - lambda x| / |lambda| of label volumes, frame by frame, of all pairs or of the one `chosen`; (r,), or (1,)."""
    grid = matrix.motion.chains.grid

    def labels(k: int) -> Iterator[Tensor]:
        return (frame for frames in volumes.frames([k]) for frame in grid.pad(frames[0]))

    norms = []
    for k in range(len(volumes)) if chosen is None else [chosen]:
        value = float(values[k])
        if value == 0:
            norms.append(float("inf"))
            continue
        with full_precision():
            squares = [
                (ax - value * x).double().square().sum()
                for ax, x in zip(matrix.propagate(labels(k)), labels(k), strict=True)
            ]
        norms.append(math.sqrt(float(torch.stack(squares).sum())) / abs(value))
    return torch.tensor(norms, dtype=torch.float64)


def unit(x: Tensor) -> Tensor:
    """`x` at length 1; 0 stays 0."""
    length = x.double().norm().to(x)  # in float32 the squares of short vectors underflow
    return torch.where(length > 0, x / length, x)  # asked of the GPU itself: the program need not know
