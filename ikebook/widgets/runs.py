"""What is painted, as runs of equal bytes: a stroke in 400 frames is a few kilobytes in place of 37 MB, which no server lets through.

Each run is five bytes: the value, and how often it stands, as little-endian uint32. See browser/runs.js.
"""

from __future__ import annotations

from typing import Any

import numpy as np

RUN = np.dtype([("value", "u1"), ("count", "<u4")])


def painted_to_json(data: bytes, widget: Any) -> bytes:
    """What a message has of a painting: runs, or the bytes as they are where these are no more."""
    values = np.frombuffer(data, np.uint8)
    begins = np.append(0, np.flatnonzero(values[1:] != values[:-1]) + 1) if len(values) else np.zeros(0, int)
    if len(begins) * RUN.itemsize >= len(data):
        return data
    runs = np.zeros(len(begins), RUN)
    runs["value"], runs["count"] = values[begins], np.diff(begins, append=len(values))
    packed = runs.tobytes()
    return packed + bytes(RUN.itemsize) if len(packed) in _sizes(widget) else packed  # no length may have two meanings


def painted_from_json(value: Any, widget: Any) -> bytes:
    """The painting that the page has sent; what is none stays as it is, and is refused by its length."""
    data = bytes(value)
    if len(data) in _sizes(widget) or len(data) % RUN.itemsize:
        return data
    runs = np.frombuffer(data, RUN)
    if int(runs["count"].sum(dtype=np.uint64)) not in _sizes(widget):
        return data
    return np.repeat(runs["value"], runs["count"]).tobytes()


def _sizes(widget: Any) -> tuple[int, int, int]:
    """Bytes of nothing, of a painting for all frames in one, and of one for each."""
    m, h, w = widget.shape
    return 0, h * w, m * h * w
