"""Pictures in files: which of a folder's files are frames, in which order, and what their values mean."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path, PurePath

import cv2
import numpy as np

from ikebook.base.check import InputError, require
from ikebook.base.places import refuse_pipe

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp"),
        *(".ppm", ".pgm", ".pbm", ".pnm"),
    }
)

NOT_READ = frozenset(
    {
        *(".heic", ".heif", ".avif", ".gif", ".jxl", ".jp2", ".tga", ".psd", ".exr", ".hdr", ".svg", ".pam", ".ras"),
        *(".dng", ".raw", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
    }
)
"""Endings of pictures that are no frames here."""

BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"GIF8")
"""First bytes of pictures, whatever their files are called."""

NETPBM = re.compile(rb"P[2356]\s+(?:#[^\n]*\n\s*)*\d+\s+(?:#[^\n]*\n\s*)*\d+\s+(?:#[^\n]*\n\s*)*(\d{1,5})\s")
"""The head of a PGM or PPM, which says what white is."""

DEPTHS = (8, 10, 12, 14, 16)
"""Bits that cameras have."""

PIECE = re.compile(r"(\d+)")


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key of a file's name that counts: frame2 before frame10, and frame.jpg before its copy frame (1).jpg.

    >>> sorted(["f10.png", "f2 (1).png", "f2.png"], key=natural_key)
    ['f2.png', 'f2 (1).png', 'f10.png']
    """
    suffix = PurePath(name).suffix
    stem = name.removesuffix(suffix)
    parts = [(int(part), "") if part.isdecimal() else (-1, part) for part in PIECE.split(stem.lower()) if part]
    return [*parts, (-2, suffix.lower()), (-2, name)]


def is_image_name(name: str) -> bool:
    """Whether a file's name is that of an image which is read."""
    return PurePath(name).suffix.lower() in IMAGE_SUFFIXES


def image_files(folder: Path) -> list[Path]:
    """The images in `folder`, in natural order; hidden files are passed over."""
    files = [f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and f.name[0] != "." and f.is_file()]
    return sorted(files, key=lambda file: natural_key(file.name))


def left_out(folder: Path) -> list[str]:
    """Names of the files in `folder` that look like pictures and are none of `image_files`, in natural order."""
    others = [f for f in folder.iterdir() if f.suffix.lower() not in IMAGE_SUFFIXES and f.name[0] != "."]
    return sorted((f.name for f in others if f.is_file() and _looks_like_a_picture(f)), key=natural_key)


def _looks_like_a_picture(file: Path) -> bool:
    if file.suffix.lower() in NOT_READ:
        return True
    try:
        with file.open("rb") as stream:
            head = stream.read(12)
    except OSError:
        return False
    return head.startswith(BEGINNINGS) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def names_of(files: Sequence[Path]) -> list[str]:
    """What frames in files are called: as the files without their suffix, unless two differ in nothing else."""
    stems = [file.stem for file in files]
    return stems if len(set(stems)) == len(stems) else [file.name for file in files]


def read_image(file: Path, flags: int = cv2.IMREAD_COLOR_RGB) -> np.ndarray:
    """Read one image, as RGB (h, w, 3) uint8 unless OpenCV's `flags` say otherwise."""
    data = read_bytes(file)
    try:
        image = cv2.imdecode(data, flags) if data.size and _is_whole(data) else None
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from None
        image = None
    if image is None:
        if data.size and _is_whole(data) and _needs_more_memory(data):
            raise MemoryError
        raise InputError(f"{file} is no image that OpenCV can read; it may be damaged. Remove or replace it.")
    return np.asarray(image)


def read_bytes(file: Path) -> np.ndarray:
    """A file's content, (bytes,) uint8."""
    refuse_pipe(file)
    try:
        return np.fromfile(file, dtype=np.uint8)
    except OSError as error:
        raise InputError(f"{file} can't be read ({error.strerror}).") from None


def _needs_more_memory(data: np.ndarray) -> bool:
    """Whether there is no room for as many pixels as a PNG, a JPEG or a BMP says that it has; OpenCV does not tell why it fails."""
    size = _size_of(data[: 1 << 20].tobytes())
    if size is None or not 0 < size[0] * size[1] <= 16384**2:
        return False
    try:
        np.empty((size[0] * size[1], 3, 2), np.uint8)  # the picture, and what its decoder holds besides
    except MemoryError:
        return True
    return False


def _size_of(head: bytes) -> tuple[int, int] | None:
    """Width and height that the head of a PNG, BMP or JPEG tells; None if there is none."""
    if head.startswith(b"\x89PNG"):
        return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    if head.startswith(b"BM"):
        return int.from_bytes(head[18:22], "little"), abs(int.from_bytes(head[22:26], "little", signed=True))
    place = 2
    while head.startswith(b"\xff\xd8") and place + 9 <= len(head) and head[place] == 0xFF:
        kind, length = head[place + 1], int.from_bytes(head[place + 2 : place + 4], "big")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # a frame's header
            return int.from_bytes(head[place + 7 : place + 9], "big"), int.from_bytes(
                head[place + 5 : place + 7], "big"
            )
        place += 2 + length
    return None


def _is_whole(data: np.ndarray) -> bool:
    """Whether a PNG's chunks lie within the file; true of other formats.

    OpenCV takes as much memory as a chunk says that it is long, up to 4 GB, before it finds that there is no more.
    """
    if data[:8].tobytes() != b"\x89PNG\r\n\x1a\n":
        return True
    place = 8
    while place + 12 <= data.size:  # length, name, and checksum, 4 bytes each
        length, name = int.from_bytes(data[place : place + 4].tobytes(), "big"), data[place + 4 : place + 8].tobytes()
        if name == b"IEND":
            return True
        place += 12 + length
    return place <= data.size


def read_deep(file: Path) -> tuple[np.ndarray, float | None]:
    """One image as RGB (h, w, 3) in the depth of its file, and the value that its head says is white, if it does."""
    # With red first, OpenCV 5.0 gives 16-bit TIFFs in colour as noise.
    image = cv2.cvtColor(read_image(file, cv2.IMREAD_COLOR_BGR | cv2.IMREAD_ANYDEPTH), cv2.COLOR_BGR2RGB)
    if file.suffix.lower() not in (".pgm", ".ppm", ".pnm"):
        return image, None
    head = NETPBM.match(read_bytes(file)[:4096].tobytes())
    white = int(head[1]) if head else 0
    return image, None if white in (0, 2 ** (8 * image.itemsize) - 1) else float(white)


def is_plain(image: np.ndarray, white: float | None) -> bool:
    """Whether an image's values are 8-bit ones as they are."""
    return image.dtype == np.uint8 and white is None


def white_of(greatest: float, dtype: np.dtype) -> float:
    """The value that is white, as the greatest one of a clip in such files tells.

    >>> white_of(3817, np.dtype("uint16")), white_of(0.93, np.dtype("float32"))
    (4095.0, 1.0)
    """
    if np.issubdtype(dtype, np.floating) and greatest <= 1:
        return 1.0
    fits = [float(2**bits - 1) for bits in DEPTHS if greatest <= 2**bits - 1]
    return fits[0] if fits else float(greatest)


@lru_cache(maxsize=16)
def _white_of_files(files: tuple[Path, ...], stamps: tuple[int, ...]) -> tuple[float, str]:
    """White of all those of some files that have more than 8 bits, and what to say of it; `stamps` are their times."""
    greatest, told, kind = -math.inf, 0.0, np.dtype(np.uint8)
    for file in files:
        image, white = read_deep(file)
        if is_plain(image, white):
            continue
        if white is not None:
            told = max(told, white)
            continue
        require(
            bool(np.isfinite(image).all()),
            f"{file} has values that are NaN or infinite; fill them in or save it again.",
        )
        greatest, kind = max(greatest, float(image.max())), image.dtype
    if greatest == -math.inf:
        return told, f"Frames say that {told:g} is white, and are brought to 8 bits by it."
    return depth_of(greatest, kind)


def depth_of(greatest: float, dtype: np.dtype) -> tuple[float, str]:
    """White of a clip in files of more than 8 bits, by its greatest value, and what to say of it."""
    white = white_of(greatest, dtype)
    if dtype == np.uint16 and white == np.iinfo(np.uint16).max:
        return white, ""
    return white, (
        f"Frames are {dtype} with values up to {greatest:g}; {white:g} is taken for white, and they are brought to 8 bits by it."
    )


def to_8_bits(image: np.ndarray, white: float) -> np.ndarray:
    """An image of any depth, of which `white` is white, as uint8."""
    if image.dtype == np.uint16 and white == np.iinfo(np.uint16).max:
        return (image >> 8).astype(np.uint8)  # as OpenCV does
    return np.asarray(np.rint(np.clip(image.astype(np.float32) * np.float32(255 / white), 0, 255)), np.uint8)


class ImageFolder:
    """Frames in image files, in the order given.

    Those of more than 8 bits are brought to 8 by one scale, that of the depth which holds the greatest value of all of them.
    """

    fps = 24.0

    def __init__(self, files: Sequence[Path], notes: Sequence[str] = ()) -> None:
        self.files = tuple(files)
        self._notes = list(notes)
        self._depth = ""

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.between(0, None)

    def between(self, start: int, stop: int | None) -> Iterator[np.ndarray]:
        """The frames from `start` to before `stop`."""
        shape: tuple[int, ...] | None = None
        for file in self.files[start:stop]:
            frame = self._frame(file)
            if shape is not None and frame.shape != shape:
                raise InputError(
                    f"{file} is {frame.shape[1]}x{frame.shape[0]}, but {self.files[start].name} is {shape[1]}x{shape[0]}; "
                    "all frames of a clip must have one size. Resize it, or move it elsewhere."
                )
            shape = frame.shape
            yield frame

    def count(self) -> int:
        """How many frames there are."""
        return len(self.files)

    def names(self) -> list[str]:
        """What the frames are called."""
        return names_of(self.files)

    def notes(self) -> list[str]:
        """What a user should know of how frames were read, once they are."""
        return [*self._notes, self._depth] if self._depth else self._notes

    def fingerprint(self) -> str:
        """A text that changes when any frame does."""
        return files_fingerprint(self.files)

    def _frame(self, file: Path) -> np.ndarray:
        image, told = read_deep(file)
        if is_plain(image, told):
            return image
        if told is None:
            told, self._depth = _white_of_files(self.files, tuple(f.stat().st_mtime_ns for f in self.files))
        else:
            self._depth = f"Frames say that {told:g} is white, and are brought to 8 bits by it."
        return to_8_bits(image, told)


def files_fingerprint(files: Sequence[Path]) -> str:
    """Hash of the files' contents, in their order."""
    digest = hashlib.blake2b(digest_size=16)
    for file in files:
        refuse_pipe(file)
        try:
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as error:
            raise InputError(f"{file} can't be read ({error.strerror}).") from None
    return digest.hexdigest()
