"""The frame that a canvas shows, as a picture: what a notebook keeps of it."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import cv2
import numpy as np

from ikebook.widgets.arrays import DEFLATED, PICTURES
from ikebook.widgets.canvas_traits import CanvasTraits


def picture_of(canvas: CanvasTraits) -> np.ndarray | None:
    """A canvas's frame with its map over it, RGBA uint8; None without either."""
    m, h, w = canvas.shape
    frames, maps = (_unpack(data, canvas.frame, m, h, w) for data in (canvas.frames, canvas.maps))
    if frames is None and maps is None:
        return None
    shown = np.zeros((h, w, 3)) if frames is None else frames.reshape(h, w, 3).astype(float)
    if maps is not None:
        table = np.frombuffer(canvas.colours, np.uint8).reshape(256, -1).astype(float)
        colour = table[maps.reshape(h, w)]
        opacity = canvas.opacity if frames is not None else 1.0
        alpha = opacity * (colour[..., 3:] / 255 if colour.shape[-1] == 4 else np.ones((h, w, 1)))
        shown += alpha * (colour[..., :3] - shown)
    return np.dstack([shown.clip(0, 255).astype(np.uint8), np.full((h, w), 255, np.uint8)])


def png(picture: np.ndarray) -> bytes | None:
    """An RGBA picture as a PNG file; None if it can't be one."""
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA))
    return data.tobytes() if done else None


def with_still(bundle: Any, text: str, picture: bytes | None) -> Any:
    """What a notebook keeps of a widget, with a text and a picture for where none can be shown; the text would be cut short by ipywidgets."""
    for part in bundle if isinstance(bundle, tuple) else (bundle,):
        if part and "text/plain" in part:
            part["text/plain"] = text
            if picture is not None:
                part["image/png"] = picture
    return bundle


def _unpack(data: bytes, frame: int, m: int, h: int, w: int) -> np.ndarray | None:
    """A frame of what `arrays.pack` has made, uint8; None if there is nothing."""
    if not data:
        return None
    if data[:4] == PICTURES:
        (count,) = struct.unpack_from("<I", data, 4)
        sizes = struct.unpack_from(f"<{count}I", data, 8)
        begin = 8 + 4 * count + sum(sizes[:frame])
        jpeg = np.frombuffer(data[begin : begin + sizes[frame]], np.uint8)
        decoded = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        return None if decoded is None else decoded[..., ::-1]
    raw = zlib.decompress(data[4:]) if data[:4] == DEFLATED else data
    return np.frombuffer(raw, np.uint8).reshape(m, h, w, -1)[frame]
