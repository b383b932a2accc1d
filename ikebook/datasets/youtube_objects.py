"""YouTube-Objects (Prest et al., CVPR 2012) with the masks of Jain & Grauman (ECCV 2014), in the layout of their masks:

ROOT/<category>/data/<video>/shots/<shot>/images/frame0001.jpg    or 00001.png: all frames of the shot
ROOT/<category>/data/<video>/shots/<shot>/labels/00001.jpg        of every tenth frame or so; above 127 is object

10 categories, 126 shots of some 26,000 frames. A label belongs to the frame of the same number; it may be smaller than
the frame, whose size it is brought to. Only frames with a label are scored. A shot is called
`<category>_<video>_<shot>`, as in `aeroplane_0001_001`. The paper's Table 6 has one mean J; as usual for this data set, it is
taken to be the mean over categories of the mean over their shots.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ikebook.base.check import require
from ikebook.base.places import user_path
from ikebook.datasets.folders import FolderDataset, by_number, folders, number
from ikebook.datasets.masks import Masks
from ikebook.datasets.protocol import Protocol
from ikebook.video.images import image_files, read_image

CATEGORIES = ("aeroplane", "bird", "boat", "car", "cat", "cow", "dog", "horse", "motorbike", "train")


def category(sequence: str) -> str:
    """The category of a shot: what stands before the first underscore."""
    return sequence.partition("_")[0]


class YouTubeObjects(FolderDataset):
    """YouTube-Objects, the 126 shots with masks of every tenth frame or so (the paper's Table 6).

    Parameters
    ----------
    root : str or Path
        The folder that holds the categories, or the one above it (`youtube_masks/`).

    Raises
    ------
    InputError
        If the folder holds no YouTube-Objects with masks.
    """

    name = "youtube-objects"
    protocol = Protocol(category=category)

    def __init__(self, root: str | Path) -> None:
        root = user_path(root)
        places = (root, root / "youtube_masks", root / "youtube_masks_full")
        self.root = next((r for r in places if any((r / name / "data").is_dir() for name in CATEGORIES)), root)
        self._shots = {
            f"{name}_{video}_{shot}": place / shot
            for name in CATEGORIES
            if (self.root / name / "data").is_dir()
            for video in folders(self.root / name / "data")
            if (place := self.root / name / "data" / video / "shots").is_dir()
            for shot in folders(place)
            if (place / shot / "labels").is_dir()
        }
        require(
            len(self._shots) > 0,
            f"{root} is no YouTube-Objects: <category>/data/<video>/shots/<shot>/labels is missing. "
            "'ikebook data get youtube-objects' says how to come by it.",
        )

    def sequences(self) -> list[str]:
        """Names of the shots, `<category>_<video>_<shot>`, category by category."""
        return list(self._shots)

    def frames_folder(self, sequence: str) -> Path:
        """The folder with a shot's frames."""
        folder = self._shots[sequence] / "images"
        require(folder.is_dir(), f"{folder} is missing; expected the frames that the labels belong to.")
        return folder

    def truth_folder(self, sequence: str) -> Path:
        """The folder with a sequence's masks."""
        return self._shots[sequence] / "labels"

    def annotations(self, sequence: str) -> Iterator[np.ndarray | None]:
        """The mask (h, w) bool of each frame, at its own size; None where a frame has none."""
        frames = image_files(self.folder(sequence))
        labels = by_number(image_files(self._shots[sequence] / "labels"))
        masks = Masks(labels.values())
        numbers = [number(frame.stem) for frame in frames]
        require(
            any(one in labels for one in numbers),
            f"{self._shots[sequence]}: no label has the number of a frame; expected labels/00001.jpg for "
            "images/frame0001.jpg.",
        )
        size: tuple[int, int] | None = None
        for frame, index in zip(frames, numbers, strict=True):
            if index is None or index not in labels:
                yield None
                continue
            if size is None:
                size = read_image(frame).shape[1::-1]
            mask = masks.read(labels[index])
            if mask.shape != (size[1], size[0]):
                mask = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
            yield mask
