"""What the providers that look at two grey frames at a time have in common."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing

import cv2
import numpy as np

from ikebook.base.threads import side_by_side
from ikebook.video.clip import resize_area

SMALLEST_SIDE = 64
"""OpenCV's searches fail on, or say nothing of, smaller frames, which are enlarged to it (toys are 16 pixels wide)."""

LARGEST_SIDE = 32000
"""Frames are not enlarged beyond what OpenCV's searches can index."""

MOST_THREADS = 16
"""Searches that run side by side, at most: each holds pyramids of two frames."""

Search = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From two grey frames (h, w) uint8 to the displacements (h, w, 2) float32 from the first to the second."""


class PairwiseFlow:
    """Flow from each pair of consecutive frames on its own."""

    def __init__(self, max_height: int, smallest_side: int = SMALLEST_SIDE) -> None:
        self.max_height = max_height
        self.smallest_side = smallest_side

    def pairs_of_grey(
        self, frames: Iterable[np.ndarray], new_search: Callable[[], Search]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Both directions of each pair, in order, searched side by side on as many threads as OpenCV may use.

        A search divides its own work among threads too, but only parts of it, and waits for the slowest between them. Whole searches
        wait for nothing, and give the same numbers on one thread as on many.

        Parameters
        ----------
        frames : RGB frames (h, w, 3) uint8
        new_search : makes a search, once for each thread: OpenCV's objects are no two threads' at a time
        """
        own = threading.local()

        def search(pair: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
            if not hasattr(own, "search"):
                own.search = new_search()
            found: np.ndarray = own.search(*pair)
            return found

        greys = (cv2.cvtColor(self._fit(frame), cv2.COLOR_RGB2GRAY) for frame in frames)
        both = (way for first, second in itertools.pairwise(greys) for way in ((first, second), (second, first)))
        with closing(side_by_side(search, both, min(cv2.getNumThreads(), MOST_THREADS), "flow")) as found:
            for ahead in found:
                yield ahead, next(found)

    def _fit(self, frame: np.ndarray) -> np.ndarray:
        h, w = frame.shape[:2]
        if h > self.max_height:
            return resize_area(frame, (max(self.smallest_side, round(w * self.max_height / h)), self.max_height))
        factor = min(self.smallest_side / min(h, w), LARGEST_SIDE / max(h, w))
        if factor > 1:
            return resize_area(frame, (round(w * factor), round(h * factor)))
        return frame
