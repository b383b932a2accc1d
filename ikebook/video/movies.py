"""Frames of a video file, and of pictures that move, decoded by OpenCV."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from ikebook.base.check import InputError, require
from ikebook.base.files import openable
from ikebook.video import mp4
from ikebook.video.images import depth_of, files_fingerprint, read_bytes, to_8_bits

USUAL_RATES = (1, 240)
"""Frames per second that a file's head is believed; beyond them, the frames' times tell."""

DEFAULT_RATE = 24.0

CODECS = {
    "av01": "AV1",
    "vvc1": "H.266",
    "hev1": "H.265",
    "hvc1": "H.265",
    "hevc": "H.265",
    "vp80": "VP8",
    "vp90": "VP9",
}
"""What codecs are called by people, by what they are called in files."""

SKIPPED = 0.05
"""Share of a file's frames that may be missing without a word: the counts of some formats are estimates, and of some videos the
first frames are not to be shown."""


class VideoFile:
    """Frames of a video file, upright as a player shows them.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._decoded: int | None = None
        self._rate: float | None = None

    @property
    def fps(self) -> float:
        """Frames per second: of the file's head, if that can be true, else by the frames' times; 24 where nothing is known."""
        if self._rate is None:
            self.count()
        assert self._rate is not None
        return self._rate

    def count(self) -> int:
        """How many frames can be decoded: all are, as what the file's head says need not be true."""
        if self._decoded is None:
            for _ in self._read(0, 0, to_end=True):
                pass
        assert self._decoded is not None
        return self._decoded

    def between(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """The frames from `start` to before `stop`, fewer where the video ends. Those before are decoded, too."""
        return self._read(start, stop)

    def names(self) -> list[str]:
        """What the frames are called: their numbers."""
        return [f"{index:05d}" for index in range(self.count())]

    def notes(self) -> list[str]:
        """What a user should know of how the file was read, once it is."""
        with self._open() as capture:
            told = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        count = self.count()
        cut = mp4.is_cut_short(self.path)
        if not 0 < told < 1e9 or not (count < told if cut else count + 1 < (1 - SKIPPED) * told):
            return []
        why = "it is cut short, as a download that was stopped" if cut else "it may be damaged, or cut short"
        return [f"{self.path.name} tells of {told:.0f} frames, and {count} of them could be decoded: {why}."]

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.between(0, None)

    def fingerprint(self) -> str:
        """A text that changes when any frame does."""
        return files_fingerprint([self.path])

    def _read(self, start: int, stop: int | None, *, to_end: bool = False) -> Iterator[np.ndarray]:
        matrix = mp4.display_matrix(self.path)
        mirrored = mp4.is_mirrored(matrix)
        index, times = 0, (0.0, 0.0)
        with self._open() as capture:
            if mirrored:  # OpenCV takes the matrix for a rotation
                capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)
            while to_end or stop is None or index < stop:
                if not capture.grab():
                    to_end = True
                    break
                time = capture.get(cv2.CAP_PROP_POS_MSEC)
                times = (time if index == 0 else times[0], time)
                if index >= start and (stop is None or index < stop):
                    there, frame = capture.retrieve()
                    if not there:
                        to_end = True
                        break
                    frame = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
                    yield mp4.show(frame, matrix) if mirrored else frame
                index += 1
            require(index > 0 or stop == start != 0, self._nothing(capture))
            if to_end:
                self._decoded, self._rate = index, _rate(capture.get(cv2.CAP_PROP_FPS), index, times)

    def _nothing(self, capture: cv2.VideoCapture) -> str:
        """What is said of a file that has no frame."""
        code = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True).decode("latin1").lower()
        codec = CODECS.get(code, code.upper() if code.isalnum() else "")
        if not codec or capture.get(cv2.CAP_PROP_FRAME_WIDTH) <= 0:
            return f"{self.path} holds no frame that OpenCV can decode; convert it to MP4 or to images."
        return (
            f"{self.path} is {codec} video, no frame of which this OpenCV can decode; convert it to H.264, as "
            f"'ffmpeg -i {self.path.name} -c:v libx264 converted.mp4' does, or to images."
        )

    def _open(self) -> AbstractContextManager[cv2.VideoCapture]:
        return _opened(self.path)


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    """A file that OpenCV has opened."""
    with ExitStack() as stack:
        capture = cv2.VideoCapture(stack.enter_context(openable(path)))
        stack.callback(capture.release)
        if not capture.isOpened():
            raise InputError(_why_not_opened(path))
        yield capture


def _why_not_opened(path: Path) -> str:
    with suppress(OSError):
        if mp4.has_index(path) is False:
            return (
                f"{path} is no video that OpenCV can open; convert it to MP4 or to a folder of images. It is an MP4 without its "
                "index, as one that was not downloaded, or recorded, to its end: copy it again."
            )
    return f"{path} is no video that OpenCV can open; convert it to MP4 or to a folder of images."


def _rate(told: float, count: int, times: tuple[float, float]) -> float:
    """Frames per second, from what a file's head says and the times of its first and last frame, ms."""
    least, most = USUAL_RATES
    if least <= told <= most:
        return told
    span = times[1] - times[0]
    if count > 1 and span > 0:
        return 1000 * (count - 1) / span
    return told if 0 < told < 1e6 else DEFAULT_RATE


class Animation:
    """The pictures of one file that holds several: an animated WebP or PNG, or the pages of a TIFF.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def fps(self) -> float:
        """Pictures per second; 24 for pages."""
        return self._all.fps

    def count(self) -> int:
        """How many pictures there are."""
        return len(self._all.frames)

    def between(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """The pictures from `start` to before `stop`."""
        return iter(self._all.frames[start:stop])

    def names(self) -> list[str]:
        """What the pictures are called: their numbers."""
        return [f"{index:05d}" for index in range(self.count())]

    def notes(self) -> list[str]:
        """What a user should know of how the file was read."""
        return [self._all.note] if self._all.note else []

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.between(0, None)

    def fingerprint(self) -> str:
        """A text that changes when any picture does."""
        return files_fingerprint([self.path])

    @cached_property
    def _all(self) -> _Pictures:
        found = _pages(self.path) if _has_pages(self.path) else _animated(self.path)
        require(
            len(found.frames) > 0, f"{self.path} is no image that OpenCV can read; it may be damaged. Copy it again."
        )
        sizes = len({frame.shape for frame in found.frames})
        require(sizes == 1, f"{self.path} holds pictures of {sizes} sizes; all frames of a clip must have one.")
        return found


@dataclass(frozen=True, eq=False)
class _Pictures:
    """The pictures of one file, (h, w, 3) uint8 RGB each."""

    frames: list[np.ndarray]
    fps: float = DEFAULT_RATE
    note: str = ""


def holds_several(path: Path) -> bool:
    """Whether an image file holds more than one picture, as far as it can be read."""
    with suppress(cv2.error, InputError):
        if _has_pages(path):
            return len(cv2.imdecodemulti(read_bytes(path), cv2.IMREAD_REDUCED_GRAYSCALE_8, range=(0, 2))[1]) > 1
        return _moves(path) and len(_animated(path).frames) > 1
    return False


def _has_pages(path: Path) -> bool:
    return path.suffix.lower() in (".tif", ".tiff")


def _moves(path: Path) -> bool:
    """Whether the head of a PNG or WebP says that it moves."""
    with suppress(OSError), path.open("rb") as stream:
        head = stream.read(256)
        webp, png = head[8:16] == b"WEBPVP8X", head.startswith(b"\x89PNG")
        return (webp and bool(head[20] & 2)) or (png and b"acTL" in head)
    return False


def _pages(path: Path) -> _Pictures:
    there, found = cv2.imdecodemulti(read_bytes(path), cv2.IMREAD_COLOR_BGR | cv2.IMREAD_ANYDEPTH)
    pages = [cv2.cvtColor(page, cv2.COLOR_BGR2RGB) for page in found] if there else []
    if all(page.dtype == np.uint8 for page in pages):
        return _Pictures(pages)
    deep = [page for page in pages if page.dtype != np.uint8]
    white, note = depth_of(max(float(page.max()) for page in deep), deep[0].dtype)
    return _Pictures([page if page.dtype == np.uint8 else to_8_bits(page, white) for page in pages], note=note)


def _animated(path: Path) -> _Pictures:
    there, found = cv2.imdecodeanimation(read_bytes(path)[None])  # OpenCV 4.12 wants one row of bytes
    if not there:
        return _Pictures([])
    frames = [np.ascontiguousarray(frame[..., 2::-1]) for frame in found.frames]
    lasting = [float(each) for each in found.durations if each > 0]
    return _Pictures(frames, 1000 / float(np.mean(lasting)) if lasting else DEFAULT_RATE)
