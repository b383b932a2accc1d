"""SegTrack v2 (Li et al., ICCV 2013, doi:10.1109/ICCV.2013.273), in its official layout:

ROOT/JPEGImages/<sequence>/<frame>.png          or .bmp, whichever the sequence came in
ROOT/GroundTruth/<sequence>/<frame>.png         or .bmp, not always that of the frames; above 127 is object
ROOT/GroundTruth/<sequence>/<object>/<frame>.png   where there are several objects: folders 1, 2, ...
ROOT/ImageSets/all.txt                          names of the 14 sequences, with an asterisk before each

All objects of a sequence together are foreground ("the main object can be represented by one or a group of several
tightly connected objects", Sec. 6), and all frames are scored. The paper's Table 5 has the mean J over sequences.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ikebook.base.check import require
from ikebook.base.places import user_path
from ikebook.datasets.folders import FolderDataset, by_number, folders, is_folder, missing, number, read_list
from ikebook.datasets.masks import Masks
from ikebook.datasets.protocol import Protocol
from ikebook.video.images import image_files


class SegTrackV2(FolderDataset):
    """SegTrack v2, 14 sequences, all objects of each as one (the paper's Table 5).

    Its sequences are those that `ImageSets/all.txt` lists, else all that have a folder.

    Parameters
    ----------
    root : str or Path
        The folder that holds `JPEGImages`, or the one above it, as the archive unpacks to (`SegTrackv2/`).

    Raises
    ------
    InputError
        If the folder holds no SegTrack v2.
    """

    name = "segtrackv2"
    protocol = Protocol()

    def __init__(self, root: str | Path) -> None:
        root = user_path(root)
        self.root = next((r for r in (root, root / "SegTrackv2") if (r / "JPEGImages").is_dir()), root)
        self.frames, self.masks = self.root / "JPEGImages", self.root / "GroundTruth"
        require(
            self.frames.is_dir() and self.masks.is_dir(),
            f"{root} is no SegTrack v2: JPEGImages or GroundTruth is missing. Fetch it with "
            f"'ikebook data get segtrackv2 --root {root}', or name the folder that holds it.",
        )

    def sequences(self) -> list[str]:
        """Names of the sequences, in the order of the list."""
        listing = self.root / "ImageSets" / "all.txt"
        names = folders(self.frames)
        if listing.is_file():
            names = read_list(listing, self.frames)
        require(len(names) > 0, f"{self.frames} holds no sequence.")
        return names

    def missing(self) -> list[str]:
        """What the list names, and no folder is called."""
        listing = self.root / "ImageSets" / "all.txt"
        return missing(listing, self.frames) if listing.is_file() else []

    def frames_folder(self, sequence: str) -> Path:
        """The folder with a sequence's frames."""
        return self.frames / sequence

    def truth_folder(self, sequence: str) -> Path:
        """The folder with a sequence's masks."""
        return self.masks / sequence

    def annotations(self, sequence: str) -> Iterator[np.ndarray | None]:
        """The mask (h, w) bool of each frame, at its own size; None where a frame has none."""
        frames = image_files(self.folder(sequence))
        truth = self.masks / sequence
        require(is_folder(self.masks, sequence), f"{truth} is missing; expected the masks of {sequence}.")
        objects = [truth / name for name in folders(truth)] or [truth]
        named = [{file.stem: file for file in image_files(one)} for one in objects]
        readers = [Masks(files.values()) for files in named]
        counted = [by_number(files.values()) for files in named]
        for frame in frames:
            index = number(frame.stem)
            found = [
                files.get(frame.stem) or (numbers.get(index) if index is not None else None)
                for files, numbers in zip(named, counted, strict=True)
            ]
            masks = [  # an object may come late, or leave early
                reader.read(file) for reader, file in zip(readers, found, strict=True) if file is not None
            ]
            yield _union(masks, sequence, frame.stem) if masks else None


def _union(masks: list[np.ndarray], sequence: str, frame: str) -> np.ndarray:
    sizes = {mask.shape for mask in masks}
    require(len(sizes) == 1, f"the objects' masks of frame {frame} of {sequence} differ in size; expected one.")
    return np.logical_or.reduce(masks)
