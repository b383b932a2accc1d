"""The frames of a long video, of which any can be read without the others being held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ikebook.video.images import ImageFolder
from ikebook.video.sources import open_frames


@dataclass(frozen=True)
class FrameSource:
    """What `ikebook.read_clip` reads, too; of a video file each reading decodes all frames before the first one, too."""

    path: Path

    def count(self) -> int:
        """How many frames there are."""
        return open_frames(self.path).count()

    def fps(self) -> float:
        """Frames per second."""
        return open_frames(self.path).fps

    def read(self, frames: range) -> Iterator[np.ndarray]:
        """Some frames (H, W, 3) uint8 RGB at their own size."""
        return open_frames(self.path).between(frames.start, frames.stop)

    def names(self, frames: range) -> list[str]:
        """What some frames are called."""
        source = open_frames(self.path)
        if isinstance(source, ImageFolder):
            return source.names()[frames.start : frames.stop]
        return [f"{index:05d}" for index in frames]

    def fingerprint(self) -> str:
        """A text that changes when any frame does."""
        return open_frames(self.path).fingerprint()
