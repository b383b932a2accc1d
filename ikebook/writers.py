"""Writing results: masks, soft masks, overlay videos. A run that is stopped half-way leaves no half-written file."""

from __future__ import annotations

import csv
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ikebook import check
from ikebook.check import InputError, require

OVERLAY_COLOUR = (255, 60, 40)
"""RGB of the object in overlays."""


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path` to write to; it becomes `path` only when the block ends well."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path} can't be written ({error.strerror}); choose another place.") from None
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def plain(content: Any) -> Any:
    """`content` with None in place of NaN and infinities, which JSON has no word for."""
    if isinstance(content, Mapping):
        return {key: plain(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [plain(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write `content` as JSON."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(plain(content), indent=2, allow_nan=False) + "\n", encoding="utf-8")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows, all with the first row's columns, as CSV."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        table = csv.DictWriter(stream, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def write_mask(path: Path, mask: np.ndarray) -> None:
    """Write a binary mask (h, w) bool as PNG, 0 and 255."""
    check.shape("mask", mask, ("h", "w"))
    _write_png(path, mask.astype(np.uint8) * np.uint8(255))


def write_soft(path: Path, soft: np.ndarray) -> None:
    """Write a soft mask (h, w) in [0, 1] as 8-bit PNG."""
    check.shape("soft", soft, ("h", "w"))
    _write_png(path, np.rint(np.clip(soft, 0, 1) * 255).astype(np.uint8))


def overlay(frame: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Tint the object in an RGB frame (h, w, 3) uint8 by a mask (h, w) bool, and draw its outline."""
    tinted = frame.copy()
    tinted[mask] = (0.5 * frame[mask] + 0.5 * np.array(OVERLAY_COLOUR)).astype(np.uint8)
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(tinted, outlines, -1, (255, 255, 255), 1))


def write_video(path: Path, frames: Iterable[np.ndarray], fps: float) -> None:
    """Write RGB frames (h, w, 3) uint8 of one size as MP4 (MPEG-4 part 2, what OpenCV's wheels can write)."""
    with atomic(path) as temporary:
        writer: cv2.VideoWriter | None = None
        try:
            for frame in frames:
                height, width = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2  # the codec wants even sides
                if writer is None:
                    code = cv2.VideoWriter.fourcc(*"mp4v")
                    writer = cv2.VideoWriter(str(temporary), code, fps, (width, height))
                    require(writer.isOpened(), f"{path} can't be written: this OpenCV has no MP4 writer.")
                writer.write(cv2.cvtColor(np.ascontiguousarray(frame[:height, :width]), cv2.COLOR_RGB2BGR))
        finally:
            if writer is not None:
                writer.release()


def _write_png(path: Path, image: np.ndarray) -> None:
    _, data = cv2.imencode(".png", image)
    with atomic(path) as temporary:
        temporary.write_bytes(data.tobytes())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
