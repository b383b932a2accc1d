"""From labels to masks: soft masks frame by frame, and one threshold for the clip. Ours: the paper does not say how."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ikebook.base import check
from ikebook.base.arrays import Array
from ikebook.base.check import require
from ikebook.base.tensors import chunks

LOWEST, HIGHEST, REACH = 0.35, 0.65, 0.1
"""Thresholds that may be chosen, and how far from each the areas are compared. The first two were fixed on 20 training sequences of
DAVIS 2016: soft masks have little between 0.2 and 0.8, and where they have much, thresholds far from the middle lose whole clips."""

BINS = 200
"""Of the values of soft masks, when a threshold is looked for."""


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    """How labels become masks. Ours: the paper does not say how.

    Parameters
    ----------
    object : str or int, default "salient"
        Which eigenvector is the object: the leading one that is closest to the motion saliency ("salient"), the "principal" one, as
        in the paper (Eq. 1), or the one with this number, from 1, by falling eigenvalues, of a graph
        that knows where pixels move (see `ikebook.segment`, `init`).
    map : str, default "median"
        How labels come to [0, 1] in each frame: from its "median" to its `top` quantile, or from least to greatest
        ("minmax", as in the authors' program).
    top : float, default 0.995
        Quantile of a frame's labels that becomes 1, in (0.5, 1].
    threshold : float or str, default "stable"
        Above it, in [0, 1], lies the object: a number, or "stable", where the masks' area over the clip changes least.

    Notes
    -----
    `map` and `top` were fixed on the 12 sequences that docs/results/report.md is about, by `tests/experiments/ablation.py`.
    """

    object: str | int = "salient"
    map: str = "median"
    top: float = 0.995
    threshold: float | str = "stable"

    def __post_init__(self) -> None:
        if isinstance(self.object, str):
            check.one_of("MaskOptions.object", self.object, ["salient", "principal"])
        else:
            check.whole("MaskOptions.object", self.object, at_least=1)
        check.one_of("MaskOptions.map", self.map, ["median", "minmax"])
        check.number("MaskOptions.top", self.top, above=0.5)
        require(self.top <= 1, f"MaskOptions.top is {self.top}; expected 1 or less.")
        if self.threshold != "stable":
            check.number("MaskOptions.threshold", self.threshold, at_least=0)
            require(
                float(self.threshold) <= 1,
                f"MaskOptions.threshold is {self.threshold}; expected 1 or less: soft masks end there.",
            )


def soft_masks(labels: Tensor, options: MaskOptions | None = None) -> Tensor:
    """Labels (m, h, w) to soft masks in [0, 1], frame by frame; a frame without contrast has an empty one."""
    frames = labels.flatten(1)
    low, high = label_range(frames, options or MaskOptions())
    spread = torch.where(high > low, high - low, torch.full_like(high, torch.inf))
    return ((frames - low) / spread).clamp(0, 1).view_as(labels)


def label_range(frames: Tensor, options: MaskOptions) -> tuple[Tensor, Tensor]:
    """Labels that become 0 and 1 in each frame, (m, 1) each, of labels (m, pixels)."""
    if options.map == "minmax":
        return frames.amin(1, keepdim=True), frames.amax(1, keepdim=True)
    top = frames.kthvalue(math.ceil(options.top * frames.shape[1]), dim=1, keepdim=True).values
    return frames.median(1, keepdim=True).values, top


def stable_threshold(soft: Tensor | Array) -> float:
    """The threshold around which the masks' area over the clip changes least, in proportion.

    The idea of maximally stable extremal regions (Matas et al., BMVC 2002, doi:10.5244/C.16.36), for a whole clip:
    the t between 0.35 and 0.65 for which area(t + 0.1) / area(t - 0.1) is greatest.
    """
    return threshold_of_counts(area_counts(soft))


def area_counts(soft: Tensor | Array) -> Tensor:
    """How many pixels have which value, (200,) float64, from 0 to 1: counts of a clip's parts add up to those of the clip."""
    counts = sum(histogram(part.float()).cpu().double() for part in chunks(soft))
    assert isinstance(counts, Tensor)
    return counts


def histogram(soft: Tensor) -> Tensor:
    """How many pixels of soft masks have which value, (200,), from 0 to 1, on their device."""
    return torch.histc(soft, BINS, 0.0, 1.0)


def threshold_of_counts(counts: Tensor) -> float:
    """The threshold of `stable_threshold`, from `area_counts`."""
    area = counts.flip(0).cumsum(0).flip(0)  # area[k]: pixels with soft >= k / BINS
    steps = round(REACH * BINS)
    candidates = torch.arange(round(LOWEST * BINS), round(HIGHEST * BINS) + 1)
    ratios = (area[candidates + steps] + 1) / (area[candidates - steps] + 1)
    return float(candidates[int(ratios.argmax())]) / BINS
