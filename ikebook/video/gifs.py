"""Frames of a GIF, by Pillow: FFmpeg, and so OpenCV, takes all pictures of one without times for a single one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ikebook.base.check import require
from ikebook.video.images import files_fingerprint
from ikebook.video.movies import DEFAULT_RATE


def is_gif(path: Path) -> bool:
    """Whether a file is called a GIF, and begins as one."""
    with suppress(OSError):
        if path.suffix.lower() == ".gif" and path.is_file():
            with path.open("rb") as stream:
                return stream.read(4) == b"GIF8"
    return False


class GifFile:
    """The pictures of a GIF as they are shown, each drawn upon those before it; one is held at a time.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def fps(self) -> float:
        """Pictures per second, by how long they are shown on average; 24 where the file does not say."""
        lasting = [each for each in self._durations if each > 0]
        return 1000 / float(np.mean(lasting)) if lasting else DEFAULT_RATE

    def times(self) -> list[float] | None:
        """When each picture is shown, in seconds; None where the file does not say of all of them."""
        lasting = np.array(self._durations)
        return list(np.cumsum([0.0, *lasting[:-1]]) / 1000) if (lasting > 0).all() else None

    def moves(self) -> bool:
        """Whether there is more than one picture."""
        return next(self.between(1, 2), None) is not None

    def count(self) -> int:
        """How many pictures can be read."""
        return len(self._durations)

    def between(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """The pictures (h, w, 3) uint8 RGB from `start` to before `stop`; those before are decoded, too."""
        return (np.asarray(image.convert("RGB")) for image in islice(self._shown(), start, stop))

    def names(self) -> list[str]:
        """What the pictures are called: their numbers."""
        return [f"{index:05d}" for index in range(self.count())]

    def notes(self) -> list[str]:
        """What a user should know of how the file was read: nothing."""
        return []

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.between(0, None)

    def fingerprint(self) -> str:
        """A text that changes when any picture does."""
        return f"GIF {files_fingerprint([self.path])}"

    @cached_property
    def _durations(self) -> list[float]:
        """Milliseconds for which each picture is shown; 0 where the file does not say."""
        return [float(image.info.get("duration") or 0) for image in self._shown()]

    def _shown(self) -> Iterator[Any]:
        """Pillow's image, at one picture after the other, up to where the file ends or is damaged."""
        from PIL import Image  # only for who has a GIF

        index = 0
        # What Pillow raises at the end, and for files that are damaged, or say that they have some hundred million pixels.
        ends = (OSError, EOFError, SyntaxError, ValueError, IndexError, Image.DecompressionBombError)
        with self.path.open("rb") as stream, suppress(*ends):
            with _without_warnings():
                image = Image.open(stream, formats=["GIF"])
            while True:
                with _without_warnings():
                    image.seek(index)
                    image.load()
                yield image
                index += 1
        require(index > 0, f"{self.path} is no GIF that can be read; it may be damaged. Copy it again.")


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Keep quiet about large pictures; those that are too large are an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
