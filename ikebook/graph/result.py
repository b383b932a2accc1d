"""What the Graph Module finds: soft masks, the eigenpairs that they come from, and what a user should know."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np
import torch
from torch import Tensor

from ikebook.base.arrays import Array, Memory
from ikebook.graph.confidence import Confidence
from ikebook.matrix.feature_motion import FeatureMotion
from ikebook.solvers.pairs import Eigenpairs, volume_residuals
from ikebook.video.repeats import Repeats


@dataclass(frozen=True, eq=False, kw_only=True)
class GraphResult:
    """What the Graph Module found.

    Parameters
    ----------
    soft : (m, h, w) float32
        Soft segmentation, in [0, 1]; on disk where there was no room for it.
    threshold : float
        Above it lies the object.
    pairs : Eigenpairs
        Leading eigenpairs of A.
    chosen : int
        The one that `soft` was made of.
    sign : int
        1, or -1 where its labels were negative on the object.
    saliency : (m, h, w), optional
        The motion saliency among the features.
    seconds : dict
        Time spent in each stage.
    warnings : list
        What the user should know, one sentence each.
    matrix : FeatureMotion
        A, implicit.
    confidence : Confidence
        How clear the object is, by its motion; no ground truth is looked at.
    objects : (m, h, w) uint8, optional
        Which object each pixel is of, where more than one was asked for: 0 is none, 1 the largest.
    repeats : Repeats, optional
        Where frames stand twice: which picture each of them shows. The eigenvectors, and A, are of the pictures.
    """

    soft: Array
    threshold: float
    pairs: Eigenpairs
    chosen: int
    sign: int
    saliency: Tensor | Array | None
    seconds: dict[str, float]
    warnings: list[str]
    matrix: FeatureMotion
    confidence: Confidence
    objects: np.ndarray | None = None
    repeats: Repeats | None = None

    def __repr__(self) -> str:
        m, h, w = self.soft.shape
        values = len(self.pairs.values)
        found = f"eigenvector {self.chosen + 1} of {values}" if values else "no eigenvector"
        notes = f", {len(self.warnings)} warning{'s'[: len(self.warnings) != 1]}" if self.warnings else ""
        return f"GraphResult({m} frames of {w}x{h}, {100 * self.object_share:.1f}% object, {found}{notes})"

    @cached_property
    def labels(self) -> Tensor:
        """The eigenvector that `soft` was made of, (m, h, w), unit length, positive on the object; 0 if there is none."""
        if len(self.pairs.values) == 0:
            return torch.zeros(self.soft.shape, dtype=self.matrix.dtype, device=self.matrix.device)
        labels = self.sign * self.pairs.volumes[self.chosen]
        return labels if self.repeats is None else labels[self.repeats.shown]

    def spread(self, repeats: Repeats, memory: Memory) -> GraphResult:
        """What was found of the frames that differ, for all frames."""
        return replace(
            self,
            soft=repeats.spread(self.soft, memory),
            saliency=None if self.saliency is None else repeats.spread(self.saliency, memory),
            objects=None if self.objects is None else self.objects[repeats.shown],
            repeats=repeats,
        )

    def residual(self) -> float:
        """|A x - lambda x| / |lambda| of the object's eigenpair, by a product with A; NaN where there is none."""
        if self.chosen >= len(self.pairs.values) or not bool(self.pairs.values[self.chosen].isfinite()):
            return float("nan")
        return float(volume_residuals(self.matrix, self.pairs.values, self.pairs.volumes, self.chosen)[0])

    @property
    def eigengap(self) -> tuple[float, float] | None:
        """The distance from the object's eigenvalue to the nearest other one of A, and that one over the object's.

        A's zeros, which no solver lists, count too. None where it is not known; see `Eigenpairs.gap`.
        """
        nearest = self.pairs.nearest(self.chosen)
        if nearest is None:
            return None
        value = float(self.pairs.values[self.chosen])
        return abs(value - nearest), nearest / value

    def mask(self, frame: int) -> np.ndarray:
        """The object in one frame, (h, w) bool, at the working size."""
        return np.asarray(self.soft[frame] > self.threshold)

    @property
    def masks(self) -> np.ndarray:
        """The object, (m, h, w) bool, at the working size."""
        return np.stack([self.mask(frame) for frame in range(len(self.soft))])

    @property
    def object_share(self) -> float:
        """Share of the clip's pixels that belong to the object."""
        return float(np.mean([self.mask(frame).mean() for frame in range(len(self.soft))]))

    def soft_at(self, frame: int, size: tuple[int, int]) -> np.ndarray:
        """The soft mask of one frame enlarged to `size` (width, height), (h, w) float32; above `threshold` is object."""
        return enlarge(np.asarray(self.soft[frame]), size)


def enlarge(soft: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A soft mask (h, w) float32 at another size (width, height), linearly interpolated."""
    if (soft.shape[1], soft.shape[0]) == size:
        return soft
    return cv2.resize(soft, size, interpolation=cv2.INTER_LINEAR)
