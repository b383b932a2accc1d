"""From labels to masks (Sec. 4.4): soft masks frame by frame, and one threshold for the clip."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ikebook import check
from ikebook.check import require
from ikebook.storage import Array, chunks


@dataclass(frozen=True, kw_only=True)
class MaskOptions:
    object: str = "salient"  # the leading eigenvector that is closest to the motion saliency, or the "principal" one
    map: str = "median"  # to [0, 1] in each frame: from its "median" to its `top` quantile, or from least to greatest
    # ("minmax")
    top: float = 0.995  # quantile of a frame's labels that becomes 1
    threshold: float | str = "stable"  # of the masks: a number, or where the masks' area over the clip changes least

    def __post_init__(self) -> None:
        check.one_of("MaskOptions.object", self.object, ["salient", "principal"])
        check.one_of("MaskOptions.map", self.map, ["median", "minmax"])
        check.number("MaskOptions.top", self.top, above=0.5)
        require(self.top <= 1, f"MaskOptions.top is {self.top}; expected 1 or less.")
        if self.threshold != "stable":
            check.number("MaskOptions.threshold", self.threshold, at_least=0)


def soft_masks(labels: Tensor, options: MaskOptions | None = None) -> Tensor:
    """Labels (m, h, w) to soft masks in [0, 1], frame by frame; a frame without contrast has an empty one."""
    o = options or MaskOptions()
    frames = labels.flatten(1)
    if o.map == "minmax":
        low, high = frames.amin(1, keepdim=True), frames.amax(1, keepdim=True)
    else:
        low = frames.median(1, keepdim=True).values
        high = frames.kthvalue(math.ceil(o.top * frames.shape[1]), dim=1, keepdim=True).values
    spread = torch.where(high > low, high - low, torch.full_like(high, torch.inf))
    return ((frames - low) / spread).clamp(0, 1).view_as(labels)


def stable_threshold(soft: Tensor | Array) -> float:
    """The threshold around which the masks' area over the clip changes least, in proportion.

    The idea of maximally stable extremal regions (Matas et al., BMVC 2002, doi:10.5244/C.16.36), for a whole clip:
    the t between 0.2 and 0.85 for which area(t + 0.1) / area(t - 0.1) is greatest.
    """
    bins, reach = 200, 0.1
    counts = sum(torch.histc(part.float(), bins, 0.0, 1.0).cpu().double() for part in chunks(soft))
    assert isinstance(counts, Tensor)
    area = counts.flip(0).cumsum(0).flip(0)  # area[k]: pixels with soft >= k / bins
    steps = round(reach * bins)
    candidates = torch.arange(round(0.2 * bins), round(0.85 * bins) + 1)
    ratios = (area[candidates + steps] + 1) / (area[candidates - steps] + 1)
    return float(candidates[int(ratios.argmax())]) / bins
