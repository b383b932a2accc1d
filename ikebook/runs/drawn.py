"""A mask that somebody has drawn of one frame, to say which object is meant."""

from __future__ import annotations

import cv2
import numpy as np

from ikebook.base.check import require
from ikebook.base.places import refuse_pipe, user_path
from ikebook.video.clip import Clip, resize_area
from ikebook.video.images import read_image

GREY = 24
"""How far a pixel's three values may lie apart in a grey picture: JPEG's are not exact."""

FEW, MOST = 8, 0.9
"""A mask in colours has at most so many of them, each an eighth of its channels' range wide, in such a share of its pixels; its edges have others."""


def read_drawn(text: str, clip: Clip) -> np.ndarray:
    """What "mask.png@FRAME" says of a clip, (m, h, w) float32 in [0, 1]: 0 in all other frames.

    FRAME is the name of a frame, or its number in the whole video, counted from 0. What is brighter than half of the brightest is object.
    """
    path, at, name = text.rpartition("@")
    require(bool(at and path and name), f"init is {text!r}; expected a mask and its frame, such as mask.png@00012.")
    refuse_pipe(user_path(path))
    require(user_path(path).is_file(), f"{path} does not exist; expected a mask, white where the object is.")
    image = read_image(user_path(path), cv2.IMREAD_GRAYSCALE)
    shape = (image.shape[1], image.shape[0])
    require(
        shape in (clip.original_size, clip.size),
        f"{path} is {shape[0]}x{shape[1]}, but the frames are {clip.original_size[0]}x{clip.original_size[1]}; draw it on one of them.",
    )
    require(
        not _is_photograph(read_image(user_path(path), cv2.IMREAD_COLOR_BGR)),
        f"{path} is a photograph in colour, and expected is a mask; draw the object white on black.",
    )
    drawn = image > image.max() / 2
    require(
        bool(drawn.any()) and not bool(drawn.all()),
        f"{path} is of one colour; expected white where the object is, on black.",
    )
    maps = np.zeros((len(clip), clip.size[1], clip.size[0]), np.float32)
    maps[frame_index(name, clip)] = resize_area(drawn.astype(np.float32), clip.size)
    return maps


def frame_index(name: str, clip: Clip) -> int:
    """Which frame of a clip has a name, or a number in the whole video."""
    names = list(clip.frame_names)
    if name in names:
        return names.index(name)
    if name.isdecimal():
        numbers = [int(one) if one.isdecimal() else None for one in names]
        if int(name) in numbers:
            return numbers.index(int(name))
        if None in numbers and int(name) < len(names):
            return int(name)
    require(False, f"frame {name!r} is none of the clip's; they are called {names[0]} to {names[-1]}.")
    return 0


def _is_photograph(image: np.ndarray) -> bool:
    """Whether a picture (h, w, 3) uint8 has more colours than a mask: those of the palette, of a brush, or greys only."""
    if int(np.ptp(image.astype(np.int16), axis=2).max()) <= GREY:
        return False
    coarse = (image >> 5).astype(np.int64) @ np.array([1, 8, 64])  # (h, w): one of 512 colours
    counts = np.sort(np.bincount(coarse.ravel()))
    return bool(counts[-FEW:].sum() < MOST * coarse.size)
