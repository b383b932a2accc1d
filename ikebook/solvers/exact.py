"""The exact solver: all eigenpairs of A but its zeros, from one pass over the clip and a d x d eigenproblem.

Every eigenvector of A = PMP with a non-zero eigenvalue lies in the span of F. With orthonormal Q = F B (`matrix.projection`),
x = Q y and P = Q diag(s) Q', Ax = lambda x comes down to K y = lambda y with

    K = diag(s) Q'MQ diag(s),

d x d at most; s = 1 without ridge. With one P for each frame, Q and s are block-diagonal, and K is m d x m d at most, with blocks
for frames no more than p apart. As M = C + C', Q'MQ is summed by gathers along the outgoing chains alone.

Nearest relatives: locality preserving projections (He & Niyogi, NIPS 2003), and eigenproblems under linear constraints (Golub,
SIAM Review 1973, doi:10.1137/1015032).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor, nn

from ikebook.base import check
from ikebook.base.machine import return_memory
from ikebook.matrix.chains import Trace
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import CombinedFeatures, FeatureMatrix
from ikebook.matrix.motion import MotionMatrix, Rows
from ikebook.matrix.operator import DENSE_LIMIT, full_precision
from ikebook.matrix.projection import PASSES, Preconditioner, Span
from ikebook.solvers.pairs import (
    PAIRS,
    Eigenpairs,
    SolverOptions,
    no_pairs,
    select,
    with_residuals,
)
from ikebook.solvers.volumes import SpannedVolumes

DENSE_FRAMES = 1500
"""Reduced problems of one P for each frame, m d x m d, are solved as dense matrices up to this size."""

AT_ONCE = 15
"""Steps of the chains whose rows of F are fetched together, each from another frame. A processor reads ahead in some 16 places at
once; from 40 frames together a row takes up to three times as long (docs/limits.md)."""


def exact(matrix: FeatureMotion, options: SolverOptions | None = None) -> Eigenpairs:
    """The leading part of A's spectrum, or all of it but its zeros, from one pass over the clip.

    Parameters
    ----------
    matrix : FeatureMotion
        A.
    options : SolverOptions, optional
        Which pairs, how many, the tolerance, and whether residuals are measured; the rest is for other methods.

    Returns
    -------
    Eigenpairs
        Its `spectrum` has all non-zero eigenvalues, but for long clips with one P for each frame.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> pairs = exact(ikebook.build(made.clip, made.flow, options=ikebook.preset("saliency")))
    >>> [round(float(value), 2) for value in pairs.values[:2]], pairs.converged
    ([6.79, 1.03], True)
    """
    o = check.or_default("options", options, SolverOptions)
    with full_precision():
        if matrix.projection.options.scope == "video":
            conditioner = matrix.projection.conditioner()
            return_memory(matrix.motion.row_bytes)
            reduced, span = reduce_whitened(
                conditioner,
                lambda combinations: reduce(matrix.motion, CombinedFeatures(matrix.features, combinations)),
                matrix.projection.span_of,
            )
            found = solve_reduced(reduced, span, matrix.dtype, o)
        else:
            spans = matrix.projection.spans()
            found = solve_frames(
                reduce_frames(matrix.motion, frame_bases(matrix.features, spans)), spans, matrix.dtype, o
            )
    return finish(matrix, found, o)


@dataclass(frozen=True, eq=False, kw_only=True)
class Solution:
    """What the small eigenproblem gives.

    Parameters
    ----------
    values : (r,) float64
        Of the pairs that were asked for.
    weights : (1, d, r) or (m, d, r) float64
        With unit eigenvectors x = F_i w_i in frame i.
    spectrum : (s,) float64, optional
        All non-zero eigenvalues, decreasing, where they are known.
    ends : (least, greatest)
        Of A, its zeros included.
    accuracy : float
        What rounding may have done to eigenvalues, and to |A x - lambda x|.
    condition : float
        Of F, its columns at unit length; the worst of all frames, with one P for each.
    dropped : tuple of str
        Directions in which F's columns are dependent.
    products : int
        Columns that M was applied to.
    """

    values: Tensor
    weights: Tensor
    spectrum: Tensor | None
    ends: tuple[float, float]
    accuracy: float
    condition: float
    dropped: tuple[str, ...]
    products: int


def finish(matrix: FeatureMotion, found: Solution, o: SolverOptions) -> Eigenpairs:
    """The small problem's solution as eigenpairs of A, with residuals: measured on toys, else as rounding lets expect."""
    if len(found.values) == 0:
        pairs = no_pairs(matrix, "exact", found.products)
    else:
        pairs = Eigenpairs(
            values=found.values,
            volumes=SpannedVolumes(matrix.features, found.weights),
            residuals=found.accuracy / found.values.abs(),
            products=found.products,
            converged=True,
            method="exact",
        )
    pairs = replace(
        pairs,
        which=o.which,
        ends=found.ends,
        accuracy=found.accuracy,
        spectrum=found.spectrum,
        complete=len(found.values) < (o.pairs or PAIRS),
        condition=found.condition,
        dropped=found.dropped,
    )
    measured = o.measure if o.measure is not None else matrix.shape[0] <= DENSE_LIMIT
    return with_residuals(matrix, pairs, o.tolerance, measured=measured)


def reduce_whitened(
    conditioner: Preconditioner, sums: Callable[[Tensor], Reduced], span_of: Callable[[Preconditioner, Tensor], Span]
) -> tuple[Reduced, Span]:
    """(F T)'(F T) and (F T)'M(F T) with a T that makes F T's columns about orthogonal, and the span of F that comes of it.

    Another pass follows only where the frames that T was made of were not like the others.

    Parameters
    ----------
    conditioner : Preconditioner
        The first T.
    sums : callable
        The two sums over the clip, for a T (d, r) float64.
    span_of : callable
        The span, from a preconditioner and (F T)'(F T).
    """
    for _ in range(PASSES):
        reduced = sums(conditioner.matrix)
        span = span_of(conditioner, reduced.gram)
        if span.settled:
            break
        conditioner = span.conditioner
    return reduced, span


def solve_reduced(reduced: Reduced, span: Span, dtype: torch.dtype, o: SolverOptions) -> Solution:
    """The eigenproblem of K, from the sums for preconditioned columns F T.

    Parameters
    ----------
    reduced : (F T)'(F T) and (F T)'M(F T)
    span : of F, from the same T
    dtype : the precision that the sums are of
    o : which pairs
    """
    scaled = span.inner * span.shrink
    small = (scaled.T @ reduced.motion.cpu() @ scaled).numpy()
    values, vectors = scipy.linalg.eigh((small + small.T) / 2) if len(small) else (np.zeros(0), np.zeros((0, 0)))
    accuracy = rounding([span], dtype, values)
    known, zero = torch.from_numpy(values).flip(0), 10 * accuracy
    chosen = select(known, zero, o)
    rotation = torch.from_numpy(vectors[:, ::-1].copy())[:, chosen]
    return Solution(
        values=known[chosen],
        weights=(span.basis @ rotation)[None],
        spectrum=known[known.abs() > zero],
        ends=ends_of(values),
        accuracy=accuracy,
        condition=span.condition,
        dropped=span.dropped,
        products=len(reduced.gram),
    )


def rounding(spans: Sequence[Span], dtype: torch.dtype, values: np.ndarray) -> float:
    """What rounding may do to K's eigenvalues: unit columns of F are known to the dtype's eps, those of Q to eps / sigma_min.

    Where F was not made orthogonal enough, in as many passes as there are, to what that makes of eps.
    """
    least = min((float(span.singular[-1]) for span in spans if len(span.singular)), default=1.0)
    grown = max((span.growth for span in spans if not span.settled), default=0.0)
    size = float(np.abs(values).max(initial=0.0))
    return torch.finfo(dtype).eps * (4 + 1 / least + grown) * size if size else 0.0


def ends_of(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest eigenvalue of A, which has zeros beside those of K: its rank is far below n."""
    return min(0.0, float(values.min(initial=0.0))), max(0.0, float(values.max(initial=0.0)))


def frame_bases(features: FeatureMatrix, spans: Sequence[Span]) -> CombinedFeatures:
    """Q_i = F_i B_i of each frame i as columns, with zeros where a frame has fewer than d."""
    d = features.shape[1]
    return CombinedFeatures(
        features, torch.stack([nn.functional.pad(span.basis, (0, d - span.basis.shape[1])) for span in spans])
    )


def solve_frames(reduced: ReducedFrames, spans: Sequence[Span], dtype: torch.dtype, o: SolverOptions) -> Solution:
    """The eigenproblem of K where each frame has its own P, from the sums for the columns of `frame_bases`.

    K is m d x m d at most: a dense matrix up to `DENSE_FRAMES`, else a sparse one, whose ends alone are looked at.
    """
    counts = [len(span.singular) for span in spans]
    first = np.cumsum([0, *counts])
    size = int(first[-1])
    small = scipy.sparse.lil_array((size, size))
    for (i, j), block in reduced.motion.items():
        part = (spans[i].shrink[:, None] * block.cpu()[: counts[i], : counts[j]] * spans[j].shrink).numpy()
        small[first[i] : first[i + 1], first[j] : first[j + 1]] = part
        small[first[j] : first[j + 1], first[i] : first[i + 1]] = part.T
    small = small.tocsr()
    count = o.pairs or PAIRS
    whole = size <= DENSE_FRAMES or count >= size - 1
    if whole:
        values, vectors = scipy.linalg.eigh(small.toarray()) if size else (np.zeros(0), np.zeros((0, 0)))
    else:
        begin = np.ones(size)
        ends = [scipy.sparse.linalg.eigsh(small, k=count, which=end, v0=begin, tol=0) for end in ("SA", "LA")]
        values, vectors = (np.concatenate(parts, axis=-1) for parts in zip(*ends, strict=True))
    accuracy = rounding(spans, dtype, values)
    order = np.argsort(values)[::-1]
    known, zero = torch.from_numpy(values[order].copy()), 10 * accuracy
    chosen = select(known, zero, o)
    rotation = torch.from_numpy(vectors[:, order].copy())[:, chosen]
    weights = [span.basis @ rotation[a:b] for span, (a, b) in zip(spans, itertools.pairwise(first), strict=True)]
    return Solution(
        values=known[chosen],
        weights=torch.stack(weights),
        spectrum=known[known.abs() > zero] if whole else None,
        ends=ends_of(values),
        accuracy=accuracy,
        condition=max((span.condition for span in spans), default=1.0),
        dropped=tuple(dict.fromkeys(name for span in spans for name in span.dropped)),
        products=len(spans) * reduced.grams.shape[-1],
    )


@dataclass(frozen=True, eq=False)
class Reduced:
    """G = F'F and B = F'MF, (d, d) float64: all that A's spectrum depends on where one P serves the whole clip.

    Both are sums over frames: those of a clip's parts add up to those of the clip.
    """

    gram: Tensor
    motion: Tensor

    @classmethod
    def of(cls, sums: Tensor, self_loop: float) -> Reduced:
        """From F'F and F'CF, (2, d, d): F'MF = F'CF + (F'CF)', and the self-loop's share."""
        gram, outgoing = sums
        return cls(gram, outgoing + outgoing.T + self_loop * gram)

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
    sums = torch.zeros(2, d, d, dtype=torch.float64, device=features.device)  # F'F and F'CF
    for _, which, products in contributions(motion, features, part):
        sums[which] += products.sum(0)
    return Reduced.of(sums, motion.options.self_loop)


def contributions(
    motion: MotionMatrix, features: FeatureMatrix, part: range | None = None
) -> Iterator[tuple[range, int, Tensor]]:
    """What each frame adds to F'F (0) and to F'CF (1), as (b, d, d) float64 for b consecutive frames, in one pass.

    To F'CF a frame adds twice, for its chains ahead and for those behind.
    """
    recent = _RecentFeatures(motion, features)
    for frames, rows in recent.arrivals(part):
        if part is None or frames[0] in part:
            yield frames, 0, recent.inner(frames, recent.of(frames))
        for row in rows:
            yield row.frames, 1, recent.inner(row.frames, recent.propagate(row))


@dataclass(frozen=True, eq=False)
class ReducedFrames:
    """The small matrices frame by frame, for one P for each: G_i = F_i'F_i, (m, d, d), and B_ij = F_i' M_ij F_j, each (d, d), float64.

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

    Frame j lies in slot j % slots. Rows have `width` columns: d, and where these take more than 16 bytes zeros up to a multiple of
    32. Fetching them is what a pass mostly does, and it is faster where a row lies in as few pieces of the cache as may be.
    """

    def __init__(self, motion: MotionMatrix, features: FeatureMatrix) -> None:
        self.motion, self.features = motion, features
        self.grid, self.d, self.slots = motion.chains.grid, features.shape[1], motion.slots
        size = features.dtype.itemsize
        width = self.d if self.d * size <= 16 else -(-self.d * size // 32) * 32 // size
        self.table = torch.zeros(self.slots, self.grid.cells, width, dtype=features.dtype, device=features.device)
        self._steps = len(motion.kernel())
        self._weights: dict[tuple[int, ...], Tensor] = {}

    def of(self, frames: range) -> Tensor:
        """The rows of consecutive frames of one batch, (b, cells, width)."""
        start = frames.start % self.slots
        return self.table[start : start + len(frames)]

    def arrivals(self, part: range | None = None) -> Iterator[tuple[range, list[Rows]]]:
        """Frames as they arrive, when their features are there, and the rows of C that they complete."""
        for arrival in self.motion.stream(self.features.reach, part, self._rows):
            assert arrival.beside is not None
            self.of(arrival.frames).copy_(arrival.beside)
            yield arrival.frames, arrival.rows

    def _rows(self, trace: Trace) -> Tensor:
        """F's rows of some frames, (b, cells, width)."""
        rows = self.table.new_zeros(len(trace.frames), *self.table.shape[1:])
        self.features.block(trace, out=rows)
        return rows

    def propagate(self, row: Rows, steps: slice = slice(None)) -> Tensor:
        """The rows of CF of some frames and one direction, (b, cells, width): all steps of the chains, or some."""
        chosen = range(len(row.cells))[steps]
        groups = (slice(k, min(k + AT_ONCE, chosen.stop)) for k in range(chosen.start, chosen.stop, AT_ONCE))
        total = self._sums(row, next(groups))
        for group in groups:
            total += self._sums(row, group)
        return total

    def _sums(self, row: Rows, steps: slice) -> Tensor:
        """`propagate`, of a few steps."""
        cells, weights, first = row.cells[steps], row.weights[steps], row.first(self.slots)[steps]
        index = torch.empty(cells.permute(2, 3, 0, 1).shape, dtype=torch.int32, device=cells.device)
        torch.add(cells.permute(2, 3, 0, 1), first.permute(2, 3, 0, 1), out=index)  # (b, cells, steps, links)
        sums = torch.nn.functional.embedding_bag(
            index.flatten(0, 1).flatten(1),
            self.table.flatten(0, 1),
            mode="sum",
            per_sample_weights=self._spread(weights, cells.shape, steps.start),
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
            whole = shape[0] in (1, AT_ONCE) or first + shape[0] == self._steps  # others come at the clip's ends only
            if weights.shape[2:] == (1, 1) and whole:
                self._weights[key] = spread
        return spread
