"""Which frames of a video are read: from a first to a last, by number or by time, and every so many of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from ikebook.base import check
from ikebook.base.check import require

LAST = 2**40
"""A number of frames that no video has."""


@dataclass(frozen=True)
class Selection:
    """From `start` to before `end`, one in `every` frames.

    Parameters
    ----------
    start, end : int, str or None
        Frames, counted from 0, or seconds with an s, such as "2.5s"; None: from the first, to the last.
    every : int
    """

    start: int | str | None = None
    end: int | str | None = None
    every: int = 1

    def __post_init__(self) -> None:
        check.whole("every", self.every, at_least=1)
        begin, stop = _parsed("start", self.start), _parsed("end", self.end)
        if type(begin) is type(stop) and begin is not None and stop is not None:
            require(begin < stop, f"end is {self.end} and start is {self.start}; expected an end that is later.")

    def __bool__(self) -> bool:
        return self != Selection()

    def indexes(self, fps: float, times: Sequence[float] | None = None, count: int | None = None) -> range:
        """Numbers of the selected frames, of a video of `count`; where that is not known, there may be fewer.

        Parameters
        ----------
        fps : float
        times : sequence of float, optional
            When each frame is shown, in seconds, where frames are not evenly spaced.
        count : int, optional
        """
        start = _frame("start", self.start, fps, times) or 0
        stop = _frame("end", self.end, fps, times)
        if count is not None:
            stop = count if stop is None else min(stop, count)
            require(start < stop, f"start is {self.start}, but there are {count} frames at {fps:g} a second.")
        return range(start, LAST if stop is None else stop, self.every)


def _parsed(name: str, value: Any) -> int | float | None:
    """A frame's number as an int, a time as a float, in seconds."""
    if value is None:
        return None
    text = str(value).strip()
    parsed: int | float | None = None
    with suppress(ValueError):
        parsed = float(text[:-1]) if text.endswith("s") else int(text)
    require(
        parsed is not None and 0 <= parsed < LAST,
        f"{name} is {value!r}; expected a frame's number, such as 60, or seconds, such as 2.5s.",
    )
    return parsed


def _frame(name: str, value: int | str | None, fps: float, times: Sequence[float] | None) -> int | None:
    """The first frame that is shown at a time or later, or the frame with that number."""
    parsed = _parsed(name, value)
    if not isinstance(parsed, float):
        return parsed
    if times is not None:
        return sum(time - times[0] < parsed - 1e-6 for time in times)
    return int(np.ceil(parsed * fps - 1e-6))


class SelectedFrames:
    """Some frames of another source.

    Parameters
    ----------
    source : FrameSource
    indexes : range or sequence of int
        Their numbers in it, increasing; what lies beyond its end is passed over.
    """

    def __init__(self, source: Any, indexes: Sequence[int]) -> None:
        self.source = source
        self.indexes = indexes if isinstance(indexes, range) else tuple(indexes)

    @property
    def step(self) -> int:
        """Frames of the source from the last of these to what would be the next one."""
        last = self.indexes[-2:]
        return last[-1] - last[0] if len(last) == 2 else getattr(self.indexes, "step", 1)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return float(self.source.fps) / self.step

    def count(self) -> int:
        """How many frames there are."""
        return len(self.indexes)

    def names(self) -> list[str]:
        """What the frames are called in the whole video."""
        names = self.source.names()
        return [names[index] for index in self.indexes]

    def notes(self) -> list[str]:
        """What a user should know of how the file was read."""
        return list(self.source.notes())

    def __iter__(self) -> Iterator[np.ndarray]:
        frames: Iterator[np.ndarray] = iter(self.source)
        before = -1
        for index in self.indexes:
            there = next(itertools.islice(frames, index - before - 1, None), None)
            if there is None:
                return
            yield there
            before = index

    def fingerprint(self) -> str:
        i = self.indexes
        which = f"{i.start}:{i.stop}:{i.step}" if isinstance(i, range) else f"frames {i}"
        return f"{which} of {self.source.fingerprint()}"
