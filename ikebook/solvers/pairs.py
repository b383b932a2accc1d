"""Eigenpairs of the Feature-Motion matrix: the principal one is the object (Eq. 1).

Several ways, one answer: `exact` solves the small problem that A comes down to on the span of F, and has all pairs at
once; `lanczos` and `lobpcg` are scipy's, on the implicit matrix; `power.power_iteration` is the paper's Algorithm 2.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.check import require
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import FeatureMatrix
from ikebook.matrix.operator import full_precision

PAIRS = 6
"""Eigenpairs that solvers return unless told otherwise, as many as the paper shows (Fig. 8)."""


@dataclass(frozen=True, kw_only=True)
class SolverOptions:
    """How eigenpairs are found (Sec. 4.3).

    Parameters
    ----------
    method : str, default "exact"
        "exact" (on the span of F), "power" (Alg. 2), "lanczos" or "lobpcg" (scipy's).
    pairs : int or None, default None
        Eigenpairs to return, fewer if the rank is lower; None: six, by power iteration one.
    normalisation : str, default "l2"
        What follows each power iteration: "l2" (Alg. 2), or "minmax", which scales each frame to [0, 1]: no linear map, so no
        eigenvector comes of it. The authors' program does so, twice, and sets negative labels to 0 between.
    iterations : int, default 1000
        Power iterations at most; with "minmax", just so many.
    tolerance : float, default 1e-6
        Relative residual that iterations stop at, or what the dtype can reach, if that is more.
    start : str, default "uniform"
        x(0): "uniform" noise U(0, 1), the "same" noise in each frame, "constant", or "gaussian".
    start_width : float, default 0.25
        Standard deviation of the "gaussian" start, fraction of the frame's sides.
    seed : int, default 0
        Seed of the noise.
    """

    method: str = "exact"
    pairs: int | None = None
    normalisation: str = "l2"
    iterations: int = 1000
    tolerance: float = 1e-6
    start: str = "uniform"
    start_width: float = 0.25
    seed: int = 0

    def __post_init__(self) -> None:
        check.one_of("SolverOptions.method", self.method, ["exact", "power", "lanczos", "lobpcg"])
        if self.pairs is not None:
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


class Volumes(ABC):
    """Eigenvectors as label volumes, r of (m, h, w), made when they are asked for."""

    def __init__(self, count: int, shape: tuple[int, int, int], device: torch.device) -> None:
        self.count = count
        self.shape = shape
        self.device = device

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, k: int) -> Tensor:
        """One of them as a whole, (m, h, w)."""
        if not -self.count <= k < self.count:
            raise IndexError(f"there is no eigenvector {k}; there are {self.count}.")
        return torch.cat([labels[0] for labels in self.frames([k % self.count])])

    @abstractmethod
    def frames(self, chosen: Sequence[int] | None = None) -> Iterator[Tensor]:
        """All of them, or those `chosen`, a few frames after the other, (r, b, h, w), in one pass over the clip."""

    @abstractmethod
    def products(self, maps: Callable[[range], Tensor]) -> Tensor:
        """In each frame, the inner products of each of them with c maps, (m, r, c) float64, in one pass over the clip.

        Parameters
        ----------
        maps : gives the maps (b, c, h, w) of consecutive frames
        """


class StoredVolumes(Volumes):
    """Those of vectors (r, n) that are there already."""

    def __init__(self, vectors: Tensor, shape: tuple[int, int, int]) -> None:
        super().__init__(len(vectors), shape, vectors.device)
        self.vectors = vectors

    def frames(self, chosen: Sequence[int] | None = None) -> Iterator[Tensor]:
        volumes = self.vectors.view(-1, *self.shape)
        for frame in range(self.shape[0]):
            yield volumes[:, frame : frame + 1] if chosen is None else volumes[list(chosen), frame : frame + 1]

    def products(self, maps: Callable[[range], Tensor]) -> Tensor:
        volumes = self.vectors.view(-1, *self.shape)
        each = [
            torch.einsum("rhw,chw->rc", volumes[:, frame].double(), maps(range(frame, frame + 1))[0].double())
            for frame in range(self.shape[0])
        ]
        return torch.stack(each)


class SpannedVolumes(Volumes):
    """Those in the span of F: labels F_i w of frame i, for weights w of the clip (1, d, r) or of each frame (m, d, r).

    With a `part`, those of some of F's frames only.
    """

    def __init__(self, features: FeatureMatrix, weights: Tensor, part: range | None = None) -> None:
        grid = features.chains.grid
        self.part = range(features.chains.frames) if part is None else part
        super().__init__(weights.shape[-1], (len(self.part), grid.h, grid.w), features.device)
        self.features = features
        self.weights = weights.to(features.device, features.dtype)

    def frames(self, chosen: Sequence[int] | None = None) -> Iterator[Tensor]:
        grid = self.features.chains.grid
        weights = self.weights if chosen is None else self.weights[..., list(chosen)]
        for frames, block in self.features.blocks(self.part, keep=True):  # (b, cells, d)
            own = weights if len(weights) == 1 else weights[frames.start : frames.stop]
            with full_precision():
                labels = block @ own
            yield grid.crop(labels.movedim(-1, 0))

    def products(self, maps: Callable[[range], Tensor]) -> Tensor:
        return self.weights.double().mT @ self.features.inner(maps, self.part)  # (1 or m, r, d) @ (m, d, c)


@dataclass(frozen=True, eq=False, kw_only=True)
class Eigenpairs:
    """Leading eigenpairs of A, by decreasing eigenvalue.

    Parameters
    ----------
    values : (r,) float64
        lambda, decreasing.
    volumes : Volumes
        Their eigenvectors as label volumes, unit length as vectors; their signs are arbitrary.
    residuals : (r,) float64
        |A x - lambda x| / |lambda|.
    products : int
        Products with M that it took.
    converged : bool
        Whether every residual is below the method's tolerance.
    method : str
        Which solver found them.

    A's rank is far below n; the exact solver leaves its zero eigenvalues out, so that a negative one may follow a
    positive one. Where A = 0, because nothing moves against the scene or no edge has weight, there is no pair (r = 0).
    """

    values: Tensor
    volumes: Volumes
    residuals: Tensor
    products: int
    converged: bool
    method: str

    @cached_property
    def vectors(self) -> Tensor:
        """All eigenvectors, (r, n), computed when first asked for, and kept."""
        if isinstance(self.volumes, StoredVolumes):
            return self.volumes.vectors
        return torch.cat(list(self.volumes.frames()), dim=1).flatten(1)


def attainable(tolerance: float, dtype: torch.dtype) -> float:
    """The relative residual that a solver can be asked for: no less than 100 units of the dtype's rounding."""
    return max(tolerance, 100 * torch.finfo(dtype).eps)


def no_pairs(matrix: FeatureMotion, method: str, products: int) -> Eigenpairs:
    """What is found where A = 0."""
    return Eigenpairs(
        values=torch.zeros(0, dtype=torch.float64),
        volumes=stored_volumes(matrix, torch.zeros(0, matrix.shape[0], dtype=matrix.dtype, device=matrix.device)),
        residuals=torch.zeros(0, dtype=torch.float64),
        products=products,
        converged=True,
        method=method,
    )


def stored_volumes(matrix: FeatureMotion, vectors: Tensor) -> StoredVolumes:
    """Vectors (r, n) of A's nodes as label volumes."""
    grid = matrix.motion.chains.grid
    return StoredVolumes(vectors, (matrix.motion.chains.frames, grid.h, grid.w))


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
    return x / length if length > 0 else x
