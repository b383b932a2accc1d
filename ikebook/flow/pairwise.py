"""What the providers that look at two grey frames at a time have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np

from ikebook.video.clip import resize_area

SMALLEST_SIDE = 64
"""OpenCV's searches fail on, or say nothing of, smaller frames, which are enlarged to it (toys are 16 pixels wide)."""

LARGEST_SIDE = 32000
"""Frames are not enlarged beyond what OpenCV's searches can index."""


class PairwiseFlow:
    """Flow from each pair of consecutive frames on its own."""

    def __init__(self, max_height: int, smallest_side: int = SMALLEST_SIDE) -> None:
        self.max_height = max_height
        self.smallest_side = smallest_side

    def pairs_of_grey(
        self, frames: Iterable[np.ndarray], search: Callable[[np.ndarray, np.ndarray], np.ndarray]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        previous: np.ndarray | None = None
        for frame in frames:
            grey = cv2.cvtColor(self._fit(frame), cv2.COLOR_RGB2GRAY)
            if previous is not None:
                yield search(previous, grey), search(grey, previous)
            previous = grey

    def _fit(self, frame: np.ndarray) -> np.ndarray:
        h, w = frame.shape[:2]
        if h > self.max_height:
            return resize_area(frame, (max(self.smallest_side, round(w * self.max_height / h)), self.max_height))
        factor = min(self.smallest_side / min(h, w), LARGEST_SIDE / max(h, w))
        if factor > 1:
            return resize_area(frame, (round(w * factor), round(h * factor)))
        return frame
