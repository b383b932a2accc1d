"""FBMS-59 (Ochs, Malik & Brox, TPAMI 2014, doi:10.1109/TPAMI.2013.242), its test set, in its official layout::

    ROOT/Testset/<sequence>/<sequence>_0001.jpg     or _01.jpg, _001.jpg
    ROOT/Testset/<sequence>/GroundTruth/            masks of some frames, named in one of two ways:
        <sequence>_0001_gt.ppm                      colours: white is background, each other colour an object
        <sequence>_0001_gt.pgm, ..._PROB_gt.ppm     beside it: drawings for the official program, passed over here
        <sequence>_01.pgm                           grey: dark is background, brighter values are objects

What is darker than a tenth of white is background in the coloured masks too, with other bounds for two sequences: the custom of
later work, which an object of dark blue alone would not survive.

30 sequences, most with masks of every twentieth frame. All objects together are foreground, and frames with masks are
scored, by the mean J over sequences, as later work does. The paper has no table of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from ikebook.base.check import require
from ikebook.base.places import user_path
from ikebook.datasets.folders import FolderDataset, folders, number
from ikebook.datasets.masks import Masks
from ikebook.datasets.protocol import Protocol
from ikebook.video.images import image_files, read_image

DARK = {"marple2": 0.4, "marple7": 0.05}
"""Grey values up to which a pixel is background, where they are not those of the other sequences."""


class Fbms59(FolderDataset):
    """FBMS-59's test set, 30 sequences, masks of every twentieth frame or so; all objects of a sequence as one.

    Parameters
    ----------
    root : str or Path
        The folder that holds the sequences, or one above it (`Testset/`, `FBMS_Testset/Testset/`).

    Raises
    ------
    InputError
        If the folder holds no FBMS-59.
    """

    name = "fbms59"
    protocol = Protocol()

    def __init__(self, root: str | Path) -> None:
        root = user_path(root)
        places = (root / "Testset", root / "FBMS_Testset" / "Testset", root)
        self.root = next((r for r in places if r.is_dir() and self._found(r)), root)
        self._names = self._found(self.root) if self.root.is_dir() else []
        require(
            len(self._names) > 0,
            f"{root} is no FBMS-59: Testset/<sequence>/GroundTruth is missing. Fetch it with "
            f"'ikebook data get fbms59 --root {root}', or name the folder that holds it.",
        )

    def sequences(self) -> list[str]:
        """Names of the sequences, in alphabetical order."""
        return list(self._names)

    def frames_folder(self, sequence: str) -> Path:
        """The folder with a sequence's frames."""
        return self.root / sequence

    def truth_folder(self, sequence: str) -> Path:
        """The folder with a sequence's masks."""
        return self.root / sequence / "GroundTruth"

    def annotations(self, sequence: str) -> Iterator[np.ndarray | None]:
        """The mask (h, w) bool of each frame, at its own size; None where a frame has none."""
        frames = image_files(self.folder(sequence))
        truth = _truth(self.root / sequence / "GroundTruth")
        numbers = [number(frame.stem) for frame in frames]
        require(
            any(one in truth for one in numbers),
            f"{self.root / sequence}/GroundTruth: no mask has the number of a frame; expected {sequence}_0001_gt.ppm or "
            f"{sequence}_01.pgm.",
        )
        others = Masks(file for file in truth.values() if not _is_original(file))
        for index in numbers:
            file = None if index is None else truth.get(index)
            if file is None:
                yield None
            else:
                yield _foreground(file, sequence) if _is_original(file) else others.read(file)

    def notes(self, sequence: str) -> list[str]:
        """What a user should know of how a sequence's annotations are read."""
        files = _truth(self.truth_folder(sequence)).values()
        note = Masks(file for file in files if not _is_original(file)).note
        return [f"Annotations: {note}"] if note else []

    @staticmethod
    def _found(place: Path) -> list[str]:
        return [name for name in folders(place) if (place / name / "GroundTruth").is_dir()]


def _truth(folder: Path) -> dict[int, Path]:
    """Masks by the number of their frame: those in colour where there are any."""
    files = [file for file in image_files(folder) if "PROB" not in file.stem]
    coloured = [file for file in files if file.suffix.lower() == ".ppm"]
    kept = coloured or [file for file in files if file.suffix.lower() == ".pgm"] or files
    numbered = ((number(file.stem.removesuffix("_gt")), file) for file in kept)
    return {index: file for index, file in numbered if index is not None}


def _is_original(file: Path) -> bool:
    """Whether a mask is in one of the data set's own formats."""
    return file.suffix.lower() in (".ppm", ".pgm")


def _foreground(file: Path, sequence: str) -> np.ndarray:
    """All objects of a mask, (h, w) bool."""
    grey = read_image(file, cv2.IMREAD_GRAYSCALE) / 255
    dark = DARK.get(sequence, 0.1)
    return np.asarray((grey > dark) & (grey <= 0.99) if file.suffix.lower() == ".ppm" else grey > dark)
