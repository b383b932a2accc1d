"""What readers of data sets in folders have in common: masks of any kind, frame numbers, lists of names."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from ikebook.base.check import InputError, require
from ikebook.video.clip import Clip, read_clip
from ikebook.video.images import image_files, read_image


def read_mask(file: Path) -> np.ndarray:
    """A binary mask (h, w) bool: above 127 is object, or above 0 in an image without a value above 1.

    Colours are taken as grey, and an alpha channel is passed over: some masks are two-channel PNGs.
    """
    values = read_image(file, cv2.IMREAD_GRAYSCALE)
    return np.asarray(values > (127 if values.max(initial=0) > 1 else 0))


def read_any_object(file: Path) -> np.ndarray:
    """The union of all objects of a mask of indices or colours, (h, w) bool: whatever is not black."""
    return np.asarray((read_image(file, cv2.IMREAD_COLOR) > 0).any(axis=2))


def number(stem: str) -> int | None:
    """The number that a file's name ends in: 12 of "frame0012" and of "12"; None if there is none.

    >>> number("cars1_01")
    1
    """
    found = re.search(r"([0-9]{1,18})$", stem)
    return int(found[1]) if found else None


def by_number(files: Iterable[Path]) -> dict[int, Path]:
    """Files by the number that their names end in; those without one are passed over."""
    return {index: file for file in files if (index := number(file.stem)) is not None}


def folders(parent: Path) -> list[str]:
    """Names of the folders in `parent`, in alphabetical order, without hidden ones."""
    try:
        return sorted(entry.name for entry in parent.iterdir() if is_folder(parent, entry.name))
    except OSError as error:
        raise InputError(f"{parent} can't be read ({error.strerror}).") from None


def is_folder(parent: Path, name: str) -> bool:
    """Whether `name` is a folder in `parent` itself, and not a hidden one."""
    return name != "" and not name.startswith(".") and Path(name).name == name and (parent / name).is_dir()


def image_files_below(folder: Path) -> list[Path]:
    """The images in a folder and in its folders; none where it is missing."""
    places = [folder, *(folder / name for name in folders(folder))] if folder.is_dir() else []
    return [file for place in places for file in image_files(place)]


class FolderDataset(ABC):
    """A data set whose sequences lie in folders of their own; a reader adds where these are, and how masks are read."""

    name: str
    root: Path

    @abstractmethod
    def sequences(self) -> list[str]:
        """Names of the sequences, in the data set's order."""

    @abstractmethod
    def frames_folder(self, sequence: str) -> Path:
        """The folder with a sequence's frames, whose name is known to be one of `sequences`."""

    @abstractmethod
    def truth_folder(self, sequence: str) -> Path:
        """The folder with a sequence's annotations, or with folders of them."""

    def files(self, sequence: str) -> list[Path]:
        """All files that a sequence is read from: frames, then annotations."""
        return [*image_files(self.folder(sequence)), *image_files_below(self.truth_folder(sequence))]

    def clip(self, sequence: str, size: tuple[int, int] | str | None) -> Clip:
        """The frames of a sequence, without masks, at a working size (width, height); see `ikebook.read_clip`."""
        return read_clip(self.folder(sequence), size, sequence)

    def folder(self, sequence: str) -> Path:
        """The folder with a sequence's frames.

        Raises
        ------
        InputError
            If there is no such sequence.
        """
        known = self.sequences()
        require(sequence in known, f"{sequence!r} is no sequence in {self.root}; there are {', '.join(known)}.")
        return self.frames_folder(sequence)
