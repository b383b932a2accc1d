"""Power iteration on the span of F, where it costs nothing: many starts on one A, in one pass over the clip.

x(1) = P M x(0), as Algorithm 2 says, for all starts at once. From there on x stays in the span of F: x(t) = Q c(t) with
orthonormal Q, and c(t+1) = K c(t), scaled to length 1, with the small matrix K of `ikebook.solvers.exact`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ikebook.matrix.chains import Trace
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import CombinedFeatures, FeatureMatrix
from ikebook.matrix.operator import LinearOperator
from ikebook.solvers.pairs import unit
from ikebook.solvers.power import power_steps
from ikebook.solvers.reduced import reduce
from ikebook.solvers.volumes import SpannedVolumes

ITERATIONS = 20

NOTHING = 1e-5
"""Least length of P M x(0), over that of x(0): below, it is rounding, and the start has nothing in common with F."""


class FeaturesWithLabels(FeatureMatrix):
    """F with s label volumes (m, h, w) as further columns X: `reduce` then gives F'MX too, in the same pass."""

    def __init__(self, features: FeatureMatrix, labels: Sequence[Tensor]) -> None:
        n, d = features.shape
        LinearOperator.__init__(self, (n, d + len(labels)), features.dtype, features.device)
        self.chains, self.features, self.reach = features.chains, features, features.reach
        cells = [features.chains.grid.pad(x.to(self.device, self.dtype)) for x in labels]
        self.labels = torch.stack(cells, dim=-1)  # (m, cells, s)

    def block(self, trace: Trace, out: Tensor | None = None) -> Tensor:
        given = self.labels[trace.frames.start : trace.frames.stop]
        both = torch.cat([self.features.block(trace), given], dim=-1)
        return both if out is None else out[..., : self.shape[1]].copy_(both)


@dataclass(frozen=True, eq=False)
class SpanSystem:
    """A on the span of F: A = Q K Q' with orthonormal Q = F B.

    Parameters
    ----------
    matrix : A
    basis : B, (d, r) float64
    small : K, (r, r) float64
    values, vectors : of K, decreasing; those of A but its zeros
    firsts : Q'M x(0) for each start, (r, s) float64: P M x(0) = Q c with such c; 0 if nothing but rounding is left
    """

    matrix: FeatureMotion
    basis: Tensor
    small: Tensor
    values: Tensor
    vectors: Tensor
    firsts: Tensor

    @classmethod
    def of(cls, matrix: FeatureMotion, starts: Sequence[Tensor]) -> SpanSystem:
        """That of a matrix with one P for the clip and no ridge, and of starts (m, h, w)."""
        (span,) = matrix.projection.spans()
        q = CombinedFeatures(matrix.features, span.basis)
        r = q.shape[1]
        reduced = reduce(matrix.motion, FeaturesWithLabels(q, starts))
        small = reduced.motion[:r, :r]
        values, vectors = torch.linalg.eigh((small + small.T) / 2)
        firsts, d = reduced.motion[:r, r:], r
        basis = span.basis
        lengths = reduced.gram.diagonal()[d:].sqrt()
        firsts[:, firsts.norm(dim=0) <= NOTHING * lengths] = 0
        return cls(matrix, basis, small, values.flip(0), vectors.flip(1), firsts)

    @property
    def ratio(self) -> float:
        """|lambda_2| / lambda_1, lambda_2 the second by size: what each step of power iteration multiplies the error by."""
        sizes = self.values.abs().sort(descending=True).values
        return float(sizes[1] / sizes[0]) if len(sizes) > 1 else 0.0

    def labels(self, path: Tensor) -> Tensor:
        """Q c for each column of c (r, k), (k, m, h, w)."""
        volumes = SpannedVolumes(self.matrix.features, (self.basis @ path)[None])
        return torch.cat(list(volumes.frames()), dim=1)


def iterate(small: Tensor, first: Tensor, iterations: int = ITERATIONS) -> Tensor:
    """c(t) of x(1), ..., x(iterations), unit length, (r, iterations); 0 if it has come to nothing."""
    path = torch.empty(len(first), iterations, dtype=first.dtype)
    for t in range(iterations):
        path[:, t] = unit(first)
        first = small @ path[:, t]
    return path


def race(
    matrix: FeatureMotion, starts: Mapping[str, Tensor], iterations: int = ITERATIONS, normalisation: str = "l2"
) -> Iterator[dict[str, Tensor]]:
    """Labels (m, h, w) of several starts, first x(0) as they are given, then x(1), ..., x(iterations) by Algorithm 2.

    With one P for the clip, no ridge and L2 norms this is one pass over the clip and products of d x d matrices; else
    every start has its own iterations on the implicit A.

    Parameters
    ----------
    matrix : A
    starts : x(0), maps (m, h, w), by name
    iterations : how many
    normalisation : "l2" or "minmax", see `power.power_steps`
    """
    grid = matrix.motion.chains.grid
    shape = (matrix.motion.chains.frames, grid.h, grid.w)
    given = {name: start.to(matrix.device, matrix.dtype) for name, start in starts.items()}
    yield given
    if matrix.projection.options.scope == "video" and matrix.projection.is_projector and normalisation == "l2":
        system = SpanSystem.of(matrix, list(given.values()))
        paths = {
            name: iterate(system.small, first, iterations) for name, first in zip(given, system.firsts.T, strict=True)
        }
        for t in range(iterations):
            labels = system.labels(torch.stack([path[:, t] for path in paths.values()], dim=1))
            yield dict(zip(given, labels, strict=True))
        return
    runs = {
        name: power_steps(
            matrix, x.flatten(), iterations=iterations, tolerance=0.0, normalisation=normalisation, project_start=False
        )
        for name, x in given.items()
    }
    now = dict(given)
    for _ in range(iterations):
        for name, steps in runs.items():
            state = next((state for state in steps if state.step == "normalisation"), None)
            if state is not None:  # else nothing was left of it before
                now[name] = state.labels.view(shape)
        yield dict(now)
