"""A result that lies in a folder, as exports need it: masks, soft masks, and the frames that they are of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ikebook.base import check
from ikebook.base.check import require
from ikebook.base.places import user_path
from ikebook.runs.json_types import read_json
from ikebook.runs.results import AnySummary
from ikebook.video.images import ImageFolder, natural_key, read_image
from ikebook.video.movies import DEFAULT_RATE
from ikebook.video.sources import open_frames

MASKS = ("masks", "refined")
"""Folders of masks."""


@dataclass(frozen=True, kw_only=True)
class SavedResult:
    """A folder of results of one video.

    Parameters
    ----------
    folder : Path
    kind : str
        Which masks: "masks" or "refined".
    clip : str
        The video's name.
    names : sequence of str
        Of the m frames, in order.
    size : (int, int)
        Width and height of the masks, pixels.
    fps : float
        Frames per second.
    video : Path or None
        The video file, or the folder of frames; None where it is not known, or not there any more.
    label : str
        What the object is called.
    """

    folder: Path
    kind: str
    clip: str
    names: Sequence[str]
    size: tuple[int, int]
    fps: float
    video: Path | None
    label: str

    def __len__(self) -> int:
        return len(self.names)

    def masks(self) -> Iterator[np.ndarray]:
        """The masks (h, w) bool, one after the other."""
        return (image > 127 for image in self._images(self.kind))

    def soft(self) -> Iterator[np.ndarray]:
        """The soft masks (h, w) uint8, 0 to 255."""
        return self._images("soft")

    def frames(self) -> Iterator[np.ndarray]:
        """The frames (h, w, 3) uint8 RGB that the masks are of."""
        assert self.video is not None
        wanted, count = set(self.numbers()), 0
        for number, frame in enumerate(open_frames(self.video)):
            if number not in wanted:
                continue
            (w, h), count = self.size, count + 1
            require(
                frame.shape[:2] == (h, w),
                f"{self.video} has frames of {frame.shape[1]}x{frame.shape[0]}, but the masks are {w}x{h}; name the video that was "
                "segmented.",
            )
            yield frame
            if count == len(self):
                return
        require(
            False, f"{self.video} has fewer frames than {self.folder} has masks; name the video that was segmented."
        )

    def numbers(self) -> list[int]:
        """Which frames of the whole video they are, counted from 0; where nobody knows, as if there were no others."""
        source = None if self.video is None else open_frames(self.video)
        if isinstance(source, ImageFolder):
            place = {name: number for number, name in enumerate(source.names())}
            if all(name in place for name in self.names):
                return [place[name] for name in self.names]
        if all(name.isdecimal() for name in self.names):
            return [int(name) for name in self.names]
        return list(range(len(self)))

    def file_names(self) -> list[str]:
        """What the files of the frames are called: PNGs, where they are frames of a video."""
        source = None if self.video is None else open_frames(self.video)
        if isinstance(source, ImageFolder):
            known = {name: file.name for name, file in zip(source.names(), source.files, strict=True)}
            return [known.get(name, f"{name}.png") for name in self.names]
        return [f"{name}.png" for name in self.names]

    def _images(self, kind: str) -> Iterator[np.ndarray]:
        w, h = self.size
        for name in self.names:
            path = self.folder / kind / f"{name}.png"
            image = read_image(path, cv2.IMREAD_GRAYSCALE)
            require(
                image.shape == (h, w),
                f"{path} is {image.shape[1]}x{image.shape[0]}, but summary.json says {w}x{h}; segment the video again.",
            )
            yield image


def read_saved(
    folder: str | Path, *, frames: str | Path | None = None, label: str = "object", masks: str = "masks"
) -> SavedResult:
    """A folder that `ikebook segment` has written.

    Parameters
    ----------
    folder : str or Path
    frames : str or Path, optional
        The video that was segmented, a file or a folder of frames, if it is not any more where `summary.json` says.
    label : str, default "object"
        What the object is called.
    masks : str, default "masks"
        Which masks: "masks", or "refined".

    Returns
    -------
    SavedResult

    Raises
    ------
    InputError
        If there is no whole result, or no video where `frames` says.

    Examples
    --------
    >>> read_saved("result", label="dog").names  # doctest: +SKIP
    ['00000', '00001', '00002']
    """
    folder = user_path(folder)
    check.one_of("masks", masks, MASKS)
    require(
        bool(str(label).strip()) and str(label).isprintable(),
        f"label is {label!r}; expected a word, such as 'dog'.",
    )
    summary: Any = read_json(folder / "summary.json", AnySummary)
    require(
        summary is not None,
        f"{folder} holds no summary.json of ikebook's; name a folder that 'ikebook segment' has written.",
    )
    files = sorted((folder / masks).glob("[!.]*.png"), key=lambda file: natural_key(file.name))
    require(
        len(files) == summary["frames"],
        f"{folder / masks} holds {len(files)} masks, but there are {summary['frames']} frames; segment the video again"
        + (", with --refine." if masks == "refined" and not files else "."),
    )
    known = summary.get("input", {"path": "", "fps": DEFAULT_RATE})
    if frames is not None:
        require(user_path(frames).exists(), f"{frames} does not exist; expected the video that was segmented.")
    video = user_path(known["path"] if frames is None else frames)
    return SavedResult(
        folder=folder,
        kind=masks,
        clip=summary["clip"],
        names=[file.stem for file in files],
        size=check.size("original_size", summary["original_size"]),
        fps=known["fps"],
        video=video if (frames or known["path"]) and video.exists() else None,
        label=label.strip(),
    )
