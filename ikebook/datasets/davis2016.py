"""DAVIS 2016 (Perazzi et al., CVPR 2016, doi:10.1109/CVPR.2016.85), in its official layout:

ROOT/JPEGImages/480p/<sequence>/00000.jpg
ROOT/Annotations/480p/<sequence>/00000.png      above 127 is object
ROOT/ImageSets/480p/val.txt                     optional: which sequences
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ikebook.base.check import InputError, require
from ikebook.base.places import user_path
from ikebook.datasets.folders import folders, image_files_below, is_folder, missing, read_list
from ikebook.datasets.masks import Masks
from ikebook.datasets.protocol import DAVIS
from ikebook.video.clip import Clip, read_clip
from ikebook.video.images import image_files, read_image


class Davis2016:
    """DAVIS 2016, a mask for every frame: the validation set's sequences where `val.txt` lists them, else all there are.

    Parameters
    ----------
    root : str or Path
        The folder that holds `JPEGImages`, or the one above it, as the official archive unpacks to (`DAVIS/`).
    resolution : str, default "480p"
        Or "1080p", where you have it.

    Raises
    ------
    InputError
        If the folder holds no DAVIS 2016.

    Examples
    --------
    >>> davis = Davis2016("DAVIS")  # doctest: +SKIP
    >>> davis.clip("camel", "auto").frames.shape  # doctest: +SKIP
    (90, 224, 416, 3)
    >>> next(davis.annotations("camel")).shape  # doctest: +SKIP
    (480, 854)
    """

    name = "davis2016"
    title = "DAVIS 2016"
    protocol = DAVIS
    several = False  # whether annotations number objects, and all of them are meant
    listings = ""  # folder of lists of sequences, within ImageSets; the resolution's if empty

    def __init__(self, root: str | Path, resolution: str = "480p") -> None:
        root = user_path(root)
        self.root = next((r for r in (root, root / "DAVIS") if (r / "JPEGImages" / resolution).is_dir()), root)
        self.frames = self.root / "JPEGImages" / resolution
        self.masks = self.root / "Annotations" / resolution
        self.listing = self.root / "ImageSets" / (self.listings or resolution) / "val.txt"
        require(
            self.frames.is_dir(),
            f"{root} is no {self.title}: JPEGImages/{resolution} is missing. Fetch it with "
            f"'ikebook data get {self.name} --root {root}', or name the folder that holds it.",
        )

    def sequences(self) -> list[str]:
        """Names of the sequences, in the order of the list."""
        names = read_list(self.listing, self.frames) if self.listing.is_file() else folders(self.frames)
        require(len(names) > 0, f"{self.frames} holds no sequence.")
        return names

    def missing(self) -> list[str]:
        """What the list names, and no folder is called."""
        return missing(self.listing, self.frames) if self.listing.is_file() else []

    def clip(self, sequence: str, size: tuple[int, int] | str | None) -> Clip:
        """The frames of a sequence, without masks, at a working size (width, height); see `ikebook.read_clip`."""
        return read_clip(self._folder(self.frames, sequence), size, sequence)

    def files(self, sequence: str) -> list[Path]:
        """All files that a sequence is read from: frames, then annotations."""
        return [*image_files(self._folder(self.frames, sequence)), *image_files_below(self.masks / sequence)]

    def annotations(self, sequence: str) -> Iterator[np.ndarray]:
        """The mask (h, w) bool of each frame, at its own size; empty ones for the first and the last frame if they have none.

        These two are never scored.
        """
        frames = image_files(self._folder(self.frames, sequence))
        files = {file.stem: file for file in image_files(self._folder(self.masks, sequence))}
        masks = Masks(files.values())
        for frame in frames:
            if frame.stem in files:
                yield masks.read(files[frame.stem])
            elif frame in (frames[0], frames[-1]):
                yield np.zeros(read_image(frame).shape[:2], bool)
            else:
                raise InputError(f"{self.masks / sequence} has no annotation of frame {frame.stem}.")

    def notes(self, sequence: str) -> list[str]:
        """What a user should know of how a sequence's annotations are read."""
        note = Masks(image_files(self._folder(self.masks, sequence))).note
        return [f"Annotations: {note}"] if note and not self.several else []

    def _folder(self, parent: Path, sequence: str) -> Path:
        if not is_folder(parent, sequence):
            raise InputError(f"{sequence!r} is no sequence in {parent}; there are {', '.join(self.sequences())}.")
        return parent / sequence
