"""The projection P onto the span of the node features (Sec. 4.2), and which directions of it count as independent."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ikebook.base import check
from ikebook.matrix.features import FeatureMatrix
from ikebook.matrix.operator import LinearOperator


@dataclass(frozen=True, kw_only=True)
class ProjectionOptions:
    """What P projects onto (Sec. 4.2).

    Parameters
    ----------
    scope : str, default "video"
        One projection for the clip ("video", as printed), or one for each frame ("frame", as in the authors' program).
    ridge : float, default 0.0
        rho in (F'F + rho I)^-1; above 0, P is no projector: P^2 != P.
    """

    scope: str = "video"
    ridge: float = 0.0

    def __post_init__(self) -> None:
        check.one_of("ProjectionOptions.scope", self.scope, ["video", "frame"])
        check.number("ProjectionOptions.ridge", self.ridge, at_least=0)


class Projection(LinearOperator):
    """P = F (F'F + rho I)^-1 F', n x n of rank d at most; a pseudo-inverse where the columns are dependent.

    With `scope="frame"` there is one for each frame, and P is block-diagonal.

    Parameters
    ----------
    features : FeatureMatrix
        F.
    options : ProjectionOptions, optional
        Scope and ridge.
    """

    def __init__(self, features: FeatureMatrix, options: ProjectionOptions | None = None) -> None:
        self.features = features
        self.options = options or ProjectionOptions()
        n = features.shape[0]
        super().__init__((n, n), features.dtype, features.device)
        self._inverses: Tensor | None = None

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
        return (self._inverse() @ products)[..., 0].to(self.dtype)

    def _matvec(self, x: Tensor) -> Tensor:
        grid = self.features.chains.grid
        labels = iter(grid.pad(x.view(-1, grid.h, grid.w)))
        return torch.cat([grid.crop(y).flatten() for y in self.features.combine(self.regress(labels))])

    def spans(self) -> list[tuple[Tensor, Tensor]]:
        """U and D of `span`, one pair for the clip, or one for each frame."""
        inner = self.features.chains.grid.inner
        grams = torch.cat([inner(block, block) for _, block in self.features.blocks(keep=True)])
        if self.options.scope == "video":
            grams = grams.sum(0, keepdim=True)
        return [
            span(gram, self.options.ridge, self.dtype) for gram in grams.cpu()
        ]  # many small problems: no work for a GPU

    def _inverse(self) -> Tensor:
        """(F'F + rho I)^-1, (1, d, d) or, per frame, (m, d, d), in float64."""
        if self._inverses is None:
            rho = self.options.ridge
            inverses = [(basis / (squares + rho)) @ basis.T for basis, squares in self.spans()]
            self._inverses = torch.stack(inverses).to(self.device)
        return self._inverses

    def _dense(self) -> Tensor:
        dense = self.features.dense()
        if self.options.scope == "video":
            return _dense_projection(dense, self.options.ridge)
        pixels = self.features.chains.grid.pixels
        return torch.block_diag(*(_dense_projection(block, self.options.ridge) for block in dense.split(pixels)))


def rank_tolerance(dtype: torch.dtype) -> float:
    """Share of F'F's largest eigenvalue below which a direction counts as dependent on the others.

    P divides by what is left of a direction, so it keeps only as many digits as F'F has above it: 10 of 16 in float64,
    and in float32 none of what rounding leaves of a column that others explain.
    """
    return 1e-6 if dtype == torch.float64 else 1e-5


def span(gram: Tensor, ridge: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """U (d, r) and D (r,), in float64: the columns of F U span those of F, orthogonal, with squared lengths D.

    They are chosen so that P = F U (D + rho)^-1 U'F'. Which directions count as dependent must not hang on the columns'
    units, so that is decided with columns of unit length. A ridge then acts on the columns as they are.

    Parameters
    ----------
    gram : (d, d), F'F
    ridge : rho
    dtype : the precision that F'F was summed in
    """
    lengths = gram.diagonal().clamp_min(0).sqrt()
    lengths = torch.where(lengths > 0, lengths, torch.ones_like(lengths))
    squares, basis = torch.linalg.eigh(gram / lengths[:, None] / lengths)
    kept = squares > max(float(squares[-1]), 0.0) * rank_tolerance(dtype)
    basis, squares = basis[:, kept] / lengths[:, None], squares[kept]
    if ridge == 0:
        return basis, squares
    basis = basis / squares.sqrt()  # now Q = F U is orthonormal, and F = Q R
    r = basis.T @ gram
    # Singular values of R, and not eigenvalues of RR': a long column must not hide one that is 1e-8 times as long.
    rotation, lengths, _ = torch.linalg.svd(r, full_matrices=False)
    kept = lengths > 10 * torch.finfo(lengths.dtype).eps * lengths[:1]
    lengths, rotation = lengths[kept], rotation[:, kept]
    return basis @ rotation * lengths, lengths**2


def _dense_projection(features: Tensor, ridge: float) -> Tensor:
    """P from the singular vectors of a dense F, which F'F is not needed for."""
    lengths = features.norm(dim=0)
    scaled = features / torch.where(lengths > 0, lengths, torch.ones_like(lengths))
    left, values, _ = torch.linalg.svd(scaled, full_matrices=False)
    left = left[:, values**2 > values[0] ** 2 * rank_tolerance(features.dtype)]
    within, values, _ = torch.linalg.svd(left.T @ features, full_matrices=False)
    left = left @ within
    shrunk = values**2 / (values**2 + ridge) if ridge else torch.ones_like(values)
    return (left * shrunk) @ left.T
