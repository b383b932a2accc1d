"""Masks in files, made by whichever program: what is object is told from what the files of one folder hold.

=========================  ====================================================================
the files hold             object is
=========================  ====================================================================
0 and up to 255            what is above half of white, as data sets and soft masks have it
0 and 1, or few numbers    what is not 0: an index of objects, 8-bit or 16-bit
colours, or a palette      what is not black; where nothing is, all but the palette's first colour
a picture with an alpha    what is opaque
=========================  ====================================================================

The first kind is what was always meant; of the others a note is made. What may be either is an error that names the values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import cv2
import numpy as np

from ikebook.base.check import InputError, require
from ikebook.video.images import read_bytes, read_image

FEW = 32
"""Different values, or colours, that masks of indices have at most."""

INDEX = 31
"""Greatest value that is taken for that of an index where white is among the values, too."""

GREY = 24
"""How far the three values of a pixel may lie apart in a file that stands for a grey one: JPEG's colours are not exact."""

LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif", ".webp")


@dataclass(frozen=True)
class _Content:
    """What one file holds.

    Parameters
    ----------
    kind : str
        "grey", "colour", or "alpha".
    values : tuple of int
        Its values, in increasing order, up to `FEW` and one more; of a coloured file, those of its pixels' brightest channels.
    white : float
        The greatest value that the file could hold.
    low : bool
        Whether more pixels have the values 1 to `INDEX` than those near white.
    lossy : bool
    """

    kind: str
    values: tuple[float, ...]
    white: float
    low: bool
    lossy: bool


class Masks:
    """The masks of one folder, read in the same way.

    Parameters
    ----------
    files : iterable of Path
        All of them: one alone may not tell, as an empty mask does not.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "00000.png")
    ...     _ = cv2.imwrite(str(file), np.eye(4, dtype=np.uint8))
    ...     masks = Masks([file])
    ...     masks.read(file).sum(), masks.note
    (np.int64(4), 'Masks hold the values 0 and 1: what is not 0 is taken for object.')
    """

    def __init__(self, files: Iterable[Path]) -> None:
        self.files = list(files)

    def read(self, file: Path) -> np.ndarray:
        """One mask, (h, w) bool."""
        return self._object(file, *_decode(file))

    def read_soft(self, file: Path) -> np.ndarray:
        """One mask as values (h, w), 8-bit or in [0, 1]: those of a grey file that is no index, else 0 and 1."""
        values, kind, white = _decode(file)
        if self._kind == "grey" and kind == "grey":
            return values if values.dtype == np.uint8 else np.clip(values / white, 0, 1).astype(np.float32)
        return self._object(file, values, kind, white).astype(np.float32)

    @property
    def note(self) -> str:
        """What a user should know of how they were read; "" if there is nothing to say."""
        if self._kind == "index":
            return f"Masks hold the values {_in_words(self._values)}: what is not 0 is taken for object."
        return {
            "colour": "Masks are coloured: what is not black is taken for object.",
            "alpha": "Masks are pictures with an alpha channel: what is opaque is taken for object.",
        }.get(self._kind, "")

    def _object(self, file: Path, values: np.ndarray, kind: str, white: float) -> np.ndarray:
        if kind == "colour":
            return np.asarray(values > (white / 5 if file.suffix.lower() in LOSSY else 0))
        if kind == "alpha" or self._kind == "grey":
            return np.asarray(values > (white - 1) / 2)  # 127 of 255
        return np.asarray(values > 0)

    @cached_property
    def _found(self) -> list[_Content]:
        return [_look(file, _stamp(file)) for file in self.files]

    @cached_property
    def _values(self) -> list[float]:
        return sorted({value for one in self._found for value in one.values})[: FEW + 1]

    @cached_property
    def _kind(self) -> str:
        """How grey masks are read, "grey" or "index"; or "colour" or "alpha" if there are any of these."""
        for kind in ("colour", "alpha"):
            if any(one.kind == kind for one in self._found):
                return kind
        white = max((one.white for one in self._found), default=255.0)
        values = self._values
        if not values or values[-1] == 0:
            return "grey"
        if values[-1] > (white - 1) / 2:
            lossy = all(one.lossy for one in self._found)
            between = [value for value in values if 0 < value < white]
            unsure = values[-1] == white and between and between[-1] <= INDEX and any(one.low for one in self._found)
            if (unsure and not lossy) or (values[-1] < 0.9 * white and len(values) in range(3, FEW + 1) and not lossy):
                raise InputError(self._unclear(values))
            return "grey"
        if len(values) <= FEW:
            return "index"
        require(white == 255, self._unclear(values))  # what is white, of 16 bits?
        return "grey"

    def _unclear(self, values: Sequence[float]) -> str:
        folder = self.files[0].parent
        return (
            f"{folder}: masks hold the values {_in_words(values)}, of which it is not clear what is object; write 0 and 255, or 0 "
            "and 1."
        )


def read_mask(file: Path) -> np.ndarray:
    """One mask, (h, w) bool, as what it holds by itself tells; see `Masks`."""
    return Masks([file]).read(file)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        stat = file.stat()
    except OSError as error:
        raise InputError(f"{file} can't be read ({error.strerror}).") from None
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=4096)
def _look(file: Path, stamp: tuple[int, int]) -> _Content:
    """What a file holds, which is asked as often as its folder is read; `stamp` differs when it has changed."""
    values, kind, white = _decode(file)
    different, counts = _count(values)
    near = (different > 0) & (different <= INDEX)
    low = counts[near].sum() > counts[different > 0.8 * white].sum()
    some = different if len(different) <= FEW + 1 else np.append(different[:FEW], different[-1])
    return _Content(
        kind=kind,
        values=tuple(float(value) for value in some),
        white=white,
        low=bool(low),
        lossy=file.suffix.lower() in LOSSY,
    )


def _decode(file: Path) -> tuple[np.ndarray, str, float]:
    """The values (h, w) that tell, of which kind they are, and what is white."""
    image = read_image(file, cv2.IMREAD_UNCHANGED)
    require(image.ndim == 2 or image.shape[2] in (1, 3, 4), f"{file} has {image.shape[-1]} channels; a mask has one.")
    white = 1.0 if np.issubdtype(image.dtype, np.floating) else float(np.iinfo(image.dtype).max)
    if white == 1.0:
        require(bool(np.isfinite(image).all()), f"{file} has values that are NaN or infinite; write 0 and 255.")
        white = 255.0
        image = image * np.float32(255) if image.max(initial=0) <= 1 else image
    if image.ndim == 2:
        return image, "grey", white
    colours = image[..., :3]
    most = colours.max(axis=2)
    apart = int((most.astype(np.int64) - colours.min(axis=2)).max(initial=0))
    alpha = image[..., 3] if image.shape[2] == 4 else None
    grey = apart <= (GREY if file.suffix.lower() in LOSSY else 0) * white / 255
    if alpha is not None and alpha.min() < alpha.max() and not (grey and 2 <= _different(most) <= FEW):
        return alpha, "alpha", white
    if grey:
        return most, "grey", white
    if file.suffix.lower() not in LOSSY:
        count = _different(colours.astype(np.int64) @ np.array([1, 1 << 16, 1 << 32]))
        require(
            count <= 256,
            f"{file} has {count} colours, as a picture has, and not a mask; write 0 and 255.",
        )
        if bool((most > 0).all()):
            first = _first_of_palette(file)
            require(
                first is not None,
                f"{file} is coloured, and nothing in it is black, so that it is not clear what is object; write 0 and 255.",
            )
            return np.where((colours == first).all(axis=2), 0, most), "colour", white
    return most, "colour", white


def _count(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different values, in increasing order, and how often each is there."""
    if values.dtype != np.uint8:
        return np.unique(values, return_counts=True)
    counts = np.bincount(values.ravel(), minlength=256)
    return np.flatnonzero(counts), counts[counts > 0]


def _different(values: np.ndarray) -> int:
    return len(_count(values)[0])


def _first_of_palette(file: Path) -> np.ndarray | None:
    """The first colour of a PNG's palette, blue first, as OpenCV has it; None if it has none."""
    found = re.search(rb"PLTE(...)", read_bytes(file)[:4096].tobytes(), re.DOTALL)
    return None if found is None else np.frombuffer(found[1], np.uint8)[::-1]


def _in_words(values: Sequence[float]) -> str:
    if len(values) > 8:
        return f"{', '.join(f'{value:g}' for value in values[:6])}, ... and {values[-1]:g}"
    *most, last = [f"{value:g}" for value in values]
    return f"{', '.join(most)} and {last}" if most else last
