"""YOLO: a data set for segmentation, with a text file of polygons for each frame."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from scipy.spatial import cKDTree

from ikebook.base.files import atomic, write_text
from ikebook.exports.saved import SavedResult

QUALITY = 95
"""Of the frames' JPEGs, of 100."""


def polygon_of(mask: np.ndarray) -> np.ndarray | None:
    """One polygon (n, 2) of pixels x, y around a mask (h, w) bool; None where there is none.

    A line of a YOLO file is one polygon, and so one object. Parts of it are joined by lines there and back between the points that are
    nearest to each other, and holes are filled, as Ultralytics does when it converts COCO's masks.
    """
    found, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    outlines = [outline[:, 0] for outline in found if len(outline) >= 3]
    if not outlines:
        return None
    outlines.sort(key=len, reverse=True)
    joined = outlines[0]
    for outline in outlines[1:]:
        distances, nearest = cKDTree(joined).query(outline)
        begin = int(np.argmin(distances))
        at = int(nearest[begin])
        around = np.concatenate([outline[begin:], outline[: begin + 1]])  # closed: it ends where it began
        joined = np.concatenate([joined[: at + 1], around, joined[at:]])
    return np.asarray(joined)


def write_yolo(saved: SavedResult, place: Path) -> list[str]:
    """Write `yolo/data.yaml`, `yolo/labels/train/<frame>.txt` and, where the video is there, `yolo/images/train/<frame>.jpg`."""
    folder = place / "yolo"
    for name, mask in zip(saved.names, saved.masks(), strict=True):
        polygon = polygon_of(mask)
        line = "" if polygon is None else " ".join(["0", *(f"{value:.6f}" for value in (polygon / saved.size).ravel())])
        write_text(folder / "labels" / "train" / f"{name}.txt", line and f"{line}\n")
    names = f"train: images/train\nval: images/train\nnames:\n  0: {json.dumps(saved.label, ensure_ascii=False)}\n"
    write_text(
        folder / "data.yaml", names
    )  # a JSON text is a YAML one, too; without `path` folders are beside the file
    if saved.video is None:
        return ["yolo: the video is not there, so yolo/images/train/ is left to you; or name it with --frames."]
    for name, frame in zip(saved.names, saved.frames(), strict=True):
        _, data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        with atomic(folder / "images" / "train" / f"{name}.jpg") as temporary:
            temporary.write_bytes(data.tobytes())
    return []
