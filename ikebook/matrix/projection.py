"""The projection P onto the span of the node features (Sec. 4.2), from an orthonormal basis of it.

P = F (F'F + rho I)^-1 F' is never computed from F'F: that would square F's condition number. Instead F = Q R with orthonormal
Q = F B, found in two steps (a preconditioned Cholesky QR: Yamamoto et al., ETNA 44, 2015; Fan et al., SISC 43, 2021,
doi:10.1137/19M1291364):

1. `precondition`: from a few frames of F, in float64, a d x d matrix T such that the columns of F T are about orthogonal;
2. `complete`: from (F T)'(F T) of the whole clip, whose condition is small, B and all that follows.

So what is lost to rounding grows with F's condition number, and not with its square. Directions of F that are nothing but
rounding are left out, and named.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.threads import on_cores
from ikebook.matrix.directions import few_columns, in_words
from ikebook.matrix.features import FeatureMatrix
from ikebook.matrix.operator import LinearOperator, full_precision

SAMPLED = 8
"""Frames that F is looked at beforehand, at least; and one of `SAMPLED_OF`."""

SAMPLED_OF = 32

BATCHES = 4
"""Batches that are looked at in their place, at most, where frames are worked on in batches."""

FLOOR = 1e-15
"""Share of the largest eigenvalue of F'F, columns at unit length, to which rounding in float64 raises those that are 0."""

SETTLED = 30.0
"""How far rounding in (F T)'(F T) may grow in Q'Q, for each column: if it would grow more, as the sampled frames were not like
the others, F is looked at once more."""

NOTHING = 1e-6
"""Squared length below which a column of F T is nothing but rounding: those that the sample has seen have at least 1."""

UNLIKE = 300.0
"""How many times as long a column may be in the whole clip as in the sampled frames. What is longer drowns those that it was
combined with, so F is looked at once more, column by column."""

PASSES = 3
"""Times that F is looked at, at most."""


@dataclass(frozen=True, kw_only=True)
class ProjectionOptions:
    """What P projects onto (Sec. 4.2).

    Parameters
    ----------
    scope : str, default "video"
        One projection for the clip ("video", as printed), or one for each frame ("frame", as in the authors' program).
    ridge : float, default 0.0
        rho in (F'F + rho I)^-1; above 0, P is no projector: P^2 != P. It is relative to nothing: what it does depends on the
        squared lengths of F's columns.
    tolerance : float or None, default None
        Singular values of F, with columns of unit length, below this share of the largest count as 0: the columns are
        dependent there. None: 1e-8 in float64, and 1e-6 in float32, in which F's entries have no more digits.
    """

    scope: str = "video"
    ridge: float = 0.0
    tolerance: float | None = None

    def __post_init__(self) -> None:
        check.one_of("ProjectionOptions.scope", self.scope, ["video", "frame"])
        check.number("ProjectionOptions.ridge", self.ridge, at_least=0)
        if self.tolerance is not None:
            check.number("ProjectionOptions.tolerance", self.tolerance, at_least=0)
            require(self.tolerance < 1, f"ProjectionOptions.tolerance is {self.tolerance}; expected less than 1.")

    def rank_tolerance(self, dtype: torch.dtype) -> float:
        """`tolerance`, or what suits the dtype."""
        if self.tolerance is not None:
            return self.tolerance
        return 1e-8 if dtype == torch.float64 else 1e-6


@dataclass(frozen=True, eq=False)
class Preconditioner:
    """What makes F's columns about orthogonal: F D^-1 = (F T) S, D the columns' lengths.

    Parameters
    ----------
    matrix : (d, r) float64
        T.
    scale : (r, d) float64
        S.
    lengths : (d,) float64
        D, of the frames that T was made of; 1 for columns that are 0 there.
    rounding : (r,) float64
        Squared lengths of F T's columns up to which there is nothing but rounding in them.
    dropped : tuple of str
        Directions that F T has no more.
    """

    matrix: Tensor
    scale: Tensor
    lengths: Tensor
    rounding: Tensor
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Span:
    """The span of F: P = Q diag(shrink) Q' with orthonormal Q = F B.

    Parameters
    ----------
    basis : (d, r) float64
        B.
    inner : (d, r) float64
        The same for preconditioned columns: Q = (F T) `inner`.
    shrink : (r,) float64
        Non-zero eigenvalues of P: 1 without ridge, s^2 / (s^2 + rho) with it.
    singular : (r,) float64
        Singular values of F, with columns of unit length, of those directions that are kept, decreasing.
    dropped : tuple of str
        Directions in which F's columns are dependent, or 0, in words: "+0.71 a[0] -0.71 b[0]".
    growth : float
        By how much rounding in (F T)'(F T) has grown in Q'Q.
    settled : bool
        Whether F T was orthogonal enough for all of this to hold to rounding.
    conditioner : Preconditioner
        One that makes F's columns orthogonal, as far as is known by now.
    """

    basis: Tensor
    inner: Tensor
    shrink: Tensor
    singular: Tensor
    dropped: tuple[str, ...]
    growth: float
    settled: bool
    conditioner: Preconditioner

    @property
    def condition(self) -> float:
        """F's condition number: its largest over its least singular value, columns at unit length; 1 if F is 0."""
        return float(self.singular[0] / self.singular[-1]) if len(self.singular) else 1.0


def sampled_frames(frames: int) -> list[int]:
    """The frames that F is looked at beforehand, evenly picked: eight, and one of 32, or all if there are fewer."""
    count = min(frames, max(SAMPLED, -(-frames // SAMPLED_OF)))
    return sorted({(2 * k + 1) * frames // (2 * count) for k in range(count)})


def sample_gram(features: FeatureMatrix, frames: Sequence[int]) -> Tensor:
    """F'F of some frames, (d, d), summed in float64; those of a clip's parts add up."""
    d, chains = features.shape[1], features.chains
    gram = torch.zeros(d, d, dtype=torch.float64, device=features.device)
    parts = _whole_batches(frames, chains.frames, chains.batch)
    for block in on_cores(lambda part: features.block(chains.trace(part, features.reach)), parts, chains.compute):
        gram += _gram64(block).sum(0)
    return gram


def _whole_batches(frames: Sequence[int], count: int, batch: int) -> list[range]:
    """The frames themselves, or where work is done in batches, some of those that they lie in: one frame costs a GPU as much."""
    starts = sorted({frame // batch * batch for frame in frames})
    if batch > 1:
        chosen = min(len(starts), BATCHES)
        starts = [starts[(2 * k + 1) * len(starts) // (2 * chosen)] for k in range(chosen)]
    return [range(start, min(start + batch, count)) for start in starts]


def precondition(gram: Tensor) -> Preconditioner:
    """The preconditioner that comes of F'F (d, d), float64, of some frames.

    Columns that are 0 in those frames stay as they are.
    """
    seen = gram.diagonal() > 0
    lengths = torch.where(seen, gram.diagonal(), 1.0).sqrt()
    squares, vectors = _eigh((gram / lengths[:, None] / lengths)[seen][:, seen])
    roots = (squares.clamp_min(0) + FLOOR * squares[-1:]).sqrt()
    whole, scale = torch.eye(len(gram), dtype=torch.float64), torch.eye(len(gram), dtype=torch.float64)
    block = torch.meshgrid(*2 * [seen.nonzero()[:, 0]], indexing="ij")
    whole[block], scale[block] = vectors / roots / lengths[seen][:, None], roots[:, None] * vectors.T
    return Preconditioner(whole, scale, lengths, torch.where(seen, NOTHING, 0.0))


def column_by_column(lengths: Tensor) -> Preconditioner:
    """A preconditioner that divides F's columns by (d,) float64, and combines none of them."""
    eye = torch.eye(len(lengths), dtype=torch.float64)
    return Preconditioner(eye / lengths, eye, lengths, torch.zeros_like(lengths))


def complete(
    conditioner: Preconditioner,
    gram: Tensor,
    options: ProjectionOptions,
    dtype: torch.dtype,
    columns: Sequence[str] = (),
) -> Span:
    """The span of F from (F T)'(F T) of the whole clip.

    Which directions count as dependent must not hang on the columns' units, so that is decided with columns of unit length.
    A ridge then acts on the columns as they are.

    Parameters
    ----------
    conditioner : T
    gram : (r, r) float64
        (F T)'(F T).
    options : ridge and tolerance
    dtype : the precision of F's entries
    columns : names of F's columns, for those that are dropped
    """
    if not bool(gram.isfinite().all()):  # a column that is nearly 0 in the sampled frames, so divided by nearly nothing
        return _nothing_yet(gram, conditioner, column_by_column(conditioner.lengths.sqrt()))
    # With (F T)'(F T) = C'C and orthonormal F T C^-1, the singular values of F D^-1 = F T S are those of C S.
    squares = gram.diagonal()
    there = squares > conditioner.rounding
    sizes = torch.where(there, squares, 1.0).sqrt()
    gram = torch.where(there[:, None] & there, (gram + gram.T) / 2 / sizes[:, None] / sizes, 0.0)
    squares, vectors = _eigh(gram)
    factor = squares.clamp_min(0).sqrt()[:, None] * vectors.T * sizes * there  # C; what is not there gets no rounding
    small = factor @ conditioner.scale  # C S, (r, d)
    whole = torch.linalg.vector_norm(small, dim=0)  # the sample's columns may be shorter, or 0
    empty = whole == 0
    whole = torch.where(empty, 1.0, whole)
    lengths = conditioner.lengths * whole
    combined = (conditioner.scale != 0).sum(0) > 1
    if bool((whole[combined] > UNLIKE).any()):
        return _nothing_yet(gram, conditioner, column_by_column(lengths))
    _, values, right = torch.linalg.svd(small / whole, full_matrices=False)
    kept = values > options.rank_tolerance(dtype) * values[:1]
    dropped = conditioner.dropped + tuple(in_words(direction, columns) for direction in few_columns(right[~kept]))
    values, right = values[kept], torch.where(empty, 0.0, right[kept]).T
    basis, inner = right / values / lengths[:, None], conditioner.scale / whole @ right / values
    again = Preconditioner(basis, values[:, None] * right.T, lengths, torch.full_like(values, NOTHING), dropped)
    shrink = torch.ones_like(values)
    # Of F T's columns, what is left in Q'Q of rounding in (F T)'(F T): their squared lengths times what they are taken with.
    growth = float((sizes[:, None] * inner).square().sum())
    if options.ridge > 0:
        # Singular values of R in F = Q R, and not eigenvalues of RR': a long column must not hide one 1e-8 times as long.
        rotation, stretched, _ = torch.linalg.svd(values[:, None] * right.T * lengths, full_matrices=False)
        shrink = stretched**2 / (stretched**2 + options.ridge)
        basis, inner = basis @ rotation, inner @ rotation
    return Span(
        basis=basis,
        inner=inner,
        shrink=shrink,
        singular=values,
        dropped=dropped,
        growth=growth,
        settled=growth <= SETTLED * max(1, len(values)),
        conditioner=again,
    )


class Projection(LinearOperator):
    """P = F (F'F + rho I)^-1 F', n x n of rank d at most; a pseudo-inverse where the columns are dependent.

    With `scope="frame"` there is one for each frame, and P is block-diagonal.

    Parameters
    ----------
    features : FeatureMatrix
        F.
    options : ProjectionOptions, optional
        Scope, ridge, and which directions count as dependent.
    """

    def __init__(self, features: FeatureMatrix, options: ProjectionOptions | None = None) -> None:
        self.features = features
        self.options = check.or_default("options", options, ProjectionOptions)
        n = features.shape[0]
        super().__init__((n, n), features.dtype, features.device)
        self._spans: list[Span] | None = None
        self._factors: tuple[Tensor, Tensor] | None = None

    @property
    def is_projector(self) -> bool:
        """Whether P^2 = P, that is, whether there is no ridge."""
        return self.options.ridge == 0

    def regress(self, labels: Iterator[Tensor]) -> Tensor:
        """The ridge regression on F of labels x, given frame by frame, (cells,): w with P x = F w, (1, d), or (m, d)."""
        inner = self.features.chains.grid.inner
        products = torch.cat(
            [
                inner(block, torch.stack(list(itertools.islice(labels, len(block))))[..., None])
                for _, block in self.features.blocks(keep=True)
            ]
        )  # F_i'x_i, (m, d, 1)
        if self.options.scope == "video":
            products = products.sum(0, keepdim=True)
        return self.solve(products)[..., 0].to(self.dtype)

    def solve(self, products: Tensor) -> Tensor:
        """(F'F + rho I)^-1 y, for F'x = y of the clip (1, d, k), or of each frame (m, d, k); float64.

        As B s B'y, one factor after the other: their product's entries would have lost what the last one cancels.
        """
        if self._factors is None:
            d = self.features.shape[1]
            padded = [nn.functional.pad(span.basis, (0, d - len(span.shrink))) for span in self.spans()]
            shrinks = [nn.functional.pad(span.shrink, (0, d - len(span.shrink))) for span in self.spans()]
            self._factors = torch.stack(padded).to(self.device), torch.stack(shrinks)[..., None].to(self.device)
        basis, shrink = self._factors
        return basis @ (shrink * (basis.mT @ products))

    def _matvec(self, x: Tensor) -> Tensor:
        grid = self.features.chains.grid
        labels = iter(grid.pad(x.view(-1, grid.h, grid.w)))
        return torch.cat([grid.crop(y).flatten() for y in self.features.combine(self.regress(labels))])

    def spans(self) -> list[Span]:
        """The span of F, one for the clip, or one for each frame."""
        if self._spans is None:
            with full_precision():
                self._spans = self._spans_of_frames() if self.options.scope == "frame" else [self._span_of_clip()]
        return self._spans

    def span_of(self, conditioner: Preconditioner, gram: Tensor) -> Span:
        """The span of F from (F T)'(F T)."""
        return complete(conditioner, gram.cpu(), self.options, self.dtype, self.features.columns)

    def conditioner(self) -> Preconditioner:
        """What a few frames of F say of it."""
        return precondition(sample_gram(self.features, sampled_frames(self.features.chains.frames)).cpu())

    def _span_of_clip(self) -> Span:
        inner = self.features.chains.grid.inner
        conditioner = self.conditioner()
        for _ in range(PASSES):
            matrix = conditioner.matrix.to(self.device, self.dtype)
            products = (block @ matrix for _, block in self.features.blocks(keep=True))
            span = self.span_of(conditioner, torch.cat([inner(each, each) for each in products]).sum(0))
            if span.settled:
                break
            conditioner = span.conditioner
        return span

    def _spans_of_frames(self) -> list[Span]:
        inner, found = self.features.chains.grid.inner, []
        for _, block in self.features.blocks(keep=True):
            for gram, rows in zip(_gram64(block), block, strict=True):
                conditioner = precondition(gram.cpu())
                each = (rows @ conditioner.matrix.to(rows))[None]
                found.append(self.span_of(conditioner, inner(each, each)[0]))
        return found

    def _dense(self) -> Tensor:
        dense = self.features.dense()
        blocks = [dense] if self.options.scope == "video" else dense.split(self.features.chains.grid.pixels)
        return torch.block_diag(*(_dense_projection(block, self.options) for block in blocks))


def _nothing_yet(gram: Tensor, conditioner: Preconditioner, another: Preconditioner) -> Span:
    """What (F T)'(F T) tells where the sampled frames have misled: no more than that F has to be looked at in another way."""
    r, d = conditioner.scale.shape
    empty = gram.new_zeros(0)
    return Span(
        basis=gram.new_zeros(d, 0),
        inner=gram.new_zeros(r, 0),
        shrink=empty,
        singular=empty,
        dropped=(),
        growth=float("inf"),
        settled=False,
        conditioner=another,
    )


def _eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, increasing, and eigenvectors of a small symmetric matrix; PyTorch's own fails where there are many zeros."""
    values, vectors = scipy.linalg.eigh(matrix.numpy(), driver="ev")
    return torch.from_numpy(values), torch.from_numpy(np.ascontiguousarray(vectors))


def _gram64(block: Tensor) -> Tensor:
    """F_i'F_i of rows (b, cells, d), (b, d, d), summed in float64."""
    rows = block.double()
    return rows.mT @ rows


def _dense_projection(features: Tensor, options: ProjectionOptions) -> Tensor:
    """P from the singular value decomposition of a dense F, in float64: neither F'F nor a sample of it is looked at."""
    rows, tolerance = features.double(), options.rank_tolerance(features.dtype)
    lengths = rows.norm(dim=0)
    left, values, _ = torch.linalg.svd(
        rows / torch.where(lengths > 0, lengths, torch.ones_like(lengths)), full_matrices=False
    )
    left = left[:, values > values[:1] * tolerance]
    if options.ridge:
        within, values, _ = torch.linalg.svd(left.T @ rows, full_matrices=False)
        left = left @ within * (values / (values**2 + options.ridge).sqrt())
    return (left @ left.T).to(features)
