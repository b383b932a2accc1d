"""What the boxes of an MP4 or MOV say that OpenCV does not: how its picture is turned or mirrored, and whether all of it is there.

A box is its length (4 bytes, big-endian), its name (4 bytes), and its content, often boxes again (ISO/IEC 14496-12).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

LARGEST_INDEX = 1 << 28
"""Bytes of an index (the box moov) that are looked at, at most."""

MOST_BOXES = 10_000

Matrix = tuple[int, int, int, int]
"""Signs a, b, c, d: a point (x, y) of the stored picture is shown at (a x + c y, b x + d y), and moved back into the frame."""

UPRIGHT: Matrix = (1, 0, 0, 1)


def is_cut_short(path: Path) -> bool:
    """Whether the last of an MP4's boxes ends after its file does; False for what is no MP4."""
    place, size = 0, path.stat().st_size
    with path.open("rb") as stream:
        for _ in range(MOST_BOXES):
            if place + 8 > size:
                break
            name, length, _ = _box(stream, place, size)
            if place == 0 and name != b"ftyp":
                return False
            place += length
    return place > size


def has_index(path: Path) -> bool | None:
    """Whether an MP4 has its index, without which nothing can be read; None for what is no MP4."""
    with path.open("rb") as stream:
        if stream.read(8)[4:] != b"ftyp":
            return None
    return _index(path) is not None


def display_matrix(path: Path) -> Matrix:
    """How the first picture track of an MP4 is to be turned and mirrored; `UPRIGHT` for what is no MP4, or says nothing."""
    index = _index(path)
    if index is None:
        return UPRIGHT
    movie, track = np.eye(2), None
    for name, content in boxes(index):
        if name == b"mvhd":
            movie = _matrix(content, 36)
        if name == b"trak" and track is None and _is_picture(content):
            head = next((inner for kind, inner in boxes(content) if kind == b"tkhd"), b"")
            track = _matrix(head, 40)
    if track is None:
        return UPRIGHT
    (a, b), (c, d) = np.sign(np.rint(track @ movie)).astype(int).tolist()
    quarter = (abs(a), abs(b), abs(c), abs(d)) in ((1, 0, 0, 1), (0, 1, 1, 0))
    return (a, b, c, d) if quarter else UPRIGHT


def is_mirrored(matrix: Matrix) -> bool:
    """Whether a matrix shows left for right."""
    a, b, c, d = matrix
    return a * d - b * c < 0


def show(frame: np.ndarray, matrix: Matrix) -> np.ndarray:
    """A stored frame (h, w, ...) as it is to be seen.

    >>> show(np.array([[1, 2], [3, 4]]), (-1, 0, 0, 1)).tolist()
    [[2, 1], [4, 3]]
    """
    a, b, c, d = matrix
    if a == 0:  # x goes down, y goes right
        frame, a, d = frame.swapaxes(0, 1), c, b
    return np.ascontiguousarray(frame[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of the boxes in a box, as far as they are whole."""
    place = 0
    for _ in range(MOST_BOXES):
        length, head = int.from_bytes(content[place : place + 4], "big"), 8
        if length == 1:
            length, head = int.from_bytes(content[place + 8 : place + 16], "big"), 16
        if length == 0:
            length = len(content) - place
        if length < head or place + length > len(content):
            return
        yield content[place + 4 : place + 8], content[place + head : place + length]
        place += length


def _box(stream: BinaryIO, place: int, size: int) -> tuple[bytes, int, int]:
    """Name, length and length of the head of the box at a place in a file."""
    stream.seek(place)
    start = stream.read(16)
    length, head = int.from_bytes(start[:4], "big"), 8
    if length == 1:
        length, head = int.from_bytes(start[8:], "big"), 16
    return start[4:8], size - place if length == 0 else max(8, length), head


def _index(path: Path) -> bytes | None:
    """The content of an MP4's index."""
    place, size = 0, path.stat().st_size
    with path.open("rb") as stream:
        for _ in range(MOST_BOXES):
            if place + 8 > size:
                return None
            name, length, head = _box(stream, place, size)
            if place == 0 and name not in (b"ftyp", b"moov", b"wide", b"mdat", b"free"):
                return None
            if name == b"moov":
                stream.seek(place + head)
                return stream.read(min(length - head, LARGEST_INDEX))
            place += length
    return None


def _is_picture(track: bytes) -> bool:
    """Whether a track holds pictures, as its handler says."""
    media = next((inner for name, inner in boxes(track) if name == b"mdia"), b"")
    handler = next((inner for name, inner in boxes(media) if name == b"hdlr"), b"")
    return handler[8:12] == b"vide"


def _matrix(head: bytes, place: int) -> np.ndarray:
    """The matrix ((a, b), (c, d)) in a head of version 0 or 1, whose times are longer; that of an upright picture where it is cut."""
    place += 12 if head[:1] == b"\1" else 0
    values = head[place : place + 36]
    if len(values) < 36:
        return np.eye(2)
    a, b, _, c, d = np.frombuffer(values[:20], ">i4") / 65536
    return np.array([[a, b], [c, d]])
