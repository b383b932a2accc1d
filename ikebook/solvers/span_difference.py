"""How much two graphs of the same nodes differ, |(A + E) - A|, from small matrices: both are 0 but in the spans of their features.

With orthonormal columns Q that span F, A = Q K Q'; likewise A + E = Q1 K1 Q1'. Split Q1 = Q C + U R, with U orthonormal and Q'U = 0.
Then

    E = [Q U] ([C; R] K1 [C; R]' - [K 0; 0 0]) [Q U]',

and E's eigenvalues beside 0 are those of the matrix in the middle, with at most 54 rows. R'R is the Gram matrix of what is left of Q1
beside Q: of it, any square root will do as R.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import CombinedFeatures
from ikebook.solvers.reduced import reduce
from ikebook.solvers.volumes import SpannedVolumes

CHUNK = 1 << 18
"""Nodes that are handled at once in float64."""


@dataclass(frozen=True)
class DifferenceNorms:
    """Norms of E: the largest |eigenvalue|, and |E|_F; and |A|_F."""

    spectral: float
    frobenius: float
    whole: float


def spans_video(matrix: FeatureMotion) -> bool:
    """Whether A has one P for the clip, and no ridge: then it is Q K Q'."""
    return matrix.projection.options.scope == "video" and matrix.projection.is_projector


def difference_norms(matrix: FeatureMotion, changed: FeatureMotion) -> DifferenceNorms:
    """Norms of changed - matrix, each with one P for the clip and no ridge.

    Parameters
    ----------
    matrix, changed : FeatureMotion
        A and A + E, on the same nodes.

    Returns
    -------
    DifferenceNorms

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> matrix = ikebook.build(made.clip, made.flow, options=ikebook.preset("saliency"))
    >>> norms = difference_norms(matrix, matrix)
    >>> norms.spectral < 1e-4 * norms.whole
    True
    """
    (q, small), (other, other_small) = (_spanned(each) for each in (matrix, changed))
    r = len(small)
    along = torch.zeros(r, len(other_small), dtype=torch.float64, device=small.device)
    for one, two in zip(q.split(CHUNK, 1), other.split(CHUNK, 1), strict=True):
        along += one.double() @ two.double().T  # C
    rest = torch.zeros_like(other_small)
    for one, two in zip(q.split(CHUNK, 1), other.split(CHUNK, 1), strict=True):
        left = two.double() - along.T @ one.double()  # a difference first: its Gram matrix has small numbers exactly
        rest += left @ left.T
    sizes, vectors = torch.linalg.eigh(rest)
    root = sizes.clamp_min(0).sqrt()[:, None] * vectors.T  # R
    both = torch.cat([along, root])
    middle = both @ other_small @ both.T
    middle[:r, :r] -= small
    values = torch.linalg.eigvalsh((middle + middle.T) / 2)
    return DifferenceNorms(float(values.abs().max()), float(values.norm()), float(small.norm()))


def _spanned(matrix: FeatureMotion) -> tuple[Tensor, Tensor]:
    """Q' (r, n) and K (r, r) float64."""
    basis = matrix.projection.spans()[0].basis
    columns = torch.cat([labels.flatten(1) for labels in SpannedVolumes(matrix.features, basis[None]).frames()], 1)
    small = reduce(matrix.motion, CombinedFeatures(matrix.features, basis)).motion
    return columns, (small + small.T) / 2
