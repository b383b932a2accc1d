"""Toys as files: folders of frames, and data sets in DAVIS 2016's official layout."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ikebook.base.written import LISTS
from ikebook.datasets.toys import toy


def write_image(path, image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = image[..., ::-1] if image.ndim == 3 else image
    path.write_bytes(cv2.imencode(path.suffix, np.ascontiguousarray(stored))[1].tobytes())


def read_grey(path) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)


def write_frames(folder, frames, names=None, suffix=".png") -> Path:
    for index, frame in enumerate(frames):
        write_image(folder / f"{names[index] if names else f'{index:05d}'}{suffix}", frame)
    return folder


def write_davis(root, sequences, size=(48, 32), frames=5) -> Path:
    """A data set of toys, one sequence for each of their names."""
    for name in sequences:
        made = toy(name, size, frames)
        write_frames(root / "JPEGImages" / "480p" / name, made.clip.frames, suffix=".jpg")
        write_frames(root / "Annotations" / "480p" / name, made.clip.masks.astype(np.uint8) * 255)
    return root


def tree(folder) -> set[str]:
    """All files below a folder, hidden ones too, but for lists of what ikebook has written."""
    files = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    return {path.as_posix() for path in files if LISTS not in path.parts}
