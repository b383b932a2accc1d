"""A still of a widget: what a notebook shows of it where no widget lives, as on a code host."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Any

import cv2
import ipywidgets
import numpy as np

from ikebook.widgets.arrays import DEFLATED, PICTURES
from ikebook.widgets.canvas import VideoCanvas

MOST = 3
"""Canvases beside each other."""

GAP = 8
"""Pixels between them."""


def still(widget: Any) -> bytes | None:
    """The canvases that a widget shows, at their frames, in one PNG picture; None if it has none with a picture."""
    found = [picture for canvas in _canvases(widget) if (picture := picture_of(canvas)) is not None][:MOST]
    if not found:
        return None
    height = max(picture.shape[0] for picture in found)
    padded = [np.pad(one, ((0, height - len(one)), (0, GAP), (0, 0))) for one in found]
    done, data = cv2.imencode(".png", cv2.cvtColor(np.hstack(padded)[:, :-GAP], cv2.COLOR_RGBA2BGRA))
    return data.tobytes() if done else None


def picture_of(canvas: VideoCanvas) -> np.ndarray | None:
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


def _canvases(widget: Any) -> Iterator[VideoCanvas]:
    layout = getattr(widget, "layout", None)
    if layout is not None and (layout.display == "none" or layout.visibility == "hidden"):
        return
    if isinstance(widget, VideoCanvas):
        if widget.parts != "bar":
            yield widget
    elif isinstance(widget, ipywidgets.Box):
        for child in widget.children:
            yield from _canvases(child)


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
