"""Data sets: named sequences of frames with annotations, behind one interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from ikebook import check
from ikebook.clip import Clip
from ikebook.datasets.davis2016 import Davis2016

__all__ = ["DATASETS", "Dataset", "Davis2016", "open_dataset"]


class Dataset(Protocol):
    """Sequences by name. Annotations are read apart from the clip: what segments a clip never sees them."""

    name: str
    root: Path

    def sequences(self) -> Sequence[str]:
        """Names of the sequences, in the data set's order."""
        ...

    def clip(self, sequence: str, size: tuple[int, int] | str | None) -> Clip:
        """The frames of a sequence at a working size, without masks."""
        ...

    def annotations(self, sequence: str) -> Iterator[np.ndarray]:
        """The annotated masks (h, w) bool at their own size, one for each frame."""
        ...


DATASETS = {"davis2016": Davis2016}
"""Readers by name."""


def open_dataset(name: str, root: str | Path) -> Dataset:
    """The data set called `name` in the folder `root`."""
    check.one_of("data set", name, DATASETS)
    return DATASETS[name](root)
