"""Contrast: whether motions, or colours, like a pixel's occur on the object rather than off it. Ours, not the paper's.

With q the degree to which each pixel is believed to belong to the object, the contrast of a value v is the log-likelihood ratio

    L(v) = log p(v | q) - log p(v | 1 - q),

from histograms of all pixels' values, weighted by q and by 1 - q. Of motion they are taken over a few frames, each residual in
units of its own frame; of colour over the whole clip.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice

import cv2
import numpy as np
import torch
from torch import Tensor

from ikebook.graph.residual import STILL, length, median

REACH = 4.0
"""End of the axes of motion's histograms: log(1 + 54), so that motions 54 times the unit and more share the last cells."""

COLOUR_ENDS = (0.002, 0.998)
"""Quantiles of the clip's colours, axis by axis, between which the cells of colour's histogram lie."""

RARE_MOTION, RARE_COLOUR = 1e-6, 1e-5
"""Share of all pixels that a cell has at least, so that what was seen once says little."""


def motion_cells(residual: Tensor, bins: int) -> Tensor:
    """The cell of motion's histogram that each residual lies in, (b, h, w) int64.

    Residuals are taken in units of 1.5 times their field's median length and compressed to r log(1 + |r|) / |r|, so that
    the cells are fine where motions are small.

    Parameters
    ----------
    residual : (b, h, w, 2)
        Flow less the dominant motion, pixels.
    bins : int
        Cells along each axis.
    """
    lengths = length(residual)
    unit = 1.5 * median(lengths.flatten(1))[..., None] + STILL  # (b, 1, 1)
    lengths = lengths / unit
    compressed = residual / unit[..., None] * (torch.log1p(lengths) / lengths.clamp_min(1e-9))[..., None]
    column, row = ((compressed + REACH) / (2 * REACH) * (bins - 1)).round().clamp(0, bins - 1).unbind(-1)
    return (row * bins + column).long()


def histograms(cells: Tensor, q: Tensor, count: int) -> Tensor:
    """How probable each cell is under q and under 1 - q, frame by frame, (b, 2, count).

    Parameters
    ----------
    cells : (b, h, w) int64
    q : (b, h, w)
        In [0, 1].
    count : int
        Of all cells.
    """
    found = []
    for weights in (q.flatten(1), 1 - q.flatten(1)):
        share = weights / weights.sum(1, keepdim=True).clamp_min(1e-6)
        found.append(q.new_zeros(len(q), count).scatter_add_(1, cells.flatten(1), share))
    return torch.stack(found, 1)


def motion_contrast(neighbours: Iterable[Tensor], bins: int) -> Tensor:
    """L of each cell of motion, (..., bins * bins), from the histograms (..., 2, bins * bins) of a frame and its neighbours."""
    mean = torch.stack([*neighbours]).mean(0)
    logs = torch.log(smoothed(mean.view(*mean.shape[:-1], bins, bins), axes=2) + RARE_MOTION).flatten(-2)
    return logs[..., 0, :] - logs[..., 1, :]


def windows(items: Iterable[Tensor], reach: int) -> Iterator[tuple[Tensor, ...]]:
    """Of each item those from `reach` before it to `reach` after it, as far as there are; no more are held."""
    rest = iter(items)
    held = deque(islice(rest, reach + 1))
    first = centre = 0
    while centre < first + len(held):
        yield tuple(held)
        centre += 1
        held.extend(islice(rest, 1))
        if centre - first > reach:
            held.popleft()
            first += 1


def colours_of(frames: np.ndarray) -> np.ndarray:
    """Frames (b, h, w, 3) uint8 RGB in CIE Lab, uint8 each."""
    return np.stack([cv2.cvtColor(frame, cv2.COLOR_RGB2Lab) for frame in frames])


def colour_tables(counts: np.ndarray, bins: int) -> np.ndarray:
    """Which of `bins` cells each value of each axis of Lab lies in, (3, 256), from how often it occurs in the clip, (3, 256)."""
    tables = np.empty((3, 256), np.int64)
    for table, count in zip(tables, counts, strict=True):
        share = count.cumsum() / count.sum()
        low, high = np.searchsorted(share, COLOUR_ENDS)
        table[:] = np.clip((np.arange(256.0) - low) / (high - low + 1e-6) * bins, 0, bins - 1)
    return tables


def colour_cells(lab: np.ndarray, tables: np.ndarray, bins: int) -> np.ndarray:
    """The cell of colour's histogram that each pixel lies in, (b, h, w) int64, from uint8 Lab (b, h, w, 3)."""
    first, second, third = (table[lab[..., axis]] for axis, table in enumerate(tables))
    return np.asarray((first * bins + second) * bins + third)


def colour_contrast(counts: Tensor, bins: int) -> Tensor:
    """L of each cell of colour, (bins^3,), from the weights of all pixels in it under q and under 1 - q, (2, bins^3)."""
    shares = counts / counts.sum(1, keepdim=True).clamp_min(1e-6)
    logs = torch.log(smoothed(shares.view(2, bins, bins, bins), axes=3) + RARE_COLOUR).flatten(1)
    return logs[0] - logs[1]


def smoothed(histogram: Tensor, axes: int) -> Tensor:
    """A Gaussian of one cell along the last axes; beyond the border are the cells on it. (..., bins, bins)."""
    bins = histogram.shape[-1]
    reach = torch.arange(-4, 5, device=histogram.device)
    kernel = torch.exp(-(reach.to(histogram.dtype) ** 2) / 2)
    neighbours = (torch.arange(bins, device=histogram.device)[:, None] + reach).clamp(0, bins - 1)  # (bins, 9)
    rows = histogram.new_zeros(bins, bins).scatter_add_(1, neighbours, (kernel / kernel.sum()).expand(bins, -1))
    for axis in range(-axes, 0):
        histogram = (histogram.movedim(axis, -1) @ rows.mT).movedim(-1, axis)
    return histogram
