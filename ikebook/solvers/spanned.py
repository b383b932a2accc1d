"""A = PMP in the span of F, in as few numbers as power iteration needs after its first projection.

With orthonormal columns Q that span F, P = QQ'. So x(1) = P M x(0) = Q y with y = (MQ)'x(0), for any x(0) of n numbers; and from
there on x = Q y, A x = Q K y with K = Q'MQ, r x r: an iteration is y <- K y / |K y|, and |x| = |y|. A page in a browser holds
Q, MQ and K, and iterates by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ikebook.base.check import require
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.solvers.volumes import SpannedVolumes


@dataclass(frozen=True, eq=False)
class Spanned:
    """What A does in the span of F, with one P for the clip and no ridge.

    Parameters
    ----------
    columns : (r, n)
        Q': orthonormal, and of F's span.
    products : (r, n)
        (MQ)'.
    small : (r, r) float64
        K = Q'MQ, symmetric.
    """

    columns: Tensor
    products: Tensor
    small: Tensor

    def coordinates(self, labels: Tensor) -> Tensor:
        """Q'x of labels x (n,), float64, (r,): their y where they lie in the span."""
        return self.columns.double() @ labels.double()

    def first(self, start: Tensor) -> Tensor:
        """Of x(1) = P M x(0), from x(0) (n,): y = (MQ)'x(0), float64, (r,)."""
        return self.products.double() @ start.double()


def spanned(matrix: FeatureMotion, on_product: Callable[[], None] = lambda: None) -> Spanned:
    """Orthonormal columns of F's span, M times each of them, and what A is among them.

    Parameters
    ----------
    matrix : FeatureMotion
        A, with one P for the clip and no ridge.
    on_product : callable, optional
        Called after each of the r products with M, which take the time.

    Returns
    -------
    Spanned

    Raises
    ------
    InputError
        If each frame has its own P, or P has a ridge.

    Examples
    --------
    >>> import ikebook
    >>> made = ikebook.toy("disc")
    >>> found = spanned(ikebook.build(made.clip, made.flow, options=ikebook.preset("saliency")))
    >>> [round(float(value), 2) for value in torch.linalg.eigvalsh(found.small)[-2:]]
    [1.03, 6.79]
    """
    options = matrix.projection.options
    require(
        options.scope == "video" and options.ridge == 0,
        f"P has scope {options.scope!r} and ridge {options.ridge:g}; expected one P for the clip, 'video', without a ridge.",
    )
    basis = matrix.projection.spans()[0].basis
    volumes = SpannedVolumes(matrix.features, basis[None])
    columns = torch.cat([labels.flatten(1) for labels in volumes.frames()], 1)
    products = torch.empty_like(columns)
    for column, product in zip(columns, products, strict=True):
        product.copy_(matrix.motion.matvec(column))
        on_product()
    small = columns.double() @ products.double().T
    return Spanned(columns, products, (small + small.T) / 2)
