"""Writing results: masks, soft masks, overlay videos. A run that is stopped half-way leaves no half-written file."""

from __future__ import annotations

import csv
import errno
import json
import math
import numbers
import os
import re
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ikebook.base import check, pyav
from ikebook.base.check import InputError, readable, require

TEMPORARY = re.compile(r"\.ikebook-[^/]{0,40}-[a-z0-9_]{8}\.\w+")
"""What `atomic` calls files that are not yet whole: nobody else calls a file so."""

_HOOK: ContextVar[tuple[Path, Callable[[Path, Path], None]] | None] = ContextVar("hook", default=None)
"""Who is asked before a file below a folder gets its name; see `before_each`."""

OVERLAY_COLOUR = (255, 60, 40)
"""RGB of the object in overlays."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; it becomes `path` when the block ends well and all of it is there."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Part of the stem only: a name that just fits the file system's limit leaves no room for more.
        handle, name = tempfile.mkstemp(prefix=f".ikebook-{path.stem[:40]}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path} can't be written ({error.strerror}); choose another place.") from None
    temporary = Path(name)
    try:
        yield temporary
        if not is_whole(temporary):  # not all who write say when there is no room
            raise OSError(errno.EIO, "not all of it could be written", str(path))
        temporary.chmod(0o666 & ~_umask())
        asked = _HOOK.get()
        if asked is not None and path.is_relative_to(asked[0]):
            asked[1](temporary, path)
        try:
            temporary.replace(path)
        except OSError as error:
            raise InputError(f"{path} can't be written ({error.strerror}); choose another place.") from None
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def before_each(folder: Path, hook: Callable[[Path, Path], None]) -> Iterator[None]:
    """Have `hook` see each file that is written below a folder, whole but for its name, and that name; it may raise.

    Within the block of another one, only the inner one is asked.
    """
    token = _HOOK.set((folder, hook))
    try:
        yield
    finally:
        _HOOK.reset(token)


def is_whole(path: Path) -> bool:
    """Whether a file has the beginning and the end that its suffix promises; true of kinds that have none."""
    if path.suffix in (".npz", ".pt"):
        return zipfile.is_zipfile(path)
    if path.suffix == ".mp4":
        return _has_all_boxes(path)
    if path.suffix == ".webm":
        return _has_whole_segment(path)
    if path.suffix == ".png":
        content = path.read_bytes()
        return content.startswith(b"\x89PNG\r\n\x1a\n") and content.endswith(b"IEND\xaeB`\x82")
    if path.suffix == ".json":
        try:
            json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            return False
    return True


def _has_all_boxes(path: Path) -> bool:
    """Whether an MP4 has its index and its frames, and the last of its boxes ends where the file does."""
    place, size, names = 0, path.stat().st_size, set()
    with path.open("rb") as stream:
        while place + 8 <= size:
            stream.seek(place)
            head = stream.read(16)  # length and name, 4 bytes each; a length of 1: in the 8 bytes that follow
            length = int.from_bytes(head[:4], "big")
            names.add(head[4:8])
            place += max(8, int.from_bytes(head[8:], "big") if length == 1 else length)
    return place == size and {b"moov", b"mdat"} <= names


def _has_whole_segment(path: Path) -> bool:
    """Whether a WebM has a head, and its segment the length that is written there in the end, up to the end of the file."""
    content = path.read_bytes()[:4096]
    if content[:4] != b"\x1a\x45\xdf\xa3" or len(content) < 5:
        return False
    length, begin = _ebml_size(content, 4)
    segment = begin + (length or 0)
    if content[segment : segment + 4] != b"\x18\x53\x80\x67":
        return False
    length, begin = _ebml_size(content, segment + 4)
    return length is not None and begin + length == path.stat().st_size


def _ebml_size(content: bytes, place: int) -> tuple[int | None, int]:
    """The length of an element of EBML, None where it is left open, and where its content begins (RFC 8794, Sec. 4)."""
    if place >= len(content) or content[place] == 0:
        return None, place
    width = 9 - content[place].bit_length()
    value = int.from_bytes(content[place : place + width], "big") - (1 << 7 * width)
    return (None if value == (1 << 7 * width) - 1 else value), place + width


def count_frames(path: Path) -> int:
    """How many frames of a video can be decoded."""
    count = 0
    with openable(path) as name:
        capture = cv2.VideoCapture(name)
        while capture.grab():
            count += 1
        capture.release()
    return count


@contextmanager
def openable(path: Path) -> Iterator[str]:
    """What OpenCV and PyAV can open a file by: its path, or a link to it, where that has bytes that are no UTF-8, at which they crash."""
    name = str(
        path.absolute()
    )  # FFmpeg takes what stands before a colon for a protocol, unless the path begins with a slash
    if readable(name) == name:
        yield name
        return
    with tempfile.TemporaryDirectory(prefix="ikebook-") as folder:
        link = Path(folder, f"video{path.suffix.encode('ascii', 'ignore').decode()}")
        link.symlink_to(name)
        yield str(link)


def fsync_folder(folder: Path, *files: Path) -> None:
    """Wait until files, or all those right in a folder, are on the disk, and so is the folder: a crash can't take them back."""
    if not folder.is_dir():
        return
    for place in (*(files or (file for file in folder.iterdir() if file.is_file())), folder):
        with suppress(PermissionError):  # Windows opens no folder
            handle = os.open(place, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def remove_temporaries(folder: Path) -> None:
    """Remove what `atomic` was writing to in a folder when the program was killed. Nobody else may be writing there."""
    for file in folder.glob(".*"):
        if TEMPORARY.fullmatch(file.name):
            file.unlink(missing_ok=True)


def plain(content: Any) -> Any:
    """`content` in plain Python numbers, with None for NaN and infinities, which JSON has no word for."""
    if isinstance(content, Mapping):
        return {key: plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [plain(value) for value in content]
    if isinstance(content, bool) or not isinstance(content, numbers.Real):
        return content
    if isinstance(content, numbers.Integral):
        return int(content)
    return float(content) if math.isfinite(content) else None


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as JSON."""
    write_text(path, json.dumps(plain(content), indent=2, allow_nan=False) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, all with the first row's columns, as CSV."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(
            {key: readable(value) if isinstance(value, str) else value for key, value in row.items()} for row in rows
        )


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write a binary mask (h, w) bool as PNG, 0 and 255."""
    check.shape("mask", mask, ("h", "w"))
    require(mask.dtype == bool, f"mask is {mask.dtype}; expected bool (values > 127, say).")
    write_png(path, mask.astype(np.uint8) * np.uint8(255))


def write_soft(path: Path, soft: np.ndarray) -> None:
    """Write a soft mask (h, w) in [0, 1] as 8-bit PNG."""
    check.shape("soft", soft, ("h", "w"))
    write_png(path, np.rint(np.clip(soft, 0, 1) * 255).astype(np.uint8))


def overlay(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Tint the object in an RGB frame (h, w, 3) uint8 by a mask (h, w) bool, and draw its outline."""
    tinted = frame.copy()
    tinted[mask] = (0.5 * frame[mask] + 0.5 * np.array(OVERLAY_COLOUR)).astype(np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(tinted, outlines, -1, (255, 255, 255), 1))


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    fps: float,
    *,
    seconds: Iterable[float] | None = None,
    sound: tuple[Path, float, float] | None = None,
) -> None:
    """Write RGB frames (h, w, 3) uint8 of one size as a video, by the path's suffix.

    VP9 in WebM, which every browser plays, or MPEG-4 part 2 in MP4, which none does: what OpenCV's wheels can write. With `seconds`,
    when each frame is shown, and with `sound`, it is PyAV that writes, and H.264 in MP4 (see `ikebook.base.pyav.encode`). Odd sides get
    one more row or column, a copy of the last: codecs want even ones.
    """
    with atomic(path) as temporary, openable(temporary) as name:
        if seconds is None:
            count = _write_by_opencv(path, name, frames, fps)
        else:
            try:
                count = pyav.encode(Path(name), frames, seconds, rate=fps, sound=sound)
            except pyav.EncodingError as error:
                raise OSError(error.errno, f"not all of it could be written ({error.strerror})", str(path)) from None
        require(count > 0, f"{path} can't be written: there is no frame.")
        if count_frames(temporary) != count:  # OpenCV does not say when the disk is full
            raise OSError(errno.EIO, "not all of it could be written", str(path))


def _write_by_opencv(path: Path, name: str, frames: Iterable[np.ndarray], fps: float) -> int:
    """Write a video's frames to where it is made; gives their number."""
    # MPEG-4 keeps the rate as a fraction of whole numbers below 2^16.
    rate = round(fps, 3 if fps < 65 else 2 if fps < 650 else 0)
    code = cv2.VideoWriter.fourcc(*("VP90" if path.suffix == ".webm" else "mp4v"))
    writer: cv2.VideoWriter | None = None
    count = 0
    try:
        for count, frame in enumerate(frames, 1):  # noqa: B007  # counted to the end
            height, width = frame.shape[:2]
            even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            if writer is None:
                with _without_chatter():
                    writer = cv2.VideoWriter(name, code, rate, (even.shape[1], even.shape[0]))
                require(writer.isOpened(), f"{path} can't be written: this OpenCV has no writer for {path.suffix}.")
            writer.write(cv2.cvtColor(even, cv2.COLOR_RGB2BGR))
    finally:
        if writer is not None:
            writer.release()
    return count


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Keep what C libraries write to stderr from it: OpenCV has a line on each WebM, of a tag that WebM has no place for."""
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)


def write_text(path: Path, text: str) -> None:
    """Write a text in UTF-8; see `readable` for names in it that are none."""
    with atomic(path) as temporary:
        temporary.write_text(readable(text), encoding="utf-8")


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image (h, w) or (h, w, 3 or 4), BGR or BGRA, of uint8 or uint16, as PNG."""
    _, data = cv2.imencode(".png", image)
    with atomic(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
