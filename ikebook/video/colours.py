"""The colours of a clip's frames, as pixels along a motion chain are compared by them (ours, not the paper's), and those of curves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from ikebook.base.arrays import Array, Computed
from ikebook.base.tensors import frames_at_once, on_device, pictures

BLUR = 0.0034
"""Standard deviation of the Gaussian that colours are blurred by, fraction of the frame's width: 1.4 pixels of 416. It takes out
the camera's noise and what a step that ends half a pixel off would see of a texture."""

NODES, STEPS, FINE, FINE_SHIFT = 32, 16, 1 << 14, 5
"""OpenCV's table of CIE Lab: intervals along each axis of RGB, steps within each, and how finely a value is taken before that."""

BLUE, ORANGE, GREEN, RED, PURPLE = "#3f8fdc", "#cf7413", "#2fa35f", "#e0483e", "#9a6fd0"
"""Colours that can be told apart, 3:1 or more on light and dark ground."""

COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, "#8a6d3b", "#00939c", "#c2497f")
"""Of curves, in widgets and in pictures alike."""


def lab_colours(frames: Array) -> Computed:
    """Each frame's blurred colours in CIE Lab, (m, h, w, 3) float32, L from 0 to 100; computed when a frame is asked for.

    All of them would take four times the memory of the frames, and a frame's are found in a thousandth of a second or two.

    Parameters
    ----------
    frames : (m, h, w, 3) uint8
        RGB.

    Examples
    --------
    >>> import ikebook
    >>> colours = lab_colours(ikebook.toy("disc").clip.frames)
    >>> colours.shape, bool(0 <= colours[0][..., 0].min() <= colours[0][..., 0].max() <= 100)
    ((5, 16, 16, 3), True)
    """
    return Computed(frames, _lab_of, np.float32)


def _lab_of(frame: np.ndarray) -> np.ndarray:
    lab = cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    return cv2.GaussianBlur(lab, (0, 0), BLUR * frame.shape[1])


def lab_on_device(frames: Array | Tensor, device: torch.device, dtype: torch.dtype) -> Iterator[Tensor]:
    """`lab_colours` by a device itself, a few frames (b, h, w, 3) after the other: to rounding what OpenCV finds.

    A GPU would wait for a CPU's colours of a frame as long as it takes for ten frames of the graph.
    """
    h, w = frames.shape[1:3]
    batch, taps = frames_at_once(device, h * w), gaussian_taps(BLUR * w)
    reach = len(taps) // 2
    table = on_device(torch.from_numpy(_lab_nodes()), device, dtype)
    rows, columns = (on_device(torch.from_numpy(_mirrored(side, reach)), device) for side in (h, w))
    for start in range(0, len(frames), batch):
        lab = _lab(on_device(pictures(frames[start : start + batch]), device).movedim(-1, 0), table)  # (3, b, h, w)
        lab = _weighted(lab.index_select(2, rows), taps, 2)
        lab = _weighted(lab.index_select(3, columns), taps, 3)
        yield lab.movedim(0, -1)


def gaussian_taps(sigma: float) -> list[float]:
    """The weights of a Gaussian, summing to 1, as far as OpenCV takes one of floating point values to reach."""
    reach = round(8 * sigma + 1) // 2
    weights = np.exp(-(np.arange(-reach, reach + 1.0) ** 2) / (2 * sigma**2)) if reach else np.ones(1)
    return list(weights / weights.sum())


def _lab_nodes() -> np.ndarray:
    """CIE Lab at the nodes of OpenCV's table of it, (33^3, 3) float32: at them it finds nothing but what the table holds."""
    steps = np.arange(NODES + 1, dtype=np.float32) / NODES
    nodes = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    return cv2.cvtColor(nodes.reshape(1, -1, 3), cv2.COLOR_RGB2Lab)[0]


def _lab(rgb: Tensor, table: Tensor) -> Tensor:
    """CIE Lab of values (3, ...) uint8, (3, ...), as OpenCV interpolates it between the nodes of a table (33^3, 3)."""
    levels = (rgb.int() * FINE + 127) // 255 >> FINE_SHIFT  # of 512 from 0 to 1, cut off as there
    node, rest = levels // STEPS, (levels % STEPS).to(table.dtype) / STEPS
    found = table.new_zeros(3, *rgb.shape[1:])
    for corner in itertools.product((0, 1), repeat=3):
        weight = torch.ones_like(rest[0])
        place = torch.zeros_like(node[0])
        for axis, further in enumerate(corner):
            weight = weight * (rest[axis] if further else 1 - rest[axis])
            place = place * (NODES + 1) + (node[axis] + further).clamp(max=NODES)
        near = table.index_select(0, place.flatten()).view(*place.shape, 3)
        found += weight * near.movedim(-1, 0)
    return found


def _mirrored(side: int, reach: int) -> np.ndarray:
    """Which of `side` pixels stand from `reach` before the first to `reach` after the last, mirrored about both."""
    place = np.arange(-reach, side + reach) % max(2 * side - 2, 1)
    return np.minimum(place, 2 * side - 2 - place)


def _weighted(values: Tensor, taps: list[float], axis: int) -> Tensor:
    """Weighted sums of neighbours along an axis, which becomes shorter by all of them but one."""
    count = values.shape[axis] - len(taps) + 1
    total = taps[0] * values.narrow(axis, 0, count)
    for k, weight in enumerate(taps[1:], 1):
        total.add_(values.narrow(axis, k, count), alpha=weight)
    return total
