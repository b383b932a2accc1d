"""The colours of a clip's frames, as pixels along a motion chain are compared by them (ours, not the paper's), and those of curves."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from ikebook.base.arrays import Array

BLUR = 0.0034
"""Standard deviation of the Gaussian that colours are blurred by, fraction of the frame's width: 1.4 pixels of 416. It takes out
the camera's noise and what a step that ends half a pixel off would see of a texture."""

BLUE, ORANGE, GREEN, RED, PURPLE = "#3f8fdc", "#cf7413", "#2fa35f", "#e0483e", "#9a6fd0"
"""Colours that can be told apart, 3:1 or more on light and dark ground."""

COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, "#8a6d3b", "#00939c", "#c2497f")
"""Of curves, in widgets and in pictures alike."""


def lab_colours(frames: Array) -> Iterator[np.ndarray]:
    """Each frame's blurred colours in CIE Lab, (h, w, 3) float32, L from 0 to 100.

    Parameters
    ----------
    frames : (m, h, w, 3) uint8
        RGB.

    Examples
    --------
    >>> import ikebook
    >>> colours = next(lab_colours(ikebook.toy("disc").clip.frames))
    >>> colours.shape, bool(0 <= colours[..., 0].min() <= colours[..., 0].max() <= 100)
    ((16, 16, 3), True)
    """
    for frame in frames:
        lab = cv2.cvtColor(np.asarray(frame).astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
        yield cv2.GaussianBlur(lab, (0, 0), BLUR * frame.shape[1])
