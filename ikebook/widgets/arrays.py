"""Arrays as the browser takes them, and colours for them."""

from __future__ import annotations

import difflib
import math
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
from matplotlib import colormaps

from ikebook.base.check import InputError, require
from ikebook.base.files import OVERLAY_COLOUR

RAW_BYTES = 1 << 20
"""Videos up to this size are sent as they are, larger ones compressed: frames as JPEG, maps without loss."""

JPEG_QUALITY = 92

PICTURES, DEFLATED = b"IKEJ", b"IKEZ"
"""How compressed videos begin: pictures, as their number, their sizes (uint32, little-endian) and themselves; a zlib stream."""


def pack(array: np.ndarray) -> bytes:
    """A video, (m, h, w, 3) or (m, h, w) uint8, as the browser takes it: as it is, or compressed if large.

    Frames are then JPEG, one picture each; maps are deflated, without loss, if that makes them smaller.
    """
    require(array.dtype == np.uint8, f"the video is {array.dtype}; expected uint8.")
    raw = np.ascontiguousarray(array).tobytes()
    if len(raw) <= RAW_BYTES:
        return raw
    if array.ndim == 4:
        quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
        # OpenCV counts colours backwards.
        pictures = [cv2.imencode(".jpg", frame[..., ::-1], quality)[1].tobytes() for frame in array]
        head = struct.pack(f"<{1 + len(pictures)}I", len(pictures), *map(len, pictures))
        packed = b"".join([PICTURES, head, *pictures])
    else:
        packed = DEFLATED + zlib.compress(raw, 6)
    return packed if len(packed) < len(raw) else raw


def quantise(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Real values (...) as uint8: 0 at `low` and below, 255 at `high` and above, NaN as 0."""
    scaled = (np.nan_to_num(np.asarray(values, np.float32), nan=low) - low) * (255 / (high - low))
    return np.rint(scaled.clip(0, 255)).astype(np.uint8)


@cache
def colour_table(name: str) -> bytes:
    """256 colours as bytes: "object" (transparent to red), "signed" (blue, white, red), or a table of matplotlib's.

    >>> len(colour_table("viridis")), len(colour_table("object"))
    (768, 1024)
    """
    if name == "object":
        table = np.empty((256, 4), np.uint8)
        table[:, :3] = OVERLAY_COLOUR
        table[:, 3] = np.arange(256)
        return table.tobytes()
    name = {"signed": "RdBu_r", "grey": "gray"}.get(name, name)
    if name not in colormaps:
        near = difflib.get_close_matches(name, list(colormaps), 1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InputError(f"colours is {name!r}; expected 'object', 'signed', or a name of matplotlib's.{hint}")
    return np.ascontiguousarray((colormaps[name](np.arange(256) / 255)[:, :3] * 255).round().astype(np.uint8)).tobytes()


def known(what: str, options: Mapping[str, Any], allowed: Iterable[str], needed: Iterable[str] = ()) -> None:
    """Raise `InputError`, with the name that was probably meant, if there is an option that is not among those allowed."""
    allowed = sorted(allowed)
    for name in options:
        near = difflib.get_close_matches(name, allowed, 1)
        hint = f"Did you mean {near[0]!r}?" if near else f"There are {', '.join(allowed)}."
        require(name in allowed, f"{what} has no option {name!r}. {hint}")
    missing = sorted(set(needed) - set(options))
    require(not missing, f"{what} has no {', '.join(missing)}; expected at least {', '.join(sorted(needed))}.")


def plain(values: Iterable[Any]) -> list[Any]:
    """Numbers of NumPy or torch as Python's, which JSON can hold; all else as it is."""
    return [value.item() if hasattr(value, "item") else value for value in values]


def finite(values: Iterable[Any]) -> list[float | None]:
    """Numbers as Python's, and None for those that JSON has no word for: NaN and infinities."""
    return [None if value is None or not math.isfinite(value) else float(value) for value in values]


def value_range(values: Sequence[np.ndarray], given: tuple[float, float] | None = None) -> tuple[float, float]:
    """The values that the first and the last colour stand for: those given, or 0 and 1, or what there is, about 0 if signed.

    Raises
    ------
    InputError
        If there are values that are NaN or infinite.
    """
    for array in values:
        finite = bool(np.isfinite(array).all())
        require(finite, "maps or compare has values that are NaN or infinite; replace them, with 0 say.")
    if given is not None:
        return float(given[0]), float(given[1])
    low = min(float(array.min()) for array in values)
    high = max(float(array.max()) for array in values)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low < 0:
        return -max(-low, high), max(-low, high)
    return low, high if high > low else low + 1
