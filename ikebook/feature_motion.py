"""The Feature-Motion matrix A = P M P (Sec. 4.2), as an operator."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ikebook.features import FeatureMatrix, Projection
from ikebook.motion import MotionMatrix
from ikebook.operator import LinearOperator


class FeatureMotion(LinearOperator):
    """A = P M P, n x n, symmetric: the adjacency matrix of the space-time graph.

    Its rank is d at most; m d with one P for each frame.
    """

    def __init__(self, motion: MotionMatrix, projection: Projection) -> None:
        self.motion = motion
        self.projection = projection
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
        super().__init__(motion.chains, motion.options)
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
    """The same A, but products are those of a textbook: the entries of M and of P are built, and multiplied with.

    For toys: n x n numbers each, refused where `dense()` is.
    """
    return _KnownFeatureMotion(_KnownMotion(matrix.motion), _KnownProjection(matrix.projection))
