"""The data sets by name, and what all of their readers can do."""

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
from ikebook.datasets.protocol import Protocol as ScoringProtocol
from ikebook.datasets.segtrackv2 import SegTrackV2
from ikebook.datasets.youtube_objects import YouTubeObjects
from ikebook.video.clip import Clip


class Dataset(Protocol):
    """Named sequences of frames with annotations. Ours may be any class that has these.

    Annotations are read apart from the clip: what segments a clip never sees them.

    Attributes
    ----------
    name : str
        Such as "davis2016".
    root : Path
        The folder that holds it.
    protocol : ikebook.datasets.Protocol
        How it is scored.
    """

    name: str
    root: Path
    protocol: ScoringProtocol

    def sequences(self) -> Sequence[str]:
        """Names of the sequences, in the data set's order."""
        ...

    def clip(self, sequence: str, size: tuple[int, int] | str | None) -> Clip:
        """The frames of a sequence, without masks, at a working size (width, height); see `ikebook.read_clip`."""
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
    """Open a data set that lies in a folder, in its official layout (Sec. 6).

    Parameters
    ----------
    name : str
        "davis2016", "davis2017", "segtrackv2", "youtube-objects", "davsod" or "fbms59"; `ikebook data list` says how to
        come by each.
    root : str or Path
        The folder that holds it, or the one above, as its archive unpacks to.

    Returns
    -------
    Dataset
        `sequences()` are its names; `clip(name, size)` are the frames of one, and `annotations(name)` its masks.

    Raises
    ------
    InputError
        If there is no data set of this name, or the folder holds none.

    Examples
    --------
    >>> dataset = open_dataset("davis2016", "DAVIS")  # doctest: +SKIP
    >>> dataset.clip("camel", "416x224").frames.shape  # doctest: +SKIP
    (90, 224, 416, 3)
    >>> open_dataset("davis2016", "no/such/folder")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ikebook.base.check.InputError: no/such/folder is no DAVIS 2016: JPEGImages/480p is missing. ...
    """
    check.one_of("data set", name, DATASETS)
    return DATASETS[name](root)
