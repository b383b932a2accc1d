"""The frames of a long video, of which any can be read without the others being held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ikebook.base.check import require
from ikebook.video.clip import FOLDER_FPS, ImageFolder, files_fingerprint, image_files, names_of, video_file


@dataclass(frozen=True)
class FrameSource:
    """A folder of images, or a video file, of which each reading decodes all frames before the first one, too."""

    path: Path

    def count(self) -> int:
        """How many frames there are."""
        require(self.path.exists(), f"{self.path} does not exist; expected a folder of images or a video file.")
        return len(image_files(self.path)) if self.path.is_dir() else video_file(self.path).count()

    def fps(self) -> float:
        """Frames per second."""
        return FOLDER_FPS if self.path.is_dir() else video_file(self.path).fps()

    def read(self, frames: range) -> Iterator[np.ndarray]:
        """Some frames (H, W, 3) uint8 RGB at their own size."""
        if self.path.is_dir():
            return iter(ImageFolder(image_files(self.path)[frames.start : frames.stop]))
        return video_file(self.path).between(frames.start, frames.stop)

    def names(self, frames: range) -> list[str]:
        """What some frames are called."""
        if self.path.is_dir():
            return names_of(image_files(self.path))[frames.start : frames.stop]
        return [f"{index:05d}" for index in frames]

    def fingerprint(self) -> str:
        """A text that changes when any frame does."""
        return files_fingerprint(image_files(self.path) if self.path.is_dir() else [self.path])
