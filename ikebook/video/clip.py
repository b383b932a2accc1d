"""Clips: the frames of a video at the size the graph works on, and the way back to their own size."""

from __future__ import annotations

import hashlib
import re
import weakref
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from ikebook.base import check
from ikebook.base.arrays import Array, DiskArray, Memory, Recorder
from ikebook.base.check import InputError, require
from ikebook.base.places import is_remote, shown
from ikebook.base.remote import local_copy
from ikebook.video.images import ImageFolder, is_image_name
from ikebook.video.selection import SelectedFrames, Selection
from ikebook.video.sources import Frames, name_of, open_frames, times_of

WORKING_SIZE = (416, 224)
"""Width and height that the paper works at (Sec. 6, 'Resolution'), in pixels."""

AUTO = "auto"
"""As a size: `WORKING_SIZE`, turned where frames are higher than wide."""

AT_MOST = "max "
"""How sizes begin that leave frames their shape; see `at_most`."""


class FrameSource(Protocol):
    """Frames at their own size, read one after the other, as often as asked."""

    def __iter__(self) -> Iterator[np.ndarray]:
        """RGB frames (h, w, 3) uint8, all of one size."""
        ...

    def fingerprint(self) -> str:
        """A text that changes when any frame does."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class Clip:
    """A short video.

    Parameters
    ----------
    frames : (m, h, w, 3) uint8
        RGB frames I_i at the size the graph works on: an array in memory, or one on disk. Red comes first: OpenCV's own
        functions give BGR, which can't be told apart here; turn it round with `frames[..., ::-1]`.
    masks : (m, h, w) bool, optional
        The object, where it is known. Only scores and pictures look at it, never a method.
    name : str, default "clip"
        For messages and results.
    fps : float, default 24.0
        Frames per second.
    frame_names : sequence of str, optional
        m of them: results are named after them. Counted from 00000 if not given.
    source : FrameSource, optional
        The same frames at their own size. Flow is computed there, and masks go back to it.
    original_size : (width, height)
        The size of the source's frames, in pixels; that of `frames` if not given.
    notes : tuple of str
        What a user should know of how the frames were read, one sentence each.
    origin : str
        The address that they were read from, where that is no path of this machine.

    Raises
    ------
    InputError
        If shapes or dtypes are others; says how to mend them.

    Examples
    --------
    >>> import numpy as np
    >>> Clip(frames=np.zeros((5, 16, 24, 3), np.uint8), name="black")
    Clip('black', 5 frames of 24x16, own size 24x16, no masks)
    """

    frames: Array = field(kw_only=False)
    masks: np.ndarray | None = None
    name: str = "clip"
    fps: float = 24.0
    frame_names: Sequence[str] = ()
    source: FrameSource | None = None
    original_size: tuple[int, int] = field(default=(0, 0))
    notes: tuple[str, ...] = ()
    origin: str = ""

    def __post_init__(self) -> None:
        require(
            isinstance(self.frames, Array),
            f"frames is a {type(self.frames).__name__}; expected a NumPy array (m, h, w, 3) of uint8.",
        )
        turned = len(self.frames.shape) == 4 and self.frames.shape[1] == 3 and self.frames.shape[3] != 3
        require(
            not turned,
            f"frames has shape {tuple(self.frames.shape)}; expected (m, h, w, 3): move the colours to the end, with "
            "np.moveaxis(frames, 1, -1).",
        )
        check.shape("frames", self.frames, ("m", "h", "w", 3))
        require(
            self.frames.dtype == np.uint8,
            f"frames are {self.frames.dtype}; expected uint8 RGB values, 0 to 255: (255 * frames).astype('uint8') makes them of "
            "values in [0, 1].",
        )
        m, h, w, _ = self.frames.shape
        require(m >= 1, "frames holds no frame; expected at least one.")
        check.size("size of frames", (w, h))
        check.number("fps", self.fps, above=0)
        if self.masks is not None:
            check.shape("masks", self.masks, (m, h, w))
            require(self.masks.dtype == bool, f"masks are {self.masks.dtype}; expected bool (masks > 127, say).")
        names = tuple(self.frame_names) or tuple(f"{index:05d}" for index in range(m))
        require(len(names) == m, f"frame_names has {len(names)} names for {m} frames; expected one for each.")
        for name in names:
            check.file_name("frame_names", name)
        require(len(set(names)) == m, "frame_names repeats a name; results named after it would overwrite each other.")
        object.__setattr__(self, "frame_names", names)
        if self.original_size == (0, 0):
            object.__setattr__(self, "original_size", (w, h))

    def __len__(self) -> int:
        return len(self.frames)

    def __repr__(self) -> str:
        masks = "no masks" if self.masks is None else "masks"
        (w, h), (own_w, own_h) = self.size, self.original_size
        return f"Clip({self.name!r}, {len(self)} frames of {w}x{h}, own size {own_w}x{own_h}, {masks})"

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of `frames`, in pixels."""
        return self.frames.shape[2], self.frames.shape[1]

    def originals(self) -> Iterator[np.ndarray]:
        """The frames (h, w, 3) uint8 RGB at their own size, one after the other."""
        return iter(self.frames if self.source is None else self.source)

    def fingerprint(self) -> str:
        """A text that changes when any original frame does."""
        return array_fingerprint(self.frames) if self.source is None else self.source.fingerprint()

    def first(self, count: int) -> Clip:
        """The first `count` frames, or all if there are fewer."""
        if count >= len(self):
            return self
        return replace(
            self,
            frames=self.frames[:count],
            masks=None if self.masks is None else self.masks[:count],
            frame_names=self.frame_names[:count],
            source=None if self.source is None else SelectedFrames(self.source, range(count)),
        )

    def pick(self, frames: Sequence[int] | np.ndarray) -> Clip:
        """The clip of some of the frames, by their increasing indices."""
        indices = [int(index) for index in frames]
        return replace(
            self,
            frames=np.stack([self.frames[index] for index in indices]),
            masks=None if self.masks is None else self.masks[indices],
            frame_names=[self.frame_names[index] for index in indices],
            source=None if self.source is None else SelectedFrames(self.source, indices),
        )

    def resize(self, size: tuple[int, int] | str) -> Clip:
        """The clip at another working size (width, height), by area interpolation; `original_size` stays."""
        size = check.size("size", size)
        if size == self.size:
            return self
        masks = self.masks
        if masks is not None:
            masks = np.stack([resize_area(mask.astype(np.float32), size) > 0.5 for mask in masks])
        return replace(
            self,
            frames=np.stack([resize_area(frame, size) for frame in self.originals()]),
            masks=masks,
            source=ArrayFrames(self.frames) if self.source is None else self.source,
        )


def as_clip(value: Any, name: str = "clip") -> Clip:
    """A clip as it is, or one made of frames: an array or tensor (m, h, w, 3) uint8 RGB, or a list of pictures of one size.

    Raises
    ------
    InputError
        If it is neither; says what to call.
    """
    if isinstance(value, Clip):
        return value
    if isinstance(value, (str, Path)):
        raise InputError(f"{name} is the path {str(value)!r}; read it first, with ikebook.read_clip({str(value)!r}).")
    if isinstance(getattr(value, "clip", None), Clip):  # a toy
        raise InputError(f"{name} is a {type(value).__name__}; give its clip and its flow: toy.clip, toy.flow.")
    if isinstance(value, DiskArray):
        return Clip(frames=value)
    if not hasattr(value, "shape") and not isinstance(value, (list, tuple)):
        kind = type(value).__name__
        raise InputError(f"{name} is a {kind}; expected a Clip, or frames (m, h, w, 3) of uint8 RGB.")
    try:
        frames = np.stack([np.asarray(frame) for frame in value])
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{name} can't be read as frames ({error}); expected (m, h, w, 3) of uint8 RGB, all of one size."
        ) from None
    return Clip(frames=frames)


def read_clip(
    path: str | Path,
    size: tuple[int, int] | str | None = AUTO,
    name: str | None = None,
    *,
    start: int | str | None = None,
    end: int | str | None = None,
    every: int = 1,
    max_size: int | None = None,
    memory: Memory | None = None,
) -> Clip:
    """Read a folder of images or a video file, frame by frame: none is held at its own size.

    Parameters
    ----------
    path : str or Path
        Folder of images (natural order of their names; other files in it are passed over), a pattern of their names such as
        "frames/*.png", a video file, an animated GIF, WebP or PNG, or a TIFF of several pages. `~` is home. Or the address of such in an
        object store or on a web server, s3://, gs:// or https://: of it there is a copy here, as long as the clip.
    size : (int, int), str or None, default "auto"
        Working size, width and height in pixels, or a text such as "416x224", by area interpolation. "auto" is 416x224, or
        224x416 for frames that are higher than wide; None keeps the frames' own size.
    name : str, optional
        The clip's name; that of the folder or file if not given.
    start, end : int or str, optional
        From which frame to before which one: numbers, counted from 0, or seconds with an s, such as "2.5s". Of frames that are not evenly
        spaced PyAV knows the times, where it is installed.
    every : int, default 1
        Read each second frame with 2, and so on. Frames keep the names that they have in the whole video.
    max_size : int, optional
        In place of `size`: frames keep their shape, and their longer side has so many pixels at most.
    memory : Memory, optional
        That the frames may take; on disk if they do not fit.

    Returns
    -------
    Clip
        With RGB frames at the working size, and the way back to their own.

    Raises
    ------
    InputError
        If there is no such path, it holds no readable frames, or its frames differ in size.

    Examples
    --------
    >>> read_clip("my_video.mp4")  # doctest: +SKIP
    Clip('my_video', 48 frames of 416x224, own size 854x480, no masks)
    """
    if max_size is not None:
        require(size is None or _is_auto(size), f"size is {size!r} and max_size {max_size}; give one of them.")
        size = at_most(max_size)
    if size is not None:
        size = known_size(size)
    selection = Selection(start, end, every)
    if not is_remote(path):
        return _read_clip(path, size, name, selection, memory)
    with ExitStack() as stack:
        copy = stack.enter_context(local_copy(str(path), wanted=is_image_name))
        clip = _read_clip(copy, size, name, selection, memory)
        weakref.finalize(clip.source, stack.pop_all().close)  # originals are read when somebody asks for them
    return replace(clip, origin=shown(str(path)))


def _read_clip(
    path: str | Path,
    size: tuple[int, int] | str | None,
    name: str | None,
    selection: Selection,
    memory: Memory | None,
) -> Clip:
    whole = open_frames(path)
    source: Frames | SelectedFrames = whole
    if selection:
        source = SelectedFrames(whole, selection.indexes(whole.fps, times_of(whole), whole.count()))
    known = isinstance(source, (ImageFolder, SelectedFrames))
    frames = Recorder(memory or Memory(), source.count() if known else None)
    original_size = (0, 0)
    for frame in source:
        original_size = (frame.shape[1], frame.shape[0])
        frames.append(frame if size is None else resize_area(frame, working_size(frame, size)))
    return Clip(
        frames=frames.finish(),
        name=name or name_of(path),
        fps=source.fps,
        frame_names=source.names(),
        source=source,
        original_size=original_size,
        notes=tuple(source.notes()),
    )


def working_size(frame: np.ndarray, size: tuple[int, int] | str) -> tuple[int, int]:
    """Width and height that frames like this one, (H, W, 3), are worked on at.

    "auto" is `WORKING_SIZE`, turned if need be; "max 640" is the frame's own shape with 640 pixels on its longer side, at most.
    """
    own = frame.shape[1], frame.shape[0]
    size = known_size(size)
    if not isinstance(size, str):
        return size
    if _is_auto(size):
        return WORKING_SIZE if own[0] >= own[1] else WORKING_SIZE[::-1]
    scale = min(1.0, int(size.removeprefix(AT_MOST)) / max(own))
    return max(4, round(own[0] * scale)), max(4, round(own[1] * scale))


def at_most(pixels: int) -> str:
    """A size for `working_size`: so many pixels on the longer side, at most."""
    check.whole("max_size", pixels, at_least=4, at_most=16384)
    return f"{AT_MOST}{pixels}"


def known_size(size: tuple[int, int] | str) -> tuple[int, int] | str:
    """A size as `working_size` takes it; raise unless it is one."""
    if _is_auto(size) or (isinstance(size, str) and re.fullmatch(rf"{AT_MOST}\d+", size)):
        return size
    return check.size("size", size)


def _is_auto(size: Any) -> bool:
    return isinstance(size, str) and size == AUTO


def resize_area(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (h, w[, c]) to `size` (width, height) by area interpolation; linear where that enlarges it."""
    h, w = image.shape[:2]
    if (w, h) == size:
        return image
    enlarges = size[0] > w or size[1] > h
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR if enlarges else cv2.INTER_AREA))


class ArrayFrames:
    """Frames in memory, (m, h, w, 3) uint8 RGB."""

    def __init__(self, frames: Array) -> None:
        self.frames = frames

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.frames)

    def fingerprint(self) -> str:
        return array_fingerprint(self.frames)


def array_fingerprint(array: Array) -> str:
    """Hash of an array's shape, dtype and values."""
    digest = hashlib.blake2b(f"{array.shape} {array.dtype}".encode(), digest_size=16)
    for item in array:
        digest.update(np.ascontiguousarray(item).data)
    return digest.hexdigest()
