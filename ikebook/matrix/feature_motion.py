"""The Feature-Motion matrix A = P M P (Sec. 4.2), as an operator."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ikebook.base.arrays import Array
from ikebook.matrix.features import FeatureMatrix
from ikebook.matrix.motion import MotionMatrix
from ikebook.matrix.operator import LinearOperator
from ikebook.matrix.projection import Projection


class FeatureMotion(LinearOperator):
    """A = P M P, n x n, symmetric: the adjacency matrix of the space-time graph.

    Its rank is d at most; m d with one P for each frame.

    Parameters
    ----------
    motion : MotionMatrix
        M.
    projection : Projection
        P, on the same nodes.
    saliency : (m, h, w), optional
        The motion saliency among the features, where `ikebook.build` has put it there.
    """

    def __init__(self, motion: MotionMatrix, projection: Projection, *, saliency: Tensor | Array | None = None) -> None:
        self.motion = motion
        self.projection = projection
        self.saliency = saliency
        super().__init__(motion.shape, motion.dtype, motion.device)

    @property
    def features(self) -> FeatureMatrix:
        """F, whose span P projects onto."""
        return self.projection.features

    def propagate(self, labels: Iterator[Tensor]) -> Iterator[Tensor]:
        """A x frame by frame, (cells,), from x frame by frame: neither is ever held as a whole."""
        projected = self.features.combine(self.projection.regress(labels))
        return self.features.combine(self.projection.regress(self.motion.propagate(projected)))

    def _matvec(self, x: Tensor) -> Tensor:
        grid = self.motion.chains.grid
        labels = iter(grid.pad(x.view(-1, grid.h, grid.w)))
        return torch.cat([grid.crop(y).flatten() for y in self.propagate(labels)])

    def _dense(self) -> Tensor:
        projection = self.projection.dense()
        return projection @ self.motion.dense() @ projection


class _KnownMotion(MotionMatrix):
    """M with its entries."""

    def __init__(self, motion: MotionMatrix) -> None:
        super().__init__(motion.chains, motion.options, motion.colours)
        self.entries = motion.dense()

    def _matvec(self, x: Tensor) -> Tensor:
        return self.entries @ x

    def _dense(self) -> Tensor:
        return self.entries


class _KnownProjection(Projection):
    """P with its entries."""

    def __init__(self, projection: Projection) -> None:
        super().__init__(projection.features, projection.options)
        self.entries = projection.dense()

    def _matvec(self, x: Tensor) -> Tensor:
        return self.entries @ x

    def _dense(self) -> Tensor:
        return self.entries


class _KnownFeatureMotion(FeatureMotion):
    """A whose factors have their entries."""

    def _matvec(self, x: Tensor) -> Tensor:
        return self.projection.matvec(self.motion.matvec(self.projection.matvec(x)))


def explicit(matrix: FeatureMotion) -> FeatureMotion:
    """A with the products of a textbook: the entries of M and of P are built, and multiplied with.

    For toys: n x n numbers each, refused where `dense()` is.
    """
    return _KnownFeatureMotion(
        _KnownMotion(matrix.motion), _KnownProjection(matrix.projection), saliency=matrix.saliency
    )
