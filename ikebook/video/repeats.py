"""Frames that stand twice or more: 15 a second in a file of 30, 24 in 60, animation on twos. Ours, not the paper's.

Between a frame and its copy nothing moves, and to a graph every other pair of frames says so. So what is computed is computed on
the frames that differ, and each frame gets what was found of the one that it repeats.

Copies are equal, or nearly so where a codec has been at work. Nearly equal frames count as copies only where the steps about them
are much larger, as no camera stops for one frame: a run of small differences, short, between large ones, and not the only one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np
from torch import Tensor

from ikebook.base.arrays import Array, Memory

if TYPE_CHECKING:
    from ikebook.video.clip import Clip

CELLS = (52, 28)
"""Frames are compared by the means of so many cells, across and down."""

MOST = 16
"""Cells that differ most, whose mean difference is that of two frames."""

SMALL = 8.0
"""Difference of a frame and its copy, at most, of 255: where a codec begins anew with a whole picture it is 5."""

RATIO = 0.2
"""And as a share of the differences before and after the run that it is of, at most. Of 11 sequences of DAVIS 2016 doubled and coded
anew it is 0.1 at most, and the least that any step has in the sequences as they are is 0.6."""

LONGEST = 5
"""Steps in a run of nearly equal frames, at most: 10 frames a second in a file of 60."""

Values = TypeVar("Values", bound="Array | Tensor")


@dataclass(frozen=True, eq=False)
class Repeats:
    """Which frames of a clip repeat the one before.

    Parameters
    ----------
    shown : (m,) int
        Of each frame, the number of the picture that it shows, counted from 0 among those that differ.
    """

    shown: np.ndarray

    @cached_property
    def first(self) -> np.ndarray:
        """The first frame of each picture, (k,)."""
        return np.unique(self.shown, return_index=True)[1]

    @property
    def last(self) -> np.ndarray:
        """The last frame of each picture, (k,): flow to the next picture starts there."""
        return np.append(self.first[1:], len(self.shown)) - 1

    @property
    def note(self) -> str:
        """What a user is told."""
        again = len(self.shown) - len(self.first)
        return (
            f"{again} of {len(self.shown)} frames repeat the one before: the graph is that of the {len(self.first)} that differ, and "
            "each frame has the mask of the picture that it shows."
        )

    def clip(self, clip: Clip) -> Clip:
        """The clip without repeated frames."""
        return clip.pick(self.first)

    def pick(self, values: Values, memory: Memory) -> Values:
        """Of values (m, ...), those of the frames that differ, (k, ...)."""
        return _at(values, self.first, memory)

    def greatest(self, values: np.ndarray | Tensor) -> np.ndarray:
        """Of values (m, ...) the greatest of all frames that show a picture, (k, ...): what is drawn on one of them is drawn on it."""
        return np.asarray(np.maximum.reduceat(np.asarray(values), self.first, axis=0))

    def spread(self, values: Values, memory: Memory) -> Values:
        """Values (k, ...) of the frames that differ, for all frames, (m, ...)."""
        return _at(values, self.shown, memory)


def _at(values: Values, indices: np.ndarray, memory: Memory) -> Values:
    if isinstance(values, (np.ndarray, Tensor)):
        return values[indices]  # type: ignore[return-value]
    return memory.array((np.asarray(values[int(index)]) for index in indices), len(indices))  # type: ignore[return-value]


def find_repeats(frames: Array) -> Repeats | None:
    """The repeated frames of a clip.

    Parameters
    ----------
    frames : (m, h, w, 3) uint8
        RGB.

    Returns
    -------
    Repeats or None
        None if there are none, or nothing but one picture.

    Examples
    --------
    >>> import numpy as np
    >>> import ikebook
    >>> find_repeats(np.repeat(ikebook.toy("disc").clip.frames, 2, axis=0)).shown.tolist()
    [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    """
    differences, equal = _steps(frames)
    if not equal.any() and (differences > SMALL).all():
        return None
    copies = equal | _nearly(differences, equal)
    shown = np.append(0, np.cumsum(~copies))
    return Repeats(shown) if copies.any() and shown[-1] >= 1 else None


def _steps(frames: Array) -> tuple[np.ndarray, np.ndarray]:
    """How much each frame differs from the one before, (m-1,), and whether it is equal to it, (m-1,) bool."""
    differences, equal = [], []
    before: np.ndarray | None = None
    small_before: np.ndarray = np.zeros(0)
    for frame in frames:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        size = (min(CELLS[0], grey.shape[1]), min(CELLS[1], grey.shape[0]))
        small = cv2.resize(grey.astype(np.float32), size, interpolation=cv2.INTER_AREA).ravel()
        if before is not None:
            most = min(MOST, small.size)
            apart = np.abs(small - small_before)
            differences.append(float(np.partition(apart, -most)[-most:].mean()))
            equal.append(np.array_equal(frame, before))
        before, small_before = frame, small
    return np.array(differences), np.array(equal, bool)


def _nearly(differences: np.ndarray, equal: np.ndarray) -> np.ndarray:
    """Steps that are small in short runs between large ones, (m-1,) bool."""
    found, runs = np.zeros(len(differences), bool), 0
    small = equal | (differences <= SMALL)
    start = 0
    inner = 0  # the longest run that lies between two large steps
    at_ends = []
    while start < len(small):
        stop = start
        while stop < len(small) and small[stop] == small[start]:
            stop += 1
        if small[start] and stop - start <= LONGEST:
            about = [differences[place] for place in (start - 1, stop) if 0 <= place < len(small)]
            if about and differences[start:stop].max() <= RATIO * min(about):
                if len(about) == 2:
                    found[start:stop], runs, inner = True, runs + 1, max(inner, stop - start)
                else:
                    at_ends.append(slice(start, stop))
        start = stop
    for run in at_ends:
        if run.stop - run.start <= inner:
            found[run], runs = True, runs + 1
    return found if runs >= 2 else np.zeros_like(found)
