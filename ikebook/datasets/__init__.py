"""Data sets: named sequences of frames with annotations, behind one interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ikebook.base import check
from ikebook.datasets.davis2016 import Davis2016
from ikebook.datasets.davis2017 import Davis2017
from ikebook.datasets.davsod import Davsod
from ikebook.datasets.fbms59 import Fbms59
from ikebook.datasets.protocol import Protocol as Scoring
from ikebook.datasets.segtrackv2 import SegTrackV2
from ikebook.datasets.youtube_objects import YouTubeObjects
from ikebook.video.clip import Clip

__all__ = [
    "DATASETS",
    "Dataset",
    "Davis2016",
    "Davis2017",
    "Davsod",
    "Fbms59",
    "SegTrackV2",
    "YouTubeObjects",
    "open_dataset",
]


class Dataset(Protocol):
    """Sequences by name. Annotations are read apart from the clip: what segments a clip never sees them."""

    name: str
    root: Path
    protocol: Scoring  # how it is scored

    def sequences(self) -> Sequence[str]:
        """Names of the sequences, in the data set's order."""
        ...

    def clip(self, sequence: str, size: tuple[int, int] | str | None) -> Clip:
        """The frames of a sequence at a working size, without masks."""
        ...

    def annotations(self, sequence: str) -> Iterator[np.ndarray | None]:
        """The annotated masks (h, w) bool, one for each frame at its own size; None where a frame has none."""
        ...


DATASETS: dict[str, Callable[[str | Path], Dataset]] = {
    "davis2016": Davis2016,
    "davis2017": Davis2017,
    "segtrackv2": SegTrackV2,
    "youtube-objects": YouTubeObjects,
    "davsod": Davsod,
    "fbms59": Fbms59,
}
"""Readers by name."""


def open_dataset(name: str, root: str | Path) -> Dataset:
    """The data set called `name` in the folder `root`."""
    check.one_of("data set", name, DATASETS)
    return DATASETS[name](root)
