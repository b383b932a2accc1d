"""The small matrices that hold A's spectrum, summed in one pass over the clip, and the eigenproblems of them.

Every eigenvector of A = PMP with a non-zero eigenvalue lies in the span of F. With x = F w, Ax = lambda x comes down to
F'F and F'MF (see `eigen.exact`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor

from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import FeatureMatrix
from ikebook.matrix.motion import MotionMatrix, Rows
from ikebook.matrix.operator import full_precision
from ikebook.matrix.projection import span
from ikebook.solvers.pairs import PAIRS, Eigenpairs, SolverOptions, SpannedVolumes, no_pairs

DENSE_FRAMES = 1500
"""Reduced problems of one P for each frame, m d x m d, are solved as dense matrices up to this size."""


@dataclass(frozen=True, eq=False)
class Reduced:
    """G = F'F and B = F'MF, (d, d) float64: all that A's spectrum depends on where one P serves the whole clip.

    Both are sums over frames: those of a clip's parts add up to those of the clip.
    """

    gram: Tensor
    motion: Tensor

    def __add__(self, other: Reduced) -> Reduced:
        return Reduced(self.gram + other.gram, self.motion + other.motion)


def reduce(motion: MotionMatrix, features: FeatureMatrix, part: range | None = None) -> Reduced:
    """F'F and F'MF in one pass over the clip, without M, P or A, and without a scatter.

    As M = C + C', F'MF = F'CF + (F'CF)'; and row a of CF is the sum of k(a, b) F[b] over the nodes b on the chain from
    a. Of F only the last frames are held, p+1 of them where frames
    come one by one.

    Parameters
    ----------
    motion, features : of one clip, or of one part of it with a halo of p + q frames on either side
    part : the frames whose rows of C and of F are summed; all if None. Parts that do not overlap add up.
    """
    d = features.shape[1]
    gram = torch.zeros(d, d, dtype=torch.float64, device=features.device)
    outgoing = torch.zeros_like(gram)  # F'CF
    recent = _RecentFeatures(motion, features)
    for frames, rows in recent.arrivals(part):
        if part is None or frames[0] in part:
            gram += recent.inner(frames, recent.of(frames)).sum(0)
        for row in rows:
            outgoing += recent.inner(row.frames, recent.propagate(row)).sum(0)
    both = outgoing + outgoing.T + motion.options.self_loop * gram
    return Reduced(gram, both)


@dataclass(frozen=True, eq=False)
class ReducedFrames:
    """The small matrices where each frame has its own P: G_i = F_i'F_i, (m, d, d), and B_ij = F_i' M_ij F_j, each (d, d), float64.

    B_ij is not 0 for |i - j| <= p only, and B_ji = B_ij', so `motion` holds those with i <= j.
    """

    grams: Tensor
    motion: dict[tuple[int, int], Tensor]


def reduce_frames(motion: MotionMatrix, features: FeatureMatrix) -> ReducedFrames:
    """F_i'F_i of each frame and F_i'M_ij F_j of each pair of frames, in one pass over the clip."""
    grams: list[Tensor] = []
    blocks: dict[tuple[int, int], Tensor] = {}
    recent = _RecentFeatures(motion, features)
    for frames, rows in recent.arrivals():
        grams += recent.inner(frames, recent.of(frames))
        if motion.options.self_loop:
            blocks |= {(i, i): motion.options.self_loop * grams[i] for i in frames}
        for row in rows:
            for k in range(1, len(row.cells) + 1):
                outgoing = recent.inner(row.frames, recent.propagate(row, slice(k - 1, k)))  # F_i' C_ij F_j, (b, d, d)
                for i, block in zip(row.frames, outgoing, strict=True):
                    j = i + row.direction * k
                    if 0 <= j < motion.chains.frames:
                        pair, part = ((i, j), block) if i < j else ((j, i), block.T)
                        blocks[pair] = blocks.get(pair, 0) + part
    return ReducedFrames(torch.stack(grams), blocks)


class _RecentFeatures:
    """F's rows for the last frames that have arrived, (slots, cells, width), which is all that rows of C lead to.

    Frame j lies in slot j % slots. Rows have `width` columns, d and then zeros up to a multiple of 32 bytes: fetching
    them is what a pass mostly does, and they are fetched faster where they begin at such an address.
    """

    def __init__(self, motion: MotionMatrix, features: FeatureMatrix) -> None:
        self.motion, self.features = motion, features
        self.grid, self.d, self.slots = motion.chains.grid, features.shape[1], motion.slots
        aligned = 32 // torch.empty((), dtype=features.dtype).element_size()
        width = -(-self.d // aligned) * aligned
        self.table = torch.zeros(self.slots, self.grid.cells, width, dtype=features.dtype, device=features.device)
        self._steps = len(motion.kernel())
        self._weights: dict[tuple[int, ...], Tensor] = {}

    def of(self, frames: range) -> Tensor:
        """The rows of consecutive frames of one batch, (b, cells, width)."""
        start = frames.start % self.slots
        return self.table[start : start + len(frames)]

    def arrivals(self, part: range | None = None) -> Iterator[tuple[range, list[Rows]]]:
        """Frames as they arrive, when their features are there, and the rows of C that they complete."""
        for arrival in self.motion.stream(self.features.reach, part):
            self.features.block(arrival.trace, out=self.of(arrival.trace.frames))
            yield arrival.trace.frames, arrival.rows

    def propagate(self, row: Rows, steps: slice = slice(None)) -> Tensor:
        """The rows of CF of some frames and one direction, (b, cells, width): all steps of the chains, or some."""
        cells, weights, first = row.cells[steps], row.weights[steps], row.first(self.slots)[steps]
        index = torch.empty(cells.permute(2, 3, 0, 1).shape, dtype=torch.int32, device=cells.device)
        torch.add(cells.permute(2, 3, 0, 1), first.permute(2, 3, 0, 1), out=index)  # (b, cells, steps, links)
        sums = torch.nn.functional.embedding_bag(
            index.flatten(0, 1).flatten(1),
            self.table.flatten(0, 1),
            mode="sum",
            per_sample_weights=self._spread(weights, cells.shape, steps.start or 0),
        )
        return sums.view(*index.shape[:2], -1)

    def inner(self, frames: range, other: Tensor) -> Tensor:
        """F_i' times the rows (b, cells, width) of another matrix, for each frame i, (b, d, d) float64."""
        return self.grid.inner(self.of(frames), other)[:, : self.d, : self.d]

    def _spread(self, weights: Tensor, shape: torch.Size, first: int) -> Tensor:
        """One weight for each cell that is met, (b * cells, steps * links); kept where it is the same for all frames."""
        key = (first, *shape)
        spread = self._weights.get(key)
        if spread is None:
            spread = weights.expand(shape).permute(2, 3, 0, 1).flatten(0, 1).flatten(1).contiguous()
            if weights.shape[2:] == (1, 1) and shape[0] in (1, self._steps):  # others come at the clip's ends only
                self._weights[key] = spread
        return spread


def solve_reduced(reduced: Reduced, ridge: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Non-zero part of A's spectrum: eigenvalues (r,), decreasing, and w (d, r) with unit eigenvectors x = F w.

    Parameters
    ----------
    reduced : F'F and F'MF
    ridge : rho
    dtype : the precision that they were summed in
    """
    basis, squares = span(reduced.gram, ridge, dtype)
    scale = squares.sqrt() / (squares + ridge)
    small = scale[:, None] * (basis.T @ reduced.motion @ basis) * scale
    values, vectors = scipy.linalg.eigh(small.cpu().numpy()) if len(small) else (np.zeros(0), np.zeros((0, 0)))
    order = np.argsort(values)[::-1]
    rotation = torch.from_numpy(np.ascontiguousarray(vectors[:, order])).to(basis.device)
    return torch.from_numpy(values[order].copy()).to(basis.device), (basis / squares.sqrt()) @ rotation


def leading(reduced: Reduced, ridge: float, dtype: torch.dtype, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `count` largest eigenvalues (r,), their w (d, r), and their residuals (r,) for the sums as they are."""
    values, weights = solve_reduced(reduced, ridge, dtype)
    values, weights = values[:count], weights[:, :count]
    return values, weights, reduced_residuals(reduced, ridge, values, weights, dtype)


def solve_frames(reduced: ReducedFrames, ridge: float, dtype: torch.dtype, pairs: int) -> tuple[Tensor, Tensor, Tensor]:
    """Leading part of A's spectrum with one P for each frame.

    Returns
    -------
    values : (r,), decreasing
    weights : (m, d, r), with unit eigenvectors x = F_i w_i in frame i
    residuals : (r,), |K y - lambda y| / |lambda|, which is that of A for the sums as they are
    """
    spans = [span(gram, ridge, dtype) for gram in reduced.grams.cpu()]  # many small problems: no work for a GPU
    left = [basis * (squares.sqrt() / (squares + ridge)) for basis, squares in spans]  # U E, (d, r_i)
    first = np.cumsum([0, *(part.shape[1] for part in left)])
    size = int(first[-1])
    small = scipy.sparse.lil_array((size, size))
    for (i, j), block in reduced.motion.items():
        part = (left[i].T @ block.cpu() @ left[j]).numpy()
        small[first[i] : first[i + 1], first[j] : first[j + 1]] = part
        small[first[j] : first[j + 1], first[i] : first[i + 1]] = part.T
    small = small.tocsr()
    if size <= DENSE_FRAMES or pairs >= size - 1:
        values, vectors = scipy.linalg.eigh(small.toarray()) if size else (np.zeros(0), np.zeros((0, 0)))
    else:
        values, vectors = scipy.sparse.linalg.eigsh(small, k=pairs, which="LA", v0=np.ones(size), tol=0)
    order = np.argsort(values)[::-1][:pairs]
    values, vectors = values[order].copy(), np.ascontiguousarray(vectors[:, order])
    lengths = np.linalg.norm(small @ vectors - vectors * values, axis=0)
    residuals = lengths / np.maximum(np.abs(values), np.finfo(float).tiny)
    weights = torch.stack(
        [
            (basis / squares.sqrt()) @ torch.from_numpy(vectors[start:end]).to(basis)
            for (basis, squares), (start, end) in zip(spans, itertools.pairwise(first), strict=True)
        ]
    )
    return torch.from_numpy(values), weights, torch.from_numpy(residuals)


def reduced_residuals(reduced: Reduced, ridge: float, values: Tensor, weights: Tensor, dtype: torch.dtype) -> Tensor:
    """|A x - lambda x| / |lambda| of x = F w, (r,), by A F w = F S (F'MF) S (F'F) w with S = (F'F + rho I)^-1.

    That is the residual for the sums as they are, and blind to the rounding in them: `residual_norms` is not.
    """
    basis, squares = span(reduced.gram, ridge, dtype)
    inverse = (basis / (squares + ridge)) @ basis.T
    rest = inverse @ reduced.motion @ inverse @ reduced.gram @ weights - weights * values
    lengths = torch.einsum("dr,de,er->r", rest, reduced.gram, rest).clamp_min(0).sqrt()
    return lengths / values.abs().clamp_min(torch.finfo(torch.float64).tiny)


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
    ridge = matrix.projection.options.ridge
    count = o.pairs or PAIRS
    with full_precision():
        if matrix.projection.options.scope == "video":
            values, weights, residuals = leading(reduce(matrix.motion, matrix.features), ridge, matrix.dtype, count)
            weights = weights[None]
        else:
            per_frame = reduce_frames(matrix.motion, matrix.features)
            values, weights, residuals = solve_frames(per_frame, ridge, matrix.dtype, count)
    if not bool(values.any()):
        return no_pairs(matrix, "exact", 1)
    return Eigenpairs(
        values=values.cpu(),
        volumes=SpannedVolumes(matrix.features, weights),
        residuals=residuals.cpu(),
        products=1,
        converged=True,
        method="exact",
    )
