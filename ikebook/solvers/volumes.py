"""Eigenvectors as label volumes (m, h, w), stored, or made from the features when they are asked for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.matrix.features import FeatureMatrix
from ikebook.matrix.operator import full_precision


class Volumes(ABC):
    """Eigenvectors as label volumes, r of (m, h, w), made when they are asked for."""

    def __init__(self, count: int, shape: tuple[int, int, int], device: torch.device) -> None:
        self.count = count
        self.shape = shape
        self.device = device

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, k: int) -> Tensor:
        """One of them as a whole, (m, h, w)."""
        if not -self.count <= k < self.count:
            raise IndexError(f"there is no eigenvector {k}; there are {self.count}.")
        return torch.cat([labels[0] for labels in self.frames([k % self.count])])

    @abstractmethod
    def frames(self, chosen: Sequence[int] | None = None) -> Iterator[Tensor]:
        """All of them, or those `chosen`, a few frames after the other, (r, b, h, w), in one pass over the clip."""

    @abstractmethod
    def products(self, maps: Callable[[range], Tensor]) -> Tensor:
        """In each frame, the inner products of each of them with c maps, (m, r, c) float64, in one pass over the clip.

        Parameters
        ----------
        maps : gives the maps (b, c, h, w) of consecutive frames
        """


class StoredVolumes(Volumes):
    """Those of vectors (r, n) that are there already."""

    def __init__(self, vectors: Tensor, shape: tuple[int, int, int]) -> None:
        super().__init__(len(vectors), shape, vectors.device)
        self.vectors = vectors

    def frames(self, chosen: Sequence[int] | None = None) -> Iterator[Tensor]:
        volumes = self.vectors.view(-1, *self.shape)
        for frame in range(self.shape[0]):
            yield volumes[:, frame : frame + 1] if chosen is None else volumes[list(chosen), frame : frame + 1]

    def products(self, maps: Callable[[range], Tensor]) -> Tensor:
        volumes = self.vectors.view(-1, *self.shape)
        each = [
            torch.einsum("rhw,chw->rc", volumes[:, frame].double(), maps(range(frame, frame + 1))[0].double())
            for frame in range(self.shape[0])
        ]
        return torch.stack(each)


class SpannedVolumes(Volumes):
    """Those in the span of F: labels F_i w of frame i, for weights w of the clip (1, d, r) or of each frame (m, d, r).

    With a `part`, those of some of F's frames only.
    """

    def __init__(self, features: FeatureMatrix, weights: Tensor, part: range | None = None) -> None:
        grid = features.chains.grid
        self.part = range(features.chains.frames) if part is None else part
        super().__init__(weights.shape[-1], (len(self.part), grid.h, grid.w), features.device)
        self.features = features
        self.weights = weights.to(features.device, features.dtype)

    def frames(self, chosen: Sequence[int] | None = None) -> Iterator[Tensor]:
        grid = self.features.chains.grid
        weights = self.weights if chosen is None else self.weights[..., list(chosen)]
        for frames, block in self.features.blocks(self.part, keep=True):  # (b, cells, d)
            chosen_weights = weights if len(weights) == 1 else weights[frames.start : frames.stop]
            with full_precision():
                labels = block @ chosen_weights
            yield grid.crop(labels.movedim(-1, 0))

    def products(self, maps: Callable[[range], Tensor]) -> Tensor:
        return self.weights.double().mT @ self.features.inner(maps, self.part)  # (1 or m, r, d) @ (m, d, c)


def stored_volumes(matrix: FeatureMotion, vectors: Tensor) -> StoredVolumes:
    """Vectors (r, n) of A's nodes as label volumes."""
    grid = matrix.motion.chains.grid
    return StoredVolumes(vectors, (matrix.motion.chains.frames, grid.h, grid.w))
