"""The frames of a long video, of which any can be read without the others being held."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ikebook.video.images import ImageFolder
from ikebook.video.selection import SelectedFrames, Selection
from ikebook.video.sources import open_frames, times_of


@dataclass(frozen=True)
class FrameSource:
    """What `ikebook.read_clip` reads, too; of a video file each reading decodes all frames before the first one, too.

    Parameters
    ----------
    path : Path
    selection : Selection, optional
        Which of the frames; numbers below count those alone.
    whole : range, optional
        Their numbers in the whole video, where somebody has found them before: a video file is decoded for that.
    """

    path: Path
    selection: Selection = field(default_factory=Selection)
    whole: range | None = None

    def indexes(self) -> range:
        """The numbers of the frames in the whole video."""
        if self.whole is not None:
            return self.whole
        source = open_frames(self.path)
        times = times_of(source) if self.selection else None
        return self.selection.indexes(source.fps, times, source.count())

    def count(self) -> int:
        """How many frames there are."""
        return len(self.indexes())

    def fps(self) -> float:
        """Frames per second."""
        return SelectedFrames(open_frames(self.path), self.indexes()).fps

    def read(self, frames: range) -> Iterator[np.ndarray]:
        """Some frames (H, W, 3) uint8 RGB at their own size."""
        wanted = self.indexes()[frames.start : frames.stop]
        return itertools.islice(open_frames(self.path).between(wanted.start, wanted.stop), None, None, wanted.step)

    def names(self, frames: range) -> list[str]:
        """What some frames are called, in the whole video."""
        source, wanted = open_frames(self.path), self.indexes()[frames.start : frames.stop]
        if isinstance(source, ImageFolder):
            names = source.names()
            return [names[index] for index in wanted]
        return [f"{index:05d}" for index in wanted]

    def fingerprint(self) -> str:
        """A text that changes when any frame does."""
        source = open_frames(self.path)
        return SelectedFrames(source, self.indexes()).fingerprint() if self.selection else source.fingerprint()
