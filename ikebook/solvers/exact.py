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
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.linalg
import scipy.sparse
import scipy.sparse.linalg
import torch
from torch import Tensor, nn

from ikebook.base import check
from ikebook.base.machine import return_memory
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import CombinedFeatures, FeatureMatrix
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
from ikebook.solvers.reduced import Reduced, ReducedFrames, reduce, reduce_frames
from ikebook.solvers.volumes import SpannedVolumes

DENSE_FRAMES = 1500
"""Reduced problems of one P for each frame, m d x m d, are solved as dense matrices up to this size."""


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
